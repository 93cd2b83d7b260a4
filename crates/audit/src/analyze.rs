use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use rayon::prelude::*;
use serde::Serialize;
use wainwright_base::{FileKind, LayerFile, check_bytes, each_file, list, merge, open_whole};
use wainwright_oci::{Digest, Image, Platform};
use wainwright_store::Store;

use wainwright_engine::{Error, ImageSource};

use crate::describe_file::shown;

/// What the parts of an image cost. Sizes are in bytes.
///
/// A layer is compressed as a whole: what a file or package costs compressed is its share of its layer, by its size.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// What it runs on.
    pub platform: Platform,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Everything together.
    pub total: Cost,
    /// Lowest first.
    pub layers: Vec<LayerCost>,
    /// The packages, largest first; `-` has what belongs to none.
    pub packages: Vec<PartCost>,
    /// The kinds of files by the ends of their names, largest first.
    pub types: Vec<PartCost>,
    /// Contents that are there more than once, most wasteful first.
    pub duplicates: Vec<Duplicate>,
    /// The regular files that a container sees, largest first.
    pub files: Vec<FileCost>,
}

/// Bytes unpacked and compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// As files.
    pub unpacked: u64,
    /// As sent.
    pub compressed: u64,
    /// How many files.
    pub files: u64,
}

/// What a layer costs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerCost {
    /// Its digest.
    pub digest: Digest,
    /// What made it, as the history of the image says.
    pub created_by: String,
    /// All of it.
    #[serde(flatten)]
    pub cost: Cost,
    /// Unpacked bytes of it that no container sees: files that layers above replace or delete.
    pub hidden: u64,
}

/// What a package or a kind of files costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartCost {
    /// `numpy 2.1.0`, or `.so`.
    pub name: String,
    /// All of it.
    #[serde(flatten)]
    pub cost: Cost,
}

/// A content that is there more than once.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Duplicate {
    /// The size of one.
    pub size: u64,
    /// Where it is: the number of the layer, from 1, and the path.
    pub places: Vec<(usize, String)>,
}

/// What a file costs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileCost {
    /// Absolute.
    pub path: String,
    /// The number of its layer, from 1.
    pub layer: usize,
    /// Its package; `-` for none.
    pub package: String,
    /// Its size.
    pub size: u64,
}

/// Duplicates below this size are not worth a word: 4 KiB.
const SMALLEST_DUPLICATE: u64 = 4096;
/// A list of a package is read up to this size: 64 MiB.
const LARGEST_LIST: u64 = 64 << 20;

/// Says what the parts of an image on disk cost, for each of its platforms or for one.
pub fn analyze(
    source: &ImageSource,
    platform: Option<&Platform>,
    store: &Store,
) -> Result<Vec<Analysis>, Error> {
    let whole = open_whole(source, store)?;
    let is_wanted = |image: &&Image| platform.is_none_or(|platform| image.platform == *platform);
    let chosen: Vec<&Image> = whole.images.iter().filter(is_wanted).collect();
    if let (Some(wanted), true) = (platform, chosen.is_empty()) {
        let found = whole.images.iter().map(|image| image.platform.to_string()).collect();
        let (path, wanted) = (source.path().to_owned(), wanted.clone());
        return Err(wainwright_base::Error::Platform { path, wanted, found }.into());
    }
    chosen.into_iter().map(|image| analyze_image(image, store)).collect()
}

