use std::collections::BTreeSet;

use crate::{Machine, Source};

/// The parts of an ELF file that decide what it needs to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// What it runs on.
    pub machine: Machine,
    /// The program interpreter (`PT_INTERP`) of an executable.
    pub interpreter: Option<Vec<u8>>,
    /// `DT_NEEDED`, in order.
    pub needed: Vec<Vec<u8>>,
    /// `DT_SONAME`.
    pub soname: Option<Vec<u8>>,
    /// `DT_RUNPATH` where there is one, else `DT_RPATH`; split at colons.
    pub run_path: Vec<Vec<u8>>,
    /// Whether it has a dynamic section at all.
    pub is_dynamic: bool,
    /// The symbol versions it cannot do without.
    pub requires: Vec<Version>,
    /// The symbol versions it offers: `GLIBC_2.36`.
    pub offers: Vec<Vec<u8>>,
    /// Where the names of its symbols stand, and how many bytes they are.
    names: (u64, u64),
}

/// A symbol version that has to be offered by a library.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// `libc.so.6`
    pub library: Vec<u8>,
    /// `GLIBC_2.34`
    pub name: Vec<u8>,
}

const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_SONAME: u64 = 14;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;
const DT_VERDEF: u64 = 0x6fff_fffc;
const DT_VERNEED: u64 = 0x6fff_fffe;
const VER_FLG_BASE: u64 = 1;
const VER_FLG_WEAK: u64 = 2;

/// A name has at most so many bytes: the longest path Linux knows.
const LONGEST_NAME: u64 = 4096;
/// As many tags, and as many versions, as no real file comes near to: libtorch has 60 tags, glibc offers 50 versions.
const MOST: usize = 4096;
/// The names of symbols that are searched: 256 MiB. Those of libtorch are 20 MiB.
const MOST_NAMES: u64 = 256 << 20;

/// Reads an ELF file; `Ok(None)` when the bytes are something else.
pub fn read<S: Source + ?Sized>(bytes: &S) -> Result<Option<Elf>, &'static str> {
    let mut head = [0; 6];
    if bytes.fill(0, &mut head[..4]).is_none() || !head.starts_with(b"\x7fELF") {
        return Ok(None);
    }
    bytes.fill(0, &mut head).ok_or("it ends too early")?;
    let is_64 = match head[4] {
        1 => false,
        2 => true,
        _ => return Err("its class is neither 32 nor 64 bits"),
    };
    let is_little = match head[5] {
        1 => true,
        2 => false,
        _ => return Err("its byte order is unknown"),
    };
    let file = Words { bytes, is_little, word: if is_64 { 8 } else { 4 } };
    file.elf(is_64).map(Some)
}

/// Whether a file has a symbol of this name: defined or needed, which of the two is not told.
pub fn names<S: Source + ?Sized>(bytes: &S, elf: &Elf, symbol: &str) -> bool {
    let wanted = [b"\0", symbol.as_bytes(), b"\0"].concat();
    let (start, size) = (elf.names.0, elf.names.1.min(MOST_NAMES));
    let mut window = Vec::new();
    let mut at = 0;
    while at < size {
        let length = (size - at).min(1 << 20);
        // What a window ends with may be the beginning of the name.
        let kept = window.len().min(wanted.len() - 1);
        window.drain(..window.len() - kept);
        window.resize(kept + usize::try_from(length).unwrap_or(0), 0);
        if bytes.fill(start.saturating_add(at), &mut window[kept..]).is_none() {
            return false;
        }
        if window.windows(wanted.len()).any(|part| part == wanted) {
            return true;
        }
        at += length;
    }
    false
}

/// Reads numbers of an ELF file; everything is checked against its length.
struct Words<'a, S: ?Sized> {
    bytes: &'a S,
    is_little: bool,
    word: usize,
}

struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    size: u64,
}

