use std::collections::{BTreeMap, BTreeSet};

use wainwright_elf::Machine;
use wainwright_layer::NativeFile;
use wainwright_python::{Libc, PythonVersion};

use crate::{ForeignModule, MissingLibrary, Native, TooNew};

/// What native files find around them.
pub(super) struct Surroundings<'a> {
    /// What they must be for.
    pub(super) machine: Machine,
    pub(super) python: PythonVersion,
    pub(super) libc: Libc,
    /// The libraries of the base with the versions they offer.
    pub(super) libraries: &'a BTreeMap<String, Vec<String>>,
}

/// Holds native files against each other and the base.
///
/// The rule: a library counts as there if *any* wheel brings a file of its name, wherever it lies: packages load
/// libraries of others by path before they are needed, and the loader then finds them by name. Files for other
/// processors are left alone, because many wheels bring some for others to use, but not where they are modules that
/// this Python would import.
pub(super) fn check(wheels: &[(String, Vec<NativeFile>)], around: &Surroundings<'_>) -> Native {
    let mut native = Native::default();
    let mut files: Vec<(&str, &NativeFile)> = Vec::new();
    for (wheel, file) in wheels.iter().flat_map(|(wheel, files)| files.iter().map(move |file| (wheel, file)))
    {
        let found = Machine { number: file.machine.0, is_64: file.machine.1, is_little: file.machine.2 };
        if found == around.machine {
            files.push((wheel, file));
        } else if is_module(file, around) {
            native.foreign.push(ForeignModule {
                path: file.path.clone(),
                wheel: wheel.clone(),
                found: found.to_string(),
                wanted: around.machine.to_string(),
            });
        }
    }
    files.sort_by(|one, other| one.1.path.cmp(&other.1.path));
    let mut named: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, (_, file)) in files.iter().enumerate() {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        named.entry(name).or_default().push(index);
        if let Some(soname) = file.soname.as_deref().filter(|soname| *soname != name) {
            named.entry(soname).or_default().push(index);
        }
    }
    let imports = imports(&files, &named, around);
    let mut missing: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, (wheel, file)) in files.iter().enumerate() {
        for library in file.needed.iter().filter(|library| !library.contains('/')) {
            if named.contains_key(library.as_str()) {
                continue;
            }
            match around.libraries.get(library) {
                None => missing.entry(library).or_default().push(index),
                Some(offers) => native.too_new.extend(newer(file, library, offers, around.libc).map(
                    |(wanted, newest)| TooNew {
                        path: file.path.clone(),
                        wheel: (*wheel).to_owned(),
                        library: library.clone(),
                        wanted,
                        newest,
                        is_imported: imports.contains_key(&index),
                    },
                )),
            }
        }
    }
    for (library, wanting) in missing {
        let first = wanting.iter().find(|index| imports.contains_key(index)).or(wanting.first());
        let Some((wheel, file)) = first.and_then(|index| files.get(*index)) else { continue };
        let modules: BTreeSet<&str> =
            wanting.iter().filter_map(|index| imports.get(index)).flatten().copied().collect();
        native.missing.push(MissingLibrary {
            library: library.to_owned(),
            package: None,
            imports: modules.into_iter().map(ToOwned::to_owned).collect(),
            needed_by: file.path.clone(),
            wheel: (*wheel).to_owned(),
            files: wanting.len(),
        });
    }
    native
}

/// For every file that an import loads, the modules whose import does.
fn imports<'a>(
    files: &[(&'a str, &'a NativeFile)],
    named: &BTreeMap<&str, Vec<usize>>,
    around: &Surroundings<'_>,
) -> BTreeMap<usize, BTreeSet<&'a str>> {
    let mut found: BTreeMap<usize, BTreeSet<&'a str>> = BTreeMap::new();
    for (start, (_, file)) in files.iter().enumerate() {
        let Some(module) = file.module.as_deref().filter(|_| is_module(file, around)) else { continue };
        let (mut seen, mut next) = (BTreeSet::from([start]), vec![start]);
        while let Some(index) = next.pop() {
            found.entry(index).or_default().insert(module);
            let needed = files.get(index).map(|(_, file)| file.needed.as_slice()).unwrap_or_default();
            let loaded = needed.iter().filter_map(|library| named.get(library.as_str())).flatten();
            next.extend(loaded.copied().filter(|index| seen.insert(*index)));
        }
    }
    found
}

