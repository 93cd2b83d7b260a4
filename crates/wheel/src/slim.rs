use std::collections::BTreeSet;

use wainwright_oci::ImagePath;
use wainwright_python::Slim;

/// Decides which files of a wheel are left out.
///
/// Never those that describe the package (`.dist-info`), scripts, and modules that entry points name, with what lies in
/// their folder.
pub(crate) struct Slimming<'a> {
    kinds: &'a BTreeSet<Slim>,
    prefix: &'a ImagePath,
    /// Folders below the folder of packages: `demo/tests`.
    kept: BTreeSet<String>,
    /// Folders with a compiled module, there too.
    compiled: BTreeSet<&'a str>,
    /// Folders that can be imported.
    packages: BTreeSet<&'a str>,
}

impl<'a> Slimming<'a> {
    /// `modules` are those that entry points name: `demo.tests.plugin`; `names` are the members of the wheel.
    pub(crate) fn new(
        kinds: &'a BTreeSet<Slim>,
        prefix: &'a ImagePath,
        modules: impl Iterator<Item = &'a str>,
        names: impl Iterator<Item = &'a str>,
    ) -> Self {
        let (mut compiled, mut packages) = (BTreeSet::new(), BTreeSet::new());
        let looks = kinds.contains(&Slim::Sources) || kinds.contains(&Slim::Examples);
        for name in names.filter(|_| looks) {
            // What is in `NAME.data/platlib` ends up with the rest.
            let of_data = name.split_once(".data/").map(|(_, rest)| rest);
            let below = of_data.and_then(|rest| rest.split_once('/')).map_or(name, |(_, rest)| rest);
            let (folder, file) = below.rsplit_once('/').unwrap_or(("", below));
            if file.ends_with(".so") {
                compiled.insert(folder);
            }
            if file == "__init__.py" {
                packages.insert(folder);
            }
        }
        // A module is a file of its folder, or a folder itself.
        let kept = modules.flat_map(|module| {
            let path = module.replace('.', "/");
            let folder = path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
            folder.into_iter().chain([path])
        });
        Self { kinds, prefix, kept: kept.collect(), compiled, packages }
    }

    /// Why a file of the image is left out, if it is.
    pub(crate) fn kind_of(&self, path: &ImagePath) -> Option<Slim> {
        if self.kinds.is_empty() {
            return None;
        }
        let below = path.as_bytes().strip_prefix(self.prefix.as_bytes())?;
        let (kind, folder) = kind_of(std::str::from_utf8(below).ok()?.strip_prefix('/')?)?;
        let stays = match (kind, folder) {
            // Others may be compiled when a program runs.
            (Slim::Sources, Some(folder)) => !self.compiled.contains(folder),
            (Slim::Examples, Some(folder)) => self.packages.contains(folder) || self.is_kept(folder),
            (_, Some(folder)) => self.is_kept(folder),
            (_, None) => false,
        };
        (self.kinds.contains(&kind) && !stays).then_some(kind)
    }

