use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::sync::Arc;

use wainwright_blob::{Content, Deflated, Entry, Span};
use wainwright_oci::{Digest, ImagePath, one_below_another};
use wainwright_python::{PackageName, WheelFilename};
use wainwright_wheel::{FileContent, InstalledFile, Layout, Wheel};

use crate::Error;
use crate::layout::directories;

/// The paths that packages lose in file conflicts, by package: their layers omit them.
pub type ConflictLosers = BTreeMap<PackageName, BTreeSet<ImagePath>>;

/// What a wheel puts into an image, without what had to be read to know it.
#[derive(Debug)]
pub struct InstalledWheel {
    filename: WheelFilename,
    file: Arc<File>,
    files: Vec<InstalledFile>,
    empty_directories: Vec<ImagePath>,
}

impl InstalledWheel {
    /// Installs a wheel, but for the files it loses.
    pub fn new(wheel: &Wheel, layout: &Layout, lost: &ConflictLosers) -> Result<Self, Error> {
        Ok(Self {
            filename: wheel.filename().clone(),
            file: wheel.file().clone(),
            files: installed(wheel, layout, lost.get(&wheel.metadata().name))?,
            empty_directories: wheel.empty_directories(layout)?,
        })
    }

    /// Its files, sorted by path.
    pub fn files(&self) -> &[InstalledFile] {
        &self.files
    }

    /// The file of the wheel, where most contents stand.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }
}

/// The entries of a layer that holds the given wheels.
///
/// A path that two wheels own with equal contents is there once; with different contents it is refused.
pub fn wheel_entries(wheels: Vec<InstalledWheel>, layout: &Layout) -> Result<Vec<Entry>, Error> {
    let mut files: Vec<(Entry, usize)> = Vec::new();
    let (mut filenames, mut empty_directories) = (Vec::new(), Vec::new());
    for (index, mut wheel) in wheels.into_iter().enumerate() {
        files.extend(wheel.files.into_iter().map(|file| (entry(&wheel.file, file), index)));
        filenames.push(wheel.filename);
        empty_directories.append(&mut wheel.empty_directories);
    }
    // Stable: of those with one path, the first wheel's comes first.
    files.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
    let mut clashes = Vec::new();
    files.dedup_by(|(entry, index), (other, owner)| {
        let is_one = other.path == entry.path;
        if is_one && (digest(other).is_none() || digest(other) != digest(entry) || other.mode != entry.mode) {
            clashes.push((entry.path.clone(), *owner, *index));
        }
        is_one
    });
    let more = clashes.len().saturating_sub(1);
    if let Some((path, first, second)) = clashes.into_iter().next() {
        let [first, second] = [first, second].map(|index| filenames[index].to_string());
        return Err(Error::Clash { path, first, second, more });
    }
    // The folder of one wheel would take the place of the file of another.
    if let Some((above, below)) = one_below_another(files.iter().map(|(entry, _)| entry.path.as_bytes())) {
        let owner = |path: &[u8]| {
            let owner = files.iter().find(|(entry, _)| entry.path.as_bytes() == path);
            owner.map_or_else(String::new, |(_, owner)| filenames[*owner].to_string())
        };
        let path = ImagePath::new(above).map_err(|source| Error::Path { source })?;
        return Err(Error::ClashOfKinds { path, file: owner(above), folder: owner(below) });
    }
    let lib = Lib64::of(layout)?;
    let mut folders = directories(files.iter().map(|(entry, _)| &entry.path));
    for folder in empty_directories {
        let folder = lib.landing(&folder)?.unwrap_or(folder);
        folders.append(&mut directories([&folder]));
        folders.insert(folder);
    }
    // What lies above the environment belongs to the layer that makes the environment.
    folders.retain(|folder| folder.starts_with(&layout.prefix));
    // In the memory of the list: it may be long.
    let mut entries: Vec<Entry> = files.into_iter().map(|(entry, _)| entry).collect();
    entries.extend(folders.into_iter().map(Entry::directory));
    Ok(entries)
}

