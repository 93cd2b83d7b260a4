use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A kind of files in packages that running programs seldom need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slim {
    /// Pages of manuals, and texts and pictures in folders of documentation.
    Docs,
    /// Folders of examples inside packages that no program can import.
    Examples,
    /// Headers of C, C++ and CUDA, and declarations of Cython.
    Headers,
    /// Catalogues of translations other than English, and the sources of all.
    Locales,
    /// Bytecode that a wheel brings.
    Pycache,
    /// Sources beside the modules that were compiled of them, and source maps.
    Sources,
    /// Libraries to link with.
    StaticLibraries,
    /// Folders of tests inside packages.
    Tests,
    /// Type stubs, which type checkers read.
    TypeStubs,
}

impl Slim {
    /// Every kind, sorted by name.
    pub const ALL: [Self; 9] = [
        Self::Docs,
        Self::Examples,
        Self::Headers,
        Self::Locales,
        Self::Pycache,
        Self::Sources,
        Self::StaticLibraries,
        Self::Tests,
        Self::TypeStubs,
    ];

    /// How users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docs => "docs",
            Self::Examples => "examples",
            Self::Headers => "headers",
            Self::Locales => "locales",
            Self::Pycache => "pycache",
            Self::Sources => "sources",
            Self::StaticLibraries => "static-libraries",
            Self::Tests => "tests",
            Self::TypeStubs => "type-stubs",
        }
    }
}

impl fmt::Display for Slim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Slim {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| Error::Slim { text: text.into(), known: Self::ALL.map(Self::name).join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in Slim::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!(Slim::ALL.is_sorted_by_key(|kind| kind.name()));
        assert_eq!(
            "test".parse::<Slim>().unwrap_err().to_string(),
            "`test` is not one of docs, examples, headers, locales, pycache, sources, static-libraries, tests, type-stubs"
        );
    }
}
