//! A store is kept within its limits: by use, never under a build, and nothing of others is touched.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::json;
use wainwright_fault::Classify;
use wainwright_oci::Digest;
use wainwright_store::{
    CacheKey, Error, Kind, Limits, LockWait, Pruned, Store, clear, prune, survey, would_prune,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const BLOCK: u64 = 4096;
const EVERYTHING: Limits = Limits { size: Some(0), age: None };
const NO_LIMITS: Limits = Limits { size: None, age: None };

/// When the tests happen: later than all files they make.
fn now() -> SystemTime {
    SystemTime::now() + 100 * DAY
}

fn impatient<'a>() -> LockWait<'a> {
    LockWait { limit: Duration::ZERO, ..LockWait::default() }
}

fn prune_now(root: &Path, limits: Limits) -> Result<Pruned, Error> {
    prune(root, &limits, now(), &LockWait { limit: Duration::from_secs(5), ..LockWait::default() })
}

/// Makes a blob that was last used so many days ago.
fn blob(store: &Store, text: &str, days: u32) -> Digest {
    let digest = store.put(text.as_bytes()).unwrap();
    set_used(&store.path(&digest), days);
    digest
}

fn set_used(path: &Path, days: u32) {
    fs::File::open(path).unwrap().set_modified(now() - days * DAY).unwrap();
}

fn used(store: &Store, digest: &Digest) -> SystemTime {
    fs::metadata(store.path(digest)).unwrap().modified().unwrap()
}

#[test]
fn a_survey_counts_blobs_and_memos() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(survey(&folder.path().join("absent")).unwrap(), None);
    assert_eq!(survey(folder.path()).unwrap(), None, "an empty folder");
    let store = Store::open(folder.path()).unwrap();
    store.put(b"x").unwrap();
    store.remember(&CacheKey::of("layer", &1).unwrap(), &json!(1)).unwrap();
    let _draft = store.draft().unwrap();
    let found = survey(folder.path()).unwrap().unwrap();
    let mut kinds: Vec<_> = found.items.iter().map(|item| item.kind).collect();
    kinds.sort();
    assert_eq!((kinds, found.size(), found.unfinished), (vec![Kind::Blob, Kind::Memo], 2 * BLOCK, 1));
}

#[test]
fn fetched_blob_counts_as_used() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let (asked, opened, memo) = (blob(&store, "asked", 9), blob(&store, "opened", 9), blob(&store, "no", 9));
    let key = CacheKey::of("layer", &1).unwrap();
    store.remember(&key, &json!(1)).unwrap();
    store.contains(&asked, None);
    assert_eq!(
        used(&store, &asked),
        now_to_the(used(&store, &asked)),
        "a store without a time notes nothing"
    );

    let now = now();
    let store = store.at(now);
    assert!(store.contains(&asked, None) && store.open_blob(&opened).unwrap().is_some());
    assert_eq!(store.recall(&key).unwrap(), Some(json!(1)));
    let removed = prune_while_open(&store, folder.path(), now);
    assert_eq!(removed.removed.len(), 1);
    assert!(!store.contains(&memo, None) && store.contains(&asked, None));
}

/// The time itself: says that a file was not touched since it was set.
fn now_to_the(time: SystemTime) -> SystemTime {
    let days_ago = SystemTime::now() + 91 * DAY;
    assert!(days_ago.duration_since(time).unwrap_or_default() < DAY);
    time
}

/// Drops nothing of `store` but its lock.
fn prune_while_open(store: &Store, root: &Path, now: SystemTime) -> Pruned {
    let limits = Limits { size: None, age: Some(DAY) };
    assert!(matches!(prune(root, &limits, now, &impatient()), Err(Error::Busy { .. })));
    store.tidy(&limits).unwrap().expect("there is reason to look")
}

