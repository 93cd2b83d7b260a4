use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::error::Fault;
use crate::rules::E_FRAME;

/// The open wheel file and its length; read with positional reads only, so that it can be shared.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) file: Arc<File>,
    /// In bytes, when it was opened.
    pub(crate) length: u64,
}

impl Source {
    pub(crate) fn new(file: Arc<File>) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }

    /// Fills `buffer` from `offset`; the caller knows that so many bytes are there.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    /// Reads `length` bytes, or `None` where the file is shorter. `length` is small: the caller sees to that.
    pub(crate) fn bytes(&self, offset: u64, length: usize) -> io::Result<Option<Vec<u8>>> {
        match offset.checked_add(length as u64) {
            Some(end) if end <= self.length => {
                let mut bytes = vec![0; length];
                self.read(offset, &mut bytes)?;
                Ok(Some(bytes))
            }
            _ => Ok(None),
        }
    }
}

/// A buffer for the short records of a file, and where in the file it was filled from.
#[derive(Default)]
pub(crate) struct Nearby {
    buffer: Vec<u8>,
    start: u64,
}

impl Nearby {
    /// Records that follow within this many bytes come with one read.
    const STEP: u64 = 512;

    /// `length` bytes from `offset`, or `None` where the file is shorter. `length` is small: the caller sees to that.
    pub(crate) fn bytes(&mut self, source: &Source, offset: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let Some(end) = offset.checked_add(length as u64).filter(|end| *end <= source.length) else {
            return Ok(None);
        };
        if offset < self.start || end > self.start + self.buffer.len() as u64 {
            let until = end.max(offset.saturating_add(Self::STEP)).min(source.length);
            // Nothing of it may be believed if the read fails.
            self.start = offset;
            self.buffer.clear();
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize((until - offset) as usize, 0);
            source.read(offset, &mut buffer)?;
            self.buffer = buffer;
        }
        let from = (offset - self.start) as usize;
        Ok(self.buffer.get(from..from + length))
    }
}

/// Reads a part of a file from front to back in large steps.
pub(crate) struct Window<'a> {
    source: &'a Source,
    /// Where the next bytes are read from the file, and where to stop.
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    start: usize,
}

impl<'a> Window<'a> {
    const STEP: u64 = 64 * 1024;

    /// The bytes from `offset` to `end`; the caller knows that they are in the file.
    pub(crate) fn new(source: &'a Source, offset: u64, end: u64) -> Self {
        Self { source, next: offset, end, buffer: Vec::new(), start: 0 }
    }

    /// How many bytes are left.
    pub(crate) fn rest(&self) -> u64 {
        self.end - self.next + (self.buffer.len() - self.start) as u64
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&[u8], Fault> {
        if self.rest() < count as u64 {
            return Err(Fault::archive(E_FRAME, "the directory ends in the middle of a record"));
        }
        if self.buffer.len() - self.start < count {
            self.buffer.drain(..self.start);
            self.start = 0;
            let have = self.buffer.len();
            let more = (self.end - self.next).min(Self::STEP.max((count - have) as u64));
            self.buffer.resize(have + more as usize, 0);
            self.source.read(self.next, &mut self.buffer[have..])?;
            self.next += more;
        }
        let bytes = &self.buffer[self.start..self.start + count];
        self.start += count;
        Ok(bytes)
    }
}

/// Takes little-endian numbers off the front of a record.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (bytes, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| Fault::archive(E_FRAME, "a record ends in the middle of a field"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let bytes = self.bytes(N)?;
        let mut array = [0; N];
        array.copy_from_slice(bytes);
        Ok(array)
    }
}
