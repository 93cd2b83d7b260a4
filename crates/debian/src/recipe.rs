use wainwright_python::PythonVersion;

use crate::{Error, Exclusion, Suite};

/// What to ask of a release for a base image that runs Python.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recipe {
    /// The release.
    pub suite: Suite,
    /// The packages to ask for; what they depend on follows.
    pub requested: Vec<String>,
    /// What is left out although it is depended on.
    pub excluded: Vec<Exclusion>,
    /// The Python the release has, without its patch level, which only a lock knows.
    pub python: PythonVersion,
}

struct Known {
    codename: &'static str,
    python: PythonVersion,
    requested: &'static [&'static str],
    excluded: &'static [&'static str],
}

/// The smallest sets with the whole standard library, TLS, time zones, and the libraries binary wheels expect of every system
/// (libc, libgcc, libstdc++, zlib).
///
/// Left out is what only maintainer scripts use: `debconf`, `dpkg`, an `awk` for base-files, the `openssl` command that rehashes
/// certificates, the `inputrc` of readline. Of Debian 12 also the module `nis`, whose two libraries bring Kerberos along; Python
/// 3.13 no longer has it.
const RECIPES: [Known; 2] = [
    Known {
        codename: "bookworm",
        python: PythonVersion::new(3, 11),
        requested: &["base-files", "ca-certificates", "libstdc++6", "netbase", "python3.11", "tzdata"],
        excluded: &[
            "awk for base-files",
            "debconf",
            "dpkg",
            "libnsl2 for libpython3.11-stdlib",
            "libtirpc3 for libpython3.11-stdlib",
            "openssl for ca-certificates",
            "readline-common for libreadline8",
        ],
    },
    Known {
        codename: "trixie",
        python: PythonVersion::new(3, 13),
        requested: &["base-files", "ca-certificates", "libstdc++6", "netbase", "python3.13", "tzdata"],
        excluded: &[
            "awk for base-files",
            "debconf",
            "dpkg",
            "openssl for ca-certificates",
            "readline-common for libreadline8t64",
        ],
    },
];

/// The Python base of a release.
pub fn recipe(suite: Suite) -> Result<Recipe, Error> {
    let Some(known) = RECIPES.iter().find(|known| known.codename == suite.codename()) else {
        return Err(Error::NoRecipe { suite: suite.to_string() });
    };
    Ok(Recipe {
        suite,
        requested: known.requested.iter().map(|name| (*name).to_owned()).collect(),
        excluded: known.excluded.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
        python: known.python,
    })
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;

    use super::*;

    #[test]
    fn each_recipe_is_sorted_and_asks_for_its_python() {
        for (name, python) in [("12", "3.11"), ("trixie", "3.13")] {
            let recipe = recipe(name.parse().expect("known")).expect("a recipe");
            assert_eq!(recipe.python.to_string(), python);
            assert!(recipe.requested.contains(&format!("python{python}")));
            assert!(recipe.requested.is_sorted() && recipe.excluded.is_sorted());
        }
    }

    #[test]
    fn a_release_without_recipe_says_which_have_one() {
        let error = recipe("sid".parse().expect("known")).expect_err("no recipe");
        assert!(error.hint().is_some_and(|hint| hint.contains("bookworm") && hint.contains("trixie")));
    }
}