impl<S: Source + ?Sized> Words<'_, S> {
    fn elf(&self, is_64: bool) -> Result<Elf, &'static str> {
        let number = self.number(18, 2)?;
        let segments = self.segments(is_64)?;
        let mut elf = Elf {
            machine: Machine { number: u16::try_from(number).unwrap_or(0), is_64, is_little: self.is_little },
            interpreter: None,
            needed: Vec::new(),
            soname: None,
            run_path: Vec::new(),
            is_dynamic: false,
            requires: Vec::new(),
            offers: Vec::new(),
            names: (0, 0),
        };
        if let Some(interpreter) = segments.iter().find(|segment| segment.kind == PT_INTERP) {
            elf.interpreter = Some(self.string(interpreter.offset, interpreter.size.min(LONGEST_NAME))?);
        }
        let Some(dynamic) = segments.iter().find(|segment| segment.kind == PT_DYNAMIC) else {
            return Ok(elf);
        };
        elf.is_dynamic = true;
        let tags = self.tags(dynamic)?;
        let find = |tag| tags.iter().find(|(found, _)| *found == tag).map(|(_, value)| *value);
        // The loader knows addresses; what is read is the file.
        let place = |address: u64| {
            segments.iter().filter(|segment| segment.kind == PT_LOAD).find_map(|load| {
                let inside = address.checked_sub(load.address).filter(|inside| *inside < load.size)?;
                load.offset.checked_add(inside)
            })
        };
        let Some(address) = find(DT_STRTAB) else { return Ok(elf) };
        let strings = place(address).ok_or("its string table is in no segment")?;
        elf.names = (strings, find(DT_STRSZ).unwrap_or(0));
        let text = |offset: u64| {
            self.string(strings.checked_add(offset).ok_or("a string is out of range")?, LONGEST_NAME)
        };
        for (_, offset) in tags.iter().filter(|(tag, _)| *tag == DT_NEEDED) {
            elf.needed.push(text(*offset)?);
        }
        elf.soname = find(DT_SONAME).map(text).transpose()?;
        if let Some(path) = find(DT_RUNPATH).or_else(|| find(DT_RPATH)).map(text).transpose()? {
            let parts = path.split(|byte| *byte == b':').filter(|part| !part.is_empty());
            elf.run_path = parts.map(<[u8]>::to_vec).collect();
        }
        if let Some(address) = find(DT_VERNEED) {
            elf.requires = self.requires(place(address).ok_or("its versions are in no segment")?, &text)?;
        }
        if let Some(address) = find(DT_VERDEF) {
            elf.offers = self.offers(place(address).ok_or("its versions are in no segment")?, &text)?;
        }
        Ok(elf)
    }

    fn segments(&self, is_64: bool) -> Result<Vec<Segment>, &'static str> {
        let table = self.number(if is_64 { 32 } else { 28 }, self.word)?;
        let size = self.number(if is_64 { 54 } else { 42 }, 2)?;
        let count = self.number(if is_64 { 56 } else { 44 }, 2)?;
        if count > 0 && size < if is_64 { 56 } else { 32 } {
            return Err("its program headers are too short");
        }
        let (offset, address, file_size) = if is_64 { (8, 16, 32) } else { (4, 8, 16) };
        (0..count)
            .map(|number| {
                let start = table.checked_add(number * size).ok_or("its program headers are out of range")?;
                Ok(Segment {
                    kind: self.number(start, 4)?,
                    offset: self.number(start.saturating_add(offset), self.word)?,
                    address: self.number(start.saturating_add(address), self.word)?,
                    size: self.number(start.saturating_add(file_size), self.word)?,
                })
            })
            .collect()
    }

    fn tags(&self, dynamic: &Segment) -> Result<Vec<(u64, u64)>, &'static str> {
        let pair = 2 * self.word as u64;
        let mut tags = Vec::new();
        for number in 0..dynamic.size / pair {
            let start =
                dynamic.offset.checked_add(number * pair).ok_or("its dynamic section is out of range")?;
            let tag = self.number(start, self.word)?;
            if tag == 0 {
                break;
            }
            if tags.len() == MOST {
                return Err("its dynamic section has no end");
            }
            tags.push((tag, self.number(start.saturating_add(self.word as u64), self.word)?));
        }
        Ok(tags)
    }

    /// `Elf64_Verneed` and its `Elf64_Vernaux`, which are the same for 32 bits.
    fn requires(
        &self,
        mut at: u64,
        text: &dyn Fn(u64) -> Result<Vec<u8>, &'static str>,
    ) -> Result<Vec<Version>, &'static str> {
        let (mut found, mut steps) = (BTreeSet::new(), 0);
        for _ in 0..MOST {
            let library = text(self.number(at.saturating_add(4), 4)?)?;
            let mut one = at.saturating_add(self.number(at.saturating_add(8), 4)?);
            for _ in 0..self.number(at.saturating_add(2), 2)?.min(MOST as u64) {
                let is_weak = self.number(one.saturating_add(4), 2)? & VER_FLG_WEAK != 0;
                let name = text(self.number(one.saturating_add(8), 4)?)?;
                if !is_weak {
                    found.insert(Version { library: library.clone(), name });
                }
                steps += 1;
                if steps > MOST {
                    return Err("it needs more versions than any real file");
                }
                match self.number(one.saturating_add(12), 4)? {
                    0 => break,
                    next => one = one.saturating_add(next),
                }
            }
            match self.number(at.saturating_add(12), 4)? {
                0 => break,
                next => at = at.saturating_add(next),
            }
        }
        Ok(found.into_iter().collect())
    }

    /// `Elf64_Verdef` and the first `Elf64_Verdaux` of each, which holds its name.
    fn offers(
        &self,
        mut at: u64,
        text: &dyn Fn(u64) -> Result<Vec<u8>, &'static str>,
    ) -> Result<Vec<Vec<u8>>, &'static str> {
        let mut found = Vec::new();
        for _ in 0..MOST {
            let is_base = self.number(at.saturating_add(2), 2)? & VER_FLG_BASE != 0;
            let name = at.saturating_add(self.number(at.saturating_add(12), 4)?);
            if !is_base {
                found.push(text(self.number(name, 4)?)?);
            }
            match self.number(at.saturating_add(16), 4)? {
                0 => break,
                next => at = at.saturating_add(next),
            }
        }
        Ok(found)
    }

    fn number(&self, offset: u64, width: usize) -> Result<u64, &'static str> {
        let mut word = [0; 8];
        let bytes = &mut word[..width.min(8)];
        self.bytes.fill(offset, bytes).ok_or("it ends too early")?;
        let shift = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Ok(if self.is_little { bytes.iter().rev().fold(0, shift) } else { bytes.iter().fold(0, shift) })
    }

    /// The text up to its NUL, which stands within `most` bytes.
    fn string(&self, offset: u64, most: u64) -> Result<Vec<u8>, &'static str> {
        let mut text = Vec::new();
        let mut chunk = [0; 32];
        while (text.len() as u64) < most {
            let at = offset.checked_add(text.len() as u64).ok_or("a string is out of range")?;
            let left = usize::try_from(most - text.len() as u64).unwrap_or(usize::MAX);
            let mut length = chunk.len().min(left);
            // The table may end with the file, closer than a chunk.
            while self.bytes.fill(at, &mut chunk[..length]).is_none() {
                length /= 2;
                if length == 0 {
                    return Err("a string is out of range");
                }
            }
            match chunk[..length].iter().position(|byte| *byte == 0) {
                Some(end) => {
                    text.extend_from_slice(&chunk[..end]);
                    return Ok(text);
                }
                None => text.extend_from_slice(&chunk[..length]),
            }
        }
        Err("a string has no end")
    }
}
