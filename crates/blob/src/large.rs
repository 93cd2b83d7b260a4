use flate2::{Compress, FlushCompress};
use wainwright_oci::ImagePath;

use crate::content::{Source, check_crc, check_tail, read_at};
use crate::deflate::{compress, compressor};
use crate::entry::{Content, Deflated, Entry, Kind};
use crate::error::MemberProblem;
use crate::inflate::{INPUT_PADDING, Inflater, Input, Output, SLACK, Stop, WINDOW};
use crate::part::{Blocks, Expected, Part, Plain};
use crate::{Error, tar};

/// How much of a large content is in memory at a time.
const CHUNK: usize = 1 << 20;
/// A chunk, behind the window it may reach back to.
const BUFFER: usize = WINDOW + CHUNK + SLACK;
/// How much of a large compressed content is read at a time.
const READ: usize = 256 << 10;

/// A content on its way through in chunks.
pub(crate) enum Large<'a> {
    Deflated(Box<LargeDeflated<'a>>),
    Other(Box<LargeOther<'a>>),
}

impl<'a> Large<'a> {
    pub(crate) fn start(entry: &'a Entry, mtime: u64, wants_blocks: bool) -> Result<Option<Self>, Error> {
        let Kind::File(content) = &entry.kind else { return Ok(None) };
        let header = tar::header(entry, mtime);
        Ok(Some(match content {
            Content::Deflated(deflated) => {
                Self::Deflated(Box::new(LargeDeflated::new(&entry.path, deflated, header, wants_blocks)))
            }
            other => Self::Other(Box::new(LargeOther {
                path: &entry.path,
                source: Source::open(other)?,
                left: other.size(),
                header,
                compress: wants_blocks.then(compressor),
            })),
        }))
    }

    /// The next chunk, in a buffer that had another one or is empty; the chunk that says so is the last.
    pub(crate) fn next(&mut self, mut buffer: Vec<u8>) -> Result<Part<'a>, Error> {
        buffer.resize(BUFFER, 0);
        match self {
            Self::Deflated(large) => large.next(buffer),
            Self::Other(large) => large.next(buffer),
        }
    }
}

pub(crate) struct LargeDeflated<'a> {
    path: &'a ImagePath,
    deflated: &'a Deflated,
    header: Vec<u8>,
    wants_blocks: bool,
    inflater: Inflater,
    /// Compressed bytes in memory, then padding; `input_start` says where in the member they begin.
    input: Vec<u8>,
    input_start: u64,
    length: usize,
    next_in: usize,
    /// Up to this byte of the member, the blocks were handed on.
    given: u64,
    is_last_block_open: bool,
    /// The chunk that is being made, and where its next byte goes.
    output: Vec<u8>,
    next_out: usize,
    /// The end of the chunk before.
    window: Vec<u8>,
    made: u64,
    crc32: crc32fast::Hasher,
}

impl<'a> LargeDeflated<'a> {
    fn new(path: &'a ImagePath, deflated: &'a Deflated, header: Vec<u8>, wants_blocks: bool) -> Self {
        Self {
            path,
            deflated,
            header,
            wants_blocks,
            inflater: Inflater::new(),
            input: vec![0; INPUT_PADDING],
            input_start: 0,
            length: 0,
            next_in: 0,
            given: 0,
            is_last_block_open: false,
            output: Vec::new(),
            next_out: 0,
            window: Vec::with_capacity(WINDOW),
            made: 0,
            crc32: crc32fast::Hasher::new(),
        }
    }