#[test]
fn times_of_use_are_kept_to_the_hour() {
    let folder = tempfile::tempdir().unwrap();
    let now = now();
    let store = Store::open(folder.path()).unwrap().at(now);
    let digest = store.put(b"x").unwrap();
    let check = |ago: i64, is_noted: bool| {
        let before = match ago {
            0.. => now - Duration::from_secs(ago.unsigned_abs()),
            _ => now + Duration::from_secs(ago.unsigned_abs()),
        };
        fs::File::open(store.path(&digest)).unwrap().set_modified(before).unwrap();
        store.contains(&digest, None);
        assert_eq!(used(&store, &digest) != before, is_noted, "{ago} seconds ago");
    };
    check(60, false);
    check(3599, false);
    check(3601, true);
    check(-60, false);
    check(-3601, true);
}

#[test]
fn pruning_removes_and_frees() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let (old, new) = (blob(&store, "old", 40), blob(&store, "new", 2));
    drop(store);
    let limits = Limits { size: None, age: Some(30 * DAY) };
    let planned = would_prune(folder.path(), &limits, now()).unwrap();
    assert_eq!((planned.removed.len(), planned.size(), planned.kept), (1, BLOCK, 1));
    let store = Store::open(folder.path()).unwrap();
    assert!(store.contains(&old, None), "planning removes nothing");
    drop(store);
    assert_eq!(prune_now(folder.path(), limits).unwrap().removed, planned.removed);
    let store = Store::open(folder.path()).unwrap();
    assert!(!store.contains(&old, None) && store.contains(&new, None));
    assert_eq!(prune_now(&folder.path().join("absent"), EVERYTHING).unwrap(), Pruned::default());
}

fn check_empty(folder: &Path) {
    let left = Command::new("find").arg(folder).arg("-mindepth").arg("1").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

#[test]
fn clear_removes_only_own_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    blob(&store, "x", 0);
    fs::write(folder.path().join("v1/tmp/unfinished"), "").unwrap();
    drop(store);
    clear(folder.path(), now(), &impatient()).unwrap();
    check_empty(folder.path());
    clear(folder.path(), now(), &impatient()).unwrap();

    let store = Store::open(folder.path()).unwrap();
    let path = store.path(&blob(&store, "x", 0));
    drop(store);
    let others =
        ["v0/x", "notes", "v1/notes", "v1/blobs/sha256/notes", "v1/blobs/sha256/ab/notes", "v1/memos/notes"];
    for name in others {
        fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        fs::write(folder.path().join(name), "mine").unwrap();
    }
    clear(folder.path(), now(), &impatient()).unwrap();
    assert!(!path.exists());
    for name in others {
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"mine", "{name}");
    }
}

#[test]
fn folders_of_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "mine").unwrap();
    fs::create_dir(folder.path().join("v1")).unwrap();
    fs::write(folder.path().join("v1/thesis.txt"), "mine").unwrap();
    for root in [folder.path().to_owned(), folder.path().join("v1")] {
        let refused = [
            survey(&root).unwrap_err(),
            prune_now(&root, EVERYTHING).unwrap_err(),
            clear(&root, now(), &impatient()).unwrap_err(),
        ];
        for error in refused {
            assert!(matches!(error, Error::NotOurs { .. }), "{error}");
            assert!(!error.is_outside() && error.hint().is_some());
        }
    }
    // Links are not followed: what they lead to is not ours.
    let other = tempfile::tempdir().unwrap();
    Store::open(other.path()).unwrap().put(b"x").unwrap();
    fs::remove_dir_all(folder.path().join("v1")).unwrap();
    std::os::unix::fs::symlink(other.path().join("v1"), folder.path().join("v1")).unwrap();
    assert!(matches!(clear(folder.path(), now(), &impatient()), Err(Error::Untrusted { .. })));
}

