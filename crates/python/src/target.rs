use std::fmt;
use std::str::FromStr;

use crate::Error;

/// What a wheel has to run on: an interpreter, a processor and a C library.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct Target {
    /// The CPython version of the base image.
    pub python: PythonVersion,
    /// The processor as OCI names it: `amd64`, `arm64`, `arm`, `ppc64le`, `s390x`, `riscv64`, `386`.
    pub architecture: String,
    /// `v7` of `linux/arm/v7`.
    pub variant: Option<String>,
    /// The C library of the base image.
    pub libc: Libc,
}

impl Target {
    /// The processor as `platform.machine()` and wheel tags name it: `x86_64`, `aarch64`, `armv7l`, `i686` ...
    pub fn machine(&self) -> &str {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            ("amd64", _) => "x86_64",
            ("arm64", _) => "aarch64",
            ("arm", Some("v6")) => "armv6l",
            ("arm", _) => "armv7l",
            ("386", _) => "i686",
            ("loong64", _) => "loongarch64",
            (other, _) => other,
        }
    }
}

/// A C library and its version, which decides the platform tags that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Libc {
    /// GNU libc, `manylinux` wheels; major and minor version.
    Glibc(u16, u16),
    /// musl, `musllinux` wheels; major and minor version.
    Musl(u16, u16),
}

impl fmt::Display for Libc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glibc(major, minor) => write!(f, "glibc {major}.{minor}"),
            Self::Musl(major, minor) => write!(f, "musl {major}.{minor}"),
        }
    }
}

/// A CPython version; the patch level is known once a base is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PythonVersion {
    /// `3` of 3.11.2.
    pub major: u8,
    /// `11` of 3.11.2.
    pub minor: u8,
    /// `2` of 3.11.2.
    pub patch: Option<u8>,
}

impl PythonVersion {
    /// `3.11`, without a patch level.
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor, patch: None }
    }

    /// `3.11`: what names directories and tags.
    pub fn short(&self) -> String {
        format!("{}.{}", self.major, self.minor)
    }

    /// `3.11.2`, with `.0` when the patch level is not known: what `python_full_version` holds.
    pub fn full(&self) -> String {
        format!("{}.{}.{}", self.major, self.minor, self.patch.unwrap_or(0))
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        self.patch.map_or(Ok(()), |patch| write!(f, ".{patch}"))
    }
}

impl FromStr for PythonVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = || Error::PythonVersion { text: text.chars().take(100).collect() };
        // `u8` would also read `+3`.
        let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let number = |part: &str| part.parse().ok().filter(|_| is_plain(part)).ok_or_else(refuse);
        match text.split('.').collect::<Vec<_>>()[..] {
            [major, minor] => Ok(Self { major: number(major)?, minor: number(minor)?, patch: None }),
            [major, minor, patch] => {
                Ok(Self { major: number(major)?, minor: number(minor)?, patch: Some(number(patch)?) })
            }
            _ => Err(refuse()),
        }
    }
}

crate::serde_as_text!(PythonVersion);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_two_or_three_numbers() {
        let version: PythonVersion = "3.11".parse().unwrap();
        assert_eq!((version.short(), version.full()), ("3.11".into(), "3.11.0".into()));
        let version: PythonVersion = "3.13.5".parse().unwrap();
        assert_eq!((version.short(), version.full()), ("3.13".into(), "3.13.5".into()));
        for text in ["", "3", "3.", "3.11.2.1", "+3.11", "3.11rc1", "3.256", " 3.11"] {
            assert!(text.parse::<PythonVersion>().is_err(), "{text:?} was read");
        }
    }

    #[test]
    fn machines_are_named_as_python_names_them() {
        let machine = |architecture: &str, variant: Option<&str>| {
            let target = Target {
                python: PythonVersion::new(3, 11),
                architecture: architecture.into(),
                variant: variant.map(Into::into),
                libc: Libc::Glibc(2, 36),
            };
            target.machine().to_owned()
        };
        assert_eq!(machine("amd64", None), "x86_64");
        assert_eq!(machine("arm64", Some("v8")), "aarch64");
        assert_eq!(machine("arm", Some("v7")), "armv7l");
        assert_eq!(machine("s390x", None), "s390x");
    }
}
