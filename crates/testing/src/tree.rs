use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use wainwright_oci::Digest;

/// What is below a folder: a path, and what is there in one line.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tree(pub BTreeMap<String, String>);

impl Tree {
    /// Reads a folder: kind, permission bits, and the digest of a file's content or the target of a link.
    pub fn read(folder: &Path) -> Self {
        let mut tree = Self::default();
        tree.add(folder, "");
        tree
    }

    fn add(&mut self, folder: &Path, prefix: &str) {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let metadata = entry.metadata().unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let line = if metadata.is_dir() {
                self.add(&entry.path(), &format!("{name}/"));
                format!("folder {mode:04o}")
            } else if metadata.is_symlink() {
                format!("link to {}", fs::read_link(entry.path()).unwrap().display())
            } else {
                format!("file {mode:04o} {}", Digest::of(fs::read(entry.path()).unwrap()))
            };
            self.0.insert(name, line);
        }
    }

    /// The lines in which two trees differ: `-` for what only this one has, `+` for what only the other has.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let lines = |sign: char, one: &Self, two: &Self| -> Vec<String> {
            let differs = |(path, line): &(&String, &String)| two.0.get(*path) != Some(*line);
            one.0.iter().filter(differs).map(|(path, line)| format!("{sign} {path}: {line}")).collect()
        };
        [lines('-', self, other), lines('+', other, self)].concat()
    }
}

/// The machines of the ELF files of a folder.
#[derive(Debug, Default)]
pub struct Elf {
    /// Paths by the number of their machine (System V gABI, `e_machine`): 62 for x86-64, 183 for AArch64.
    pub by_machine: BTreeMap<u16, Vec<String>>,
}

impl Elf {
    /// Reads the header of every file below a folder.
    pub fn read(folder: &Path) -> Self {
        let mut elf = Self::default();
        for (path, line) in Tree::read(folder).0 {
            if !line.starts_with("file ") {
                continue;
            }
            let bytes = fs::read(folder.join(&path)).unwrap();
            if let [0x7f, b'E', b'L', b'F', ..] = bytes[..] {
                let machine = bytes.get(18..20).map_or(0, |two| u16::from_le_bytes([two[0], two[1]]));
                elf.by_machine.entry(machine).or_default().push(path);
            }
        }
        elf
    }
}
