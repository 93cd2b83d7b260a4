use std::path::{Path, PathBuf};

use wainwright_http::{Auth, Url, redacted, take_credentials};

use crate::Error;

/// A package index, with the credentials it was written with.
#[derive(Clone)]
pub struct IndexUrl {
    /// Its name in uv's settings.
    pub name: Option<String>,
    /// Its address without credentials, ending in `/`.
    pub url: Url,
    /// What to show it. Cannot be printed.
    pub auth: Option<Auth>,
}

/// A place with links to files of many packages (`--find-links`).
#[derive(Clone)]
pub enum FindLinks {
    /// A folder of files.
    Folder(PathBuf),
    /// An HTML page.
    Page {
        /// Its address without credentials.
        url: Url,
        /// What to show it. Cannot be printed.
        auth: Option<Auth>,
    },
}

impl IndexUrl {
    /// Reads an index as pip and uv write it: `https://...`, `file://...`, or the path of a folder relative
    /// to `base`.
    pub(crate) fn read(text: &str, base: &Path, place: &str) -> Result<Self, Error> {
        let (mut url, auth) = match read_url(text, place)? {
            Some(read) => read,
            None => (folder_url(&base.join(text), place)?, None),
        };
        url.set_fragment(None);
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(Self { name: None, url, auth })
    }

    /// Reads `name=url` or `url`, as UV_INDEX does.
    pub(crate) fn read_named(text: &str, base: &Path, place: &str) -> Result<Self, Error> {
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        match text.split_once('=') {
            Some((name, url)) if !name.is_empty() && is_name(name) => {
                Ok(Self { name: Some(name.to_owned()), ..Self::read(url, base, place)? })
            }
            _ => Self::read(text, base, place),
        }
    }

    /// Its page about a package (PEP 503: the normalized name, and a slash).
    pub(crate) fn page(&self, name: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{name}/", self.url.path()));
        url
    }

    /// As it may be shown.
    pub(crate) fn shown(&self) -> String {
        redacted(&self.url)
    }

    /// Whether two addresses mean one index: a slash at the end and credentials make no difference.
    pub(crate) fn is_at(&self, url: &Url) -> bool {
        let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
        (self.url.scheme(), self.url.host(), self.url.port_or_known_default())
            == (url.scheme(), url.host(), url.port_or_known_default())
            && path(&self.url) == path(url)
    }
}

impl FindLinks {
    /// Reads what `--find-links` takes: a folder or an HTML file, as path relative to `base` or `file://`, or
    /// a page.
    pub(crate) fn read(text: &str, base: &Path, place: &str) -> Result<Self, Error> {
        let path = match read_url(text, place)? {
            None => base.join(text),
            Some((url, auth)) if url.scheme() != "file" => return Ok(Self::Page { url, auth }),
            Some((url, _)) => url.to_file_path().map_err(|()| no_local_path(place))?,
        };
        let is_page = path.extension().is_some_and(|end| end == "html" || end == "htm");
        if is_page && path.is_file() {
            let url = Url::from_file_path(&path).map_err(|()| no_local_path(place))?;
            return Ok(Self::Page { url, auth: None });
        }
        Ok(Self::Folder(path))
    }

    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Folder(path) => path.display().to_string(),
            Self::Page { url, .. } => redacted(url),
        }
    }
}

/// A URL and the credentials that were in it; `None` for what has no `scheme://` and so is a path.
fn read_url(text: &str, place: &str) -> Result<Option<(Url, Option<Auth>)>, Error> {
    let refuse = |reason: String| Error::Setting { place: place.to_owned(), reason };
    let Some((scheme, _)) = text.split_once(':').filter(|(_, rest)| rest.starts_with('/')) else {
        return Ok(None);
    };
    let mut url: Url = text.parse().map_err(|error| refuse(format!("it is not a URL ({error})")))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => {}
        "file" => {}
        _ => return Err(refuse(format!("`{}` is not http, https or file", scheme.escape_debug()))),
    }
    let auth = take_credentials(&mut url);
    Ok(Some((url, auth)))
}

fn folder_url(path: &Path, place: &str) -> Result<Url, Error> {
    std::path::absolute(path)
        .ok()
        .and_then(|path| Url::from_directory_path(path).ok())
        .ok_or_else(|| no_local_path(place))
}

fn no_local_path(place: &str) -> Error {
    Error::Setting { place: place.to_owned(), reason: "it is not the path of a local file".into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wainwright_http::Secret;

    fn index(text: &str) -> IndexUrl {
        IndexUrl::read_named(text, Path::new("/base"), "here").unwrap()
    }

    #[test]
    fn indexes_are_urls_or_folders() {
        assert_eq!(index("https://h.example/simple").url.as_str(), "https://h.example/simple/");
        assert_eq!(index("https://h.example/simple").page("foo").as_str(), "https://h.example/simple/foo/");
        assert_eq!(index("file:///mirror/simple/").url.as_str(), "file:///mirror/simple/");
        assert_eq!(index("mirror").url.as_str(), "file:///base/mirror/");
        let named = index("corp=https://ann:pw@h.example/x/");
        assert_eq!((named.name.as_deref(), named.url.as_str()), (Some("corp"), "https://h.example/x/"));
        assert!(named.auth == Some(Auth::basic("ann", &Secret::new("pw"))));
    }

    #[test]
    fn errors_do_not_repeat_the_value() {
        for text in ["https://", "ftp://ann:CANARY@h/", "http://ann:CANARY@:x/"] {
            let error = IndexUrl::read(text, Path::new("/"), "PIP_INDEX_URL").err().unwrap();
            assert!(!format!("{error} {error:?}").contains("CANARY"));
            assert!(error.to_string().contains("PIP_INDEX_URL"), "{error}");
        }
    }

    #[test]
    fn index_url_spellings_are_equal() {
        let index = index("https://u@h.example:443/simple");
        assert!(index.is_at(&"https://H.example/simple/".parse().unwrap()));
        assert!(!index.is_at(&"https://h.example/other/".parse().unwrap()));
        assert!(!index.is_at(&"http://h.example/simple/".parse().unwrap()));
    }
}
