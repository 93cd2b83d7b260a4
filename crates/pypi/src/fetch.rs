use std::path::PathBuf;

use wainwright_http::{Download, Url, redacted};
use wainwright_oci::Digest;
use wainwright_python::{PackageName, WheelFilename};
use wainwright_store::{Draft, Store};

use crate::{Error, FindLinks, Index, IndexFile};

/// The most bytes a wheel may have when the lockfile does not say.
const MOST: u64 = 16 << 30;

/// A wheel as the lockfile names it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name.
    pub filename: WheelFilename,
    /// The sha256 its bytes must have.
    pub digest: Digest,
    /// How many bytes it must have, where the lockfile says.
    pub size: Option<u64>,
    /// Where to get it.
    pub location: Location,
}

/// A source distribution as the lockfile names it.
#[derive(Clone, Debug)]
pub struct WantedSdist {
    /// Its name: a single path component.
    pub filename: String,
    /// The package.
    pub package: PackageName,
    /// The sha256 its bytes must have.
    pub digest: Digest,
    /// How many bytes it must have, where the lockfile says.
    pub size: Option<u64>,
    /// Where to get it.
    pub location: Location,
}

/// What is fetched, of either kind.
#[derive(Clone, Copy)]
struct Target<'a> {
    filename: &'a str,
    package: &'a PackageName,
    digest: Digest,
    size: Option<u64>,
    location: &'a Location,
}

impl Wanted {
    fn target(&self) -> Target<'_> {
        Target {
            filename: self.filename.as_str(),
            package: &self.filename.name,
            digest: self.digest,
            size: self.size,
            location: &self.location,
        }
    }
}

/// Where a wheel is.
#[derive(Clone)]
pub enum Location {
    /// At an address that the lockfile gives.
    Url {
        /// The address.
        url: Url,
        /// The index it was locked from; `None` when the address itself is the requirement (`name @
        /// https://...`).
        registry: Option<Url>,
    },
    /// At an address that [`Index::files`] answered.
    Listed(Box<IndexFile>),
    /// On this disk; an absolute path.
    Path(PathBuf),
    /// At an index, which has to be asked for the address.
    Index {
        /// The index it was locked from, where the lockfile says.
        registry: Option<Url>,
    },
}

impl std::fmt::Debug for Location {
    /// Addresses in a lockfile may hold passwords, which are not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let registry = |registry: &Option<Url>| registry.as_ref().map(redacted);
        match self {
            Self::Url { url, registry: of } => write!(f, "Url({}, {:?})", redacted(url), registry(of)),
            Self::Listed(file) => write!(f, "Listed({})", redacted(&file.url)),
            Self::Path(path) => write!(f, "Path({})", path.display()),
            Self::Index { registry: of } => write!(f, "Index({:?})", registry(of)),
        }
    }
}

/// A wheel is in the store now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// How many bytes were moved; 0 when the store had it.
    pub moved: u64,
    /// What the user should hear about it.
    pub warnings: Vec<Warning>,
}

/// Nothing that stops a build, and yet worth a look.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The author took the file back.
    Yanked {
        /// The file.
        filename: String,
        /// The reason given; may be empty.
        reason: String,
    },
    /// The index names another sha256 than the lockfile, whose the bytes have.
    IndexChanged {
        /// The file.
        filename: String,
        /// The digest that the index names.
        listed: Digest,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Yanked { filename, reason } if reason.is_empty() => write!(f, "`{filename}` was yanked"),
            Self::Yanked { filename, reason } => {
                let reason: String = reason.chars().take(200).collect();
                write!(f, "`{filename}` was yanked: {}", reason.escape_debug())
            }
            Self::IndexChanged { filename, listed } => {
                write!(f, "`{filename}` matches the lockfile, but the index lists the digest {listed}")
            }
        }
    }
}

