use wainwright_oci::{Compression, Lazy};

use crate::estargz::{Estargz, Table};
use crate::gzip::Gzip;
use crate::joiner::Joiner;
use crate::options::Options;
use crate::part::Part;
use crate::sink::Sink;
use crate::tar::{self, ZEROS};
use crate::zstd::Zstd;
use crate::{Entry, Error};

/// The compressed form of the tar, on its way to the sink.
pub(crate) enum Body<'a> {
    Splice { joiner: Box<Joiner>, crc32: crc32fast::Hasher },
    Whole { encoder: Encoder, position: u64 },
    Estargz(Box<Estargz<'a>>),
}

/// What takes the tar as it is, byte for byte.
pub(crate) enum Encoder {
    Gzip(Gzip),
    Zstd(Zstd),
    Plain,
}

impl<'a> Body<'a> {
    pub(crate) fn new(
        entries: &'a [&'a Entry],
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<Self, Error> {
        if options.lazy == Lazy::Estargz {
            return Ok(Self::Estargz(Box::new(Estargz::new(entries, options))));
        }
        let encoder = match options.compression {
            Compression::Splice => {
                return Ok(Self::Splice { joiner: Box::new(Joiner::new()), crc32: crc32fast::Hasher::new() });
            }
            Compression::Gzip(level) => Encoder::Gzip(Gzip::new(level, sink)?),
            Compression::Zstd(level) => Encoder::Zstd(Zstd::new(level)?),
            Compression::None => Encoder::Plain,
        };
        Ok(Self::Whole { encoder, position: 0 })
    }

    /// Takes the next parts.
    pub(crate) fn add(&mut self, parts: &[Part], sink: &mut Sink<'_>) -> Result<(), Error> {
        if let Self::Estargz(estargz) = self {
            return estargz.add(parts, sink);
        }
        for part in parts {
            match self {
                Self::Estargz(_) => {}
                Self::Splice { joiner, crc32 } => {
                    splice(joiner, crc32, part);
                    if joiner.out.len() > 1 << 18 {
                        sink.write(&joiner.out)?;
                        joiner.out.clear();
                    }
                }
                Self::Whole { encoder, position } => {
                    let plain = part.plain.as_ref();
                    let padding = tar::padding(*position + (part.header.len() + plain.len()) as u64);
                    let padding = if part.is_end { padding } else { 0 };
                    for bytes in [&part.header[..], plain, &ZEROS[..padding]] {
                        *position += bytes.len() as u64;
                        encoder.add(bytes, sink)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes the end of the tar and of its compressed form.
    ///
    /// A table of contents, where there is one, stands between the last part and the end of the tar.
    pub(crate) fn finish(self, sink: &mut Sink<'_>) -> Result<Option<Table>, Error> {
        match self {
            Self::Estargz(estargz) => return estargz.finish(sink).map(Some),
            Self::Splice { mut joiner, mut crc32 } => {
                joiner.finish(|end| {
                    crc32.update(end);
                    crc32.finalize()
                });
                sink.write(&joiner.out)?;
            }
            Self::Whole { mut encoder, .. } => {
                encoder.add(&ZEROS, sink)?;
                match encoder {
                    Encoder::Gzip(gzip) => gzip.finish(sink)?,
                    Encoder::Zstd(zstd) => zstd.finish(sink)?,
                    Encoder::Plain => {}
                }
            }
        }
        Ok(None)
    }
}

impl Encoder {
    fn add(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Error> {
        match self {
            Self::Gzip(gzip) => gzip.add(bytes, sink),
            Self::Zstd(zstd) => zstd.add(bytes, sink),
            Self::Plain => sink.write(bytes),
        }
    }
}

/// Adds a part to the gzip member. The padding of the entry before it comes with its header.
fn splice(joiner: &mut Joiner, crc32: &mut crc32fast::Hasher, part: &Part) {
    let plain = part.plain.as_ref();
    if !part.header.is_empty() {
        crc32.update(&ZEROS[..joiner.padding()]);
        crc32.update(&part.header);
        joiner.header(&part.header, if part.blocks.is_none() { plain } else { &[] });
    }
    if let Some(blocks) = &part.blocks {
        joiner.foreign(&blocks.bytes, blocks.tail, plain.len() as u64);
    }
    // The CRC of a long content is known already; combining costs about as much as 64 KiB.
    if plain.len() > 1 << 16 {
        crc32.combine(&crc32fast::Hasher::new_with_initial_len(part.crc32, plain.len() as u64));
    } else {
        crc32.update(plain);
    }
}
