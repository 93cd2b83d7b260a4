use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use rayon::prelude::*;
use wainwright_base::{FileKind, LayerFile, list};
use wainwright_blob::{Content, Entry, Kind, LAZY_FILES, Span};
use wainwright_layer::debian::RuntimeOrigin;
use wainwright_layer::{ConflictLosers, InstalledWheel, app, wheel_entries, wheel_origins};
use wainwright_oci::{Digest, Image, ImagePath, Layer, annotation};
use wainwright_store::Store;
use wainwright_wheel::Layout;

use wainwright_engine::{
    AssembledBase, ChosenWheel, Error, LayerPlan, PlatformPlan, Recipe, install_wheel, unbuilt,
};

use super::origin::Origin;

/// A layer as it has to be.
pub(super) struct ExpectedLayer {
    pub(super) name: String,
    pub(super) layer: Layer,
    /// What the inputs say is in it; `None` for a layer of the base image, which is an input itself.
    pub(super) files: Option<Files>,
}

/// Members of a layer, each with its origin.
#[derive(Default)]
pub(super) struct Files {
    pub(super) files: Vec<LayerFile>,
    pub(super) origins: Vec<Origin>,
}

/// What the layers of an image have to hold, lowest first, by what wheels, packages and the project say.
///
/// Finished layers are not looked at, but for what a lazy layout adds: `rebuilt` only lends their digests. `lost` is what
/// packages lose to others.
pub(super) fn expected_layers(
    plan: &PlatformPlan,
    rebuilt: &Image,
    base: Vec<(String, Option<Files>)>,
    lost: &ConflictLosers,
    epoch: u64,
    store: &Store,
) -> Result<Vec<ExpectedLayer>, Error> {
    let ours = plan
        .layers
        .par_iter()
        .map(|layer| Ok((layer.name.clone(), Some(of_layer(layer, lost, epoch, store)?))));
    let ours: Vec<(String, Option<Files>)> = ours.collect::<Result<_, Error>>()?;
    let all: Vec<_> = base.into_iter().chain(ours).collect();
    if all.len() != rebuilt.layers.len() {
        return Err(Error::Bug { what: format!("{} layers became {}", all.len(), rebuilt.layers.len()) });
    }
    let first = all.len().saturating_sub(plan.layers.len());
    let is_bytecode = |at: usize| {
        at.checked_sub(first).and_then(|at| plan.layers.get(at)).is_some_and(LayerPlan::is_bytecode)
    };
    let layers = all.into_par_iter().zip(&rebuilt.layers).enumerate();
    let with_lazy = layers.map(|(at, ((name, mut files), layer))| {
        if let Some(files) = files.as_mut().filter(|_| is_bytecode(at)) {
            add_bytecode(files, layer, store)?;
        }
        if let Some(files) = &mut files {
            add_lazy(files, layer, store)?;
        }
        Ok(ExpectedLayer { name, layer: layer.clone(), files })
    });
    with_lazy.collect()
}

/// Adds what a lazy layout brings. Its table of contents tells where things stand in the finished layer, so that only this
/// layer can say what must be in it.
fn add_lazy(files: &mut Files, layer: &Layer, store: &Store) -> Result<(), Error> {
    if !layer.descriptor.annotations.contains_key(annotation::TOC_DIGEST) {
        return Ok(());
    }
    let is_lazy = |file: &LayerFile| LAZY_FILES.iter().any(|name| file.path == name.as_bytes());
    for file in list(layer, 0, store)?.files.into_iter().filter(is_lazy) {
        files.files.push(file);
        files.origins.push(Origin::Ours { what: "lazy layout", package: None });
    }
    Ok(())
}

/// Takes what was compiled anew for what has to be there: its sources are in the layers of their wheels.
fn add_bytecode(files: &mut Files, layer: &Layer, store: &Store) -> Result<(), Error> {
    for file in list(layer, 0, store)?.files {
        if !LAZY_FILES.iter().any(|name| file.path == name.as_bytes()) {
            files.files.push(file);
            files.origins.push(Origin::Ours { what: "bytecode of wheels", package: None });
        }
    }
    Ok(())
}

