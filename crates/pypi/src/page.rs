use serde::Deserialize;
use wainwright_http::{Response, Url, take_credentials};
use wainwright_oci::Digest;
use wainwright_python::PackageName;

use crate::{Error, Filename, IndexFile, html};

/// JSON where there is a choice, as pip asks (PEP 691, "Version + Format Selection").
pub(crate) const ACCEPT: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.2, text/html; q=0.01";

/// Pages of projects with ten thousand files have some 20 MB.
pub(crate) const MOST: usize = 128 * 1024 * 1024;

/// What a page links to, for whatever package: it is read once, and asked for one package after the other.
pub(crate) struct Listing {
    page: Url,
    links: Vec<Link>,
}

/// A link whose name is not looked into yet.
struct Link {
    name: String,
    url: Url,
    digest: Option<Digest>,
    size: Option<u64>,
    yanked: Option<String>,
    requires_python: Option<String>,
}

impl Listing {
    /// Reads a page of an index, or a page of links to many packages.
    pub(crate) fn read(response: &Response) -> Result<Self, Error> {
        let kind = response.content_type.as_deref().unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_json = match kind.as_str() {
            "application/vnd.pypi.simple.v1+json" | "application/json" => true,
            "application/vnd.pypi.simple.v1+html" | "text/html" | "application/xhtml+xml" => false,
            // A file on disk has no type.
            "" => response.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{'),
            other => return Err(Error::page(&response.url, format!("it is `{}`", other.escape_debug()))),
        };
        let mut links = if is_json { read_json(response)? } else { read_html(response) };
        links.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { page: response.url.clone(), links })
    }

    /// The files of one package, by name.
    pub(crate) fn files_of(&self, package: &PackageName) -> Vec<IndexFile> {
        let file = |link: &Link| {
            Some(IndexFile {
                filename: Filename::read(&link.name, package)?,
                url: link.url.clone(),
                page: self.page.clone(),
                digest: link.digest,
                size: link.size,
                yanked: link.yanked.clone(),
                requires_python: link.requires_python.clone(),
            })
        };
        self.links.iter().filter_map(file).collect()
    }
}

#[derive(Deserialize)]
struct JsonPage {
    meta: JsonMeta,
    files: Vec<JsonFile>,
}

