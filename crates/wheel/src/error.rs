use std::fmt;
use std::io;

use wainwright_fault::{Classify, Kind};

use crate::rules::{Rule, explain};

/// Why a wheel is not installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The wheel breaks one of the [`RULES`](crate::RULES).
    #[error("wheel `{wheel}` is refused ({rule}): {}{reason}", Member(member))]
    Refused {
        /// Its file name.
        wheel: String,
        /// The id of the rule: `E-PATH`.
        rule: &'static str,
        /// The member it is about, unprintable characters escaped.
        member: Option<String>,
        /// What was found.
        reason: String,
    },
    /// The file could not be read.
    #[error("cannot read the wheel `{wheel}`")]
    Read {
        /// Its file name.
        wheel: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The layout asks for something no wheel can be installed into.
    #[error("cannot install into this layout: {reason}")]
    Layout {
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// The id of the rule that refused the wheel.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Refused { rule, .. } => Some(rule),
            Self::Read { .. } | Self::Layout { .. } => None,
        }
    }
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { rule, .. } => explain(rule).map(Rule::hint),
            Self::Read { source, .. } if source.kind() == io::ErrorKind::IsADirectory => {
                Some("this is a folder; list the wheels in it: `dist/*.whl`".into())
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("check the path: no such file".into())
            }
            Self::Read { .. } => Some("check that the file still exists and the disk is healthy".into()),
            Self::Layout { .. } => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Read { .. } => Kind::Outside,
            Self::Refused { .. } | Self::Layout { .. } => Kind::Input,
        }
    }
}

/// Writes the member of a message, if there is one.
struct Member<'a>(&'a Option<String>);

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |member| write!(f, "`{member}`: "))
    }
}

/// An [`Error`] that does not know yet which wheel it is about.
#[derive(Debug)]
pub(crate) enum Fault {
    Broken { rule: &'static str, member: Option<String>, reason: String },
    Read(io::Error),
}

impl Fault {
    /// The archive as a whole breaks a rule.
    pub(crate) fn archive(rule: &'static str, reason: impl Into<String>) -> Self {
        Self::Broken { rule, member: None, reason: reason.into() }
    }

    /// A member breaks a rule.
    pub(crate) fn member(rule: &'static str, member: impl AsRef<[u8]>, reason: impl Into<String>) -> Self {
        Self::Broken { rule, member: Some(printable(member)), reason: reason.into() }
    }

    pub(crate) fn in_wheel(self, wheel: impl fmt::Display) -> Error {
        let wheel = wheel.to_string();
        match self {
            Self::Broken { rule, member, reason } => Error::Refused { wheel, rule, member, reason },
            Self::Read(source) => Error::Read { wheel, source },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Self {
        Self::Read(source)
    }
}

/// A name from an archive, safe to show: nothing in it can move a cursor or hide the rest, nor is it endless.
pub(crate) fn printable(name: impl AsRef<[u8]>) -> String {
    let text = String::from_utf8_lossy(name.as_ref());
    let mut shown: String = text.chars().take(200).flat_map(char::escape_debug).collect();
    if text.chars().nth(200).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_escapes_terminal_controls() {
        assert_eq!(printable("a\u{1b}[2Jb\n\u{202e}c"), r"a\u{1b}[2Jb\n\u{202e}c");
        assert_eq!(printable(b"caf\xe9"), "caf\u{fffd}");
        assert_eq!(printable("x".repeat(300)).chars().count(), 201);
    }
}
