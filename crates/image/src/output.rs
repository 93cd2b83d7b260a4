use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::Error;
use crate::draft::{self, Draft};

/// Writes a small file whole or not at all, durably; folders on the way to it are created.
///
/// Into a pipe or a device the bytes go as they are. What killed processes left beside it is removed.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let size = bytes.len() as u64;
    let failed = |source| Error::write(path, size, source);
    match Target::find(path)? {
        Target::File { path, .. } => {
            let mut output = Output::create(&path, size)?;
            output.write_all(bytes).map_err(failed)?;
            output.finish()
        }
        Target::Stream(mut stream) => stream.write_all(bytes).map_err(failed),
    }
}

/// What a path means to somebody who wants to write an archive there.
pub(crate) enum Target {
    /// A regular file, to be replaced when the new one is whole.
    File {
        /// Where it really is, links followed.
        path: PathBuf,
        /// What is there, if it can be read.
        existing: Option<File>,
    },
    /// A pipe or a device: there is nothing to replace, bytes go straight in.
    Stream(File),
}

impl Target {
    pub(crate) fn find(path: &Path) -> Result<Self, Error> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::File { path: path.to_owned(), existing: None });
            }
            Err(source) => return Err(Error::disk("write", path, source)),
        };
        if metadata.is_dir() {
            return Err(Error::InTheWay { path: path.to_owned(), found: "a folder", wanted: "a file" });
        }
        if !metadata.is_file() {
            let file = OpenOptions::new().write(true).open(path);
            return file.map(Self::Stream).map_err(|source| Error::disk("write", path, source));
        }
        // A rename would get round the permissions of the file, which somebody set for a reason.
        let is_forbidden = rustix::fs::access(path, Access::WRITE_OK).is_err();
        if is_forbidden || metadata.mode() & 0o222 == 0 {
            return Err(Error::ReadOnly { path: path.to_owned() });
        }
        let real = fs::canonicalize(path).map_err(|source| Error::disk("write", path, source))?;
        Ok(Self::File { existing: File::open(&real).ok(), path: real })
    }
}

/// A file in the making, beside its place.
pub(crate) struct Output {
    draft: Draft,
    folder: PathBuf,
}

impl Output {
    /// Starts it; folders on the way to it are created.
    pub(crate) fn create(path: &Path, size: u64) -> Result<Self, Error> {
        let folder = draft::folder_of(path).to_owned();
        draft::create_folder(&folder)?;
        draft::sweep(&folder);
        Ok(Self { draft: Draft::new(&folder, path, size)?, folder })
    }

    /// Puts it in its place, durably.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.draft.finish()?;
        draft::sync_folder(&self.folder);
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.draft.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.draft.flush()
    }
}

#[cfg(test)]
mod tests {
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
        assert!(error.to_string().ends_with("store` is a folder, and cannot become a file"));
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
}
