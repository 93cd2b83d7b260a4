//! Locks and fetches from a small archive on disk, whole and damaged.

use std::fs;

use wainwright_fault::Classify;
use wainwright_http::{Client, Clock, Settings};
use wainwright_oci::Digest;
use wainwright_store::Store;

use crate::sample::{TinyArchive, write};
use crate::{Archive, DebianLock, Error, LockedDeb, Request, fetch, lock};

/// A client, a store in a folder of its own, and the archive.
struct World {
    http: Client,
    store: Store,
    _folder: tempfile::TempDir,
    archive: TinyArchive,
}

fn client() -> Client {
    Client::new(&Settings { clock: Clock::on_paper(), ..Settings::new("test") }).expect("a client")
}

fn world() -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("store")).expect("a store");
    World { http: client(), store, _folder: folder, archive: TinyArchive::new() }
}

fn request() -> Request {
    Request {
        architectures: vec!["amd64".into()],
        requested: vec!["python3.11".into()],
        excluded: vec!["debconf".parse().expect("good")],
        ..Request::default()
    }
}

impl World {
    async fn lock_with(&self, settings: &Archive) -> Result<DebianLock, Error> {
        lock(&self.http, &self.store, settings, &request(), &|_| ()).await
    }

    async fn lock(&self) -> Result<DebianLock, Error> {
        self.lock_with(&self.archive.settings()).await
    }

    async fn fetch(&self, lock: &DebianLock, package: &LockedDeb) -> Result<u64, Error> {
        fetch(&self.http, &self.store, &self.archive.settings().mirrors, lock, package, &|_| ()).await
    }

    async fn check_refused(&self, expected: &str) {
        let error = self.lock().await.expect_err(expected);
        let text = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ");
        assert!(text.contains(expected), "{text} should say: {expected}");
        // Wrong bytes are a wrong input; a file that is not there is a matter of the outside world.
        assert_eq!(error.is_outside(), text.contains("No such file"), "{text}");
    }
}

#[tokio::test]
async fn the_highest_versions_of_all_suites_are_locked() {
    let world = world();
    let lock = world.lock().await.expect("a lock");
    let shown: Vec<_> = lock
        .packages("amd64")
        .expect("there")
        .iter()
        .map(|package| {
            let LockedDeb { name, version, source, suite, why, .. } = package;
            format!("{name} {version} of {source} in {suite}, {why}")
        })
        .collect();
    assert_eq!(
        shown,
        [
            "libc6 2.36-9+deb12u14 of glibc in bookworm-security, for python3.11",
            "python3.11 3.11.2-6 of python3.11 in bookworm, requested",
            "tzdata 2026b-0+deb12u1 of tzdata in bookworm-updates, for python3.11",
        ]
    );
    let suites: Vec<_> = lock.suites.iter().map(|suite| suite.suite.as_str()).collect();
    assert_eq!(suites, ["bookworm", "bookworm-updates", "bookworm-security"]);
    assert_eq!(lock.suites[0].signed_by, [world.archive.signer.fingerprint()]);
    let text = toml::to_string(&lock).expect("TOML");
    assert_eq!(toml::from_str::<DebianLock>(&text).expect("a lock"), lock);
    assert!(!text.contains("file:") && !text.contains("http"), "{text} names a mirror");
    assert!(lock.answers("bookworm".parse().expect("known"), &request()));
}

#[tokio::test]
async fn packages_are_fetched_once() {
    let world = world();
    let lock = world.lock().await.expect("a lock");
    for package in lock.packages("amd64").expect("there") {
        assert_eq!(world.fetch(&lock, package).await.expect("fetched"), package.size);
        assert_eq!(world.fetch(&lock, package).await.expect("at hand"), 0);
        let deb = fs::read(world.store.path(&package.sha256)).expect("in the store");
        assert_eq!(deb, TinyArchive::deb(&package.name, &package.version));
    }
}

#[tokio::test]
async fn indexes_in_the_store_are_not_fetched_again() {
    let world = world();
    let first = world.lock().await.expect("a lock");
    fs::remove_dir_all(world.archive.index("bookworm").parent().expect("a folder")).expect("gone");
    assert_eq!(world.lock().await.expect("the same lock"), first);
}

#[tokio::test]
async fn damaged_releases_are_refused() {
    let world = world();
    let file = world.archive.inrelease("bookworm-security");
    let good = fs::read_to_string(&file).expect("there");
    for (bad, expected) in [
        (good.replace("amd64", "amd46"), "does not match the text"),
        (crate::sample::Signer::new().sign("Codename: bookworm-security"), "is not in the keyring"),
        ("<html>Please log in</html>".into(), "is not properly signed"),
        (fs::read_to_string(world.archive.inrelease("bookworm")).expect("there"), "describes `bookworm`"),
    ] {
        write(&file, bad.as_bytes());
        world.check_refused(expected).await;
    }
    fs::remove_file(&file).expect("gone");
    world.check_refused("cannot read").await;
}

#[tokio::test]
async fn valid_until_counts_when_locking_only() {
    let mut world = world();
    world.archive.more = "Valid-Until: Mon, 01 Jun 2026 12:00:00 UTC\n".into();
    world.archive.publish("bookworm-security");
    world.check_refused("expired at 2026-06-01T12:00:00Z; the clock says 2026-06-02T00:00:00Z").await;
    let mut settings = world.archive.settings();
    settings.check_valid_until = false;
    let lock = world.lock_with(&settings).await.expect("a lock of the past");
    world.fetch(&lock, &lock.packages("amd64").expect("there")[0]).await.expect("fetching asks for no date");
}