fn analyze_image(image: &Image, store: &Store) -> Result<Analysis, Error> {
    let listed = image.layers.par_iter().enumerate().map(|(index, layer)| {
        let mut owners = BTreeMap::new();
        each_file(layer, index + 1, store, |path, content| {
            if let Some(owner) = list_of_a_package(path) {
                let mut text = Vec::new();
                content.take(LARGEST_LIST).read_to_end(&mut text)?;
                owner.claim(&String::from_utf8_lossy(&text), &mut owners);
            }
            Ok(())
        })?;
        let listing = list(layer, index + 1, store)?;
        if listing.digest != layer.descriptor.digest {
            check_bytes(layer, index + 1, store)?;
        }
        Ok::<_, Error>((listing.files, owners))
    });
    let listed: Vec<(Vec<LayerFile>, Owners)> = listed.collect::<Result<_, _>>()?;
    let owners: Owners = listed.iter().flat_map(|(_, owners)| owners.clone()).collect();
    let merged = merge(listed.iter().map(|(files, _)| files.as_slice()));
    let seen: BTreeSet<(usize, &[u8])> = merged.iter().map(|(path, (layer, _))| (*layer, *path)).collect();
    let mut analysis = Analysis {
        platform: image.platform.clone(),
        digest: image.manifest.digest(),
        total: Cost::default(),
        layers: Vec::new(),
        packages: Vec::new(),
        types: Vec::new(),
        duplicates: Vec::new(),
        files: Vec::new(),
    };
    let (mut packages, mut types) = (BTreeMap::<String, Cost>::new(), BTreeMap::<String, Cost>::new());
    let mut contents: BTreeMap<(u64, Digest), Vec<(usize, String)>> = BTreeMap::new();
    let history = history(image);
    for (index, (layer, (files, _))) in image.layers.iter().zip(&listed).enumerate() {
        let unpacked: u64 = files.iter().filter_map(size).map(|(size, _)| size).sum();
        let mut cost = Cost { unpacked, compressed: layer.descriptor.size, files: 0 };
        let mut hidden = 0;
        for (file, (size, digest)) in files.iter().filter_map(|file| Some((file, size(file)?))) {
            cost.files += 1;
            let share = share(layer.descriptor.size, size, unpacked);
            let one = Cost { unpacked: size, compressed: share, files: 1 };
            let package = owner(&owners, &file.path).unwrap_or("-");
            packages.entry(package.to_owned()).or_default().add(one);
            types.entry(kind(&file.path)).or_default().add(one);
            let path = format!("/{}", shown(&file.path));
            match seen.contains(&(index, file.path.as_slice())) {
                true => analysis.files.push(FileCost {
                    path: path.clone(),
                    layer: index + 1,
                    package: package.to_owned(),
                    size,
                }),
                false => hidden += size,
            }
            if size >= SMALLEST_DUPLICATE {
                contents.entry((size, digest)).or_default().push((index + 1, path));
            }
        }
        analysis.total.add(cost);
        let created_by = history.get(index).cloned().unwrap_or_default();
        analysis.layers.push(LayerCost { digest: layer.descriptor.digest, created_by, cost, hidden });
    }
    let sorted = |parts: BTreeMap<String, Cost>| {
        let mut parts: Vec<PartCost> =
            parts.into_iter().map(|(name, cost)| PartCost { name, cost }).collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.cost.unpacked));
        parts
    };
    (analysis.packages, analysis.types) = (sorted(packages), sorted(types));
    let several = contents.into_iter().filter(|(_, places)| places.len() > 1);
    analysis.duplicates = several.map(|((size, _), places)| Duplicate { size, places }).collect();
    analysis.duplicates.sort_by_key(|one| std::cmp::Reverse(one.size * (one.places.len() as u64 - 1)));
    analysis.files.sort_by(|one, other| other.size.cmp(&one.size).then_with(|| one.path.cmp(&other.path)));
    Ok(analysis)
}

impl Cost {
    fn add(&mut self, other: Self) {
        self.unpacked += other.unpacked;
        self.compressed += other.compressed;
        self.files += other.files;
    }
}

