use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use flate2::read::DeflateDecoder;
use serde::{Deserialize, Serialize};
use wainwright_elf::{Elf, Source, names, read};
use wainwright_wheel::{FileContent, InstalledFile};

use crate::{Error, InstalledWheel};

/// What the loader reads of one ELF file that a wheel installs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NativeFile {
    /// The path in the image, absolute.
    pub path: String,
    /// What it runs on: number, whether 64 bits, whether little-endian.
    pub machine: (u16, bool, bool),
    /// The name it goes by, where it has one.
    pub soname: Option<String>,
    /// Its program interpreter: it is a program.
    pub interpreter: Option<String>,
    /// The libraries it needs.
    pub needed: Vec<String>,
    /// The symbol versions it cannot do without: library and version.
    pub requires: Vec<(String, String)>,
    /// The module that an `import` loads it as: `cv2`.
    pub module: Option<String>,
}

/// The ELF files of a wheel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeFiles {
    /// Sorted by path.
    pub files: Vec<NativeFile>,
    /// Paths of those that begin as an ELF file and cannot be read as one.
    pub unread: Vec<String>,
}

/// Files up to this size are read in memory, larger ones by way of the disk: 32 MiB.
const IN_MEMORY: u64 = 32 << 20;

/// Names that no ELF file has; most files of most wheels.
const OTHERS: &[&str] = &[
    "py", "pyi", "pyc", "pyx", "pxd", "txt", "md", "rst", "h", "hpp", "cuh", "c", "cpp", "json", "js", "css",
    "html", "svg", "png", "gif", "ttf", "csv", "po", "mo", "yaml", "yml", "toml", "xml", "typed", "qm",
    "qml", "map", "ts",
];

/// Whether a file of a wheel has to be read to know that it is no ELF file.
pub fn may_be_native(file: &InstalledFile) -> bool {
    !is_other(file.path.as_bytes()) && !matches!(file.content, FileContent::Generated(_))
}

/// Reads all ELF files of a wheel. `scratch` is a folder for files too large for memory.
pub fn native_files(wheel: &InstalledWheel, scratch: &Path) -> Result<NativeFiles, Error> {
    let mut found = NativeFiles::default();
    for file in wheel.files().iter().filter(|file| may_be_native(file)) {
        let path = format!("/{}", file.path);
        match native_file(wheel.file(), file, scratch) {
            Ok(None) => {}
            Ok(Some(native)) => found.files.push(native),
            Err(Unread::Elf) => found.unread.push(path),
            Err(Unread::Disk(source)) => return Err(Error::Read { path: scratch.to_path_buf(), source }),
        }
    }
    found.files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Whether its path tells that nobody loads a file: by the ending of its name, or because it describes the package.
fn is_other(path: &[u8]) -> bool {
    let mut components = path.rsplit(|byte| *byte == b'/');
    let (name, folder) = (components.next().unwrap_or_default(), components.next().unwrap_or_default());
    let dot = name.iter().rposition(|byte| *byte == b'.');
    folder.ends_with(b".dist-info")
        || dot.is_some_and(|dot| OTHERS.iter().any(|end| end.as_bytes() == &name[dot + 1..]))
}

enum Unread {
    Elf,
    Disk(io::Error),
}

fn native_file(
    wheel: &Arc<File>,
    file: &InstalledFile,
    scratch: &Path,
) -> Result<Option<NativeFile>, Unread> {
    let mut head = [0; 4];
    // What cannot be inflated is refused by whoever makes the layer.
    if content(wheel, file).read_exact(&mut head).is_err() || &head != b"\x7fELF" {
        return Ok(None);
    }
    let path = format!("/{}", file.path);
    if file.content.size() <= IN_MEMORY {
        let mut bytes = Vec::new();
        content(wheel, file).take(IN_MEMORY).read_to_end(&mut bytes).map_err(|_| Unread::Elf)?;
        return describe(path, bytes.as_slice());
    }
    let place = scratch.join("elf");
    let mut copy = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&place)
        .map_err(Unread::Disk)?;
    let (mut bytes, mut from) = (vec![0; 256 << 10], content(wheel, file).take(file.content.size()));
    loop {
        match from.read(&mut bytes).map_err(|_| Unread::Elf)? {
            0 => break,
            count => copy.write_all(&bytes[..count]).map_err(Unread::Disk)?,
        }
    }
    describe(path, &copy)
}

fn describe<S: Source + ?Sized>(path: String, bytes: &S) -> Result<Option<NativeFile>, Unread> {
    let Some(elf) = read(bytes).map_err(|_| Unread::Elf)? else { return Ok(None) };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Some(NativeFile {
        machine: (elf.machine.number, elf.machine.is_64, elf.machine.is_little),
        soname: elf.soname.as_deref().map(text),
        interpreter: elf.interpreter.as_deref().map(text),
        needed: elf.needed.iter().map(|name| text(name)).collect(),
        requires: elf.requires.iter().map(|one| (text(&one.library), text(&one.name))).collect(),
        module: module(&path, bytes, &elf),
        path,
    }))
}

/// The module that a file is: its name says which, and a symbol that it is one (PEP 489). Many `.so` files are none.
fn module<S: Source + ?Sized>(path: &str, bytes: &S, elf: &Elf) -> Option<String> {
    let name = path.rsplit('/').next()?;
    let stem = name.strip_suffix(".so")?.split('.').next().filter(|stem| !stem.is_empty())?;
    names(bytes, elf, &format!("PyInit_{stem}")).then(|| stem.to_owned())
}

/// The bytes of an installed file, one after the other.
fn content<'a>(wheel: &'a Arc<File>, file: &'a InstalledFile) -> Box<dyn Read + 'a> {
    let part = |offset, length| Part { file: wheel.clone(), at: offset, end: length + offset };
    match &file.content {
        FileContent::Deflated { offset, compressed_size, .. } => {
            Box::new(DeflateDecoder::new(part(*offset, *compressed_size)))
        }
        FileContent::Stored { offset, size, .. } => Box::new(part(*offset, *size)),
        FileContent::Generated(bytes) => Box::new(bytes.as_slice()),
    }
}

/// A part of an open file, read without moving its position.
struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(into.len());
        let count = self.file.read_at(&mut into[..left], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
