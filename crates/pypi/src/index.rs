use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Mutex, OnceCell};
use wainwright_http::{Client, Request, Url};
use wainwright_python::{PackageName, Version};

use crate::page::Listing;
use crate::{Error, Filename, FindLinks, IndexFile, IndexSettings, IndexUrl, page};

/// Asks package indexes, and fetches what they name. Clones share what was already asked.
#[derive(Clone)]
pub struct Index {
    pub(crate) http: Client,
    pub(crate) settings: Arc<IndexSettings>,
    known: Arc<Mutex<BTreeMap<Url, Page>>>,
}

/// A page, fetched once, also when it links to many packages; `None` where there is none, as for a name that an index does
/// not know.
type Page = Arc<OnceCell<Option<Arc<Listing>>>>;

/// Where files of a package were looked for, and what was found.
pub(crate) struct Found {
    pub(crate) files: Vec<IndexFile>,
    /// The index that knows the name.
    pub(crate) index: Option<String>,
    pub(crate) asked: Vec<String>,
}

impl Index {
    /// Asks the indexes of `settings` through `http`.
    pub fn new(http: Client, settings: IndexSettings) -> Self {
        Self { http, settings: Arc::new(settings), known: Arc::default() }
    }

    /// The indexes that are asked.
    pub fn settings(&self) -> &IndexSettings {
        &self.settings
    }

    /// The files of one version, sorted by name: those of folders and pages of links first, then those of the
    /// first index that knows the package. `registry` is the index that the lockfile took it from, where it
    /// says so.
    ///
    /// 404 and 410 are the only answers after which the next index is asked. Never empty: [`Error::Unknown`]
    /// and [`Error::Version`] tell what is missing.
    pub async fn files(
        &self,
        name: &PackageName,
        version: &Version,
        registry: Option<&Url>,
    ) -> Result<Vec<IndexFile>, Error> {
        let mut found = self.look_up(name, registry, true).await?;
        let is_known = !found.files.is_empty();
        found.files.retain(|file| file.filename.version(name).as_ref() == Some(version));
        if !found.files.is_empty() {
            return Ok(found.files);
        }
        let index = found.index.or(if is_known { found.asked.first().cloned() } else { None });
        Err(match index {
            Some(index) => Error::Version { name: name.clone(), version: version.clone(), index },
            None => Error::Unknown { name: name.clone(), asked: found.asked },
        })
    }

    /// All files of a package; `with_folders` says whether those in folders of links are listed.
    pub(crate) async fn look_up(
        &self,
        name: &PackageName,
        registry: Option<&Url>,
        with_folders: bool,
    ) -> Result<Found, Error> {
        let mut found = Found { files: Vec::new(), index: None, asked: Vec::new() };
        for links in &self.settings.find_links {
            found.asked.push(links.shown());
            match links {
                FindLinks::Folder(folder) if with_folders => found.files.extend(files_in(folder, name)?),
                FindLinks::Folder(_) => {}
                FindLinks::Page { url, .. } => {
                    let page = self.page(url).await.map_err(|error| links_failed(url, error))?;
                    found.files.extend(page.iter().flat_map(|page| page.files_of(name)));
                }
            }
        }
        for index in self.settings.order(registry) {
            found.asked.push(index.shown());
            if let Some(page) = self.index_page(&index, name).await? {
                found.files.extend(page.files_of(name));
                found.index = Some(index.shown());
                break;
            }
        }
        Ok(found)
    }

    async fn index_page(&self, index: &IndexUrl, name: &PackageName) -> Result<Option<Arc<Listing>>, Error> {
        let mut url = index.page(name.as_str());
        if url.scheme() == "file" {
            url.set_path(&format!("{}index.html", url.path()));
        }
        self.page(&url).await.map_err(|error| match error {
            Asked::Http(source) => {
                Error::Index { index: index.shown(), name: name.clone(), source: source.into() }
            }
            Asked::Page(error) => error,
        })
    }

    async fn page(&self, url: &Url) -> Result<Option<Arc<Listing>>, Asked> {
        let page = self.known.lock().await.entry(url.clone()).or_default().clone();
        let read = page.get_or_try_init(|| self.read_page(url)).await?;
        Ok(read.clone())
    }

