use rayon::prelude::*;
use wainwright_oci::{Compression, Digest, Hasher, ImagePath};

use crate::Error;
use crate::deflate::LEVEL;
use crate::entry::Entry;
use crate::gzip::{Gzip, deflate};
use crate::joiner::Joiner;
use crate::options::Options;
use crate::part::{Blocks, LARGE, Part, TINY};
use crate::sink::Sink;
use crate::tar::{self, ZEROS};
use crate::toc::{Chunk, Toc};

/// Where the table of contents stands in the tar.
const TOC_NAME: &str = "stargz.index.json";
/// Says that no file should be fetched before somebody wants it. No file is: which ones a program opens is not known here.
const LANDMARK: &str = ".no.prefetch.landmark";
const LANDMARK_CONTENT: [u8; 1] = [0xf];
/// The files that the layout adds to a layer.
pub const LAZY_FILES: [&str; 2] = [LANDMARK, TOC_NAME];
/// A larger file is cut into chunks of this size.
const CHUNK: usize = LARGE as usize;

/// A layer that can be mounted before it was fetched (eStargz, "The structure"): every content begins a gzip member, and
/// what follows it in the tar up to the next content belongs to the same member.
///
/// A member is joined from the blocks of a wheel as far as that goes; chunks of large files are deflated anew.
pub(crate) struct Estargz<'a> {
    /// Those whose header has not come yet.
    entries: std::slice::Iter<'a, &'a Entry>,
    mtime: u64,
    /// The level at which all contents are deflated anew, or nothing that a wheel has as blocks.
    level: Option<u8>,
    /// The member that is being written, unless it is a deflated one. What it has finished may wait in there.
    joiner: Joiner,
    crc32: crc32fast::Hasher,
    deflated: Option<Gzip>,
    /// Length of the tar so far.
    position: u64,
    large: Option<LargeFile<'a>>,
    toc: Toc,
}

/// A file that comes in several parts.
struct LargeFile<'a> {
    entry: &'a Entry,
    waiting: Vec<u8>,
    hasher: Hasher,
    done: u64,
    chunks: Vec<Chunk>,
}

/// A table of contents that was written.
pub(crate) struct Table {
    /// Its entry in the tar, header and padding included.
    pub(crate) tar: Vec<u8>,
    /// The sha256 of its content.
    pub(crate) digest: Digest,
}

/// The file that says how much to fetch in advance. Refuses entries that would stand in the place of a file of the layout.
pub(crate) fn landmark(entries: &[Entry]) -> Result<Option<Entry>, Error> {
    let ours = [TOC_NAME, LANDMARK, ".prefetch.landmark"];
    if let Some(entry) =
        entries.iter().find(|entry| ours.iter().any(|our| entry.path.as_bytes() == our.as_bytes()))
    {
        return Err(Error::Duplicate { path: entry.path.clone() });
    }
    Ok(ImagePath::new(LANDMARK).ok().map(|path| Entry::bytes(path, LANDMARK_CONTENT)))
}

