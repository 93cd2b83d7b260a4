//! A full disk ends a build with exit code 3 and a message that names the place; with room again it gives the usual digest.

use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use wainwright_testing::{Tree, With as _, noise, run, skip};

use crate::workshop;

/// A small disk in memory, gone with the test.
pub(crate) struct Disk(PathBuf);

impl Disk {
    pub(crate) fn mount(folder: &Path, size: &CStr) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        match mount("tmpfs", folder, "tmpfs", MountFlags::empty(), Some(size)) {
            Ok(()) => Some(Self(folder.to_owned())),
            Err(error) => {
                skip(&format!("cannot mount a small disk here: {error}"));
                None
            }
        }
    }

    pub(crate) fn resize(&self, size: &CStr) {
        mount_remount(&self.0, MountFlags::empty(), size).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// The message names the place, what is needed and what is free, and a way out.
pub(crate) fn check_told(message: &str, place: &str) {
    for part in ["no space left to write `", place, " bytes to write, ", " bytes free)", "hint: "] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn a_full_cache() {
    let shop = workshop();
    shop.write("project/noise", noise(1, 2_000_000));
    let expected = run(&mut shop.build().with(&["--cache-dir", "roomy"])).digest();
    fs::remove_dir_all(shop.path("project/.wain")).unwrap();
    let Some(disk) = Disk::mount(&shop.path("small"), c"size=1m,mode=755") else { return };
    let mut build =
        shop.build().with(&["--cache-dir", "small", "--output", "layout:out", "--progress", "quiet"]);
    let ran = run(&mut build);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{}", ran.stderr);
    check_told(&ran.stderr, "small/v1/");
    assert!(!shop.path("out").exists());
    disk.resize(c"size=64m,mode=755");
    assert_eq!(run(&mut build).digest(), expected);
}

#[test]
fn a_full_output() {
    let shop = workshop();
    shop.write("project/noise", noise(1, 2_000_000));
    let Some(disk) = Disk::mount(&shop.path("small"), c"size=1m,mode=755") else { return };
    for output in ["layout:small/image", "archive:small/image.tar"] {
        let mut build = shop.build().with(&["--output", output, "--progress", "quiet"]);
        let ran = run(&mut build);
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{}", ran.stderr);
        check_told(&ran.stderr, "small/image");
        assert_eq!(Tree::read(&shop.path("small")), Tree::default(), "{output} is half-written");
        disk.resize(c"size=64m,mode=755");
        let digest = run(&mut build).digest();
        assert_eq!(digest, run(&mut build.with(&["--output", "archive:again.tar"])).digest());
        for entry in fs::read_dir(shop.path("small")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
        disk.resize(c"size=1m,mode=755");
    }
}
