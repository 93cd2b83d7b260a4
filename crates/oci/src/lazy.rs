use std::fmt;
use std::str::FromStr;

use crate::{Compression, Error};

/// Whether a layer can be mounted before it was fetched, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lazy {
    /// It cannot.
    #[default]
    No,
    /// eStargz: a gzip member for every file, and a table of contents behind them (containerd's stargz-snapshotter,
    /// `docs/estargz.md`).
    Estargz,
}

impl Lazy {
    /// Whether a layer that is compressed in some way can have this layout: eStargz is made of gzip members.
    pub fn goes_with(self, compression: Compression) -> bool {
        self == Self::No || matches!(compression, Compression::Splice | Compression::Gzip(_))
    }
}

impl fmt::Display for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "no",
            Self::Estargz => "estargz",
        })
    }
}

impl FromStr for Lazy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = [Self::No, Self::Estargz];
        let known = all.into_iter().find(|lazy| lazy.to_string() == text);
        known.ok_or_else(|| Error::Lazy { text: text.chars().take(100).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_read_and_written_the_same() {
        for lazy in [Lazy::No, Lazy::Estargz] {
            assert_eq!(lazy.to_string().parse(), Ok(lazy));
        }
        assert!("soci".parse::<Lazy>().is_err());
    }
}
