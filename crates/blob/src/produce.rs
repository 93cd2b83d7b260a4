use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use flate2::{Compress, FlushCompress};
use rayon::prelude::*;
use wainwright_oci::{Digest, Hasher, ImagePath};

use crate::entry::{Content, Deflated, Entry, Kind, Span};
use crate::error::MemberProblem;
use crate::inflate::{INPUT_PADDING, Inflater, Input, Output, SLACK, Stop, WINDOW};
use crate::{Error, tar};

/// Contents above this size pass in chunks of [`CHUNK`]; smaller ones are made whole, several at a time.
const LARGE: u64 = 4 << 20;
/// How much a batch of small contents holds, compressed and plain together.
const BATCH: u64 = 8 << 20;
/// How much of a large content is in memory at a time.
const CHUNK: usize = 1 << 20;
/// How much of a large compressed content is read at a time.
const READ: usize = 256 << 10;
/// Contents up to this size are encoded together with their header; a block of their own would cost more.
const TINY: usize = 64;
/// zlib level for what arrives uncompressed.
const LEVEL: u32 = 6;

/// The next stretch of a layer: in order, complete, checked.
pub(crate) struct Part {
    /// The tar header, when an entry starts here.
    pub(crate) header: Vec<u8>,
    /// The content as it is.
    pub(crate) plain: Plain,
    /// The same content as deflate blocks; `None` for tiny contents and when nobody wants to splice.
    pub(crate) blocks: Option<Blocks>,
    /// CRC-32 of `plain`.
    pub(crate) crc32: u32,
    /// Whether the entry ends here and its content is padded.
    pub(crate) is_end: bool,
}

/// Content bytes: made here, or shared with whoever generated them.
pub(crate) enum Plain {
    Owned(Vec<u8>),
    Shared(Arc<[u8]>),
}

impl AsRef<[u8]> for Plain {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// Deflate blocks, none of them marked as the last: whole bytes, then some bits of one more.
pub(crate) struct Blocks {
    pub(crate) bytes: Vec<u8>,
    pub(crate) tail: Option<(u8, u32)>,
}

/// Turns entries into parts: small ones in parallel batches, large ones chunk by chunk.
pub(crate) struct Producer<'a> {
    entries: std::iter::Peekable<std::slice::Iter<'a, Entry>>,
    large: Option<Large<'a>>,
    mtime: u64,
    wants_blocks: bool,
}

impl<'a> Producer<'a> {
    pub(crate) fn new(entries: &'a [Entry], mtime: u64, wants_blocks: bool) -> Self {
        Self { entries: entries.iter().peekable(), large: None, mtime, wants_blocks }
    }

    /// The next parts, empty at the end.
    pub(crate) fn next(&mut self) -> Result<Vec<Part>, Error> {
        if self.large.is_none()
            && let Some(entry) = self.entries.next_if(|entry| entry.size() > LARGE)
        {
            self.large = Large::start(entry, self.mtime, self.wants_blocks)?;
        }
        if let Some(large) = &mut self.large {
            let part = large.next()?;
            if part.is_end {
                self.large = None;
            }
            return Ok(vec![part]);
        }
        let mut batch = Vec::new();
        let mut room = BATCH;
        while let Some(entry) = self.entries.next_if(|entry| entry.size() <= LARGE && room > 0) {
            // Headers count too, or a million empty files would be one batch.
            room = room.saturating_sub(entry.size() + entry.size() / 3 + 1024);
            batch.push(entry);
        }
        let (mtime, wants_blocks) = (self.mtime, self.wants_blocks);
        batch
            .into_par_iter()
            .with_min_len(4)
            .map(|entry| TOOLS.with_borrow_mut(|tools| whole(entry, mtime, wants_blocks, tools)))
            .collect()
    }
}

/// What a thread keeps between entries, because making it anew costs more than a small file.
struct Tools {
    inflater: Inflater,
    input: Vec<u8>,
    compress: Compress,
}

