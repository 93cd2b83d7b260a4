use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use wainwright_oci::Digest;

use crate::Error;

/// Where a base image is: `layout:FOLDER[:NAME][@sha256:...]` or `archive:FILE[:NAME]`.
///
/// The name begins behind the first `:` whose rest could be an image name (`1.4`, `ghcr.io/acme/api:1.4`); so a path
/// may hold a `:` only where what follows could not be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder that follows the OCI image layout.
    Layout {
        /// The folder that holds `oci-layout`.
        dir: PathBuf,
        /// Which image, where there are several.
        name: Option<String>,
        /// Which manifest or index; refused when it is not there.
        digest: Option<Digest>,
    },
    /// A tar of an OCI layout, or what `docker save` writes; may be compressed with gzip or zstd.
    Archive {
        /// The file.
        file: PathBuf,
        /// Which image, where there are several.
        name: Option<String>,
    },
}

impl Source {
    /// Reads a source that may also be a bare path: a folder is a layout, a file an archive.
    pub fn of_image(text: &str) -> Result<Self, Error> {
        if text.starts_with("layout:") || text.starts_with("archive:") {
            return text.parse();
        }
        let kind = |path: &str| Path::new(path).metadata().ok().map(|found| found.is_dir());
        let kind = kind(text).or_else(|| kind(split_name(text).0));
        match kind {
            Some(true) => format!("layout:{text}").parse(),
            Some(false) => format!("archive:{text}").parse(),
            None => Err(Error::Source {
                text: text.chars().take(200).collect(),
                reason: "no such folder or file".into(),
            }),
        }
    }

    /// The folder or file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Layout { dir, .. } => dir,
            Self::Archive { file, .. } => file,
        }
    }

    /// The same source with a relative path understood from `folder`.
    pub fn within(mut self, folder: &Path) -> Self {
        match &mut self {
            Self::Layout { dir: path, .. } | Self::Archive { file: path, .. } => *path = folder.join(&*path),
        }
        self
    }
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Source { text: text.chars().take(200).collect(), reason };
        let Some((kind @ ("layout" | "archive"), rest)) = text.split_once(':') else {
            return Err(refuse("it starts with neither `layout:` nor `archive:`".into()));
        };
        let (rest, digest) = match rest.rsplit_once("@sha256:") {
            Some((rest, hex)) => match Digest::from_hex(hex) {
                Ok(digest) => (rest, Some(digest)),
                Err(error) => return Err(refuse(error.to_string())),
            },
            None => (rest, None),
        };
        let (path, name) = split_name(rest);
        if path.is_empty() {
            return Err(refuse("it has no path".into()));
        }
        let name = name.map(Into::into);
        match (kind, digest) {
            ("layout", digest) => Ok(Self::Layout { dir: path.into(), name, digest }),
            (_, None) => Ok(Self::Archive { file: path.into(), name }),
            (_, Some(_)) => Err(refuse("images in an archive are selected by name, not by digest".into())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name, digest) = match self {
            Self::Layout { name, digest, .. } => ("layout", name, digest.as_ref()),
            Self::Archive { name, .. } => ("archive", name, None),
        };
        write!(f, "{kind}:{}", self.path().display())?;
        name.iter().try_for_each(|name| write!(f, ":{name}"))?;
        digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

fn split_name(text: &str) -> (&str, Option<&str>) {
    for (at, _) in text.match_indices(':') {
        let (path, name) = (&text[..at], &text[at + 1..]);
        if is_image_name(name) {
            return (path, Some(name));
        }
    }
    (text, None)
}

/// The characters of the reference grammar (distribution-spec), and no empty or dotted path component.
fn is_image_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/".contains(&byte);
    text.bytes().all(is_letter)
        && text
            .split(['/', ':'])
            .all(|word| word.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_'))
}

/// Whether `name`, found in a layout or archive, is what the user means by `wanted`.
///
/// Docker writes `docker.io/library/api:1.4` and podman `localhost/api:1.4` where the user typed `api:1.4`; layouts often
/// hold the bare tag `1.4`.
pub(crate) fn is_same_name(name: &str, wanted: &str) -> bool {
    let short = |name: &str| {
        let host = ["docker.io/", "localhost/"].iter().find_map(|host| name.strip_prefix(host));
        let name = host.unwrap_or(name);
        let name = name.strip_prefix("library/").unwrap_or(name);
        let has_tag = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
        if has_tag { name.to_owned() } else { format!("{name}:latest") }
    };
    let tag = |name: &str| {
        name.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag.to_owned())
    };
    name == wanted || short(name) == short(wanted) || tag(name).as_deref() == Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> String {
        match text.parse::<Source>() {
            Ok(source) => {
                assert_eq!(source.to_string(), text, "written as it was read");
                format!("{source:?}")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn paths_names_and_digests_are_taken_apart() {
        let layout = |dir: &str, name: Option<&str>| {
            let name = name.map(Into::into);
            format!("{:?}", Source::Layout { dir: dir.into(), name, digest: None })
        };
        assert_eq!(parse("layout:out"), layout("out", None));
        assert_eq!(parse("layout:/a/out:1.4"), layout("/a/out", Some("1.4")));
        assert_eq!(
            parse("layout:out:ghcr.io:5000/acme/api:1"),
            layout("out", Some("ghcr.io:5000/acme/api:1"))
        );
        assert_eq!(parse("layout:/run/user:0/../out"), layout("/run/user:0/../out", None));
        assert_eq!(parse("layout:/x:/out:v1"), layout("/x:/out", Some("v1")));
        let digest = format!("sha256:{}", "a".repeat(64));
        assert!(parse(&format!("layout:out:1@{digest}")).contains(&format!("Some({digest})")));
        assert!(parse("archive:./a.tar.gz:app").contains(r#"file: "./a.tar.gz", name: Some("app")"#));
    }

    #[test]
    fn invalid_sources_are_rejected() {
        for text in
            ["", "layout", "layout:", "layout::x", "oci:out", "archive:@sha256:aa", "layout:x@sha256:AB"]
        {
            assert!(text.parse::<Source>().is_err(), "{text} was read");
        }
        let pinned = format!("archive:x.tar@sha256:{}", "a".repeat(64));
        assert!(parse(&pinned).contains("by name, not by digest"));
    }

    #[test]
    fn image_name_spellings_are_equal() {
        for (name, wanted) in [
            ("1.4", "1.4"),
            ("api:1.4", "1.4"),
            ("docker.io/library/api:1.4", "api:1.4"),
            ("docker.io/library/api:latest", "api"),
            ("localhost/api:1.4", "api:1.4"),
            ("localhost:5000/api:1.4", "1.4"),
        ] {
            assert!(is_same_name(name, wanted), "{name} is not {wanted}");
        }
        assert!(!is_same_name("api:1.4", "1"));
        assert!(!is_same_name("localhost:5000/api", "5000/api"));
    }
}
