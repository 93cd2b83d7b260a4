//! Several threads and processes may use one store at once.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use wainwright_oci::Digest;
use wainwright_store::{CacheKey, Store};

const WRITERS: usize = 8;
const ROOT: &str = "WAINWRIGHT_STORE_TEST_ROOT";
const DIE: &str = "WAINWRIGHT_STORE_TEST_DIE";

/// The same blobs and memos for every writer: each is written by all of them.
fn write_everything(root: &Path) {
    let store = Store::open(root).unwrap();
    for number in 0..20_u8 {
        let bytes = vec![number; 100_000];
        let mut draft = store.draft().unwrap();
        for piece in bytes.chunks(999) {
            draft.write_all(piece).unwrap();
        }
        draft.commit(&Digest::of(&bytes)).unwrap();
        assert!(store.verify(&Digest::of(&bytes)).unwrap());
        let key = CacheKey::of("test", &number).unwrap();
        store.remember(&key, &json!({ "number": number })).unwrap();
        assert_eq!(store.recall(&key).unwrap(), Some(json!({ "number": number })));
    }
}

fn check_everything(root: &Path) {
    let store = Store::open(root).unwrap();
    for number in 0..20_u8 {
        assert!(store.verify(&Digest::of(vec![number; 100_000])).unwrap());
    }
    assert_eq!(fs::read_dir(root.join("v1/tmp")).unwrap().count(), 0, "nothing is left over");
}

#[test]
fn concurrent_threads_agree() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| write_everything(folder.path()));
        }
    });
    check_everything(folder.path());
}

fn this_test_as_a_process(root: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "locked_by_one_process"]).env(ROOT, root).stdout(std::process::Stdio::null());
    command
}

/// Does nothing by itself: the other tests start it as a process of its own.
#[test]
fn locked_by_one_process() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    if std::env::var_os(DIE).is_some() {
        let store = Store::open(Path::new(&root)).unwrap();
        let mut draft = store.draft().unwrap();
        draft.write_all(b"half a blob").unwrap();
        let scratch = store.scratch().unwrap();
        fs::write(scratch.path().join("x"), "x").unwrap();
        std::process::abort();
    }
    write_everything(Path::new(&root));
}

#[test]
fn concurrent_processes_agree() {
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<_> =
        (0..WRITERS).map(|_| this_test_as_a_process(folder.path()).spawn().unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    check_everything(folder.path());
}

#[test]
fn files_of_killed_process_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut killed = this_test_as_a_process(folder.path());
    let status = killed.env(DIE, "1").stderr(std::process::Stdio::null()).status().unwrap();
    assert!(!status.success());
    let left = || fs::read_dir(folder.path().join("v1/tmp")).unwrap().count();
    assert_eq!(left(), 2, "a draft and a scratch folder");

    let store = Store::open(folder.path()).unwrap();
    assert_eq!(left(), 0);
    let draft = store.draft().unwrap();
    Store::open(folder.path()).unwrap();
    assert!(draft.path().exists(), "work in progress is left alone");
}

#[test]
fn no_work_starts_after_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Store::open(folder.path()).unwrap();
    let (draft, _scratch) = (kept.draft().unwrap(), kept.scratch().unwrap());
    kept.clone().abandon();
    assert!(kept.draft().is_err() && kept.scratch().is_err() && kept.put(b"x").is_err());
    assert!(draft.commit(&Digest::of("")).is_err());
    assert_eq!(fs::read_dir(folder.path().join("v1/tmp")).unwrap().count(), 0);

    let parent = tempfile::tempdir().unwrap();
    let passing = Store::ephemeral(parent.path()).unwrap();
    let draft = passing.draft().unwrap();
    passing.abandon();
    assert!(draft.commit(&Digest::of("")).is_err());
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0, "the folder does not come back");
}
