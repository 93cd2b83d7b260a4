//! The cache never lies: whatever happens to a file, the store says "absent" and can be mended.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use wainwright_oci::Digest;
use wainwright_store::{Error, Store};

const BYTES: &[u8] = b"some bytes of a blob";

/// Stores a blob, spoils its file, and expects the store to notice and to recover.
fn check(what: &str, spoil: impl Fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let digest = store.put(BYTES).unwrap();
    assert!(store.verify(&digest).unwrap());

    spoil(&store.path(&digest));
    assert!(!store.verify(&digest).unwrap(), "{what}: damage was not noticed");
    let mut copied = Vec::new();
    store.copy(&digest, &mut copied).expect_err(what);

    assert_eq!(store.put(BYTES).unwrap(), digest);
    assert!(store.verify(&digest).unwrap(), "{what}: not mended by put");

    spoil(&store.path(&digest));
    let mut draft = store.draft().unwrap();
    draft.write_all(BYTES).unwrap();
    draft.commit(&digest).unwrap();
    assert!(store.verify(&digest).unwrap(), "{what}: not mended by commit");
}

#[test]
fn damaged_files_are_found_and_replaced() {
    check("deleted", |path| fs::remove_file(path).unwrap());
    check("cut", |path| fs::write(path, &BYTES[..5]).unwrap());
    check("emptied", |path| fs::write(path, b"").unwrap());
    check("zeroed", |path| fs::write(path, vec![0; BYTES.len()]).unwrap());
    check("bit flipped", |path| {
        let mut bytes = BYTES.to_vec();
        bytes[3] ^= 4;
        fs::write(path, bytes).unwrap();
    });
    check("replaced by a folder", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir_all(path.join("with/content")).unwrap();
    });
    check("replaced by a link to the right bytes", |path| {
        let elsewhere = path.with_extension("elsewhere");
        fs::rename(path, &elsewhere).unwrap();
        symlink(&elsewhere, path).unwrap();
    });
    check("its folder replaced by a file", |path| {
        let folder = path.parent().unwrap();
        fs::remove_dir_all(folder).unwrap();
        fs::write(folder, b"").unwrap();
    });
}

#[test]
fn pipes_do_not_block() {
    check("replaced by a pipe", |path| {
        fs::remove_file(path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    });
}

#[test]
fn unreadable_files_count_as_absent() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let digest = store.put(BYTES).unwrap();
    fs::set_permissions(store.path(&digest), PermissionsExt::from_mode(0o000)).unwrap();
    assert!(!store.contains(&digest, None));
    store.put(BYTES).unwrap();
    assert!(store.contains(&digest, None));
}

#[test]
fn damaged_blob_differs_from_missing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let digest = store.put(BYTES).unwrap();
    fs::write(store.path(&digest), b"other").unwrap();
    let error = store.copy(&digest, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(!store.path(&digest).exists(), "damaged bytes are removed");
    let error = store.copy(&digest, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error}");
}

#[test]
fn presence_is_judged_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let digest = store.put(BYTES).unwrap();
    assert!(store.contains(&digest, Some(BYTES.len() as u64)));
    assert!(!store.contains(&digest, Some(1)));
    assert!(!store.contains(&Digest::of("absent"), None));
    assert!(store.open_blob(&Digest::of("absent")).unwrap().is_none());
    store.discard(&digest);
    assert!(!store.contains(&digest, None));
}

#[test]
fn removed_files_cause_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    fs::remove_dir_all(folder.path().join("v1")).unwrap();
    let digest = store.put(BYTES).unwrap();
    assert!(store.verify(&digest).unwrap());
    fs::remove_dir_all(folder.path().join("v1")).unwrap();
    assert!(store.scratch().unwrap().path().is_dir());
}

#[test]
fn a_store_for_one_run_leaves_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let store = Store::ephemeral(parent.path()).unwrap();
    let clone = store.clone();
    let digest = store.put(BYTES).unwrap();
    drop(store);
    assert!(clone.verify(&digest).unwrap(), "the last clone keeps it");
    drop(clone);
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
}