thread_local! {
    static TOOLS: RefCell<Tools> = RefCell::new(Tools {
        inflater: Inflater::new(),
        input: Vec::new(),
        compress: compressor(),
    });
}

fn compressor() -> Compress {
    Compress::new(flate2::Compression::new(LEVEL), false)
}

/// Makes one small entry.
fn whole(entry: &Entry, mtime: u64, wants_blocks: bool, tools: &mut Tools) -> Result<Part, Error> {
    let header = tar::header(entry, mtime);
    let Kind::File(content) = &entry.kind else {
        return Ok(Part { header, plain: Plain::Owned(Vec::new()), blocks: None, crc32: 0, is_end: true });
    };
    if let Content::Deflated(deflated) = content {
        return inflate_whole(&entry.path, deflated, header, wants_blocks, tools);
    }
    let plain = match content {
        Content::Bytes(bytes) => Plain::Shared(bytes.clone()),
        other => {
            let mut bytes = vec![0; other.size() as usize];
            let mut source = Source::open(other)?;
            source.fill(&entry.path, &mut bytes)?;
            source.end(&entry.path)?;
            Plain::Owned(bytes)
        }
    };
    let bytes = plain.as_ref();
    let blocks = (wants_blocks && bytes.len() > TINY).then(|| {
        tools.compress.reset();
        let mut blocks = Vec::with_capacity(bytes.len() / 2 + 64);
        compress(&mut tools.compress, bytes, FlushCompress::Sync, &mut blocks);
        Blocks { bytes: blocks, tail: None }
    });
    let crc32 = crc32fast::hash(bytes);
    Ok(Part { header, plain, blocks, crc32, is_end: true })
}

fn inflate_whole(
    path: &ImagePath,
    deflated: &Deflated,
    header: Vec<u8>,
    wants_blocks: bool,
    tools: &mut Tools,
) -> Result<Part, Error> {
    let Tools { inflater, input, .. } = tools;
    // A small content cannot need much more compressed room than plain room; a longer claim is a lie or a tail.
    let length = deflated.span.length;
    if length > 2 * LARGE {
        return Err(Error::member(path, MemberProblem::Tail(length - deflated.size.min(length))));
    }
    let length = length as usize;
    input.resize(length + INPUT_PADDING, 0);
    read_at(path, &deflated.span.file, &mut input[..length], deflated.span.offset)?;
    inflater.reset();
    let size = deflated.size as usize;
    let mut plain = vec![0; size + SLACK];
    let mut from = Input { bytes: input, length, is_whole: true, next: 0 };
    let mut to = Output { bytes: &mut plain, limit: size, next: 0 };
    let stop = inflater.run(&mut from, &mut to).map_err(|corrupt| Error::member(path, corrupt.into()))?;
    let made = to.next;
    if stop == Stop::OutputFull || made != size {
        let found = if stop == Stop::OutputFull { deflated.size + 1 } else { made as u64 };
        return Err(Error::member(path, MemberProblem::Size { expected: deflated.size, found }));
    }
    plain.truncate(size);
    let end = inflater.end().unwrap_or(0);
    check_tail(path, end, length as u64)?;
    let crc32 = crc32fast::hash(&plain);
    check_crc(path, deflated.crc32, crc32)?;
    if let Some(expected) = deflated.digest {
        check_digest(path, expected, Digest::of(&plain))?;
    }
    let blocks = (wants_blocks && size > TINY).then(|| {
        let last_block = inflater.last_block().unwrap_or(0);
        input[(last_block / 8) as usize] &= !(1 << (last_block % 8));
        let whole = (end / 8) as usize;
        let tail = (!end.is_multiple_of(8)).then(|| (input[whole], (end % 8) as u32));
        Blocks { bytes: input[..whole].to_vec(), tail }
    });
    Ok(Part { header, plain: Plain::Owned(plain), blocks, crc32, is_end: true })
}

