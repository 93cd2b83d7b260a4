//! A small disk in memory, for tests that fill it; `tests/trust/faults_disk.py` has the table of full disks.

use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use wainwright_testing::skip;

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