fn of_layer(layer: &LayerPlan, lost: &ConflictLosers, epoch: u64, store: &Store) -> Result<Files, Error> {
    match &layer.recipe {
        Recipe::Entries(entries) => {
            let venv = app().join(".venv")?;
            of_entries(entries, epoch, |entry| of_entry(entry, &venv))
        }
        Recipe::Wheels(wheels, layout) => of_wheels(wheels, layout, lost, epoch, store),
        Recipe::Unbuilt(_) => Err(unbuilt(layer)),
        // Only whoever compiled it knows what is in it; see `add_bytecode`.
        Recipe::Bytecode(..) => Ok(Files::default()),
    }
}

/// The files of the environment and of the project: a path tells which.
fn of_entry(entry: &Entry, venv: &ImagePath) -> Origin {
    let ours = |what| Origin::Ours { what, package: None };
    if !entry.path.starts_with(venv) && entry.path != app() {
        return Origin::Project;
    }
    match (&entry.kind, entry.path.file_name()) {
        (Kind::File(_), b"pyvenv.cfg") => ours("environment"),
        (Kind::File(_), _) => ours("installation of the project"),
        _ => ours("environment"),
    }
}

/// The files of wheels: their contents by RECORD.
fn of_wheels(
    wheels: &[ChosenWheel],
    layout: &Layout,
    lost: &ConflictLosers,
    epoch: u64,
    store: &Store,
) -> Result<Files, Error> {
    let mut origins: BTreeMap<ImagePath, Origin> = BTreeMap::new();
    let mut all = Vec::new();
    for chosen in wheels {
        let (name, version) = (chosen.name.to_string(), chosen.wanted.filename.version.to_string());
        let wheel = install_wheel(chosen, layout, store)?;
        let installed = InstalledWheel::new(&wheel, layout, lost)?;
        for (path, member) in wheel_origins(&wheel, &installed) {
            let origin = match member.map(ToOwned::to_owned) {
                Some(member) => Origin::Wheel { name: name.clone(), version: version.clone(), member },
                None => Origin::Ours { what: "installation", package: Some(format!("{name} {version}")) },
            };
            origins.entry(path.clone()).or_insert(origin);
        }
        all.push(installed);
    }
    let entries = wheel_entries(all, layout)?;
    of_entries(&entries, epoch, |entry| match origins.get(&entry.path) {
        Some(origin) => origin.clone(),
        None => Origin::Ours { what: "folders of wheels", package: None },
    })
}

/// The layers of an assembled base, or of packages that are added to one: their contents by the packages.
pub(super) fn of_base(
    assembled: &AssembledBase,
    is_added: bool,
    versions: &BTreeMap<String, String>,
    epoch: u64,
) -> Result<Vec<(String, Option<Files>)>, Error> {
    let origin = |entry: &Entry| match assembled.origins.get(entry.path.as_bytes()) {
        Some(RuntimeOrigin::Package(name)) => {
            Origin::Debian { name: name.clone(), version: versions.get(name).cloned().unwrap_or_default() }
        }
        Some(RuntimeOrigin::Made(what)) => Origin::Ours { what, package: None },
        None => Origin::Ours { what: "bytecode of the standard library", package: None },
    };
    let layers = assembled.layers.par_iter();
    layers
        .map(|layer| {
            let name = if is_added { layer.name.clone() } else { format!("base {}", layer.name) };
            Ok((name, Some(of_entries(&layer.entries, epoch, origin)?)))
        })
        .collect()
}

fn of_entries(
    entries: &[Entry],
    epoch: u64,
    origin: impl Fn(&Entry) -> Origin + Sync,
) -> Result<Files, Error> {
    let made = entries.par_iter().map(|entry| Ok((file(entry, epoch)?, origin(entry))));
    let made: Vec<(LayerFile, Origin)> = made.collect::<Result<_, Error>>()?;
    let (files, origins) = made.into_iter().unzip();
    Ok(Files { files, origins })
}

