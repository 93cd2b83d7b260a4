use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wainwright_python::{Libc, PythonVersion};

use crate::links::{self, Step};
use crate::{DebianPackage, Error, Group, Interpreter, User, interpreter};

/// What PATH is where a config does not set it.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What a base image offers: the facts that decide which wheels fit and where they may go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offers {
    /// Every CPython, sorted by path.
    pub pythons: Vec<Interpreter>,
    /// The C library and its version.
    pub libc: Option<Libc>,
    /// In the order of `/etc/passwd`.
    pub users: Vec<User>,
    /// In the order of `/etc/group`.
    pub groups: Vec<Group>,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub os: Option<String>,
    /// The Debian release it is of (`VERSION_CODENAME`), where it is of one: `bookworm`.
    pub codename: Option<String>,
    /// The names of all shared libraries, wherever they lie: `libz.so.1`. Sorted.
    pub libraries: BTreeSet<String>,
    /// Sorted by name.
    pub debian_packages: Vec<DebianPackage>,
    /// Links at the top and their targets: `bin` -> `usr/bin`.
    pub path_links: BTreeMap<String, String>,
    /// Every directory and symbolic link, and everything else down to three components (`usr/bin/env`).
    ///
    /// Without a leading slash. Names that are not UTF-8 are left out. Ask with [`Offers::at`], [`Offers::resolve`] and
    /// [`Offers::landing`], which follow links.
    pub paths: BTreeMap<String, PathKind>,
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link and its target.
    Symlink(String),
    /// A device, a pipe.
    Other,
}

impl Offers {
    /// The first interpreter on a PATH that has the wanted version; any CPython 3 where none is wanted.
    ///
    /// `path` is the variable of the image's config; without it the usual directories are searched. A wanted patch level
    /// must be met where the image tells its own.
    pub fn python(&self, wanted: Option<PythonVersion>, path: Option<&str>) -> Result<&Interpreter, Error> {
        let path = path.unwrap_or(USUAL_PATH);
        let fits = |found: &PythonVersion| {
            wanted.is_none_or(|wanted| {
                (found.major, found.minor) == (wanted.major, wanted.minor)
                    && (found.patch.is_none() || wanted.patch.is_none() || found.patch == wanted.patch)
            })
        };
        let found = path.split(':').filter(|folder| folder.starts_with('/')).find_map(|folder| {
            let folder = self.resolve(folder)?;
            let mut here: Vec<(&str, &Interpreter)> = self.in_folder(&folder).collect();
            // `python3` before `python` before `python3.13` before `python3.9`.
            here.sort_by_key(|(name, python)| {
                let rank = match *name {
                    "python3" => 0,
                    "python" => 1,
                    _ => 2,
                };
                (rank, std::cmp::Reverse(python.version.minor))
            });
            here.into_iter().map(|(_, python)| python).find(|python| fits(&python.version))
        });
        found.ok_or_else(|| Error::Python {
            wanted,
            searched: path.to_owned(),
            found: self
                .pythons
                .iter()
                .map(|python| format!("{} at {}", python.version, python.path))
                .collect(),
        })
    }

    fn in_folder<'a>(&'a self, folder: &str) -> impl Iterator<Item = (&'a str, &'a Interpreter)> {
        self.pythons.iter().flat_map(move |python| {
            python.names.iter().filter_map(move |name| {
                let name = name.strip_prefix('/')?.strip_prefix(folder)?;
                let name = if folder.is_empty() { name } else { name.strip_prefix('/')? };
                interpreter::is_name(name.as_bytes()).then_some((name, python))
            })
        })
    }

    /// The C library; refused where there is none, because then no compiled wheel can run.
    pub fn require_libc(&self) -> Result<Libc, Error> {
        self.libc.ok_or_else(|| Error::Libc { os: self.os.clone() })
    }

    /// The numbers of a user as a config names it: `app`, `1000`, `app:staff`, `1000:1000`.
    ///
    /// Without a group it is the user's first one, or 0 for a number that `/etc/passwd` does not list, as runtimes do.
    pub fn user_id(&self, user: &str) -> Result<(u32, u32), Error> {
        let refuse = |reason: String| Err(Error::User { user: user.to_owned(), reason });
        let (name, group) = match user.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (user, None),
        };
        let known = self.users.iter().find(|known| known.name == name || number(name) == Some(known.uid));
        let (uid, first_gid) = match (known, number(name)) {
            (Some(known), _) => (known.uid, known.gid),
            (None, Some(uid)) => (uid, 0),
            (None, None) if self.users.is_empty() => {
                return refuse("its `/etc/passwd` is missing or unreadable".into());
            }
            (None, None) => return refuse(format!("`/etc/passwd` does not list `{name}`")),
        };
        let Some(group) = group else { return Ok((uid, first_gid)) };
        match (self.groups.iter().find(|known| known.name == group), number(group)) {
            (Some(known), _) => Ok((uid, known.gid)),
            (None, Some(gid)) => Ok((uid, gid)),
            (None, None) => refuse(format!("`/etc/group` does not list `{group}`")),
        }
    }

    /// What stands at a path; links above it are followed, a link at the path itself is shown.
    pub fn at(&self, path: &str) -> Option<&PathKind> {
        let path = path.trim_matches('/');
        match path.rsplit_once('/') {
            None => self.paths.get(path),
            Some((above, name)) => {
                let above = self.resolve(above)?;
                self.paths.get(&join(&above, name))
            }
        }
    }

    /// Follows all links of a path; `None` where it leads nowhere. No leading slash; the root is empty.
    pub fn resolve(&self, path: &str) -> Option<String> {
        String::from_utf8(links::resolve(path.as_bytes(), |path| self.step(path))?).ok()
    }

    /// Where something that is written to `path` would lie: links of parts that exist are followed, the rest is kept.
    ///
    /// `None` where it leads in circles or below a file.
    pub fn landing(&self, path: &str) -> Option<String> {
        String::from_utf8(links::landing(path.as_bytes(), |path| self.step(path))?).ok()
    }

    fn step(&self, path: &[u8]) -> Option<Step<'_>> {
        Some(match self.paths.get(std::str::from_utf8(path).ok()?)? {
            PathKind::Directory => Step::Directory,
            PathKind::Symlink(target) => Step::Link(target.as_bytes()),
            PathKind::File | PathKind::Other => Step::Leaf,
        })
    }
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
}

fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;

    use super::*;

    fn python(path: &str, version: &str, names: &[&str]) -> Interpreter {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Interpreter { path: path.into(), version: version.parse().unwrap(), names }
    }

    /// Debian with an official Python on top, and `/bin` linked.
    fn offers() -> Offers {
        let mut offers = Offers {
            pythons: vec![
                python("/usr/bin/python3.11", "3.11.2", &["/usr/bin/python3", "/usr/bin/python3.11"]),
                python(
                    "/usr/local/bin/python3.13",
                    "3.13.5",
                    &["/usr/local/bin/python", "/usr/local/bin/python3", "/usr/local/bin/python3.13"],
                ),
                python("/usr/local/bin/python3.9", "3.9", &["/usr/local/bin/python3.9"]),
            ],
            users: vec![User { name: "app".into(), uid: 1000, gid: 50, home: "/home/app".into() }],
            groups: vec![Group { name: "staff".into(), gid: 50 }],
            ..Offers::default()
        };
        for path in ["usr", "usr/bin", "usr/local", "usr/local/bin", "srv"] {
            offers.paths.insert(path.into(), PathKind::Directory);
        }
        for (path, target) in [("bin", "usr/bin"), ("app", "/srv/app"), ("loop", "loop")] {
            offers.paths.insert(path.into(), PathKind::Symlink(target.into()));
        }
        offers.paths.insert("usr/bin/env".into(), PathKind::File);
        offers
    }

    fn check(wanted: Option<&str>, path: Option<&str>, expected: &str) {
        let wanted = wanted.map(|wanted| wanted.parse().unwrap());
        match offers().python(wanted, path) {
            Ok(python) => assert_eq!(python.path, expected),
            Err(error) => assert_eq!(error.to_string(), expected),
        }
    }

    #[test]
    fn the_first_that_fits_on_the_path_is_taken() {
        check(None, None, "/usr/local/bin/python3.13");
        check(Some("3.11"), None, "/usr/bin/python3.11");
        check(Some("3.9.7"), None, "/usr/local/bin/python3.9");
        check(None, Some("relative:/nowhere:/loop:/bin"), "/usr/bin/python3.11");
        check(Some("3.13.5"), None, "/usr/local/bin/python3.13");
    }

    #[test]
    fn otherwise_what_is_there_is_listed() {
        let found = "3.11.2 at /usr/bin/python3.11, 3.13.5 at /usr/local/bin/python3.13, 3.9 at /usr/local/bin/python3.9";
        check(
            Some("3.13.1"),
            Some("/usr/local/bin"),
            &format!("the base image has no Python 3.13.1 in /usr/local/bin; found: {found}"),
        );
        check(
            Some("3.9"),
            Some("/bin"),
            &format!("the base image has no Python 3.9 in /bin; found: {found}"),
        );
        let error = Offers::default().python(None, None).unwrap_err();
        assert_eq!(error.to_string(), format!("the base image has no Python 3 in {USUAL_PATH}; found: none"));
        assert!(error.hint().is_some() && !error.is_outside());
    }

    #[test]
    fn users_become_numbers() {
        for (user, expected) in [
            ("app", Ok((1000, 50))),
            ("1000", Ok((1000, 50))),
            ("app:0", Ok((1000, 0))),
            ("7:staff", Ok((7, 50))),
            ("65532", Ok((65532, 0))),
            ("nobody", Err("`/etc/passwd` does not list `nobody`")),
            ("app:wheel", Err("`/etc/group` does not list `wheel`")),
            ("-1", Err("`/etc/passwd` does not list `-1`")),
        ] {
            let found = offers().user_id(user).map_err(|error| error.to_string());
            let expected = expected
                .map_err(|reason| format!("the base image has no number for the user `{user}`: {reason}"));
            assert_eq!(found, expected);
        }
        let error = Offers::default().user_id("app").unwrap_err();
        assert!(error.to_string().contains("`/etc/passwd` is missing or unreadable"), "{error}");
        assert!(error.hint().unwrap().contains("`1000:1000`"));
    }

    #[test]
    fn paths_are_asked_through_links() {
        let offers = offers();
        assert_eq!(offers.at("/bin/env"), Some(&PathKind::File));
        assert_eq!(offers.at("app"), Some(&PathKind::Symlink("/srv/app".into())));
        assert_eq!(offers.resolve("/bin/env").as_deref(), Some("usr/bin/env"));
        assert_eq!((offers.resolve("app"), offers.resolve("loop")), (None, None));
        assert_eq!(offers.landing("/app/.venv").as_deref(), Some("srv/app/.venv"));
        assert_eq!(offers.landing("loop/x"), None);
    }
}