    fn next(&mut self, buffer: Vec<u8>) -> Result<Part<'a>, Error> {
        self.output = buffer;
        let kept = self.window.len();
        self.output[..kept].copy_from_slice(&self.window);
        self.next_out = kept;
        let mut blocks = Vec::new();
        let is_end = self.inflate(&mut blocks)?;
        let output = std::mem::take(&mut self.output);
        self.window.clear();
        self.window.extend_from_slice(&output[self.next_out - self.next_out.min(WINDOW)..self.next_out]);
        let plain = &output[kept..self.next_out];
        self.made += plain.len() as u64;
        let expected = self.deflated.size;
        if self.made > expected || (is_end && self.made != expected) {
            let found = if is_end { self.made } else { expected + 1 };
            return Err(Error::member(self.path, MemberProblem::Size { expected, found }));
        }
        let crc32 = crc32fast::hash(plain);
        self.crc32.combine(&crc32fast::Hasher::new_with_initial_len(crc32, plain.len() as u64));
        let mut tail = None;
        if is_end {
            let end = self.inflater.end().unwrap_or(0);
            check_tail(self.path, end, self.deflated.span.length)?;
            check_crc(self.path, self.deflated.crc32, self.crc32.clone().finalize())?;
            self.give(end / 8, &mut blocks);
            tail = (!end.is_multiple_of(8))
                .then(|| (self.input[(end / 8 - self.input_start) as usize], (end % 8) as u32));
        }
        let blocks = self.wants_blocks.then_some(Blocks { bytes: blocks, tail });
        let header = std::mem::take(&mut self.header);
        let expected = self.deflated.digest.map(|digest| Expected { path: self.path, digest });
        let plain = Plain::Chunk(output, kept..self.next_out);
        Ok(Part { header, plain, blocks, crc32, is_end, expected })
    }

    /// Fills the output once; returns whether the member ended.
    fn inflate(&mut self, blocks: &mut Vec<u8>) -> Result<bool, Error> {
        loop {
            let is_whole = self.input_start + self.length as u64 == self.deflated.span.length;
            let mut from = Input { bytes: &self.input, length: self.length, is_whole, next: self.next_in };
            let mut to = Output { bytes: &mut self.output, limit: WINDOW + CHUNK, next: self.next_out };
            let stop = self
                .inflater
                .run(&mut from, &mut to)
                .map_err(|corrupt| Error::member(self.path, corrupt.into()))?;
            (self.next_in, self.next_out) = (from.next, to.next);
            if let (Some(bit), false) = (self.inflater.last_block(), self.is_last_block_open) {
                // The header was just read, so its byte was not handed on and will not be read again.
                self.input[(bit / 8 - self.input_start) as usize] &= !(1 << (bit % 8));
                self.is_last_block_open = true;
            }
            match stop {
                Stop::NeedInput => self.read_more(blocks)?,
                Stop::OutputFull => return Ok(false),
                Stop::End => return Ok(true),
            }
        }
    }

    fn read_more(&mut self, blocks: &mut Vec<u8>) -> Result<(), Error> {
        // The inflater holds at most seven bytes it has not used yet.
        let used = self.next_in.saturating_sub(8);
        self.give(self.input_start + used as u64, blocks);
        self.input.copy_within(used..self.length, 0);
        self.inflater.shifted(used);
        self.input_start += used as u64;
        self.next_in -= used;
        self.length -= used;
        let left = self.deflated.span.length - self.input_start - self.length as u64;
        let more = left.min(READ as u64) as usize;
        self.input.resize(self.length + more + INPUT_PADDING, 0);
        let offset = self.deflated.span.offset + self.input_start + self.length as u64;
        read_at(self.path, &self.deflated.span.file, &mut self.input[self.length..][..more], offset)?;
        self.length += more;
        Ok(())
    }

    /// Hands on the blocks up to a byte of the member.
    fn give(&mut self, until: u64, blocks: &mut Vec<u8>) {
        if self.wants_blocks && until > self.given {
            let start = (self.given - self.input_start) as usize;
            blocks.extend_from_slice(&self.input[start..(until - self.input_start) as usize]);
            self.given = until;
        }
    }
}

pub(crate) struct LargeOther<'a> {
    path: &'a ImagePath,
    source: Source<'a>,
    left: u64,
    header: Vec<u8>,
    compress: Option<Compress>,
}

impl<'a> LargeOther<'a> {
    fn next(&mut self, mut buffer: Vec<u8>) -> Result<Part<'a>, Error> {
        let size = self.left.min(CHUNK as u64) as usize;
        let plain = &mut buffer[..size];
        self.source.fill(self.path, plain)?;
        self.left -= plain.len() as u64;
        let is_end = self.left == 0;
        if is_end {
            self.source.end(self.path)?;
        }
        let blocks = self.compress.as_mut().map(|compressor| {
            let mut blocks = Vec::with_capacity(plain.len() / 2);
            let flush = if is_end { FlushCompress::Sync } else { FlushCompress::None };
            compress(compressor, plain, flush, &mut blocks);
            Blocks { bytes: blocks, tail: None }
        });
        let header = std::mem::take(&mut self.header);
        let crc32 = crc32fast::hash(plain);
        Ok(Part { header, plain: Plain::Chunk(buffer, 0..size), blocks, crc32, is_end, expected: None })
    }
}
