use rayon::prelude::*;
use wainwright_oci::{Compression, Digest, Hasher, ImagePath};

use crate::body::{Sink, ZEROS};
use crate::entry::Entry;
use crate::gzip::{Gzip, deflate};
use crate::joiner::Joiner;
use crate::produce::{Blocks, LARGE, LEVEL, Part, TINY};
use crate::toc::{Chunk, Toc};
use crate::{Error, Options, tar};

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
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::FileExt as _;
    use std::sync::Arc;

    use flate2::bufread::{GzDecoder, MultiGzDecoder};
    use serde_json::Value;
    use wainwright_oci::annotation;

    use super::*;
    use crate::{Content, Deflated, Kind, Lazy, Span, Written, write};

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    fn text(size: usize) -> Vec<u8> {
        (0_u32..).flat_map(|number| (number % 9973).to_string().into_bytes()).take(size).collect()
    }

    fn deflated(data: &[u8]) -> Content {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        let packed = encoder.finish().unwrap();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&packed, 0).unwrap();
        Content::Deflated(Deflated {
            span: Span { file: Arc::new(file), offset: 0, length: packed.len() as u64 },
            size: data.len() as u64,
            crc32: crc32fast::hash(data),
            digest: None,
        })
    }

    /// All kinds of entries; contents around every limit.
    fn entries() -> Vec<(Entry, Vec<u8>)> {
        let sizes =
            [0, 1, 64, 65, 511, 512, 513, 100_000, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7];
        let files = sizes.iter().flat_map(|size| {
            let data = text(*size);
            let spliced = Entry::file(path(&format!("app/d/spliced{size}")), true, deflated(&data));
            let fresh = Entry::bytes(path(&format!("app/fresh{size}")), data.clone());
            [(spliced, data.clone()), (fresh, data)]
        });
        let hardlink =
            Entry { kind: Kind::Hardlink(path("app/fresh513")), ..Entry::bytes(path("app/hard"), *b"") };
        let others = [
            Entry::directory(path("app")),
            Entry::directory(path("app/d")),
            Entry::symlink(path("app/link"), "../\u{fc}"),
            Entry { owner: (10, 20), mode: 0o4755, ..Entry::bytes(path(&"long/".repeat(40)[..199]), *b"x") },
        ];
        let others = others.into_iter().chain([hardlink]).map(|entry| {
            let data = if matches!(entry.kind, Kind::File(_)) { b"x".to_vec() } else { Vec::new() };
            (entry, data)
        });
        files.chain(others).collect()
    }

    fn made(entries: Vec<Entry>, compression: Compression) -> (Written, Vec<u8>) {
        let mut bytes = Vec::new();
        let options = Options { mtime: 315_532_801, compression, lazy: Lazy::Estargz };
        let written = write(&entries, &options, &mut bytes).unwrap();
        assert_eq!(written.descriptor.digest, Digest::of(&bytes));
        (written, bytes)
    }

    /// The table of contents, found by the footer.
    fn toc(written: &Written, bytes: &[u8]) -> Vec<Value> {
        let footer = &bytes[bytes.len() - 51..];
        let offset = usize::from_str_radix(std::str::from_utf8(&footer[16..32]).unwrap(), 16).unwrap();
        let mut member = Vec::new();
        GzDecoder::new(&bytes[offset..]).read_to_end(&mut member).unwrap();
        let mut archive = ::tar::Archive::new(&member[..]);
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path_bytes(), TOC_NAME.as_bytes());
        let mut json = Vec::new();
        entry.read_to_end(&mut json).unwrap();
        assert_eq!(written.descriptor.annotations[annotation::TOC_DIGEST], Digest::of(&json).to_string());
        let json: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["version"], 1);
        json["entries"].as_array().unwrap().clone()
    }

    #[test]
    fn every_chunk_is_found_by_the_table_of_contents() {
        for compression in [Compression::Splice, Compression::Gzip(1), Compression::Gzip(9)] {
            let (list, contents): (Vec<Entry>, Vec<Vec<u8>>) = entries().into_iter().unzip();
            let names: Vec<String> = list.iter().map(|entry| entry.path.to_string()).collect();
            let (written, bytes) = made(list, compression);
            let mut found: std::collections::BTreeMap<String, Vec<u8>> =
                names.iter().map(|name| (name.clone(), Vec::new())).collect();
            for row in toc(&written, &bytes) {
                let Some(content) = found.get_mut(row["name"].as_str().unwrap().trim_end_matches('/')) else {
                    assert_eq!(row["name"], LANDMARK);
                    continue;
                };
                let Some(offset) = row["offset"].as_u64() else { continue };
                let start = row["chunkOffset"].as_u64().unwrap_or(0);
                assert_eq!(start, content.len() as u64);
                // A reader of one member: what it gets begins with the chunk.
                let mut member = Vec::new();
                GzDecoder::new(&bytes[offset as usize..]).read_to_end(&mut member).unwrap();
                let whole = names.iter().zip(&contents).find(|(name, _)| row["name"] == **name).unwrap().1;
                let size = match row["chunkSize"].as_u64() {
                    Some(size) => size as usize,
                    None => whole.len() - start as usize,
                };
                assert_eq!(row["chunkDigest"], Digest::of(&member[..size]).to_string());
                content.extend_from_slice(&member[..size]);
            }
            for (name, content) in names.iter().zip(contents) {
                assert!(found[name] == content, "{name}");
            }
        }
    }

    #[test]
    fn all_members_together_are_the_tar() {
        for compression in [Compression::Splice, Compression::Gzip(6)] {
            let list: Vec<Entry> = entries().into_iter().map(|(entry, _)| entry).collect();
            let (written, bytes) = made(list.clone(), compression);
            let mut tar = Vec::new();
            MultiGzDecoder::new(&bytes[..]).read_to_end(&mut tar).unwrap();
            assert_eq!(written.diff_id.0, Digest::of(&tar));
            assert_eq!(written.descriptor.annotations[annotation::TAR_SIZE], tar.len().to_string());
            assert_eq!(::tar::Archive::new(&tar[..]).entries().unwrap().count(), list.len() + 2);
        }
    }

    #[test]
    fn only_gzip_can_be_lazy_and_names_are_text() {
        let check = |entries: &[Entry], compression, expected: &str| {
            let options = Options { mtime: 0, compression, lazy: Lazy::Estargz };
            let error = write(entries, &options, &mut std::io::sink()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        for compression in [Compression::Zstd(3), Compression::None] {
            let expected = format!("lazy layers cannot use the compression `{compression}`");
            check(&[], compression, &expected);
        }
        let odd = Entry::bytes(ImagePath::new(*b"a\xff").unwrap(), *b"");
        let expected = "`a\\xff` is not UTF-8, which the table of contents of a lazy layer requires";
        check(&[odd], Compression::Splice, expected);
        let ours = Entry::bytes(path(TOC_NAME), *b"");
        check(&[ours], Compression::Splice, "`stargz.index.json` appears twice");
    }
}
