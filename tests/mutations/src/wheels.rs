use std::io::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use wainwright_fault::Classify;
use wainwright_oci::{Digest, ImagePath};
use wainwright_python::{PythonVersion, WheelFilename};
use wainwright_testing::wheel;
use wainwright_wheel::{Error, Layout, Limits, Wheel};

use crate::scratch;

const FILENAME: &str = "greet-1.0-py3-none-any.whl";
const INFO: &str = "greet-1.0.dist-info";
const METADATA: &str = "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n";
const WHEEL: &str = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n";

/// Applies every rule. What is refused must name its rule, and explain it.
fn judge(bytes: &[u8]) -> Result<Wheel, Error> {
    let result = try_judge(bytes);
    if let Err(error) = &result {
        let rule = error.rule().unwrap_or_else(|| panic!("no rule: {error}"));
        assert!(wainwright_wheel::explain(rule).is_some(), "{rule} is not explained");
        assert!(error.hint().is_some() && !error.is_outside());
        let text = error.to_string();
        assert!(!text.contains(|letter: char| letter.is_control()), "{text:?} can steer a terminal");
        assert!(text.len() < 4000, "a message of {} bytes", text.len());
    }
    result
}

fn try_judge(bytes: &[u8]) -> Result<Wheel, Error> {
    let filename: WheelFilename = FILENAME.parse().unwrap();
    let limits = Limits { unpacked: 64 << 20, ..Limits::default() };
    let wheel = Wheel::open_within(scratch::file(bytes), &filename, &limits)?;
    let layout = Layout::venv(ImagePath::new("app/.venv").unwrap(), PythonVersion::new(3, 13));
    let files = wheel.install(&layout)?;
    assert!(
        files.iter().all(|file| file.path.starts_with(&layout.prefix)),
        "a file outside of its environment"
    );
    assert!(files.is_sorted_by(|a, b| a.path < b.path), "a path twice");
    wheel.empty_directories(&layout)?;
    wheel.check()?;
    Ok(wheel)
}

pub(crate) fn zip(bytes: &[u8]) {
    let _ = judge(bytes);
}

pub(crate) fn record(bytes: &[u8]) {
    let _ = judge(&with(METADATA.as_bytes(), None, bytes));
}

pub(crate) fn entry_points(bytes: &[u8]) {
    let entry_points = Some(bytes);
    let _ = judge(&with(METADATA.as_bytes(), entry_points, &record_of(METADATA.as_bytes(), entry_points)));
}

pub(crate) fn metadata(bytes: &[u8]) {
    let Ok(wheel) = judge(&with(bytes, None, &record_of(bytes, None))) else { return };
    let metadata = wheel.metadata();
    assert_eq!(metadata.name.as_str(), "greet");
    let texts = metadata.summary.iter().chain(&metadata.requires_dist).chain(&metadata.classifiers);
    for text in texts {
        assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{text:?}");
    }
}

fn files<'a>(metadata: &'a [u8], entry_points: Option<&'a [u8]>) -> Vec<(String, &'a [u8])> {
    let mut files = vec![
        ("greet/__init__.py".to_owned(), b"x".as_slice()),
        ("greet/a, \"b\".py".to_owned(), b"y"),
        (format!("{INFO}/METADATA"), metadata),
        (format!("{INFO}/WHEEL"), WHEEL.as_bytes()),
    ];
    files.extend(entry_points.map(|bytes| (format!("{INFO}/entry_points.txt"), bytes)));
    files
}

fn record_of(metadata: &[u8], entry_points: Option<&[u8]>) -> Vec<u8> {
    let mut record = String::new();
    for (name, content) in files(metadata, entry_points) {
        let hash = BASE64_URL_SAFE_NO_PAD.encode(Digest::of(content).as_bytes());
        record += &format!("\"{}\",sha256={hash},{}\n", name.replace('"', "\"\""), content.len());
    }
    (record + INFO + "/RECORD,,\n").into_bytes()
}