    async fn read_page(&self, url: &Url) -> Result<Option<Arc<Listing>>, Asked> {
        let auth = self.settings.auth_for(url);
        let request = Request { url, accept: Some(page::ACCEPT), auth, limit: page::MOST };
        match self.http.get(request).await {
            Ok(response) => {
                let listing = Listing::read(&response).map_err(Asked::Page)?;
                Ok(Some(Arc::new(listing)))
            }
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(Asked::Http(error)),
        }
    }
}

/// Why a page could not be read.
enum Asked {
    Http(wainwright_http::Error),
    Page(Error),
}

fn links_failed(url: &Url, error: Asked) -> Error {
    match error {
        Asked::Http(source) => Error::Links { url: wainwright_http::redacted(url), source: source.into() },
        Asked::Page(error) => error,
    }
}

/// The files of a package in a folder; pip takes a folder that is not there for an empty one, and so do we.
fn files_in(folder: &Path, name: &PackageName) -> Result<Vec<IndexFile>, Error> {
    let refuse = |source| Error::Read { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if crate::ini::is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(refuse(error)),
    };
    let absolute = std::path::absolute(folder).map_err(refuse)?;
    let Ok(page) = Url::from_directory_path(&absolute) else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(refuse)?;
        let filename = entry.file_name().to_str().and_then(|text| Filename::read(text, name));
        let (Some(filename), Ok(url)) = (filename, Url::from_file_path(absolute.join(entry.file_name())))
        else {
            continue;
        };
        let size =
            std::fs::metadata(entry.path()).ok().filter(std::fs::Metadata::is_file).map(|data| data.len());
        if size.is_none() {
            continue;
        }
        let page = page.clone();
        files.push(IndexFile {
            filename,
            url,
            page,
            digest: None,
            size,
            yanked: None,
            requires_python: None,
        });
    }
    files.sort_by(|a, b| a.filename.as_str().cmp(b.filename.as_str()));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;
    use wainwright_http::{Clock, Settings};
    use wainwright_testing::{Reply, Server};

    use super::*;
    use crate::{IndexOptions, Places};

    fn index(options: IndexOptions) -> Index {
        let vars = BTreeMap::new();
        let nowhere = Path::new("/nonexistent");
        let places = Places { vars: &vars, home: None, etc: nowhere, project_root: nowhere };
        let settings = IndexSettings::read(&places, &[options]).unwrap();
        let http = Client::new(&Settings { clock: Clock::on_paper(), ..Settings::new("test") }).unwrap();
        Index::new(http, settings)
    }

    /// A private index before a public one.
    async fn check(private: &Server, public: &Server) -> Result<Vec<String>, Error> {
        let index = index(IndexOptions {
            extra_index_urls: vec![private.url("/private").to_string().replace("//", "//ann:CANARY@")],
            index_url: Some(public.url("/public/").into()),
            ..IndexOptions::default()
        });
        let files = index.files(&"foo".parse().unwrap(), &"1.0".parse().unwrap(), None).await?;
        Ok(files.into_iter().map(|file| file.url.path().to_owned()).collect())
    }

    fn page(files: &[&str]) -> Reply {
        let links: String = files.iter().map(|file| format!("<a href='/f/{file}'>{file}</a>\n")).collect();
        Reply::ok(links).header("Content-Type", "text/html")
    }

    fn public() -> Server {
        Server::start(|_| page(&["foo-1.0-py3-none-any.whl", "foo-9.0-py3-none-any.whl"]))
    }

    #[tokio::test]
    async fn first_index_with_the_package_is_used() {
        let private = Server::start(|_| page(&["foo-1.0-py2-none-any.whl", "foo-2.0-py3-none-any.whl"]));
        let public = public();
        assert_eq!(check(&private, &public).await.unwrap(), ["/f/foo-1.0-py2-none-any.whl"]);
        assert!(public.seen().is_empty());
        let seen = &private.seen()[0];
        assert_eq!(seen.target, "/private/foo/");
        assert!(seen.headers["accept"].starts_with("application/vnd.pypi.simple.v1+json,"));
        assert!(seen.headers.contains_key("authorization"));
    }

    #[tokio::test]
    async fn unknown_name_continues_with_next_index() {
        for status in [404, 410] {
            let private = Server::start(move |_| Reply::status(status));
            let public = public();
            assert_eq!(check(&private, &public).await.unwrap(), ["/f/foo-1.0-py3-none-any.whl"]);
            assert!(!public.seen()[0].headers.contains_key("authorization"));
        }
    }

    #[tokio::test]
    async fn index_error_ends_the_search() {
        for status in [401, 403, 500, 503] {
            let private = Server::start(move |_| Reply::status(status));
            let public = public();
            let error = check(&private, &public).await.unwrap_err();
            let Error::Index { source, .. } = &error else { panic!("{error}") };
            assert_eq!(source.status(), Some(status));
            assert!(error.is_outside() && !format!("{error:?}").contains("CANARY"));
            assert!(public.seen().is_empty());
        }
    }

    #[tokio::test]
    async fn missing_version_is_not_searched_in_next_index() {
        let private = Server::start(|_| page(&["foo-2.0-py3-none-any.whl"]));
        let public = public();
        let error = check(&private, &public).await.unwrap_err();
        assert!(matches!(error, Error::Version { .. }), "{error}");
        assert!(public.seen().is_empty());
    }

    #[tokio::test]
    async fn unknown_package_lists_tried_indexes() {
        let nobody = Server::start(|_| Reply::status(404));
        let text = check(&nobody, &nobody).await.unwrap_err().to_string();
        assert!(
            text.contains(&format!("`{}`, `{}`", nobody.url("/private/"), nobody.url("/public/"))),
            "{text}"
        );
    }

    #[tokio::test]
    async fn page_is_fetched_once() {
        let server = public();
        let index =
            index(IndexOptions { index_url: Some(server.url("/").into()), ..IndexOptions::default() });
        for version in ["1.0", "9.0"] {
            let version = version.parse().unwrap();
            assert_eq!(index.files(&"foo".parse().unwrap(), &version, None).await.unwrap().len(), 1);
        }
        assert_eq!(server.seen().len(), 1);
    }

    #[tokio::test]
    async fn folders_and_pages_of_links_are_read() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["foo-1.0-py3-none-any.whl", "foo-1.0.tar.gz", "bar-1.0.tar.gz", "notes.txt"] {
            std::fs::write(folder.path().join(file), "12345").unwrap();
        }
        let server = Server::start(|_| page(&["foo-1.0-py2-none-any.whl", "bar-1.0-py3-none-any.whl"]));
        let index = index(IndexOptions {
            find_links: vec![folder.path().display().to_string(), server.url("/links.html").into()],
            no_index: true,
            ..IndexOptions::default()
        });
        let files = index.files(&"foo".parse().unwrap(), &"1.0".parse().unwrap(), None).await.unwrap();
        let files: Vec<_> = files.iter().map(|file| (file.filename.as_str(), file.size)).collect();
        let expected = [
            ("foo-1.0-py3-none-any.whl", Some(5)),
            ("foo-1.0.tar.gz", Some(5)),
            ("foo-1.0-py2-none-any.whl", None),
        ];
        assert_eq!(files, expected);
        // One page serves all packages.
        index.files(&"bar".parse().unwrap(), &"1.0".parse().unwrap(), None).await.unwrap();
        assert_eq!(server.seen().len(), 1);
    }

    #[tokio::test]
    async fn an_index_may_be_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("foo")).unwrap();
        std::fs::write(folder.path().join("foo/index.html"), "<a href='../foo-1.0.tar.gz'>x</a>").unwrap();
        let path = folder.path().display().to_string();
        let index = index(IndexOptions { index_url: Some(path), ..IndexOptions::default() });
        let version = "1.0".parse().unwrap();
        let files = index.files(&"foo".parse().unwrap(), &version, None).await.unwrap();
        assert_eq!(files[0].url, Url::from_file_path(folder.path().join("foo-1.0.tar.gz")).unwrap());
        let error = index.files(&"bar".parse().unwrap(), &version, None).await.unwrap_err();
        assert!(matches!(error, Error::Unknown { .. }), "{error}");
    }
}
