use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use flate2::read::DeflateDecoder;
use wainwright_oci::{Digest, Hasher, ImagePath};
use wainwright_python::{PythonVersion, WheelFilename};
use wainwright_wheel::{FileContent, Layout, Wheel};

use crate::{Error, Resolver};

/// The version of uv that is fetched where the machine has none.
pub const VERSION: &str = "0.13.9";

/// For each architecture a wheel of that version, and its sha256. The program in them is linked statically: it runs on any C
/// library.
const WHEELS: &[(&str, &str, &str)] = &[
    (
        "amd64",
        "uv-0.13.9-py3-none-musllinux_1_1_x86_64.whl",
        "sha256:2c45530751517d6c3bbc69a19473f6effe47cce047bede01ffd8af7ea7b36b25",
    ),
    (
        "arm64",
        "uv-0.13.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "sha256:5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
    ),
];

/// The wheel of uv for a machine, as package indexes call it, and its digest.
pub fn pinned(architecture: &str) -> Option<(WheelFilename, Digest)> {
    let (_, name, digest) = WHEELS.iter().find(|(known, ..)| *known == architecture)?;
    Some((name.parse().ok()?, digest.parse().ok()?))
}

/// Takes the program out of a wheel whose digest was checked, into a folder on a file system that may hold programs.
pub fn unpack(wheel: File, filename: &WheelFilename, folder: &Path) -> Result<Resolver, Error> {
    let refuse = |reason: String| Error::Unpack { reason };
    let wheel = Wheel::open(Arc::new(wheel), filename).map_err(|error| refuse(error.to_string()))?;
    let prefix = ImagePath::new("uv").map_err(|error| refuse(error.to_string()))?;
    let files = wheel
        .install(&Layout::venv(prefix, PythonVersion::new(3, 11)))
        .map_err(|error| refuse(error.to_string()))?;
    let found = files.into_iter().find(|file| file.path.as_bytes() == b"uv/bin/uv");
    let content = found.ok_or_else(|| refuse("it contains no program".into()))?.content;
    let FileContent::Deflated { offset, compressed_size, size, digest: Some(digest), .. } = content else {
        return Err(refuse("its program is not compressed, or is missing from RECORD".into()));
    };
    let program = folder.join("uv");
    let attempt = || -> io::Result<Digest> {
        let mut archive = wheel.file().as_ref();
        archive.seek(SeekFrom::Start(offset))?;
        let mut inflated = DeflateDecoder::new(archive.take(compressed_size)).take(size);
        let mut out = File::options().write(true).create_new(true).mode(0o700).open(&program)?;
        let mut hasher = Hasher::new();
        let mut piece = vec![0; 1 << 16];
        loop {
            let length = inflated.read(&mut piece)?;
            if length == 0 {
                return Ok(hasher.finish());
            }
            let bytes = piece.get(..length).unwrap_or_default();
            hasher.update(bytes);
            io::Write::write_all(&mut out, bytes)?;
        }
    };
    let written = attempt().map_err(|source| Error::Write { path: program.clone(), source })?;
    if written != digest {
        return Err(refuse("its program does not match RECORD".into()));
    }
    Ok(Resolver { program, version: VERSION.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        for (architecture, ..) in WHEELS {
            let (filename, _) = pinned(architecture).unwrap();
            assert!(filename.as_str().starts_with(&format!("uv-{VERSION}-py3-none-")), "{filename}");
        }
        assert!(pinned("s390x").is_none());
    }

    #[test]
    fn uv_is_unpacked_executable() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = wainwright_testing::wheel("uv")
            .program("uv-1.0.data/scripts/uv", "#!/bin/sh\necho uv 0.13.9\n")
            .file("uv/__init__.py", "");
        let path = folder.path().join("w");
        std::fs::write(&path, wheel.bytes()).unwrap();
        let filename = wheel.filename().parse().unwrap();
        let uv = unpack(File::open(&path).unwrap(), &filename, folder.path()).unwrap();
        let said = wainwright_testing::run(&mut std::process::Command::new(&uv.program)).ok().stdout;
        assert_eq!(said, "uv 0.13.9\n");
        let other = wainwright_testing::wheel("uv").file("uv/__init__.py", "");
        std::fs::write(&path, other.bytes()).unwrap();
        let error = unpack(File::open(&path).unwrap(), &filename, folder.path()).unwrap_err();
        assert!(error.to_string().contains("contains no program"), "{error}");
    }
}
