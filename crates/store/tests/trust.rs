//! A folder that somebody else may change is no place for bytes that end up in an image.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use wainwright_fault::Classify;
use wainwright_store::{Error, Store};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn folders_open_to_everybody_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0o777, 0o757, 0o1777] {
        set_mode(folder.path(), mode);
        let error = Store::open(folder.path()).unwrap_err();
        assert!(matches!(error, Error::Untrusted { .. }), "{error}");
        assert!(error.to_string().contains(&format!("(mode {mode:04o})")), "{error}");
        assert!(error.hint().unwrap().contains("chmod go-w"));
    }
    set_mode(folder.path(), 0o755);
    Store::open(folder.path()).unwrap();
}

#[test]
fn folders_inside_are_checked_too() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path()).unwrap();
    let tmp = folder.path().join("v1/tmp");
    set_mode(&tmp, 0o777);
    assert!(
        matches!(Store::open(folder.path()), Err(Error::Untrusted { path, .. }) if path.ends_with("v1/tmp"))
    );
    set_mode(&tmp, 0o700);

    let elsewhere = tempfile::tempdir().unwrap();
    fs::remove_dir(&tmp).unwrap();
    symlink(elsewhere.path(), &tmp).unwrap();
    assert!(matches!(Store::open(folder.path()), Err(Error::Untrusted { .. })), "a link inside");
}

#[test]
fn the_folder_itself_may_be_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("disk");
    fs::create_dir(&target).unwrap();
    set_mode(&target, 0o700);
    let link = folder.path().join("cache");
    symlink(&target, &link).unwrap();
    Store::open(&link).unwrap().put(b"x").unwrap();
    assert!(target.join("v1/blobs").is_dir());
}

#[test]
fn new_folders_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("a/b");
    Store::open(&root).unwrap();
    let mode = fs::metadata(root.join("v1")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_file_in_the_way_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("cache");
    fs::write(&root, "").unwrap();
    let error = Store::open(&root).unwrap_err();
    assert!(error.to_string().contains("cache`"), "{error}");
    assert!(error.is_outside());
    assert!(error.hint().unwrap().contains("--cache-dir"));
}

#[test]
fn other_layouts_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("v0")).unwrap();
    fs::write(folder.path().join("v0/x"), "old").unwrap();
    Store::open(folder.path()).unwrap().put(b"x").unwrap();
    assert_eq!(fs::read(folder.path().join("v0/x")).unwrap(), b"old");
}