/// The part of a layer's compressed bytes that falls to a file of it.
fn share(compressed: u64, size: u64, unpacked: u64) -> u64 {
    let share = u128::from(compressed) * u128::from(size) / u128::from(unpacked.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

fn size(file: &LayerFile) -> Option<(u64, Digest)> {
    match &file.kind {
        FileKind::File { size, digest } => Some((*size, *digest)),
        _ => None,
    }
}

/// `.so` for `libz.so.1.2`, `.py`; `-` for a name without an end.
fn kind(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    let name = path.rsplit('/').next().unwrap_or_default().trim_start_matches('.');
    match name.rsplit_once('.') {
        _ if name.contains(".so.") => ".so".into(),
        Some((_, end)) if end.len() <= 10 && end.chars().any(|letter| letter.is_ascii_alphabetic()) => {
            format!(".{}", end.to_lowercase())
        }
        _ => "-".into(),
    }
}

/// What made each layer.
fn history(image: &Image) -> Vec<String> {
    let rows = image.config.json.get("history").and_then(serde_json::Value::as_array);
    let rows = rows.into_iter().flatten().filter(|row| row["empty_layer"] != true);
    rows.map(|row| row["created_by"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Which package owns a path.
type Owners = BTreeMap<Vec<u8>, String>;

/// A file that lists the files of a package.
struct PackageList {
    name: String,
    /// What its paths are relative to.
    root: String,
    is_record: bool,
}

/// RECORD of a wheel, or the sums that dpkg keeps.
fn list_of_a_package(path: &[u8]) -> Option<PackageList> {
    let path = std::str::from_utf8(path).ok()?;
    if let Some(info) = path.strip_suffix(".dist-info/RECORD") {
        let (root, name) = info.rsplit_once('/').unwrap_or(("", info));
        return Some(PackageList { name: name.replacen('-', " ", 1), root: root.into(), is_record: true });
    }
    let below =
        path.strip_prefix("var/lib/dpkg/info/").or_else(|| path.strip_prefix("var/lib/dpkg/status.d/"))?;
    let name = below.strip_suffix(".md5sums")?.split(':').next()?;
    Some(PackageList { name: name.into(), root: String::new(), is_record: false })
}

impl PackageList {
    fn claim(&self, text: &str, owners: &mut Owners) {
        for line in text.lines() {
            let path = match self.is_record {
                // Names with commas are quoted, and rare.
                true => line.rsplitn(3, ',').nth(2).map(|path| path.trim_matches('"')),
                false => line.split_once("  ").map(|(_, path)| path),
            };
            if let Some(path) = path {
                owners.insert(below(&self.root, path).into_bytes(), self.name.clone());
            }
        }
    }
}

/// Whose a file is; bytecode that nobody lists is that of who owns its source.
fn owner<'a>(owners: &'a Owners, path: &[u8]) -> Option<&'a str> {
    let found = owners.get(path).or_else(|| owners.get(&source(path)?));
    found.map(String::as_str)
}

/// `a/b.py` for `a/__pycache__/b.cpython-313.pyc`.
fn source(path: &[u8]) -> Option<Vec<u8>> {
    let (folder, name) = std::str::from_utf8(path).ok()?.split_once("__pycache__/")?;
    let (stem, tag) = name.strip_suffix(".pyc")?.rsplit_once('.')?;
    let is_bytecode = tag.starts_with("cpython-") && !stem.contains('/');
    is_bytecode.then(|| format!("{folder}{stem}.py").into_bytes())
}

/// `a/b` and `../c` is `a/c`.
fn below(root: &str, path: &str) -> String {
    let mut parts: Vec<&str> = if path.starts_with('/') {
        Vec::new()
    } else {
        root.split('/').filter(|part| !part.is_empty()).collect()
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_packages_say_who_owns_what() {
        let mut owners = Owners::new();
        let record =
            list_of_a_package(b"app/.venv/lib/python3.13/site-packages/np-2.1.dist-info/RECORD").unwrap();
        record.claim("np/a.py,sha256=x,1\n../../../bin/np,,\n\"np/a,b\",,\n", &mut owners);
        list_of_a_package(b"var/lib/dpkg/status.d/zlib1g.md5sums")
            .unwrap()
            .claim("00  usr/lib/libz.so.1\n", &mut owners);
        let found: Vec<String> =
            owners.iter().map(|(path, name)| format!("{} {name}", String::from_utf8_lossy(path))).collect();
        assert_eq!(
            found,
            [
                "app/.venv/bin/np np 2.1",
                "app/.venv/lib/python3.13/site-packages/np/a,b np 2.1",
                "app/.venv/lib/python3.13/site-packages/np/a.py np 2.1",
                "usr/lib/libz.so.1 zlib1g",
            ]
        );
        assert!(list_of_a_package(b"usr/share/RECORD").is_none());
    }

    #[test]
    fn bytecode_is_of_the_package_that_owns_its_source() {
        let owners: Owners = [("np/a.b.py", "np 2.1"), ("np/__pycache__/own.cpython-313.pyc", "other 1")]
            .map(|(path, name)| (path.into(), name.into()))
            .into();
        let found = |path: &str| owner(&owners, path.as_bytes());
        assert_eq!(found("np/__pycache__/a.b.cpython-313.pyc"), Some("np 2.1"));
        assert_eq!(found("np/__pycache__/own.cpython-313.pyc"), Some("other 1"));
        for path in
            ["np/__pycache__/c.cpython-313.pyc", "np/__pycache__/a.b.pyc", "np/a.b.cpython-313.pyc", "x"]
        {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn kinds_are_the_ends_of_names() {
        for (path, expected) in [
            ("a/b.PY", ".py"),
            ("libz.so.1.2", ".so"),
            ("usr/bin/python3.13", "-"),
            (".bashrc", "-"),
            ("a.b/c", "-"),
        ] {
            assert_eq!(kind(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn shares_of_a_layer_do_not_exceed_it() {
        assert_eq!((share(100, 50, 200), share(100, 0, 0), share(u64::MAX, 7, 7)), (25, 0, u64::MAX));
    }
}
