use std::os::unix::fs::{PermissionsExt, symlink};

use wainwright_fault::Classify;
use wainwright_oci::Platform;

use super::*;
use crate::sample::Sample;
use crate::write_archive;

/// Writes an archive to a path below a folder that `prepare` fills, and returns what went wrong.
fn trouble(prepare: fn(&Path), path: &str) -> Option<Error> {
    let sample = Sample::new();
    let release = sample.release(&["amd64"], &["demo/api:1"]);
    prepare(sample.folder.path());
    let path = sample.folder.path().join(path);
    write_archive(&release, &sample.store, &path, &Platform::linux("amd64")).err()
}

#[test]
fn folders_and_read_only_files_are_not_replaced() {
    let error = trouble(|_| {}, "store").unwrap();
    assert!(error.to_string().ends_with("store` is a folder and cannot be replaced by a file"));
    assert!(!error.is_outside());
    let read_only = |folder: &Path| {
        fs::write(folder.join("a.tar"), "x").unwrap();
        fs::set_permissions(folder.join("a.tar"), PermissionsExt::from_mode(0o444)).unwrap();
    };
    let error = trouble(read_only, "a.tar").unwrap();
    assert!(matches!(error, Error::ReadOnly { .. }), "{error:?}");
    let error = trouble(|folder| fs::write(folder.join("file"), "x").unwrap(), "file/a.tar").unwrap();
    assert!(matches!(error, Error::Disk { .. }), "{error:?}");
}

#[test]
fn a_full_device_is_the_fault_of_the_outside() {
    let error = trouble(|_| {}, "/dev/full").unwrap();
    assert!(matches!(error, Error::Full { .. }) && error.is_outside(), "{error:?}");
}

#[test]
fn small_files_are_replaced_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    for text in ["a longer text", "short"] {
        replace(&path, text.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(matches!(replace(Path::new("/dev/full"), b"x"), Err(Error::Full { .. })));
}

#[test]
fn pipes_get_the_bytes() {
    let sample = Sample::new();
    let release = sample.release(&["amd64"], &["demo/api:1"]);
    let pipe = sample.folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    let delivered = write_archive(&release, &sample.store, &pipe, &Platform::linux("amd64")).unwrap();
    assert_eq!(reader.join().unwrap().len() as u64, delivered.bytes_written);
}

#[test]
fn links_are_followed_and_folders_made() {
    let sample = Sample::new();
    let release = sample.release(&["amd64"], &["demo/api:1"]);
    let folder = sample.folder.path();
    let write = |path: &Path| {
        write_archive(&release, &sample.store, path, &Platform::linux("amd64")).unwrap();
    };
    fs::write(folder.join("real.tar"), "old").unwrap();
    symlink("real.tar", folder.join("link.tar")).unwrap();
    write(&folder.join("link.tar"));
    assert!(fs::symlink_metadata(folder.join("link.tar")).unwrap().is_symlink());
    assert!(fs::metadata(folder.join("real.tar")).unwrap().len() > 1000);
    write(&folder.join("a/b/c.tar"));
    assert!(folder.join("a/b/c.tar").is_file());
}