/// Which member of a wheel each of its installed files comes from; `None` for those that installing makes.
pub fn wheel_origins<'a>(
    wheel: &'a Wheel,
    installed: &'a InstalledWheel,
) -> impl Iterator<Item = (&'a ImagePath, Option<&'a str>)> {
    let members: HashMap<u64, &str> = wheel.members().collect();
    let origin = move |content: &FileContent| members.get(&content.offset()?).copied();
    installed.files.iter().map(move |file| (&file.path, origin(&file.content)))
}

/// The files of an installed wheel, but for those it loses.
fn installed(
    wheel: &Wheel,
    layout: &Layout,
    lost: Option<&BTreeSet<ImagePath>>,
) -> Result<Vec<InstalledFile>, Error> {
    let lib = Lib64::of(layout)?;
    let is_lost = |path: &ImagePath| {
        lost.is_some_and(|lost| {
            lib.landing(path).is_ok_and(|landing| lost.contains(landing.as_ref().unwrap_or(path)))
        })
    };
    let mut files = wheel.install_except(layout, &is_lost)?;
    let mut is_sorted = true;
    for file in &mut files {
        if let Some(landing) = lib.landing(&file.path)? {
            file.path = landing;
            is_sorted = false;
        }
    }
    if !is_sorted {
        files.sort_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(files)
}

/// The `lib64` of an environment, which is a link to its `lib`: what a wheel puts there belongs into `lib`, or its folder
/// would take the place of the link.
struct Lib64<'a> {
    layout: &'a Layout,
    lib64: ImagePath,
}

impl<'a> Lib64<'a> {
    fn of(layout: &'a Layout) -> Result<Self, Error> {
        let lib64 = layout.prefix.join("lib64").map_err(|source| Error::Path { source })?;
        Ok(Self { layout, lib64 })
    }

    /// Where a path ends up, if that is elsewhere.
    fn landing(&self, path: &ImagePath) -> Result<Option<ImagePath>, Error> {
        if !path.starts_with(&self.lib64) {
            return Ok(None);
        }
        let below = &path.as_bytes()[self.lib64.as_bytes().len()..];
        let landing = self.layout.prefix.join([b"lib", below].concat());
        Ok(Some(landing.map_err(|source| Error::Path { source })?))
    }
}

/// An installed file as an entry whose bytes stay where they are in the wheel.
fn entry(wheel: &Arc<File>, file: InstalledFile) -> Entry {
    let span = |offset, length| Span { file: wheel.clone(), offset, length };
    let content = match file.content {
        FileContent::Deflated { offset, compressed_size, size, crc32, digest } => {
            Content::Deflated(Deflated { span: span(offset, compressed_size), size, crc32, digest })
        }
        FileContent::Stored { offset, size, crc32, digest } => {
            Content::Stored { span: span(offset, size), crc32: Some(crc32), digest }
        }
        FileContent::Generated(bytes) => Content::Bytes(bytes.into()),
    };
    Entry::file(file.path, file.executable, content)
}

/// A generated file as an entry.
pub(crate) fn generated_entry(file: InstalledFile) -> Option<Entry> {
    match file.content {
        FileContent::Generated(bytes) => {
            Some(Entry::file(file.path, file.executable, Content::Bytes(bytes.into())))
        }
        _ => None,
    }
}

fn digest(entry: &Entry) -> Option<Digest> {
    match &entry.kind {
        wainwright_blob::Kind::File(Content::Bytes(bytes)) => Some(Digest::of(bytes)),
        wainwright_blob::Kind::File(Content::Deflated(deflated)) => deflated.digest,
        wainwright_blob::Kind::File(Content::Stored { digest, .. } | Content::Disk { digest, .. }) => *digest,
        _ => None,
    }
}