/// A content on its way through in chunks.
enum Large<'a> {
    Deflated(Box<LargeDeflated<'a>>),
    Other(Box<LargeOther<'a>>),
}

impl<'a> Large<'a> {
    fn start(entry: &'a Entry, mtime: u64, wants_blocks: bool) -> Result<Option<Self>, Error> {
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

    fn next(&mut self) -> Result<Part, Error> {
        match self {
            Self::Deflated(large) => large.next(),
            Self::Other(large) => large.next(),
        }
    }
}

struct LargeDeflated<'a> {
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
    /// The window, then room for a chunk.
    output: Vec<u8>,
    next_out: usize,
    made: u64,
    crc32: crc32fast::Hasher,
    hasher: Hasher,
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
            output: vec![0; WINDOW + CHUNK + SLACK],
            next_out: 0,
            made: 0,
            crc32: crc32fast::Hasher::new(),
            hasher: Hasher::new(),
        }
    }

    fn next(&mut self) -> Result<Part, Error> {
        let kept = self.next_out.min(WINDOW);
        self.output.copy_within(self.next_out - kept..self.next_out, 0);
        self.next_out = kept;
        let mut blocks = Vec::new();
        let is_end = self.inflate(&mut blocks)?;
        let plain = self.output[kept..self.next_out].to_vec();
        self.made += plain.len() as u64;
        let expected = self.deflated.size;
        if self.made > expected || (is_end && self.made != expected) {
            let found = if is_end { self.made } else { expected + 1 };
            return Err(Error::member(self.path, MemberProblem::Size { expected, found }));
        }
        let crc32 = crc32fast::hash(&plain);
        self.crc32.combine(&crc32fast::Hasher::new_with_initial_len(crc32, plain.len() as u64));
        if self.deflated.digest.is_some() {
            self.hasher.update(&plain);
        }
        let mut tail = None;
        if is_end {
            let end = self.inflater.end().unwrap_or(0);
            check_tail(self.path, end, self.deflated.span.length)?;
            check_crc(self.path, self.deflated.crc32, self.crc32.clone().finalize())?;
            if let Some(expected) = self.deflated.digest {
                check_digest(self.path, expected, std::mem::take(&mut self.hasher).finish())?;
            }
            self.give(end / 8, &mut blocks);
            tail = (!end.is_multiple_of(8))
                .then(|| (self.input[(end / 8 - self.input_start) as usize], (end % 8) as u32));
        }
        let blocks = self.wants_blocks.then_some(Blocks { bytes: blocks, tail });
        let header = std::mem::take(&mut self.header);
        Ok(Part { header, plain: Plain::Owned(plain), blocks, crc32, is_end })
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

struct LargeOther<'a> {
    path: &'a ImagePath,
    source: Source<'a>,
    left: u64,
    header: Vec<u8>,
    compress: Option<Compress>,
}

impl LargeOther<'_> {
    fn next(&mut self) -> Result<Part, Error> {
        let mut plain = vec![0; self.left.min(CHUNK as u64) as usize];
        self.source.fill(self.path, &mut plain)?;
        self.left -= plain.len() as u64;
        let is_end = self.left == 0;
        if is_end {
            self.source.end(self.path)?;
        }
        let blocks = self.compress.as_mut().map(|compressor| {
            let mut blocks = Vec::with_capacity(plain.len() / 2);
            let flush = if is_end { FlushCompress::Sync } else { FlushCompress::None };
            compress(compressor, &plain, flush, &mut blocks);
            Blocks { bytes: blocks, tail: None }
        });
        let header = std::mem::take(&mut self.header);
        let crc32 = crc32fast::hash(&plain);
        Ok(Part { header, plain: Plain::Owned(plain), blocks, crc32, is_end })
    }
}

