use std::fmt;
use std::str::FromStr;

use wainwright_oci::ImagePath;
use wainwright_python::PackageName;

use crate::values::cut;

/// Whose file stays where packages own one path with different contents: `PACKAGE`, or `/PATH=PACKAGE` for one path alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AllowedClash {
    /// The path in the image; `None`: wherever the package clashes.
    pub path: Option<ImagePath>,
    /// The package whose file stays.
    pub package: PackageName,
}

impl fmt::Display for AllowedClash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "/{path}={}", self.package),
            None => self.package.fmt(f),
        }
    }
}

impl FromStr for AllowedClash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: String| {
            format!("`{}` is neither `PACKAGE` nor `/PATH/IN/THE/IMAGE=PACKAGE`: {why}", cut(text))
        };
        // A path may hold an equals sign, a package may not.
        let (path, package) = match text.rsplit_once('=') {
            None => (None, text),
            Some((path, package)) => {
                let Some(path) = path.strip_prefix('/') else {
                    return Err(refuse("the path does not begin with `/`".into()));
                };
                let path = ImagePath::new(path).map_err(|error| refuse(error.to_string()))?;
                (Some(path), package)
            }
        };
        let package = package.parse().map_err(|error: wainwright_python::Error| refuse(error.to_string()))?;
        Ok(Self { path, package })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_or_a_path_and_a_package_are_read() {
        for text in ["one", "/app/.venv/bin/tool=one", "/app/a=b/c=two-more"] {
            assert_eq!(text.parse::<AllowedClash>().unwrap().to_string(), text);
        }
        assert_eq!("Two_More".parse::<AllowedClash>().unwrap().package.as_str(), "two-more");
        for text in ["", "bin/tool=one", "/=one", "/app/../x=one", "/app/x=", "/app/x"] {
            assert!(text.parse::<AllowedClash>().is_err(), "{text} was read");
        }
    }
}