impl Index {
    /// Puts a wheel into the store, where it becomes visible only if its bytes have the wanted digest and
    /// size.
    ///
    /// Nothing moves when the store has it. Otherwise a file of that very name in one of the user's folders
    /// of links is taken if its digest fits. Then the lockfile's address is used, unless the user chose
    /// another default index than the one it was locked from (a mirror: `PIP_INDEX_URL`, `UV_DEFAULT_INDEX`,
    /// `--index-url`) or none (`--no-index`): such a wheel is looked up there by its name. `progress` hears
    /// of every byte.
    pub async fn fetch(
        &self,
        store: &Store,
        wanted: &Wanted,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Fetched, Error> {
        self.fetch_target(store, wanted.target(), progress).await
    }

    /// Puts a source distribution into the store, by the same rules.
    pub async fn fetch_sdist(
        &self,
        store: &Store,
        wanted: &WantedSdist,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Fetched, Error> {
        let WantedSdist { filename, package, digest, size, location } = wanted;
        let target = Target { filename, package, digest: *digest, size: *size, location };
        self.fetch_target(store, target, progress).await
    }

    async fn fetch_target(
        &self,
        store: &Store,
        wanted: Target<'_>,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Fetched, Error> {
        if store.contains(&wanted.digest, wanted.size) {
            return Ok(Fetched { moved: 0, warnings: Vec::new() });
        }
        let mut draft = store.draft().map_err(|source| keep_failed(wanted, source))?;
        let found = self.fetch_into(&mut draft, wanted, progress).await;
        let (moved, warnings) = found?;
        let digest = wanted.digest;
        // Flushing a large file to disk takes its time.
        match tokio::task::spawn_blocking(move || draft.commit(&digest)).await {
            Ok(done) => done.map_err(|source| keep_failed(wanted, source))?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
        Ok(Fetched { moved, warnings })
    }

    async fn fetch_into(
        &self,
        draft: &mut Draft,
        wanted: Target<'_>,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(u64, Vec<Warning>), Error> {
        if let Some(moved) = self.take_from_folders(draft, wanted, progress).await? {
            return Ok((moved, Vec::new()));
        }
        let (url, listed) = self.address(wanted).await?;
        let moved = self.download(draft, wanted, &url, progress).await?;
        let Some(listed) = listed else { return Ok((moved, Vec::new())) };
        let filename = || wanted.filename.to_owned();
        let mut warnings = Vec::new();
        if let Some(reason) = listed.yanked {
            warnings.push(Warning::Yanked { filename: filename(), reason });
        }
        if let Some(listed) = listed.digest.filter(|digest| *digest != wanted.digest) {
            warnings.push(Warning::IndexChanged { filename: filename(), listed });
        }
        Ok((moved, warnings))
    }

    /// Where a wheel is that no folder has, and what the index said about it if one was asked.
    async fn address(&self, wanted: Target<'_>) -> Result<(Url, Option<IndexFile>), Error> {
        let listed = match wanted.location {
            Location::Path(path) => {
                let url = Url::from_file_path(path).map_err(|()| Error::Setting {
                    place: format!("`{}`", path.display()),
                    reason: "the path is not absolute".into(),
                })?;
                return Ok((url, None));
            }
            Location::Url { url, registry }
                if !registry.as_ref().is_some_and(|it| self.settings.overrules(it)) =>
            {
                return Ok((url.clone(), None));
            }
            Location::Listed(file) => (**file).clone(),
            Location::Url { registry, .. } | Location::Index { registry } => {
                self.find(wanted, registry.as_ref()).await?
            }
        };
        // The page was written by somebody else: what it links to is held to the rules of redirects.
        let url = match listed.page.scheme() {
            "file" => listed.url.clone(),
            _ => wainwright_http::target(&listed.page, listed.url.as_str())
                .map_err(|source| self.failed(wanted, source))?,
        };
        Ok((url, Some(listed)))
    }

    /// The size of a wheel whose lockfile does not tell, as its server tells it without sending the wheel.
    ///
    /// `None` when only the bytes will tell: the server does not say, or the wheel is on this disk.
    pub async fn size(&self, wanted: &Wanted) -> Result<Option<u64>, Error> {
        let wanted = wanted.target();
        let is_in_folder = self.settings.find_links.iter().any(|links| match links {
            FindLinks::Folder(folder) => folder.join(wanted.filename).is_file(),
            FindLinks::Page { .. } => false,
        });
        if is_in_folder {
            return Ok(None);
        }
        let (url, listed) = self.address(wanted).await?;
        if let Some(size) = listed.and_then(|listed| listed.size) {
            return Ok(Some(size));
        }
        if url.scheme() == "file" {
            return Ok(None);
        }
        let length = self.http.length(&url, self.settings.auth_for(&url)).await;
        length.map_err(|source| self.failed(wanted, source))
    }

    /// Names the index that has to do with it: credentials are given to indexes.
    fn failed(&self, wanted: Target<'_>, source: wainwright_http::Error) -> Error {
        let index = match wanted.location {
            Location::Url { registry: Some(index), .. } | Location::Index { registry: Some(index) } => {
                Some(index)
            }
            Location::Url { url, .. } => self.settings.nearest(url).map(|index| &index.url),
            Location::Listed(file) => self.settings.nearest(&file.page).map(|index| &index.url),
            Location::Index { .. } | Location::Path(_) => None,
        };
        Error::fetch(wanted.filename, wanted.digest, index, source)
    }

    /// The first file of that name that indexes or pages of links know.
    async fn find(&self, wanted: Target<'_>, registry: Option<&Url>) -> Result<IndexFile, Error> {
        // Files in folders have been tried.
        let found = self.look_up(wanted.package, registry, false).await?;
        let mut files: Vec<IndexFile> = found.files;
        files.retain(|file| file.filename.as_str() == wanted.filename);
        // A page that names another digest is believed last.
        files.sort_by_key(|file| file.digest.is_some_and(|digest| digest != wanted.digest));
        files
            .into_iter()
            .next()
            .ok_or_else(|| Error::File { filename: wanted.filename.to_string(), asked: found.asked })
    }

    async fn take_from_folders(
        &self,
        draft: &mut Draft,
        wanted: Target<'_>,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Option<u64>, Error> {
        for links in &self.settings.find_links {
            let FindLinks::Folder(folder) = links else { continue };
            // A checked file name is a single component: it cannot lead out of the folder.
            let path = folder.join(wanted.filename);
            if !path.is_file() {
                continue;
            }
            let Some(url) = std::path::absolute(&path).ok().and_then(|path| Url::from_file_path(path).ok())
            else {
                continue;
            };
            match self.download(draft, wanted, &url, progress).await {
                Ok(moved) => return Ok(Some(moved)),
                Err(Error::Digest { url, .. } | Error::Size { url, .. }) => {
                    tracing::debug!(file = %url, "not the wheel that was locked");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn download(
        &self,
        draft: &mut Draft,
        wanted: Target<'_>,
        url: &Url,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<u64, Error> {
        let what = Download {
            url,
            auth: self.settings.auth_for(url),
            expected: Some(wanted.digest),
            size: wanted.size,
            limit: wanted.size.unwrap_or(MOST),
        };
        tracing::debug!(url = redacted(url), "fetching a wheel");
        let moved = std::sync::atomic::AtomicU64::new(0);
        let count = |bytes| {
            moved.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            progress(bytes);
        };
        let path = draft.path().to_owned();
        let file = draft.file().map_err(|source| keep_failed(wanted, source))?;
        let done = self.http.download(what, file, &count).await;
        done.map_err(|error| match error {
            // The store has better words for its own disk.
            wainwright_http::Error::Write { source, .. } => {
                keep_failed(wanted, wainwright_store::Error::not_written(&path, wanted.size, source))
            }
            error => self.failed(wanted, error),
        })?;
        Ok(moved.into_inner())
    }
}

fn keep_failed(wanted: Target<'_>, source: wainwright_store::Error) -> Error {
    Error::Store { filename: wanted.filename.to_string(), source }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use wainwright_fault::Classify;
    use wainwright_http::{Client, Clock, Settings};
    use wainwright_testing::{Reply, Server};

    use super::*;
    use crate::{IndexOptions, IndexSettings, Places};

    const NAME: &str = "foo-1.0-py3-none-any.whl";
    const BYTES: &[u8] = b"the bytes that were locked";

    fn wanted(location: Location) -> Wanted {
        let size = Some(BYTES.len() as u64);
        Wanted { filename: NAME.parse().unwrap(), digest: Digest::of(BYTES), size, location }
    }

    /// Locked from the usual index, with a file on this server.
    fn locked(server: &Server) -> Location {
        let registry = Some(crate::DEFAULT_INDEX.parse().unwrap());
        Location::Url { url: server.url("/locked/foo.whl"), registry }
    }

    fn files(bytes: &'static [u8]) -> Server {
        Server::start(move |seen| Reply::file(seen, bytes))
    }

    /// An index on the same server as its files.
    fn mirror(link: &'static str, bytes: &'static [u8]) -> Server {
        Server::start(move |seen| match seen.target.as_str() {
            "/simple/foo/" => Reply::ok(link).header("Content-Type", "text/html"),
            "/simple/" => Reply::status(404),
            _ => Reply::ok(bytes),
        })
    }

    /// Fetches into a new store; the wheel must be there with its bytes, or not at all.
    async fn check(wanted: &Wanted, options: IndexOptions) -> Result<Fetched, Error> {
        let vars = BTreeMap::new();
        let nowhere = Path::new("/nonexistent");
        let places = Places { vars: &vars, home: None, etc: nowhere, project_root: nowhere };
        let settings = IndexSettings::read(&places, &[options]).unwrap();
        let http = Client::new(&Settings { clock: Clock::on_paper(), ..Settings::new("test") }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let index = Index::new(http, settings);
        // A fetch can run as a task of its own.
        let task = {
            let (index, store, wanted) = (index.clone(), store.clone(), wanted.clone());
            tokio::spawn(async move { index.fetch(&store, &wanted, &|_| {}).await })
        };
        let fetched = task.await.unwrap();
        assert_eq!(store.verify(&wanted.digest).unwrap(), fetched.is_ok());
        if fetched.is_ok() {
            let again = index.fetch(&store, wanted, &|_| panic!("bytes moved")).await.unwrap();
            assert_eq!(again, Fetched { moved: 0, warnings: Vec::new() });
        }
        fetched
    }

    fn index_at(server: &Server) -> IndexOptions {
        IndexOptions { index_url: Some(server.url("/simple").into()), ..IndexOptions::default() }
    }

    #[tokio::test]
    async fn size_comes_from_head_request() {
        let vars = BTreeMap::new();
        let nowhere = Path::new("/nonexistent");
        let places = Places { vars: &vars, home: None, etc: nowhere, project_root: nowhere };
        let settings = IndexSettings::read(&places, &[IndexOptions::default()]).unwrap();
        let server = files(BYTES);
        let index = Index::new(Client::new(&Settings::new("test")).unwrap(), settings);
        let wanted = Wanted { size: None, ..wanted(locked(&server)) };
        assert_eq!(index.size(&wanted).await.unwrap(), Some(BYTES.len() as u64));
    }

    #[tokio::test]
    async fn the_address_in_the_lockfile_is_used() {
        let server = files(BYTES);
        let fetched = check(&wanted(locked(&server)), IndexOptions::default()).await.unwrap();
        assert_eq!(fetched, Fetched { moved: BYTES.len() as u64, warnings: Vec::new() });
        assert_eq!(server.seen().len(), 1);
    }

    #[tokio::test]
    async fn other_bytes_are_refused_with_both_digests_and_the_source() {
        let server = files(b"the bytes of somebody else");
        let error = check(&wanted(locked(&server)), IndexOptions::default()).await.unwrap_err();
        let found = Digest::of(b"the bytes of somebody else");
        let text = error.to_string();
        for part in
            [NAME, &Digest::of(BYTES).to_string(), &found.to_string(), server.url("/locked/foo.whl").as_str()]
        {
            assert!(text.contains(part), "{text} lacks {part}");
        }
        assert!(!error.is_outside() && error.hint().is_some());
    }

    #[tokio::test]
    async fn another_length_is_refused() {
        for bytes in [&b"<html>please log in</html>, please"[..], b""] {
            let error = check(&wanted(locked(&files(bytes))), IndexOptions::default()).await.unwrap_err();
            assert!(matches!(error, Error::Size { .. }), "{error}");
        }
    }

    #[tokio::test]
    async fn mirror_replaces_locked_index() {
        let server = files(BYTES);
        let mirror = mirror("<a href='/f/foo-1.0-py3-none-any.whl'>x</a>", BYTES);
        let fetched = check(&wanted(locked(&server)), index_at(&mirror)).await.unwrap();
        assert_eq!((fetched.moved, fetched.warnings.len()), (BYTES.len() as u64, 0));
        assert!(server.seen().is_empty());
        assert_eq!(mirror.seen()[1].target, "/f/foo-1.0-py3-none-any.whl");
    }

    #[tokio::test]
    async fn direct_url_skips_the_index() {
        let (server, mirror) = (files(BYTES), mirror("", b""));
        let direct = Location::Url { url: server.url("/foo.whl"), registry: None };
        check(&wanted(direct), index_at(&mirror)).await.unwrap();
        assert!(mirror.seen().is_empty());
    }

    #[tokio::test]
    async fn a_mirror_without_the_file_is_named() {
        let mirror = mirror("<a href='/f/foo-1.0-py2-none-any.whl'>x</a>", BYTES);
        let location = Location::Index { registry: None };
        let error = check(&wanted(location), index_at(&mirror)).await.unwrap_err();
        assert!(error.to_string().contains(mirror.url("/simple/").as_str()), "{error}");
    }

    #[tokio::test]
    async fn yanked_files_and_changed_indexes_are_worth_a_warning() {
        let mirror = mirror(
            "<a data-yanked='it &lt;breaks&gt;' href='/f/foo-1.0-py3-none-any.whl#sha256=\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'>x</a>",
            BYTES,
        );
        let location = Location::Index { registry: None };
        let fetched = check(&wanted(location), index_at(&mirror)).await.unwrap();
        let shown: Vec<String> = fetched.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(shown[0], format!("`{NAME}` was yanked: it <breaks>"));
        assert!(shown[1].contains("sha256:e3b0"), "{}", shown[1]);
    }

    #[tokio::test]
    async fn links_of_a_page_may_not_lead_to_local_files() {
        let mirror = mirror("<a href='file:///etc/foo-1.0-py3-none-any.whl'>x</a>", BYTES);
        let location = Location::Index { registry: None };
        let error = check(&wanted(location), index_at(&mirror)).await.unwrap_err();
        assert!(matches!(error, Error::Fetch { .. }), "{error}");
    }

    #[tokio::test]
    async fn find_links_folder_wins_with_matching_digest() {
        let folder = tempfile::tempdir().unwrap();
        let options = || IndexOptions {
            find_links: vec![folder.path().display().to_string()],
            ..IndexOptions::default()
        };
        let server = files(BYTES);
        std::fs::write(folder.path().join(NAME), "a wheel built here, say").unwrap();
        check(&wanted(locked(&server)), options()).await.unwrap();
        assert_eq!(server.seen().len(), 1);
        std::fs::write(folder.path().join(NAME), BYTES).unwrap();
        check(&wanted(locked(&server)), options()).await.unwrap();
        assert_eq!(server.seen().len(), 1);
    }

    #[tokio::test]
    async fn without_index_only_find_links_are_used() {
        let server = files(BYTES);
        let options = IndexOptions { no_index: true, ..IndexOptions::default() };
        let error = check(&wanted(locked(&server)), options).await.unwrap_err();
        assert!(matches!(error, Error::File { .. }) && server.seen().is_empty(), "{error}");
    }

    #[tokio::test]
    async fn paths_are_copied() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), BYTES).unwrap();
        let location = Location::Path(file.path().to_owned());
        check(&wanted(location), IndexOptions::default()).await.unwrap();
    }
}
