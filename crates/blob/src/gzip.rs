use flate2::{Compress, Compression, FlushCompress};
use rayon::prelude::*;

use crate::Error;
use crate::deflate::compress;
use crate::joiner::GZIP_HEADER;
use crate::sink::Sink;

/// How much of the tar is deflated by itself. It decides bytes: raise the format number with it.
const STRETCH: usize = 256 << 10;
/// A stretch may look back at this much of the one before (RFC 1951, 3.2.5).
const WINDOW: usize = 32 << 10;
/// How many stretches wait before they are deflated side by side.
const ROUND: usize = 16;

/// One gzip member (RFC 1952) whose deflate stream is made in stretches of a fixed length, several at a time.
///
/// A stretch starts at a byte boundary and knows the window before it, so the bytes depend on the tar and the level only,
/// whatever number of threads there is.
pub(crate) struct Gzip {
    level: u8,
    crc32: crc32fast::Hasher,
    size: u64,
    /// The window, then what was not deflated yet.
    held: Vec<u8>,
    window: usize,
}

impl Gzip {
    /// Begins a member.
    pub(crate) fn new(level: u8, sink: &mut Sink<'_>) -> Result<Self, Error> {
        sink.write(&GZIP_HEADER)?;
        Ok(Self { level, crc32: crc32fast::Hasher::new(), size: 0, held: Vec::new(), window: 0 })
    }

    /// Takes the next bytes of the tar.
    pub(crate) fn add(&mut self, mut bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Error> {
        while !bytes.is_empty() {
            let room = self.window + ROUND * STRETCH - self.held.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.held.extend_from_slice(now);
            bytes = later;
            if now.len() == room {
                self.deflate(false, sink)?;
            }
        }
        Ok(())
    }

    /// Ends the member.
    pub(crate) fn finish(mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        self.deflate(true, sink)?;
        let mut trailer = self.crc32.finalize().to_le_bytes().to_vec();
        trailer.extend_from_slice(&(self.size as u32).to_le_bytes());
        sink.write(&trailer)
    }

    /// Deflates what waits; `is_end` marks the last block of all.
    fn deflate(&mut self, is_end: bool, sink: &mut Sink<'_>) -> Result<(), Error> {
        let (level, held, window) = (self.level, &self.held, self.window);
        let waiting = held.len() - window;
        // The last stretch may be empty: something has to carry the mark.
        let count = if is_end { waiting / STRETCH + 1 } else { waiting / STRETCH };
        let stretches: Vec<(Vec<u8>, crc32fast::Hasher)> = (0..count)
            .into_par_iter()
            .map(|index| {
                let start = window + index * STRETCH;
                let bytes = &held[start..held.len().min(start + STRETCH)];
                let before = &held[start.saturating_sub(WINDOW)..start];
                let is_last = is_end && index + 1 == count;
                (deflate(level, before, bytes, is_last), hash(bytes))
            })
            .collect();
        for (bytes, crc32) in &stretches {
            sink.write(bytes)?;
            self.crc32.combine(crc32);
        }
        self.size += waiting as u64;
        let kept = self.held.len().min(WINDOW);
        self.held.drain(..self.held.len() - kept);
        self.window = kept;
        Ok(())
    }
}

fn hash(bytes: &[u8]) -> crc32fast::Hasher {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes);
    hasher
}

/// Deflates bytes at once, with the window before them; unless they are the last, they end at a byte boundary and without
/// a last block.
pub(crate) fn deflate(level: u8, before: &[u8], bytes: &[u8], is_last: bool) -> Vec<u8> {
    let mut compressor = Compress::new(Compression::new(level.into()), false);
    if !before.is_empty() {
        // Refused only in the middle of a block, and nothing was compressed yet.
        let _ = compressor.set_dictionary(before);
    }
    let mut out = Vec::with_capacity(bytes.len() / 2 + 64);
    // A sync flush ends at a byte boundary without marking a last block.
    let flush = if is_last { FlushCompress::Finish } else { FlushCompress::Sync };
    compress(&mut compressor, bytes, flush, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn stretches_of_every_level_read_back_as_one_member() {
        let text: Vec<u8> =
            (0_u32..400_000).flat_map(|number| (number % 9973).to_string().into_bytes()).collect();
        for size in [0, 1, STRETCH - 1, STRETCH, STRETCH + 1, 3 * STRETCH, text.len()] {
            for level in 1..=9 {
                let mut out = Vec::new();
                let mut sink = Sink::new(&mut out);
                let mut gzip = Gzip::new(level, &mut sink).unwrap();
                for part in text[..size].chunks(100_000) {
                    gzip.add(part, &mut sink).unwrap();
                }
                gzip.finish(&mut sink).unwrap();
                let (mut read, mut rest) = (Vec::new(), &out[..]);
                // It takes the buffer by reference, so what it leaves behind can be seen.
                flate2::bufread::GzDecoder::new(&mut rest).read_to_end(&mut read).unwrap();
                assert!(read == text[..size], "level {level}, {size} bytes");
                assert_eq!(rest, b"", "level {level}, {size} bytes");
            }
        }
    }

    #[test]
    fn the_window_before_a_stretch_is_used() {
        let noise: Vec<u8> = (0_u64..30_000).map(|at| ((at * at * 2_654_435_761) >> 21) as u8).collect();
        let alone = deflate(6, b"", &noise, true).len();
        let known = deflate(6, &noise, &noise, true).len();
        assert!(known * 20 < alone, "{known} bytes where {alone} are needed without it");
    }
}
