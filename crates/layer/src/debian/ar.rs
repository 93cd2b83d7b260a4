//! The outer archive of a Debian package: `ar`, with three members in a fixed order (deb(5)).

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A part of an open file; a reader of its own, so that one file can be read at several places.
pub(super) struct Section {
    file: Arc<File>,
    offset: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the package was cut short"));
        }
        self.offset += read as u64;
        Ok(read)
    }
}

/// The two archives inside a package, with their names: `control.tar.xz`, `data.tar.zst`.
pub(super) struct Members {
    pub(super) control: (String, Section),
    pub(super) data: (String, Section),
}

/// Why a package could not be opened.
pub(super) enum Failure {
    Read(io::Error),
    Format(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: u64 = 60;

/// Finds the members of a package.
///
/// Exactly `debian-binary` (2.x), `control.tar*`, `data.tar*`, in this order and once each. Members whose name starts
/// with `_` are skipped, as deb(5) asks for; anything else, and anything after the last member, is refused.
pub(super) fn open(file: &Arc<File>) -> Result<Members, Failure> {
    let length = file.metadata()?.len();
    let mut magic = [0; MAGIC.len()];
    if length < MAGIC.len() as u64 {
        return Err(Failure::Format("it is too short".into()));
    }
    file.read_exact_at(&mut magic, 0)?;
    if magic != MAGIC {
        return Err(Failure::Format("it does not start like an ar archive".into()));
    }

    let mut offset = MAGIC.len() as u64;
    let mut is_versioned = false;
    let (mut control, mut data) = (None, None);
    while offset < length {
        let (name, size) = header(file, offset, length)?;
        let start = offset + HEADER;
        let section = || Section { file: Arc::clone(file), offset: start, end: start + size };
        let refuse = |reason: &str| Err(Failure::Format(format!("its member `{name}` {reason}")));
        match name.as_str() {
            "debian-binary" if !is_versioned => {
                check_version(section(), size)?;
                is_versioned = true;
            }
            _ if !is_versioned => return refuse("is in the place of `debian-binary`"),
            hidden if hidden.starts_with('_') => {}
            tar if is_tar(tar, "control.tar") && control.is_none() => {
                control = Some((name.clone(), section()));
            }
            tar if is_tar(tar, "data.tar") && control.is_some() && data.is_none() => {
                data = Some((name.clone(), section()));
            }
            _ => return refuse("is unknown, duplicated or out of order"),
        }
        // Members start at even offsets; the last one may come without its padding.
        offset = start + size;
        if offset % 2 == 1 && offset < length {
            let mut padding = [0];
            file.read_exact_at(&mut padding, offset)?;
            if padding != *b"\n" {
                return refuse("is not followed by its padding");
            }
            offset += 1;
        }
    }
    match (control, data) {
        (Some(control), Some(data)) => Ok(Members { control, data }),
        (None, _) => Err(Failure::Format("it has no `control.tar`".into())),
        (_, None) => Err(Failure::Format("it has no `data.tar`".into())),
    }
}

fn is_tar(name: &str, stem: &str) -> bool {
    name.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Reads one member header: its name and its size, which fits into the file.
fn header(file: &File, offset: u64, length: u64) -> Result<(String, u64), Failure> {
    if length - offset < HEADER {
        return Err(Failure::Format("there are stray bytes after its last member".into()));
    }
    let mut header = [0; HEADER as usize];
    file.read_exact_at(&mut header, offset)?;
    let refuse = |reason: &str| Err(Failure::Format(format!("the member header at byte {offset} {reason}")));
    if &header[58..] != b"`\n" {
        return refuse("is broken");
    }
    let Ok(name) = std::str::from_utf8(&header[..16]) else { return refuse("has a broken name") };
    // One trailing slash is how some ar programs end a name; dpkg reads it too.
    let name = name.trim_end_matches(' ');
    let name = name.strip_suffix('/').unwrap_or(name);
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return refuse("has a broken name");
    }
    let size = std::str::from_utf8(&header[48..58]).unwrap_or("").trim_end_matches(' ');
    let is_number = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
    let Some(size) = size.parse::<u64>().ok().filter(|_| is_number) else {
        return refuse("has a broken size");
    };
    if size > length - offset - HEADER {
        return refuse("declares more bytes than the file has");
    }
    Ok((name.to_owned(), size))
}

fn check_version(mut section: Section, size: u64) -> Result<(), Failure> {
    let mut text = [0; 16];
    let Some(text) = usize::try_from(size).ok().and_then(|size| text.get_mut(..size)) else {
        return Err(Failure::Format("its `debian-binary` is too long".into()));
    };
    section.read_exact(text)?;
    let is_read = text
        .strip_prefix(b"2.")
        .and_then(|rest| rest.strip_suffix(b"\n"))
        .is_some_and(|minor| !minor.is_empty() && minor.iter().all(u8::is_ascii_digit));
    if is_read {
        return Ok(());
    }
    Err(Failure::Format(format!("its format is `{}`, not 2.0", text.trim_ascii_end().escape_ascii())))
}
