use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::{Error, media_type};

/// How the tar of a layer is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// gzip, joined from the deflate blocks that wheels already hold; what nobody compressed yet is deflated.
    #[default]
    Splice,
    /// gzip, deflated anew at a zlib level from 1 to 9.
    Gzip(u8),
    /// Zstandard at a level from 1 to 19.
    ///
    /// Higher levels look back further than the 8 MiB that every decoder has to support (RFC 8878, 3.1.1.1.2).
    Zstd(u8),
    /// A plain tar.
    None,
}

const GZIP_LEVELS: RangeInclusive<u8> = 1..=9;
const ZSTD_LEVELS: RangeInclusive<u8> = 1..=19;
/// The levels that the programs `gzip` and `zstd` take when they are not told one.
const GZIP_LEVEL: u8 = 6;
const ZSTD_LEVEL: u8 = 3;

impl Compression {
    /// The media type of a layer that is compressed in this way.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Splice | Self::Gzip(_) => media_type::LAYER_GZIP,
            Self::Zstd(_) => media_type::LAYER_ZSTD,
            Self::None => media_type::LAYER_TAR,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Splice => f.write_str("splice"),
            Self::Gzip(level) => write!(f, "gzip:{level}"),
            Self::Zstd(level) => write!(f, "zstd:{level}"),
            Self::None => f.write_str("none"),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let short = || text.chars().take(100).collect();
        let (name, level) = text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let checked = |levels: RangeInclusive<u8>, default| match level {
            None => Ok(default),
            Some(level) => level
                .parse()
                .ok()
                // One level is written in one way.
                .filter(|number: &u8| levels.contains(number) && number.to_string() == level)
                .ok_or_else(|| Error::Level {
                    text: short(),
                    lowest: *levels.start(),
                    highest: *levels.end(),
                }),
        };
        match (name, level) {
            ("splice", None) => Ok(Self::Splice),
            ("none", None) => Ok(Self::None),
            ("gzip", _) => Ok(Self::Gzip(checked(GZIP_LEVELS, GZIP_LEVEL)?)),
            ("zstd", _) => Ok(Self::Zstd(checked(ZSTD_LEVELS, ZSTD_LEVEL)?)),
            _ => Err(Error::Compression { text: short() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_are_read_and_written_the_same() {
        for text in ["splice", "none", "gzip:1", "gzip:9", "zstd:1", "zstd:19"] {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), text);
        }
        assert_eq!("gzip".parse(), Ok(Compression::Gzip(6)));
        assert_eq!("zstd".parse(), Ok(Compression::Zstd(3)));
    }

    #[test]
    fn levels_outside_the_limits_are_refused() {
        for (text, limits) in [
            ("gzip:0", "from 1 to 9"),
            ("gzip:10", "from 1 to 9"),
            ("gzip:", "from 1 to 9"),
            ("gzip:06", "from 1 to 9"),
            ("zstd:-1", "from 1 to 19"),
            ("zstd:20", "from 1 to 19"),
            ("zstd:+3", "from 1 to 19"),
            ("zstd:999999999999", "from 1 to 19"),
        ] {
            let message = text.parse::<Compression>().unwrap_err().to_string();
            assert!(message.contains(text) && message.contains(limits), "{message}");
        }
        for text in ["", "xz", "Gzip", "splice:1", "none:0", "gzip 9"] {
            assert!(matches!(text.parse::<Compression>(), Err(Error::Compression { .. })), "{text}");
        }
    }
}