/// An entry as it has to stand in the tar.
fn file(entry: &Entry, epoch: u64) -> Result<LayerFile, Error> {
    let open = |source| Error::Open { name: entry.path.to_string(), source };
    let kind = match &entry.kind {
        Kind::Directory => FileKind::Directory,
        Kind::Symlink(target) => FileKind::Symlink(target.clone()),
        Kind::Hardlink(target) => FileKind::Hardlink(target.as_bytes().to_vec()),
        Kind::File(content) => {
            FileKind::File { size: content.size(), digest: digest(content).map_err(open)? }
        }
    };
    Ok(LayerFile {
        path: entry.path.as_bytes().to_vec(),
        kind,
        mode: entry.mode,
        owner: (entry.owner.0.into(), entry.owner.1.into()),
        mtime: epoch,
        attributes: None,
        packages: Vec::new(),
    })
}

/// The sha256 of a content: what RECORD or the listing of the project says, else that of its bytes.
fn digest(content: &Content) -> io::Result<Digest> {
    match content {
        Content::Bytes(bytes) => Ok(Digest::of(bytes)),
        Content::Disk { digest: Some(digest), .. } | Content::Stored { digest: Some(digest), .. } => {
            Ok(*digest)
        }
        Content::Disk { path, .. } => Digest::of_reader(File::open(path)?),
        Content::Stored { span, .. } => Digest::of_reader(Positional::new(span)),
        // Signatures of RECORD are the only members that RECORD does not vouch for.
        Content::Deflated(deflated) => match deflated.digest {
            Some(digest) => Ok(digest),
            None => {
                let inflater = flate2::read::DeflateDecoder::new(Positional::new(&deflated.span));
                Digest::of_reader(inflater.take(deflated.size))
            }
        },
    }
}

/// Reads a part of a file that others read as well.
struct Positional {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Positional {
    fn new(span: &Span) -> Self {
        Self { file: span.file.clone(), at: span.offset, end: span.offset.saturating_add(span.length) }
    }
}

impl Read for Positional {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(out.len());
        let count = self.file.read_at(&mut out[..left], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use wainwright_blob::Deflated;

    use super::*;

    #[test]
    fn a_content_without_a_known_hash_is_read() {
        let text = b"signature ".repeat(100);
        let mut deflater = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        deflater.write_all(&text).unwrap();
        let deflated = deflater.finish().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[b"front", &deflated[..], &text, b"behind"].concat()).unwrap();
        let file = Arc::new(file);
        let span = |offset, length| Span { file: file.clone(), offset, length };
        let packed = deflated.len() as u64;
        let contents = [
            Content::Bytes(text.clone().into()),
            Content::Stored { span: span(5 + packed, 1000), crc32: None, digest: None },
            Content::Deflated(Deflated { span: span(5, packed), size: 1000, crc32: 0, digest: None }),
        ];
        for content in contents {
            assert_eq!(digest(&content).unwrap(), Digest::of(&text), "{content:?}");
        }
    }

    #[test]
    fn paths_tell_the_project_from_its_environment() {
        let check = |path: &str, is_folder: bool, expected: &str| {
            let path = ImagePath::new(path).unwrap();
            let entry = if is_folder { Entry::directory(path) } else { Entry::bytes(path, "") };
            let venv = app().join(".venv").unwrap();
            assert_eq!(of_entry(&entry, &venv).to_string(), expected);
        };
        check("app", true, "made by wain: environment");
        check("app/main.py", false, "project");
        check("app/.venvs/x", false, "project");
        check("app/.venv/pyvenv.cfg", false, "made by wain: environment");
        check("app/.venv/lib/python3.13/site-packages", true, "made by wain: environment");
        check("app/.venv/bin/serve", false, "made by wain: installation of the project");
    }
}