    /// Whether a folder of tests holds, or is, something that an entry point names.
    fn is_kept(&self, folder: &str) -> bool {
        self.kept.iter().any(|kept| {
            kept.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// The kind of a file by its path below the environment; for tests, examples and sources also their folder, relative to the
/// folder of packages.
fn kind_of(path: &str) -> Option<(Slim, Option<&str>)> {
    let Some(inside) = below_packages(path) else {
        let is_below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        return match () {
            () if is_below("include") => Some((Slim::Headers, None)),
            () if ["share/man", "share/doc", "share/info"].into_iter().any(is_below) => {
                Some((Slim::Docs, None))
            }
            () if is_below("share/locale") => locale(path).map(|kind| (kind, None)),
            () => None,
        };
    };
    if inside.ends_with(".pyc") && inside.split('/').any(|part| part == "__pycache__") {
        return Some((Slim::Pycache, None));
    }
    let (package, rest) = inside.split_once('/')?;
    if package.ends_with(".dist-info") {
        return None;
    }
    let name = rest.rsplit('/').next().unwrap_or(rest);
    let folders = || rest.strip_suffix(name).unwrap_or_default().split('/').filter(|part| !part.is_empty());
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if folders().any(|folder| folder == "tests") {
        let end = inside.find("/tests/").map_or(0, |at| at + "/tests".len());
        return Some((Slim::Tests, inside.get(..end)));
    }
    if let Some(at) =
        ["/examples/", "/_examples/"].iter().find_map(|part| Some(inside.find(part)? + part.len()))
    {
        return Some((Slim::Examples, inside.get(..at - 1)));
    }
    let kind = match ending {
        "c" | "cc" | "cpp" | "cxx" | "f" | "f90" | "f95" | "pyx" | "rs" => {
            return Some((Slim::Sources, Some(inside.rsplit_once('/').map_or("", |(folder, _)| folder))));
        }
        "map" if [".js.map", ".css.map"].iter().any(|end| name.ends_with(end)) => Slim::Sources,
        "pyi" => Slim::TypeStubs,
        "a" | "la" | "lib" => Slim::StaticLibraries,
        "h" | "hh" | "hpp" | "hxx" | "cuh" | "inl" | "pxd" | "pxi" => Slim::Headers,
        "po" | "pot" | "mo" => locale(rest)?,
        "rst" | "md" | "html" | "css" | "pdf" | "ipynb" | "svg" | "png" | "gif" | "jpg" | "txt"
            if folders().any(|folder| matches!(folder, "doc" | "docs")) =>
        {
            Slim::Docs
        }
        _ => return None,
    };
    Some((kind, None))
}

/// The path below `lib/python3.13/site-packages`.
fn below_packages(path: &str) -> Option<&str> {
    let (python, rest) = path.strip_prefix("lib/")?.split_once('/')?;
    python.strip_prefix("python").and_then(|_| rest.strip_prefix("site-packages/"))
}

/// A catalogue of translations (gettext): `LANGUAGE/LC_MESSAGES/NAME.mo`.
fn locale(path: &str) -> Option<Slim> {
    if path.ends_with(".po") || path.ends_with(".pot") {
        return Some(Slim::Locales);
    }
    let mut parts = path.rsplit('/').skip(1);
    let is_catalogue = path.ends_with(".mo") && parts.next() == Some("LC_MESSAGES");
    let language = parts.next()?;
    let is_english = language == "en" || language.starts_with("en_") || language.starts_with("en@");
    (is_catalogue && !is_english).then_some(Slim::Locales)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(path: &str, modules: &[&str]) -> Option<Slim> {
        let (all, prefix) = (Slim::ALL.into(), ImagePath::new("app/.venv").unwrap());
        let path = ImagePath::new(format!("app/.venv/{path}")).unwrap();
        let names = ["demo/__init__.py", "demo/_core.so", "demo/shown/examples/__init__.py"];
        Slimming::new(&all, &prefix, modules.iter().copied(), names.into_iter()).kind_of(&path)
    }

    fn site(path: &str) -> Option<Slim> {
        kind(&format!("lib/python3.13/site-packages/{path}"), &[])
    }

    #[test]
    fn files_have_kinds_by_their_paths() {
        for (path, expected) in [
            ("demo/tests/data/x.bin", Some(Slim::Tests)),
            ("demo/sub/tests/test_a.py", Some(Slim::Tests)),
            ("demo/a.pyi", Some(Slim::TypeStubs)),
            ("demo/lib/libx.a", Some(Slim::StaticLibraries)),
            ("demo/include/x.h", Some(Slim::Headers)),
            ("demo/locale/de/LC_MESSAGES/demo.mo", Some(Slim::Locales)),
            ("demo/locale/de/LC_MESSAGES/demo.po", Some(Slim::Locales)),
            ("demo/docs/index.html", Some(Slim::Docs)),
            ("demo/__pycache__/a.cpython-313.pyc", Some(Slim::Pycache)),
            ("__pycache__/top.cpython-313.pyc", Some(Slim::Pycache)),
            ("demo/_core.pyx", Some(Slim::Sources)),
            ("demo/helper.c", Some(Slim::Sources)),
            ("demo/static/app.js.map", Some(Slim::Sources)),
            ("demo/_examples/one.py", Some(Slim::Examples)),
            ("demo/examples/data/x.csv", Some(Slim::Examples)),
            // What only looks like it.
            ("demo/templates/kernel.c", None),
            ("demo/shown/examples/one.py", None),
            ("demo/world.map", None),
            ("demo/compiled.pyc", None),
            ("examples/one.py", None),
            ("demo/locale/en_GB/LC_MESSAGES/demo.mo", None),
            ("demo/data/sound.mo", None),
            ("demo/docs/templates.py", None),
            ("demo/test/client.py", None),
            ("demo/py.typed", None),
            ("tests/__init__.py", None),
            ("demo-1.dist-info/tests/x", None),
            ("demo-1.dist-info/licenses/docs/a.txt", None),
            ("demo/templates/index.html", None),
        ] {
            assert_eq!(site(path), expected, "{path}");
        }
        assert_eq!(kind("share/man/man1/demo.1", &[]), Some(Slim::Docs));
        assert_eq!(kind("include/site/python3.13/demo/x.h", &[]), Some(Slim::Headers));
        assert_eq!(kind("bin/tests", &[]), None);
        assert_eq!(kind("share/demo/tests/x", &[]), None);
    }

    #[test]
    fn slim_keeps_packages_of_entry_points() {
        let test = "lib/python3.13/site-packages/demo/tests/plugin.py";
        assert_eq!(kind(test, &["demo.main"]), Some(Slim::Tests));
        assert_eq!(kind(test, &["demo.tests.plugin"]), None);
        assert_eq!(kind(test, &["demo.tests"]), None);
        assert_eq!(kind(test, &["demo.tests.deep.plugin"]), None);
        assert_eq!(
            kind("lib/python3.13/site-packages/demo/sub/tests/a.py", &["demo.tests"]),
            Some(Slim::Tests)
        );
    }

    #[test]
    fn only_the_kinds_asked_for_are_left_out() {
        let (kinds, prefix) = (BTreeSet::from([Slim::Tests]), ImagePath::new("v").unwrap());
        let slim = Slimming::new(&kinds, &prefix, std::iter::empty(), std::iter::empty());
        let path = |path: &str| ImagePath::new(format!("v/lib/python3.13/site-packages/{path}")).unwrap();
        assert_eq!(slim.kind_of(&path("demo/a.pyi")), None);
        assert_eq!(slim.kind_of(&path("demo/tests/a.pyi")), Some(Slim::Tests));
    }
}
