use std::collections::{BTreeMap, BTreeSet, HashMap};

use wainwright_blob::{Content, Deflated, Entry, Span};
use wainwright_oci::{Digest, ImagePath, one_below_another};
use wainwright_python::PackageName;
use wainwright_wheel::{FileContent, InstalledFile, Layout, Wheel};

use crate::Error;
use crate::layout::directories;

/// The paths that packages lose to others, by package: their layers do not hold them.
pub type Lost = BTreeMap<PackageName, BTreeSet<ImagePath>>;

/// The entries of a layer that holds the given wheels, installed, but for the files they lose.
///
/// A path that two wheels own with equal contents is there once; with different contents it is refused.
pub fn wheel_entries(wheels: &[Wheel], layout: &Layout, lost: &Lost) -> Result<Vec<Entry>, Error> {
    let mut owners: BTreeMap<ImagePath, (Entry, usize)> = BTreeMap::new();
    let mut clashes = Vec::new();
    for (index, wheel) in wheels.iter().enumerate() {
        for file in installed(wheel, layout, lost.get(&wheel.metadata().name))? {
            let entry = entry(wheel, file);
            if let Some((other, owner)) = owners.get(&entry.path) {
                if digest(other).is_none() || digest(other) != digest(&entry) || other.mode != entry.mode {
                    clashes.push((entry.path, *owner, index));
                }
                continue;
            }
            owners.insert(entry.path.clone(), (entry, index));
        }
    }
    let more = clashes.len().saturating_sub(1);
    if let Some((path, first, second)) = clashes.into_iter().next() {
        let [first, second] = [first, second].map(|index| wheels[index].filename().to_string());
        return Err(Error::Clash { path, first, second, more });
    }
    // The folder of one wheel would take the place of the file of another.
    if let Some((above, below)) = one_below_another(owners.keys().map(ImagePath::as_bytes)) {
        let owner = |path: &[u8]| {
            let owner = owners.iter().find(|(known, _)| known.as_bytes() == path);
            owner.map_or_else(String::new, |(_, (_, owner))| wheels[*owner].filename().to_string())
        };
        let path = ImagePath::new(above).map_err(|source| Error::Path { source })?;
        return Err(Error::ClashOfKinds { path, file: owner(above), folder: owner(below) });
    }
    let mut folders = directories(owners.keys());
    for wheel in wheels {
        for folder in wheel.empty_directories(layout)? {
            let folder = beside_lib64(folder, layout)?;
            folders.append(&mut directories([&folder]));
            folders.insert(folder);
        }
    }
    // What lies above the environment belongs to the layer that makes the environment.
    folders.retain(|folder| folder.starts_with(&layout.prefix));
    let files = owners.into_values().map(|(entry, _)| entry);
    Ok(folders.into_iter().map(Entry::directory).chain(files).collect())
}

/// What a wheel owns in an image, to find out whether wheels clash without opening them again: path -> what it holds.
///
/// The second part of a value is whether it is executable.
pub fn owned_paths(
    wheel: &Wheel,
    layout: &Layout,
) -> Result<BTreeMap<ImagePath, (Option<Digest>, bool)>, Error> {
    let files = installed(wheel, layout, None)?;
    Ok(files
        .into_iter()
        .map(|file| (file.path.clone(), (content_digest(&file.content), file.executable)))
        .collect())
}

/// Which member of a wheel each of its installed files comes from; `None` for those that installing makes.
pub fn wheel_origins(wheel: &Wheel, layout: &Layout) -> Result<BTreeMap<ImagePath, Option<String>>, Error> {
    let members: HashMap<u64, &str> = wheel.members().collect();
    let origin = |content: &FileContent| match content {
        FileContent::Deflated { offset, .. } | FileContent::Stored { offset, .. } => {
            members.get(offset).map(|name| (*name).to_owned())
        }
        FileContent::Generated(_) => None,
    };
    let files = installed(wheel, layout, None)?;
    Ok(files.into_iter().map(|file| (file.path, origin(&file.content))).collect())
}

/// The files of an installed wheel, but for those it loses.
pub(crate) fn installed(
    wheel: &Wheel,
    layout: &Layout,
    lost: Option<&BTreeSet<ImagePath>>,
) -> Result<Vec<InstalledFile>, Error> {
    let is_lost = |path: &ImagePath| {
        let landing = || beside_lib64(path.clone(), layout);
        lost.is_some_and(|lost| landing().is_ok_and(|path| lost.contains(&path)))
    };
    let mut files = wheel.install_except(layout, &is_lost)?;
    for file in &mut files {
        file.path = beside_lib64(file.path.clone(), layout)?;
    }
    Ok(files)
}

/// The `lib64` of an environment is a link to its `lib`: what a wheel puts there belongs into `lib`, or its folder would
/// take the place of the link.
fn beside_lib64(path: ImagePath, layout: &Layout) -> Result<ImagePath, Error> {
    let refuse = |source| Error::Path { source };
    let lib64 = layout.prefix.join("lib64").map_err(refuse)?;
    if !path.starts_with(&lib64) {
        return Ok(path);
    }
    let below = &path.as_bytes()[lib64.as_bytes().len()..];
    layout.prefix.join([b"lib", below].concat()).map_err(refuse)
}

/// An installed file as an entry whose bytes stay where they are in the wheel.
pub(crate) fn entry(wheel: &Wheel, file: InstalledFile) -> Entry {
    let span = |offset, length| Span { file: wheel.file().clone(), offset, length };
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

fn content_digest(content: &FileContent) -> Option<Digest> {
    match content {
        FileContent::Deflated { digest, .. } | FileContent::Stored { digest, .. } => *digest,
        FileContent::Generated(bytes) => Some(Digest::of(bytes)),
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