#[tokio::test]
async fn signed_by_restricts_keys() {
    let world = world();
    let mut settings = world.archive.settings();
    settings.signed_by = vec![world.archive.signer.fingerprint()];
    world.lock_with(&settings).await.expect("a lock");
    settings.signed_by = vec!["4D64FEC119C2029067D6E791F8D2585B8783D481".into()];
    assert!(matches!(world.lock_with(&settings).await, Err(Error::Signature { .. })));
}

#[tokio::test]
async fn indexes_are_asked_for_by_digest_then_by_name() {
    let world = world();
    let index = fs::read(world.archive.index("bookworm")).expect("there");
    let by_hash = world.archive.by_hash("bookworm", &Digest::of(&index).hex());
    // A mirror in the middle of an update: the name means another file already.
    write(&world.archive.index("bookworm"), b"newer");
    let expected = world.lock().await.expect("found by digest");

    let other = self::world();
    let by_hash =
        other.archive.folder.path().join(by_hash.strip_prefix(world.archive.folder.path()).expect("inside"));
    for damage in [None, Some(b"damaged")] {
        match damage {
            None => fs::remove_file(&by_hash).expect("gone"),
            Some(bytes) => write(&by_hash, bytes),
        }
        assert_eq!(other.lock().await.expect("found by name").packages, expected.packages);
    }
}

#[tokio::test]
async fn wrong_indexes_are_refused() {
    let world = world();
    let index = fs::read(world.archive.index("bookworm")).expect("there");
    let tampered: Vec<u8> = index.iter().map(|byte| byte ^ 1).collect();
    write(&world.archive.by_hash("bookworm", &Digest::of(&index).hex()), &tampered);
    write(&world.archive.index("bookworm"), &tampered);
    world.check_refused("has the digest").await;
    assert!(!world.store.contains(&Digest::of(&tampered), None));
}

#[tokio::test]
async fn wrong_packages_are_refused_and_not_kept() {
    let world = world();
    let lock = world.lock().await.expect("a lock");
    let package = &lock.packages("amd64").expect("there")[1];
    let file = world.archive.folder.path().join("debian").join(&package.path);
    let tampered: Vec<u8> = fs::read(&file).expect("there").iter().map(|byte| byte ^ 1).collect();
    for bytes in [tampered, b"short".to_vec(), vec![b'x'; 1000]] {
        write(&file, &bytes);
        let error = world.fetch(&lock, package).await.expect_err("other bytes");
        assert_eq!(error.to_string(), "cannot fetch package `python3.11` 3.11.2-6");
        assert!(!error.is_outside() && error.hint().is_some_and(|hint| hint.contains("another mirror")));
        assert!(!world.store.contains(&package.sha256, None));
    }
}

#[tokio::test]
async fn packages_a_pool_forgot_come_from_the_snapshot() {
    let world = world();
    let lock = world.lock().await.expect("a lock");
    let package = &lock.packages("amd64").expect("there")[0];
    let pool = world.archive.folder.path().join("debian-security").join(&package.path);
    let deb = fs::read(&pool).expect("there");
    fs::remove_file(&pool).expect("gone");
    let error = world.fetch(&lock, package).await.expect_err("nowhere");
    assert!(error.hint().is_some_and(|hint| hint.contains("lock again")), "{error:?}");
    let snapshot =
        world.archive.folder.path().join("snapshot/debian-security/20260601T120000Z").join(&package.path);
    write(&snapshot, &deb);
    assert_eq!(world.fetch(&lock, package).await.expect("found"), package.size);
}

#[tokio::test]
async fn an_absent_processor_or_section_is_named() {
    let world = world();
    let request = Request { architectures: vec!["riscv64".into()], ..request() };
    let error = lock(&world.http, &world.store, &world.archive.settings(), &request, &|_| ()).await;
    let error = error.expect_err("not served");
    assert_eq!(error.to_string(), "Debian `bookworm` has no packages for `riscv64`");
    assert!(!error.is_outside());
    let mut settings = world.archive.settings();
    settings.components.push("contrib".into());
    let error = world.lock_with(&settings).await.expect_err("not there");
    assert_eq!(error.to_string(), "Debian `bookworm` has no section `contrib`");
}

#[tokio::test]
async fn a_processor_without_security_updates_has_the_release_alone() {
    let world = world();
    let release = "Codename: bookworm-security\nDate: Mon, 01 Jun 2026 00:00:00 UTC\nArchitectures: arm64";
    write(&world.archive.inrelease("bookworm-security"), world.archive.signer.sign(release).as_bytes());
    let lock = world.lock().await.expect("a lock");
    assert_eq!(lock.packages("amd64").expect("there")[0].version, "2.36-9");
}

#[tokio::test]
async fn a_mirror_over_http_is_asked_for_no_more_than_needed() {
    use wainwright_testing::{Reply, Server};
    let world = world();
    let root = world.archive.folder.path().to_owned();
    let server = Server::start(move |seen| match fs::read(root.join(seen.target.trim_start_matches('/'))) {
        Ok(bytes) => Reply::file(seen, &bytes),
        Err(_) => Reply::status(404),
    });
    let mut settings = world.archive.settings();
    settings.mirrors.main = server.url("/debian/");
    settings.mirrors.security = server.url("/debian-security");
    let first = world.lock_with(&settings).await.expect("a lock");
    assert_eq!(server.seen().len(), 6, "three releases, three indexes");
    assert_eq!(world.lock_with(&settings).await.expect("a lock"), first);
    assert_eq!(server.seen().len(), 9, "three releases");
    let package = &first.packages("amd64").expect("there")[0];
    fetch(&world.http, &world.store, &settings.mirrors, &first, package, &|_| ()).await.expect("fetched");
    assert!(server.seen()[9].target.ends_with("libc6_2.36-9+deb12u14_amd64.deb"));
}
