use std::io::Write;

use flate2::{Compress, FlushCompress};
use wainwright_oci::{Digest, Hasher};

use crate::joiner::{GZIP_HEADER, Joiner};
use crate::produce::{Part, compress};
use crate::write::Compression;
use crate::{Error, tar};

/// Zeros for padding and for the end of the archive.
pub(crate) const ZEROS: [u8; 2 * tar::BLOCK] = [0; 2 * tar::BLOCK];

/// Hashes, counts and writes the bytes of the layer.
pub(crate) struct Sink<'a> {
    out: &'a mut (dyn Write + Send),
    hasher: Hasher,
    size: u64,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self { out, hasher: Hasher::new(), size: 0 }
    }

    /// The digest and the number of everything written.
    pub(crate) fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.size)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.out.write_all(bytes).map_err(|source| Error::Write { source })
    }
}

/// The compressed form of the tar, on its way to the sink.
pub(crate) enum Body {
    Splice { joiner: Box<Joiner>, crc32: crc32fast::Hasher },
    Gzip { compress: Box<Compress>, crc32: crc32fast::Hasher, position: u64, out: Vec<u8> },
    Plain { position: u64 },
}

impl Body {
    pub(crate) fn new(compression: Compression) -> Self {
        match compression {
            Compression::Splice => {
                Self::Splice { joiner: Box::new(Joiner::new()), crc32: crc32fast::Hasher::new() }
            }
            Compression::Gzip(level) => Self::Gzip {
                compress: Box::new(Compress::new(flate2::Compression::new(level), false)),
                crc32: crc32fast::Hasher::new(),
                position: 0,
                out: GZIP_HEADER.to_vec(),
            },
            Compression::None => Self::Plain { position: 0 },
        }
    }

    /// Takes the next parts.
    pub(crate) fn add(&mut self, parts: &[Part], sink: &mut Sink<'_>) -> Result<(), Error> {
        for part in parts {
            let plain = part.plain.as_ref();
            match self {
                Self::Splice { joiner, crc32 } => {
                    splice(joiner, crc32, part);
                    if joiner.out.len() > 1 << 18 {
                        sink.write(&joiner.out)?;
                        joiner.out.clear();
                    }
                }
                Self::Gzip { compress: compressor, crc32, position, out } => {
                    let padding = tar::padding(*position + (part.header.len() + plain.len()) as u64);
                    let padding = if part.is_end { padding } else { 0 };
                    for bytes in [&part.header[..], plain, &ZEROS[..padding]] {
                        crc32.update(bytes);
                        *position += bytes.len() as u64;
                        compress(compressor, bytes, FlushCompress::None, out);
                    }
                    sink.write(out)?;
                    out.clear();
                }
                Self::Plain { position } => {
                    let padding = tar::padding(*position + (part.header.len() + plain.len()) as u64);
                    let padding = if part.is_end { padding } else { 0 };
                    for bytes in [&part.header[..], plain, &ZEROS[..padding]] {
                        *position += bytes.len() as u64;
                        sink.write(bytes)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes the end of the tar and of its compressed form.
    pub(crate) fn finish(self, sink: &mut Sink<'_>) -> Result<(), Error> {
        match self {
            Self::Splice { mut joiner, mut crc32 } => {
                joiner.finish(|end| {
                    crc32.update(end);
                    crc32.finalize()
                });
                sink.write(&joiner.out)
            }
            Self::Gzip { compress: mut compressor, mut crc32, position, mut out } => {
                crc32.update(&ZEROS);
                compress(&mut compressor, &ZEROS, FlushCompress::None, &mut out);
                compress(&mut compressor, &[], FlushCompress::Finish, &mut out);
                out.extend_from_slice(&crc32.finalize().to_le_bytes());
                out.extend_from_slice(&((position + ZEROS.len() as u64) as u32).to_le_bytes());
                sink.write(&out)
            }
            Self::Plain { .. } => sink.write(&ZEROS),
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