/// Whether this Python would import the file: by its name, which may say for whom it is (PEP 3149).
fn is_module(file: &NativeFile, around: &Surroundings<'_>) -> bool {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let tag = name.strip_suffix(".so").and_then(|stem| stem.split_once('.')).map(|(_, tag)| tag);
    let own = format!("cpython-{}{}", around.python.major, around.python.minor);
    file.module.is_some()
        && match tag {
            None | Some("abi3") => true,
            Some(tag) => match tag.strip_prefix(&own) {
                Some("") => true,
                // The rest names a processor: another one's file is passed over.
                Some(rest) => rest.strip_prefix('-').is_some_and(|triplet| around.fits(triplet)),
                None => false,
            },
        }
}

impl Surroundings<'_> {
    fn fits(&self, triplet: &str) -> bool {
        let processor = triplet.split('-').next().unwrap_or_default();
        match self.machine.number {
            62 => processor == "x86_64",
            183 => processor == "aarch64",
            // Others have several spellings.
            _ => true,
        }
    }
}

/// The newest version that a file wants of a library of the base, and that the base does not have; with what it has.
fn newer(file: &NativeFile, library: &str, offers: &[String], libc: Libc) -> Option<(String, String)> {
    let wanted = file.requires.iter().filter(|(of, _)| of == library).map(|(_, version)| version.as_str());
    let wanted = wanted.filter_map(|version| {
        let (family, number) = numbered(version)?;
        if let (true, Libc::Glibc(major, minor)) = (family == "GLIBC", libc) {
            let has = vec![u64::from(major), u64::from(minor)];
            return (number > has).then(|| (number, version, format!("GLIBC_{major}.{minor}")));
        }
        let newest = offers.iter().filter_map(|offer| Some((numbered(offer)?, offer)));
        let ((_, has), name) = newest.filter(|((same, _), _)| *same == family).max()?;
        (number > has).then(|| (number, version, name.clone()))
    });
    wanted.max().map(|(_, version, newest)| (version.to_owned(), newest))
}