#[test]
fn prune_removes_damaged_blobs() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let path = store.path(&blob(&store, "x", 0));
    let shard = path.parent().unwrap().parent().unwrap().join("zz".replace('z', "0"));
    fs::remove_file(&path).unwrap();
    fs::create_dir_all(path.join("a/b")).unwrap();
    fs::write(shard, "").unwrap();
    drop(store);
    clear(folder.path(), now(), &impatient()).unwrap();
    check_empty(folder.path());
}

#[test]
fn tidying_happens_once_a_day_or_when_the_store_grew_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { size: Some(10 * BLOCK), age: Some(30 * DAY) };
    let now = now();
    let open = |now| Store::open(folder.path()).unwrap().at(now);

    let store = open(now);
    blob(&store, "old", 40);
    assert_eq!(store.tidy(&limits).unwrap().unwrap().removed.len(), 1, "never counted before");
    assert_eq!(store.tidy(&limits).unwrap(), None, "counted today");
    drop(store);

    let store = open(now + DAY / 2);
    blob(&store, "old", 40);
    assert_eq!(store.tidy(&limits).unwrap(), None, "small, and counted today");
    drop(store);
    let store = open(now + 2 * DAY);
    assert_eq!(store.tidy(&limits).unwrap().unwrap().removed.len(), 1, "another day");
    drop(store);

    // What several builds add is added up.
    for number in 0..6_u8 {
        let store = open(now + 2 * DAY);
        let digest = store.put(&[number; 2 * BLOCK as usize]).unwrap();
        set_used(&store.path(&digest), u32::from(9 - number));
        let pruned = store.tidy(&limits).unwrap();
        assert_eq!(pruned.is_some(), number == 5, "{number}");
        // Some room is left for the next build.
        assert_eq!(pruned.map_or(0, |pruned| pruned.removed.len()), if number == 5 { 2 } else { 0 });
    }
    fs::write(folder.path().join("v1/size"), "nonsense").unwrap();
    assert!(open(now + 2 * DAY).tidy(&limits).unwrap().is_some(), "a damaged count is made again");
    assert_eq!(Store::ephemeral(folder.path()).unwrap().at(now).tidy(&EVERYTHING).unwrap(), None);
}

#[test]
fn tidy_does_not_wait_for_locks() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Store::open(folder.path()).unwrap().at(now()), Store::open(folder.path()).unwrap());
    let digest = blob(&two, "x", 40);
    assert_eq!(one.tidy(&EVERYTHING).unwrap(), None);
    assert!(two.contains(&digest, None));
    drop(two);
    assert_eq!(one.tidy(&EVERYTHING).unwrap().unwrap().removed.len(), 1);
    // And goes on as a build among others.
    Store::open_with(folder.path(), &impatient()).unwrap();
    assert!(matches!(prune_now(folder.path(), NO_LIMITS), Err(Error::Busy { .. })));
}

const ROOT: &str = "WAINWRIGHT_STORE_TEST_HOLD";

/// Does nothing by itself: the next test starts it as a process of its own, which uses a store until it is killed.
#[test]
fn locked_by_one_process() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let _store = Store::open(Path::new(&root)).unwrap();
    let mut out = std::io::stdout().lock();
    out.write_all(b"\nopen\n").and_then(|()| out.flush()).unwrap();
    std::io::stdin().lock().lines().next();
}

#[test]
fn nothing_is_removed_under_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let digest = blob(&Store::open(folder.path()).unwrap(), "x", 40);
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "locked_by_one_process", "--nocapture"])
        .env(ROOT, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "open"));

    let busy = format!("in use by process {}", other.id());
    for refused in [
        prune_now(folder.path(), EVERYTHING).unwrap_err(),
        clear(folder.path(), now(), &impatient()).unwrap_err(),
    ] {
        assert!(refused.to_string().contains(&busy), "{refused}");
        assert!(refused.is_outside());
    }
    assert!(Store::open(folder.path()).unwrap().contains(&digest, None));

    // A killed process holds nothing.
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(prune_now(folder.path(), EVERYTHING).unwrap().removed.len(), 1);
}