impl<'a> Estargz<'a> {
    pub(crate) fn new(entries: &'a [&'a Entry], options: &Options) -> Self {
        Self {
            entries: entries.iter(),
            mtime: options.mtime,
            level: match options.compression {
                Compression::Gzip(level) => Some(level),
                _ => None,
            },
            joiner: Joiner::new(),
            crc32: crc32fast::Hasher::new(),
            deflated: None,
            position: 0,
            large: None,
            toc: Toc::new(options.mtime),
        }
    }

    /// Takes the next parts.
    pub(crate) fn add(&mut self, parts: &[Part], sink: &mut Sink<'_>) -> Result<(), Error> {
        let level = self.level;
        let prepared: Vec<(Digest, Option<Blocks>)> = parts
            .par_iter()
            .with_min_len(4)
            .map(|part| {
                let plain = part.plain.as_ref();
                let level = level.filter(|_| !part.header.is_empty() && part.is_end && plain.len() > TINY);
                let blocks =
                    level.map(|level| Blocks { bytes: deflate(level, b"", plain, false), tail: None });
                (Digest::of(plain), blocks)
            })
            .collect();
        for (part, (digest, blocks)) in parts.iter().zip(&prepared) {
            let plain = part.plain.as_ref();
            if part.header.is_empty() {
                self.add_to_large(plain, sink)?;
                continue;
            }
            self.add_to_member(&part.header, sink)?;
            let Some(entry) = self.entries.next() else { continue };
            if !part.is_end {
                let hasher = Hasher::new();
                self.large =
                    Some(LargeFile { entry, waiting: Vec::new(), hasher, done: 0, chunks: Vec::new() });
                self.add_to_large(plain, sink)?;
            } else if plain.is_empty() {
                self.toc.entry(entry)?;
            } else {
                let offset = self.begin_joined(sink)?;
                match part.blocks.as_ref().or(blocks.as_ref()) {
                    Some(blocks) => self.joiner.foreign(&blocks.bytes, blocks.tail, plain.len() as u64),
                    None => self.joiner.content(plain),
                }
                let crc32 = crc32fast::Hasher::new_with_initial_len(part.crc32, plain.len() as u64);
                self.crc32.combine(&crc32);
                self.position += plain.len() as u64;
                let chunk = Chunk { offset, size: plain.len() as u64, digest: *digest };
                self.toc.file(entry, *digest, &[chunk])?;
            }
        }
        Ok(())
    }

    /// Writes the table of contents, the end of the tar and the footer.
    pub(crate) fn finish(mut self, sink: &mut Sink<'_>) -> Result<Table, Error> {
        self.add_to_member(&[], sink)?;
        let toc = std::mem::replace(&mut self.toc, Toc::new(0)).finish();
        let digest = Digest::of(&toc);
        let mut tar = tar::file_header(TOC_NAME, toc.len() as u64, self.mtime);
        tar.extend_from_slice(&toc);
        tar.resize(tar.len() + tar::padding(toc.len() as u64), 0);
        let offset = self.begin_deflated(sink)?;
        if let Some(mut gzip) = self.deflated.take() {
            gzip.add(&tar, sink)?;
            gzip.add(&ZEROS, sink)?;
            gzip.finish(sink)?;
        }
        sink.write(&footer(offset))?;
        Ok(Table { tar, digest })
    }

    /// Takes the next bytes of a large file, and writes every chunk that is full or the last.
    fn add_to_large(&mut self, mut bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Error> {
        let Some(mut large) = self.large.take() else { return Ok(()) };
        large.hasher.update(bytes);
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - large.waiting.len()));
            large.waiting.extend_from_slice(now);
            bytes = later;
            let done = large.done + large.waiting.len() as u64;
            if large.waiting.len() < CHUNK && done < large.entry.size() {
                continue;
            }
            let offset = self.begin_deflated(sink)?;
            if let Some(gzip) = &mut self.deflated {
                gzip.add(&large.waiting, sink)?;
            }
            let size = large.waiting.len() as u64;
            large.chunks.push(Chunk { offset, size, digest: Digest::of(&large.waiting) });
            large.waiting.clear();
            large.done = done;
            self.position += size;
        }
        if large.done == large.entry.size() {
            self.toc.file(large.entry, large.hasher.finish(), &large.chunks)?;
        } else {
            self.large = Some(large);
        }
        Ok(())
    }

    /// Adds the zeros behind the last content, and a header, to the member of that content.
    fn add_to_member(&mut self, header: &[u8], sink: &mut Sink<'_>) -> Result<(), Error> {
        let padding = &ZEROS[..tar::padding(self.position)];
        match &mut self.deflated {
            Some(gzip) => {
                gzip.add(padding, sink)?;
                gzip.add(header, sink)?;
            }
            None => {
                self.crc32.update(padding);
                self.crc32.update(header);
                // It knows how many zeros are missing.
                self.joiner.header(header, &[]);
            }
        }
        self.position += (padding.len() + header.len()) as u64;
        Ok(())
    }

    /// Begins a member that blocks are joined into; returns where.
    fn begin_joined(&mut self, sink: &mut Sink<'_>) -> Result<u64, Error> {
        self.end_member(sink)?;
        let offset = sink.size() + self.joiner.out.len() as u64;
        self.joiner.begin_member(self.position);
        Ok(offset)
    }

    /// Begins a member that is deflated anew; returns where.
    fn begin_deflated(&mut self, sink: &mut Sink<'_>) -> Result<u64, Error> {
        self.end_member(sink)?;
        sink.write(&self.joiner.out)?;
        self.joiner.out.clear();
        let offset = sink.size();
        self.deflated = Some(Gzip::new(self.level.unwrap_or(LEVEL as u8), sink)?);
        Ok(offset)
    }

    fn end_member(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        match self.deflated.take() {
            Some(gzip) => return gzip.finish(sink),
            None => self.joiner.end_member(std::mem::take(&mut self.crc32).finalize()),
        }
        if self.joiner.out.len() > 1 << 18 {
            sink.write(&self.joiner.out)?;
            self.joiner.out.clear();
        }
        Ok(())
    }
}

/// An empty gzip member that says where the table of contents begins (eStargz, "Footer").
fn footer(toc_offset: u64) -> Vec<u8> {
    // Flag 4: an extra field follows, with one subfield, `SG`.
    let mut footer = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, b'S', b'G', 22, 0];
    footer.extend_from_slice(format!("{toc_offset:016x}STARGZ").as_bytes());
    // One empty stored block, the CRC-32 and the length of nothing.
    footer.extend_from_slice(&[1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    footer
}

#[cfg(test)]
mod tests;