/// `GLIBCXX_3.4.30` as a name and numbers; `None` for versions that are no numbers (`GLIBC_PRIVATE`).
fn numbered(version: &str) -> Option<(&str, Vec<u64>)> {
    let (family, number) = version.rsplit_once('_')?;
    Some((family, number.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, needed: &[&str]) -> NativeFile {
        NativeFile {
            path: path.into(),
            machine: (62, true, true),
            soname: None,
            interpreter: None,
            needed: needed.iter().map(|name| (*name).to_owned()).collect(),
            requires: Vec::new(),
            module: None,
        }
    }

    fn module(path: &str, needed: &[&str]) -> NativeFile {
        let stem = path.rsplit('/').next().unwrap().split('.').next().unwrap().to_owned();
        NativeFile { module: Some(stem), ..file(path, needed) }
    }

    fn checked(files: Vec<NativeFile>) -> Native {
        let offers = |versions: &[&str]| versions.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let libraries = BTreeMap::from([
            ("libc.so.6".to_owned(), offers(&["GLIBC_2.36", "GLIBC_PRIVATE"])),
            ("libstdc++.so.6".to_owned(), offers(&["GLIBCXX_3.4.9", "GLIBCXX_3.4.30", "CXXABI_1.3.13"])),
            ("libz.so.1".to_owned(), Vec::new()),
        ]);
        let around = Surroundings {
            machine: wainwright_elf::machine("amd64").unwrap(),
            python: PythonVersion::new(3, 11),
            libc: Libc::Glibc(2, 36),
            libraries: &libraries,
        };
        check(&[("one.whl".into(), files)], &around)
    }

    fn missing(files: Vec<NativeFile>) -> Vec<String> {
        let native = checked(files);
        let line = |one: &MissingLibrary| {
            format!("{} {} {} {}", one.library, one.imports.join("+"), one.needed_by, one.files)
        };
        native.missing.iter().map(line).collect()
    }

    #[test]
    fn what_wheels_and_the_base_have_is_not_missing() {
        let bundled =
            NativeFile { soname: Some("libq.so.5".into()), ..file("/v/x.libs/libq-1a2b.so.5", &[]) };
        let own = module("/v/x/fast.abi3.so", &["libc.so.6", "libz.so.1", "libq.so.5", "libq-1a2b.so.5"]);
        assert_eq!(checked(vec![own, bundled]), Native::default());
    }

    #[test]
    fn a_library_is_named_once_with_the_imports_that_fail() {
        let files = vec![
            module("/v/cv2/cv2.abi3.so", &["libGL.so.1", "libavcodec.so.59"]),
            file("/v/cv2.libs/libavcodec.so.59", &["libva.so.2"]),
            file("/v/cv2/plugins/a.so", &["libGL.so.1", "libnss3.so"]),
        ];
        assert_eq!(
            missing(files),
            [
                "libGL.so.1 cv2 /v/cv2/cv2.abi3.so 2",
                "libnss3.so  /v/cv2/plugins/a.so 1",
                "libva.so.2 cv2 /v/cv2.libs/libavcodec.so.59 1",
            ]
        );
    }

    #[test]
    fn libraries_that_need_each_other_come_to_an_end() {
        let files = vec![
            module("/a.so", &["libb.so"]),
            file("/libb.so", &["libc2.so"]),
            file("/libc2.so", &["libb.so", "x"]),
        ];
        assert_eq!(missing(files), ["x a /libc2.so 1"]);
    }

    #[test]
    fn only_what_this_python_imports_is_a_module() {
        for (name, expected) in [
            ("f.so", true),
            ("f.abi3.so", true),
            ("f.cpython-311-x86_64-linux-gnu.so", true),
            ("f.cpython-311.so", true),
            ("f.cpython-311-aarch64-linux-gnu.so", false),
            ("f.cpython-312-x86_64-linux-gnu.so", false),
            ("f.pypy310-pp73-x86_64-linux-gnu.so", false),
        ] {
            let native = checked(vec![module(&format!("/v/{name}"), &["libx.so"])]);
            assert_eq!(native.missing[0].imports == ["f"], expected, "{name}");
        }
        // debugpy brings such files for processes of other processors.
        let other = NativeFile { machine: (3, false, true), ..file("/v/attach_linux_x86.so", &["libx.so"]) };
        assert_eq!(checked(vec![other]), Native::default());
    }

    #[test]
    fn a_module_of_another_processor_is_found() {
        let other = NativeFile { machine: (183, true, true), ..module("/v/f.abi3.so", &["libx.so"]) };
        let native = checked(vec![other]);
        assert!(native.missing.is_empty());
        assert_eq!(
            (native.foreign[0].found.as_str(), native.foreign[0].wanted.as_str()),
            ("AArch64", "x86-64")
        );
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let wants = |library: &str, versions: &[&str]| {
            let requires = versions.iter().map(|version| (library.to_owned(), (*version).to_owned()));
            let file = NativeFile { requires: requires.collect(), ..module("/v/f.so", &[library]) };
            let found = checked(vec![file]).too_new;
            found.first().map(|one| format!("{} of {}", one.wanted, one.newest))
        };
        assert_eq!(wants("libc.so.6", &["GLIBC_2.4", "GLIBC_2.36", "GLIBC_PRIVATE"]), None);
        assert_eq!(wants("libc.so.6", &["GLIBC_2.100", "GLIBC_2.38"]).unwrap(), "GLIBC_2.100 of GLIBC_2.36");
        assert_eq!(wants("libstdc++.so.6", &["GLIBCXX_3.4.10", "CXXABI_1.3.9"]), None);
        assert_eq!(wants("libstdc++.so.6", &["GLIBCXX_3.4.32"]).unwrap(), "GLIBCXX_3.4.32 of GLIBCXX_3.4.30");
        assert_eq!(wants("libstdc++.so.6", &["CXXABI_1.3.15"]).unwrap(), "CXXABI_1.3.15 of CXXABI_1.3.13");
        assert_eq!(wants("libz.so.1", &["ZLIB_1.2.9"]), None);
    }
}