/// Where uncompressed bytes come from, and what they are checked against when they end.
enum Source<'a> {
    Bytes(&'a [u8]),
    Disk { file: File, path: &'a std::path::Path, expected: Option<Digest>, hasher: Hasher },
    Stored {
        span: &'a Span,
        at: u64,
        expected: (Option<u32>, Option<Digest>),
        crc32: crc32fast::Hasher,
        hasher: Hasher,
    },
}

impl<'a> Source<'a> {
    fn open(content: &'a Content) -> Result<Self, Error> {
        Ok(match content {
            Content::Bytes(bytes) => Self::Bytes(bytes),
            Content::Disk { path, size, digest } => {
                let read = |source| Error::Read { path: path.clone(), source };
                let file = File::open(path).map_err(read)?;
                let found = file.metadata().map_err(read)?;
                if !found.is_file() || found.len() != *size {
                    return Err(Error::Changed { path: path.clone() });
                }
                Self::Disk { file, path, expected: *digest, hasher: Hasher::new() }
            }
            Content::Stored { span, crc32, digest } => Self::Stored {
                span,
                at: 0,
                expected: (*crc32, *digest),
                crc32: crc32fast::Hasher::new(),
                hasher: Hasher::new(),
            },
            Content::Deflated(_) => Self::Bytes(&[]),
        })
    }

    fn fill(&mut self, path: &ImagePath, into: &mut [u8]) -> Result<(), Error> {
        match self {
            Self::Bytes(bytes) => {
                let (now, later) = bytes.split_at(into.len());
                into.copy_from_slice(now);
                *bytes = later;
            }
            Self::Disk { file, path, expected, hasher } => {
                file.read_exact(into).map_err(|source| match source.kind() {
                    io::ErrorKind::UnexpectedEof => Error::Changed { path: path.to_path_buf() },
                    _ => Error::Read { path: path.to_path_buf(), source },
                })?;
                if expected.is_some() {
                    hasher.update(into);
                }
            }
            Self::Stored { span, at, expected, crc32, hasher } => {
                read_at(path, &span.file, into, span.offset + *at)?;
                *at += into.len() as u64;
                crc32.update(into);
                if expected.1.is_some() {
                    hasher.update(into);
                }
            }
        }
        Ok(())
    }

    /// Everything was read: is it what was promised, and is there nothing more?
    fn end(&mut self, path: &ImagePath) -> Result<(), Error> {
        match self {
            Self::Bytes(_) => {}
            Self::Disk { file, path, expected, hasher } => {
                let more =
                    file.read(&mut [0]).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
                let found = std::mem::take(hasher).finish();
                if more > 0 || expected.is_some_and(|expected| expected != found) {
                    return Err(Error::Changed { path: path.to_path_buf() });
                }
            }
            Self::Stored { expected, crc32, hasher, .. } => {
                if let Some(expected) = expected.0 {
                    check_crc(path, expected, crc32.clone().finalize())?;
                }
                if let Some(expected) = expected.1 {
                    check_digest(path, expected, std::mem::take(hasher).finish())?;
                }
            }
        }
        Ok(())
    }
}

/// Compresses all of `input` behind `output`.
pub(crate) fn compress(
    compressor: &mut Compress,
    mut input: &[u8],
    flush: FlushCompress,
    output: &mut Vec<u8>,
) {
    loop {
        output.reserve(input.len() / 2 + 1024);
        let before = compressor.total_in();
        // Writing to memory with room left cannot fail.
        let _ = compressor.compress_vec(input, output, flush);
        input = &input[(compressor.total_in() - before) as usize..];
        if input.is_empty() && output.len() < output.capacity() {
            return;
        }
    }
}

fn read_at(path: &ImagePath, file: &File, into: &mut [u8], offset: u64) -> Result<(), Error> {
    file.read_exact_at(into, offset).map_err(|source| Error::ReadMember { path: path.clone(), source })
}

fn check_tail(path: &ImagePath, end: u64, length: u64) -> Result<(), Error> {
    match length - end.div_ceil(8) {
        0 => Ok(()),
        tail => Err(Error::member(path, MemberProblem::Tail(tail))),
    }
}

fn check_crc(path: &ImagePath, expected: u32, found: u32) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(Error::member(path, MemberProblem::Crc { expected, found }))
}

fn check_digest(path: &ImagePath, expected: Digest, found: Digest) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(Error::member(path, MemberProblem::Digest { expected, found }))
}
