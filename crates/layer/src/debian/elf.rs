//! What the dynamic loader reads of an ELF file, and nothing else (System V ABI, chapters 4 and 5).

/// The parts of an ELF file that decide what it needs to be loaded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Elf<'a> {
    /// `e_machine`: 62 for x86-64, 183 for AArch64.
    pub(super) machine: u16,
    /// Whether it is of the 64-bit class.
    pub(super) is_64: bool,
    /// The program interpreter (`PT_INTERP`) of an executable.
    pub(super) interpreter: Option<&'a [u8]>,
    /// `DT_NEEDED`, in order.
    pub(super) needed: Vec<&'a [u8]>,
    /// `DT_SONAME`.
    pub(super) soname: Option<&'a [u8]>,
    /// `DT_RUNPATH` where there is one, else `DT_RPATH`; split at colons.
    pub(super) run_path: Vec<&'a [u8]>,
    /// Whether it has a dynamic section at all.
    pub(super) is_dynamic: bool,
}

const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// Reads an ELF file; `Ok(None)` when the bytes are something else.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Elf<'_>>, &'static str> {
    if !bytes.starts_with(b"\x7fELF") {
        return Ok(None);
    }
    let is_64 = match bytes.get(4) {
        Some(1) => false,
        Some(2) => true,
        _ => return Err("its class is neither 32 nor 64 bits"),
    };
    let is_little = match bytes.get(5) {
        Some(1) => true,
        Some(2) => false,
        _ => return Err("its byte order is unknown"),
    };
    let file = Words { bytes, is_little, word: if is_64 { 8 } else { 4 } };
    file.elf(is_64).map(Some)
}

/// Reads numbers of an ELF file; everything is checked against its length.
struct Words<'a> {
    bytes: &'a [u8],
    is_little: bool,
    word: usize,
}

struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    size: u64,
}

impl<'a> Words<'a> {
    fn elf(&self, is_64: bool) -> Result<Elf<'a>, &'static str> {
        let machine = self.number(18, 2)?;
        let segments = self.segments(is_64)?;
        let mut elf = Elf {
            machine: u16::try_from(machine).unwrap_or(0),
            is_64,
            interpreter: None,
            needed: Vec::new(),
            soname: None,
            run_path: Vec::new(),
            is_dynamic: false,
        };
        if let Some(interpreter) = segments.iter().find(|segment| segment.kind == PT_INTERP) {
            elf.interpreter = Some(self.string(interpreter.offset, interpreter.size)?);
        }
        let Some(dynamic) = segments.iter().find(|segment| segment.kind == PT_DYNAMIC) else {
            return Ok(elf);
        };
        elf.is_dynamic = true;
        let tags = self.tags(dynamic)?;
        let find = |tag| tags.iter().find(|(found, _)| *found == tag).map(|(_, value)| *value);
        let Some(address) = find(DT_STRTAB) else { return Ok(elf) };
        let strings = segments
            .iter()
            .filter(|segment| segment.kind == PT_LOAD)
            .find_map(|load| {
                let inside = address.checked_sub(load.address).filter(|inside| *inside < load.size)?;
                load.offset.checked_add(inside)
            })
            .ok_or("its string table is in no segment")?;
        let text =
            |offset: u64| self.string(strings.checked_add(offset).ok_or("a string is out of range")?, 4096);
        for (_, offset) in tags.iter().filter(|(tag, _)| *tag == DT_NEEDED) {
            elf.needed.push(text(*offset)?);
        }
        elf.soname = find(DT_SONAME).map(text).transpose()?;
        if let Some(path) = find(DT_RUNPATH).or_else(|| find(DT_RPATH)).map(text).transpose()? {
            elf.run_path = path.split(|byte| *byte == b':').filter(|part| !part.is_empty()).collect();
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
            tags.push((tag, self.number(start.saturating_add(self.word as u64), self.word)?));
        }
        Ok(tags)
    }

    fn number(&self, offset: u64, width: usize) -> Result<u64, &'static str> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.bytes.get(start..start.checked_add(width)?))
            .ok_or("it ends too early")?;
        let shift = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Ok(if self.is_little { bytes.iter().rev().fold(0, shift) } else { bytes.iter().fold(0, shift) })
    }

    /// The text up to its NUL, which stands within `most` bytes.
    fn string(&self, offset: u64, most: u64) -> Result<&'a [u8], &'static str> {
        let start = usize::try_from(offset).ok().filter(|start| *start < self.bytes.len());
        let rest = &self.bytes[start.ok_or("a string is out of range")?..];
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(rest.len());
        let end = rest[..most].iter().position(|byte| *byte == 0).ok_or("a string has no end")?;
        Ok(&rest[..end])
    }
}