#[derive(Deserialize)]
struct JsonMeta {
    #[serde(rename = "api-version")]
    api_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct JsonFile {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: JsonHashes,
    size: Option<u64>,
    #[serde(default)]
    yanked: JsonYanked,
    requires_python: Option<String>,
}

#[derive(Default, Deserialize)]
struct JsonHashes {
    sha256: Option<String>,
}

/// `false`, `true`, or the reason.
#[derive(Deserialize)]
#[serde(untagged)]
enum JsonYanked {
    Is(bool),
    Because(String),
}

impl Default for JsonYanked {
    fn default() -> Self {
        Self::Is(false)
    }
}

fn read_json(response: &Response) -> Result<Vec<Link>, Error> {
    let refuse = |reason: String| Error::page(&response.url, reason);
    let page: JsonPage = serde_json::from_slice(&response.body)
        .map_err(|error| refuse(format!("its JSON is wrong: {error}")))?;
    if page.meta.api_version.split('.').next() != Some("1") {
        let version = page.meta.api_version.chars().take(20).collect::<String>();
        return Err(refuse(format!(
            "it has API version `{}`; version 1 is supported",
            version.escape_debug()
        )));
    }
    let links = page.files.into_iter().filter_map(|file| {
        Some(Link {
            url: join(&response.url, &file.url)?,
            name: file.filename,
            digest: file.hashes.sha256.and_then(|hex| read_hex(&hex)),
            size: file.size,
            yanked: match file.yanked {
                JsonYanked::Is(false) => None,
                JsonYanked::Is(true) => Some(String::new()),
                JsonYanked::Because(reason) => Some(reason),
            },
            requires_python: file.requires_python,
        })
    });
    Ok(links.collect())
}

fn read_html(response: &Response) -> Vec<Link> {
    let page = html::read(&String::from_utf8_lossy(&response.body));
    let base =
        page.base.and_then(|base| response.url.join(&base).ok()).unwrap_or_else(|| response.url.clone());
    let links = page.anchors.into_iter().filter_map(|anchor| {
        let mut url = join(&base, &anchor.href)?;
        let hash =
            url.fragment().unwrap_or_default().split('&').find_map(|part| part.strip_prefix("sha256="));
        let digest = hash.and_then(read_hex);
        url.set_fragment(None);
        Some(Link {
            name: last_segment(&url)?,
            url,
            digest,
            size: None,
            yanked: anchor.yanked,
            requires_python: anchor.requires_python,
        })
    });
    links.collect()
}

/// What a link leads to, without credentials: the page does not decide whom we are.
fn join(page: &Url, link: &str) -> Option<Url> {
    let mut url = page.join(link).ok()?;
    take_credentials(&mut url);
    Some(url)
}

/// The end of the path. Only `+` and `!` are ever escaped in a file name; any other escape makes it no file
/// name.
fn last_segment(url: &Url) -> Option<String> {
    let segment = url.path().rsplit('/').next()?;
    Some(segment.replace("%2B", "+").replace("%2b", "+").replace("%21", "!"))
}

fn read_hex(hex: &str) -> Option<Digest> {
    Digest::from_hex(&hex.to_ascii_lowercase()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn check(kind: &str, body: &str) -> Result<Vec<String>, Error> {
        let url = "https://i.example/simple/foo/".parse().unwrap();
        let response = Response { status: 200, content_type: Some(kind.into()), url, body: body.into() };
        let show = |file: IndexFile| {
            let hash = file.digest.map(|digest| digest.hex().chars().take(4).collect::<String>());
            format!("{} {:?} {:?} {:?} {:?}", file.url, hash, file.size, file.yanked, file.requires_python)
        };
        let files = Listing::read(&response)?.files_of(&"foo".parse().unwrap());
        Ok(files.into_iter().map(show).collect())
    }

    #[test]
    fn json_pages() {
        let body = format!(
            r#"{{"meta": {{"api-version": "1.4"}}, "name": "foo", "versions": [], "files": [
            {{"filename": "foo-1.0-py3-none-any.whl", "url": "../../f/foo-1.0-py3-none-any.whl", "size": 5,
              "hashes": {{"sha256": "{HEX}", "md5": "0"}}, "requires-python": ">=3.9", "yanked": "broken", "x": 1}},
            {{"filename": "../../foo-1.0-py3-none-any.whl", "url": "x", "hashes": {{}}}},
            {{"filename": "bar-1.0-py3-none-any.whl", "url": "x", "hashes": {{}}}},
            {{"filename": "foo-0.9.tar.gz", "url": "https://f.example/x", "hashes": {{}}, "yanked": false}}]}}"#
        );
        let files = check("application/vnd.pypi.simple.v1+json", &body).unwrap();
        assert_eq!(
            files,
            [
                "https://f.example/x None None None None",
                "https://i.example/f/foo-1.0-py3-none-any.whl Some(\"e3b0\") Some(5) Some(\"broken\") Some(\">=3.9\")",
            ]
        );
    }

    #[test]
    fn html_pages() {
        let body = format!(
            "<a href='//ann:pw@i.example/f/foo-1.0%2Bcpu-py3-none-any.whl#sha256={HEX}' data-yanked='bad'>../../etc/passwd</a>\
             <a href='/f/..%2f..%2ffoo-1.0-py3-none-any.whl'>foo-1.0-py3-none-any.whl</a><a href='../'>up</a>"
        );
        let files = check("text/html; charset=utf-8", &body).unwrap();
        assert_eq!(
            files,
            ["https://i.example/f/foo-1.0%2Bcpu-py3-none-any.whl Some(\"e3b0\") None Some(\"bad\") None"]
        );
    }

    #[test]
    fn other_responses_are_rejected() {
        for (kind, body) in [
            ("text/plain", "hello"),
            ("application/json", "[]"),
            ("application/json", r#"{"meta": {"api-version": "2.0"}, "files": []}"#),
            ("application/json", r#"{"message": "no"}"#),
        ] {
            let error = check(kind, body).unwrap_err();
            assert!(matches!(error, Error::Page { .. }), "{error}");
        }
    }
}
