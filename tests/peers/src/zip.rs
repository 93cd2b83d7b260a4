use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use zip::ZipArchive;

/// Odd wheels of `tests/trust/odd_wheels.py` that the zip crate reads to the last byte and that Python, which installs
/// wheels elsewhere, refuses: an image would hold what no other installer makes.
const READ_BY_THE_CRATE_ALONE: [&str; 13] = [
    "name_bad_utf8",
    "name_overlong",
    "name_surrogate",
    "zip_directory_signature",
    "zip_disk_locator",
    "zip_end64_long",
    "zip_end64_missing",
    "zip_local_name",
    "zip_local_name_long",
    "zip_method_patch",
    "zip_overlap",
    "zip_zip64_end_offset",
    "zip_zip64_end_size",
];

#[test]
fn zip_reads_wheels_that_python_refuses() {
    let folder = std::env::temp_dir().join(format!("peers-wheels-{}", std::process::id()));
    let wheels = odd_wheels(&folder);
    let found: Vec<String> = wheels
        .iter()
        .zip(python(&wheels))
        .filter(|(path, python)| !python && read(path).is_ok())
        .map(|(path, _)| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    std::fs::remove_dir_all(folder).unwrap();
    assert_eq!(found, READ_BY_THE_CRATE_ALONE);
}

fn odd_wheels(folder: &Path) -> Vec<PathBuf> {
    let writer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../trust/wheels.py");
    let done =
        Command::new("python3").arg(writer).arg("--write").arg(folder).args(["--name", "greet"]).status();
    assert!(done.unwrap().success());
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Reads every member.
fn read(path: &Path) -> zip::result::ZipResult<()> {
    let mut archive = ZipArchive::new(File::open(path)?)?;
    for index in 0..archive.len() {
        archive.by_index(index)?.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

/// Whether Python reads every member.
fn python(paths: &[PathBuf]) -> Vec<bool> {
    let program = "
import sys, zipfile
for path in sys.argv[1:]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                archive.read(member)
        print('read')
    except Exception:
        print('refused')
";
    let arguments: Vec<_> = paths.iter().map(|path| path.as_os_str()).collect();
    crate::python(program, &arguments).lines().map(|line| line == "read").collect()
}
