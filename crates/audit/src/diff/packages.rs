use std::collections::{BTreeMap, BTreeSet};

use super::files::Merged;
use super::report::PackageChange;

/// Versions of packages: of one kind and name there may be several.
type Packages = BTreeMap<(&'static str, String), BTreeSet<String>>;

/// Packages that came, went or have another version: those that Python finds by their metadata, and dpkg's.
pub(super) fn compare(one: &Merged<'_>, two: &Merged<'_>) -> Vec<PackageChange> {
    let (one, two) = (packages(one), packages(two));
    let mut keys: Vec<_> = one.keys().chain(two.keys()).collect();
    keys.sort();
    keys.dedup();
    let version = |packages: &Packages, key: &(&'static str, String)| {
        packages.get(key).map(|versions| versions.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
    };
    keys.into_iter()
        .map(|key| PackageChange {
            kind: key.0,
            name: key.1.clone(),
            before: version(&one, key),
            after: version(&two, key),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

fn packages(merged: &Merged<'_>) -> Packages {
    let mut packages = Packages::new();
    for (path, (_, file)) in merged {
        if let Some((name, version)) = of_python(path) {
            packages.entry(("python", name)).or_default().insert(version);
        }
        for package in &file.packages {
            packages.entry(("debian", package.name.clone())).or_default().insert(package.version.clone());
        }
    }
    packages
}

/// Name and version in the name of a folder with metadata (PyPA, "Recording installed projects").
fn of_python(path: &[u8]) -> Option<(String, String)> {
    let folder = path.strip_suffix(b".dist-info/METADATA")?;
    let name = folder.rsplit(|byte| *byte == b'/').next()?;
    let (name, version) = std::str::from_utf8(name).ok()?.split_once('-')?;
    Some((name.to_lowercase().replace(['_', '.'], "-"), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_names_its_package() {
        let check = |path: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(name, version)| (name.to_owned(), version.to_owned()));
            assert_eq!(of_python(path.as_bytes()), expected, "{path}");
        };
        check("a/site-packages/Typing_extensions-4.1.dist-info/METADATA", Some(("typing-extensions", "4.1")));
        check("a/x-1.dist-info/RECORD", None);
        check("a/x.dist-info/METADATA", None);
    }
}