fn with(metadata: &[u8], entry_points: Option<&[u8]>, record: &[u8]) -> Vec<u8> {
    let mut files = files(metadata, entry_points);
    files.push((format!("{INFO}/RECORD"), record));
    archive(&files, true)
}

/// A plain zip archive, its members stored or deflated.
fn archive(files: &[(String, &[u8])], is_stored: bool) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let data = match is_stored {
            true => content.to_vec(),
            false => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
        };
        let mut facts = vec![20, 0, 0, 0, if is_stored { 0 } else { 8 }, 0, 0, 0, 0x21, 0];
        for number in [crc32fast::hash(content), data.len() as u32, content.len() as u32] {
            facts.extend(number.to_le_bytes());
        }
        facts.extend((name.len() as u16).to_le_bytes());
        facts.extend([0, 0]);
        let offset = bytes.len() as u32;
        bytes.extend([b"PK\x03\x04", facts.as_slice(), name.as_bytes(), &data].concat());
        directory.extend([b"PK\x01\x02\x14\x03", facts.as_slice(), &[0; 6]].concat());
        directory.extend((0o100_644u32 << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (count, size, offset) = (files.len() as u16, directory.len() as u32, bytes.len() as u32);
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    bytes.extend([size.to_le_bytes(), offset.to_le_bytes()].concat());
    bytes.extend([0, 0]);
    bytes
}

pub(crate) fn zips() -> Vec<Vec<u8>> {
    let entry_points = entry_point_files().remove(0);
    let record = record_of(METADATA.as_bytes(), Some(&entry_points));
    let mut all = files(METADATA.as_bytes(), Some(&entry_points));
    all.push((format!("{INFO}/RECORD"), &record));
    let rich = wheel("greet")
        .file("greet/__init__.py", "import os\n".repeat(20))
        .file("greet.pth", "import greet\n")
        .file("greet/größe.bin", (0..=255).collect::<Vec<u8>>())
        .program("greet-1.0.data/scripts/greet.sh", "#!python\nprint()\n")
        .file("greet-1.0.data/data/share/greet/words.txt", "hello\n")
        .file("greet-1.0.data/headers/greet.h", "\n")
        .metadata("entry_points.txt", "[console_scripts]\ngreet = greet:main\n");
    vec![archive(&all, true), archive(&all, false), rich.bytes(), wheel("greet").bytes()]
}

pub(crate) fn records() -> Vec<Vec<u8>> {
    let plain = record_of(METADATA.as_bytes(), None);
    let text = String::from_utf8_lossy(&plain).into_owned();
    let sha512 = text.replace(
        "sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE",
        "sha512=pKvURIxJVi2CgRXROh_M6pJ_UrTVRZKX-LQ-QtqJI4vBNibkPcs43bCCSIkn7JBPtCBXRDmD6IWFF51QVRr-Yg",
    );
    vec![
        plain,
        text.replace("\"greet/__", "\"./greet\\__").replace('\n', "\r\n").into_bytes(),
        sha512.into_bytes(),
    ]
}

pub(crate) fn entry_point_files() -> Vec<Vec<u8>> {
    let text = "# comment\n[console_scripts]\ngreet = greet:main\nb.c+d=greet.cli : App.run [fast, more]\n\n[gui_scripts]\n\
        greet = greet:main ; note\n[other]\nanything = goes\n";
    vec![text.into(), "[console_scripts]\npip3 = greet:main\npip3.8 = greet:main\n".into()]
}

pub(crate) fn metadata_files() -> Vec<Vec<u8>> {
    let text = "Metadata-Version: 2.4\nName: Greet\nVersion: 1.0.0\nSummary: one\n  two\nRequires-Python: >=3.8\nRequires-Dist: a>=1; \
        extra == 'x'\nProvides-Extra: x\nLicense-Expression: MIT\nClassifier: A\nProject-URL: home, https://x\nAuthor: Ren\u{e9}\n\nbody\n";
    vec![METADATA.into(), text.into(), text.replace('\n', "\r\n").into()]
}
