use std::cell::RefCell;

use flate2::{Compress, FlushCompress};
use rayon::prelude::*;
use wainwright_oci::ImagePath;

use crate::content::{Source, check_crc, check_tail, read_at};
use crate::deflate::{compress, compressor};
use crate::entry::{Content, Deflated, Entry, Kind};
use crate::error::MemberProblem;
use crate::inflate::{INPUT_PADDING, Inflater, Input, Output, SLACK, Stop};
use crate::large::Large;
use crate::ordered::try_map_ordered;
use crate::part::{Blocks, Expected, LARGE, Part, Plain, TINY};
use crate::{Error, tar};

/// How much a batch of small contents holds, compressed and plain together.
const BATCH: u64 = 8 << 20;
/// Turns entries into parts: small ones in parallel batches, large ones chunk by chunk.
pub(crate) struct Producer<'a> {
    entries: std::iter::Peekable<std::iter::Copied<std::slice::Iter<'a, &'a Entry>>>,
    large: Option<Large<'a>>,
    /// Buffers of chunks that were used up: fresh memory costs as much as what is written to it.
    spare: Vec<Vec<u8>>,
    mtime: u64,
    wanted: Wanted,
}

/// Which contents are wanted as deflate blocks too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Plain,
    SmallBlocks,
    Blocks,
}

impl<'a> Producer<'a> {
    pub(crate) fn new(entries: &'a [&'a Entry], mtime: u64, wanted: Wanted) -> Self {
        Self { entries: entries.iter().copied().peekable(), large: None, spare: Vec::new(), mtime, wanted }
    }

    /// Takes parts that nobody needs any more, for their memory.
    pub(crate) fn take_back(&mut self, parts: Vec<Part<'_>>) {
        for part in parts {
            if let Plain::Chunk(buffer, _) = part.plain {
                self.spare.push(buffer);
            }
        }
    }

    /// The next parts, empty at the end.
    pub(crate) fn next(&mut self) -> Result<Vec<Part<'a>>, Error> {
        if self.large.is_none()
            && let Some(entry) = self.entries.next_if(|entry| entry.size() > LARGE)
        {
            self.large = Large::start(entry, self.mtime, self.wanted == Wanted::Blocks)?;
        }
        if let Some(large) = &mut self.large {
            let part = large.next(self.spare.pop().unwrap_or_default())?;
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
        let (mtime, wants_blocks) = (self.mtime, self.wanted != Wanted::Plain);
        try_map_ordered(batch.into_par_iter().with_min_len(4), |entry| {
            TOOLS.with_borrow_mut(|tools| whole(entry, mtime, wants_blocks, tools))
        })
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

/// Makes one small entry.
fn whole<'a>(entry: &'a Entry, mtime: u64, wants_blocks: bool, tools: &mut Tools) -> Result<Part<'a>, Error> {
    let header = tar::header(entry, mtime);
    let Kind::File(content) = &entry.kind else {
        let plain = Plain::Owned(Vec::new());
        return Ok(Part { header, plain, blocks: None, crc32: 0, is_end: true, expected: None });
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
    Ok(Part { header, plain, blocks, crc32, is_end: true, expected: None })
}

fn inflate_whole<'a>(
    path: &'a ImagePath,
    deflated: &'a Deflated,
    header: Vec<u8>,
    wants_blocks: bool,
    tools: &mut Tools,
) -> Result<Part<'a>, Error> {
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
    let blocks = (wants_blocks && size > TINY).then(|| {
        let last_block = inflater.last_block().unwrap_or(0);
        input[(last_block / 8) as usize] &= !(1 << (last_block % 8));
        let whole = (end / 8) as usize;
        let tail = (!end.is_multiple_of(8)).then(|| (input[whole], (end % 8) as u32));
        Blocks { bytes: input[..whole].to_vec(), tail }
    });
    let expected = deflated.digest.map(|digest| Expected { path, digest });
    Ok(Part { header, plain: Plain::Owned(plain), blocks, crc32, is_end: true, expected })
}
