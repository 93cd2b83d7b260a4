use std::borrow::Borrow;
use std::fmt;

use crate::Error;

/// A path inside an image: relative to its root, `/` between components, any bytes but NUL.
///
/// Cannot be empty, absolute, climb with `..`, hold an empty or `.` component, be longer than 4,096 bytes, have a
/// component above 255 bytes, or a component that starts with `.wh.` (OCI image-spec, "Whiteouts": such a name deletes
/// its sibling). Ordered by bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImagePath(Box<[u8]>);

impl ImagePath {
    /// Checks a path. One leading `/` or `./` is not forgiven: strip it where it is known to be harmless.
    pub fn new(path: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let path: Vec<u8> = path.into();
        let refuse = |reason| Err(Error::Path { path: path.escape_ascii().to_string(), reason });
        if path.is_empty() {
            return refuse("it is empty");
        }
        if path.len() > 4096 {
            return refuse("it is longer than 4096 bytes");
        }
        if path[0] == b'/' {
            return refuse("it is absolute");
        }
        if path.contains(&0) {
            return refuse("it contains a NUL byte");
        }
        for component in path.split(|byte| *byte == b'/') {
            match component {
                b"" => return refuse("it has an empty component"),
                b"." => return refuse("it has a `.` component"),
                b".." => return refuse("it contains `..`"),
                long if long.len() > 255 => return refuse("a component is longer than 255 bytes"),
                hidden if hidden.starts_with(b".wh.") => {
                    return refuse("names that start with `.wh.` delete files in an image");
                }
                _ => {}
            }
        }
        Ok(Self(path.into()))
    }

    /// The bytes, without a leading or trailing slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path below this one.
    pub fn join(&self, below: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::new([&self.0, &b"/"[..], below.as_ref()].concat())
    }

    /// The directory that holds it, `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        let slash = self.0.iter().rposition(|byte| *byte == b'/')?;
        Some(Self(self.0[..slash].into()))
    }

    /// The last component.
    pub fn file_name(&self) -> &[u8] {
        let start = self.0.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        &self.0[start..]
    }

    /// Whether it is `directory` or lies below it.
    pub fn starts_with(&self, directory: &Self) -> bool {
        self.0.strip_prefix(&*directory.0).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

impl Borrow<[u8]> for ImagePath {
    /// Sets of paths can be asked for bytes: both are ordered and hashed alike.
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ImagePath {
    /// Without a leading slash; bytes that are not printable UTF-8 are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) if !text.chars().any(char::is_control) => f.write_str(text),
            _ => self.0.escape_ascii().fmt(f),
        }
    }
}

impl fmt::Debug for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_leave_or_delete_are_refused() {
        for path in
            ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a/.wh.b", ".wh..wh..opq", "a\0b"]
        {
            assert!(ImagePath::new(path).is_err(), "{path:?} was read");
        }
        assert!(ImagePath::new("x".repeat(256)).is_err());
        assert!(ImagePath::new("x/".repeat(2048) + "xx").is_err());
    }

    #[test]
    fn parents_and_prefixes_go_by_component() {
        let path = ImagePath::new("app/.venv/bin").unwrap();
        assert_eq!(path.parent().unwrap().to_string(), "app/.venv");
        assert_eq!(path.file_name(), b"bin");
        assert!(path.starts_with(&ImagePath::new("app").unwrap()));
        assert!(!path.starts_with(&ImagePath::new("ap").unwrap()));
    }
}
