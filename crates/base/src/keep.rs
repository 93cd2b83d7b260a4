use std::io::{self, Read};

use crate::facts::Facts;
use crate::libc::{self, Family};
use crate::tar_stream::{Member, TarStream, invalid};

/// Texts of all files that are kept, together.
const MOST_TEXT: u64 = 256 << 20;

/// What to keep of a file.
enum Wanted {
    Nothing,
    /// The whole content, up to a size in bytes.
    Text(u64),
    Magic,
    Libc(Family),
}

/// Collects facts about the files of an image while its layers are read.
#[derive(Debug, Default)]
pub(crate) struct FactCollector {
    total: u64,
    is_for_packages: bool,
}

impl FactCollector {
    /// Keeps what somebody has to read who adds packages, and nothing else.
    pub(crate) fn for_packages() -> Self {
        Self { total: 0, is_for_packages: true }
    }

    /// Reads what is wanted of a file that will lie at `path`; the stream stands before its content.
    pub(crate) fn facts<R: Read>(
        &mut self,
        path: &[u8],
        member: &Member,
        stream: &mut TarStream<R>,
    ) -> io::Result<Facts> {
        let mut facts = Facts { is_executable: member.mode & 0o111 != 0, ..Facts::default() };
        let wanted = match self.is_for_packages {
            true => wanted_for_packages(path),
            false => wanted(path),
        };
        if member.is_sparse && !matches!(wanted, Wanted::Nothing) {
            return Err(invalid("a required file is stored as a sparse file"));
        }
        match wanted {
            Wanted::Nothing => {}
            Wanted::Magic => {
                let mut head = Vec::new();
                stream.take(4).read_to_end(&mut head)?;
                facts.is_elf = head == b"\x7fELF";
            }
            Wanted::Text(largest) => {
                self.total += member.size;
                if member.size > largest || self.total > MOST_TEXT {
                    return Err(invalid("a required file is too large"));
                }
                let mut text = Vec::new();
                stream.read_to_end(&mut text)?;
                facts.text = Some(text);
            }
            Wanted::Libc(family) => facts.libc = libc::scan(stream, family)?,
        }
        Ok(facts)
    }
}

fn wanted(path: &[u8]) -> Wanted {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    let (folder, name) = slash.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
    match (folder, name) {
        (b"etc", b"passwd" | b"group" | b"os-release") | (b"usr/lib", b"os-release") => Wanted::Text(4 << 20),
        (b"var/lib/dpkg", b"status") => Wanted::Text(64 << 20),
        (b"var/lib/dpkg/status.d", name) if !name.ends_with(b".md5sums") => Wanted::Text(1 << 20),
        (b"lib/apk/db" | b"usr/lib/apk/db", b"installed") => Wanted::Text(64 << 20),
        (folder, b"patchlevel.h") if is_python_include(folder) => Wanted::Text(1 << 20),
        (folder, name) if libc::is_folder(folder) => match libc::family(name) {
            Some(family) => Wanted::Libc(family),
            None => Wanted::Nothing,
        },
        (_, name) if name.starts_with(b"python") => Wanted::Magic,
        _ => Wanted::Nothing,
    }
}

/// What dpkg knows and is told, and what the loader goes by.
fn wanted_for_packages(path: &[u8]) -> Wanted {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    let (folder, name) = slash.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
    match (folder, name) {
        (b"var/lib/dpkg", b"status") => Wanted::Text(64 << 20),
        (b"var/lib/dpkg", b"diversions") | (b"etc/dpkg", b"dpkg.cfg") => Wanted::Text(4 << 20),
        (b"var/lib/dpkg/info", name) if name.ends_with(b".list") => Wanted::Text(64 << 20),
        (b"var/lib/dpkg/triggers", _) => Wanted::Text(4 << 20),
        (b"var/lib/dpkg/status.d", _) => Wanted::Text(64 << 20),
        (b"etc", b"ld.so.cache") => Wanted::Text(16 << 20),
        (b"etc/dpkg/dpkg.cfg.d" | b"etc/ld.so.conf.d", _) => Wanted::Text(1 << 20),
        _ => Wanted::Nothing,
    }
}

/// `.../include/python3.11`.
fn is_python_include(folder: &[u8]) -> bool {
    let mut parts = folder.rsplit(|byte| *byte == b'/');
    parts.next().is_some_and(|last| last.starts_with(b"python3")) && parts.next() == Some(b"include")
}
