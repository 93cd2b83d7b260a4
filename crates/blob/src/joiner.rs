use crate::tar::padding;

/// Joins deflate blocks into the body of one gzip member (RFC 1951, RFC 1952).
///
/// Two kinds of pieces alternate: *ours* (tar headers and padding, encoded here with the fixed Huffman code; matches may
/// reach back to the header before) and *foreign* ones (blocks of somebody else, copied bit for bit). A foreign piece
/// starts at a byte boundary, because it may hold stored blocks, which are aligned to bytes.
pub(crate) struct Joiner {
    /// Finished bytes, taken out by the caller whenever it likes.
    pub(crate) out: Vec<u8>,
    bits: u64,
    held: u32,
    /// Length of the tar so far.
    position: u64,
    /// Where the member begins in the tar.
    member_start: u64,
    /// The last header and where it ends in the tar: the next one resembles it.
    last_header: Vec<u8>,
    last_header_end: u64,
}

/// The fixed gzip header (RFC 1952, 2.3): deflate, no name, no time, system unknown.
pub(crate) const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A match may not reach back further.
const WINDOW: u64 = 32 * 1024;
const LONGEST_MATCH: usize = 258;
/// A match of the far kind costs about as much as three literals.
const SHORTEST_FAR_MATCH: usize = 4;
const SHORTEST_RUN: usize = 3;
const END_OF_BLOCK: u32 = 256;

impl Joiner {
    pub(crate) fn new() -> Self {
        Self {
            out: GZIP_HEADER.to_vec(),
            bits: 0,
            held: 0,
            position: 0,
            member_start: 0,
            last_header: Vec::new(),
            last_header_end: 0,
        }
    }

    /// Begins another member, from some place of the tar on.
    pub(crate) fn begin_member(&mut self, position: u64) {
        self.out.extend_from_slice(&GZIP_HEADER);
        self.position = position;
        self.member_start = position;
        self.last_header.clear();
    }

    /// Ends a member whose content has this CRC-32.
    pub(crate) fn end_member(&mut self, crc32: u32) {
        self.put(0b011, 3);
        self.symbol(END_OF_BLOCK);
        self.trailer(crc32);
    }

    /// Zero bytes that the tar lacks to its next header.
    pub(crate) fn padding(&self) -> usize {
        padding(self.position)
    }

    /// Adds the padding of the content before, a header, and a content small enough to be encoded here.
    pub(crate) fn header(&mut self, header: &[u8], content: &[u8]) {
        let padding = self.padding();
        let piece: Vec<u8> =
            std::iter::repeat_n(0, padding).chain(header.iter().chain(content).copied()).collect();
        self.put(0b010, 3);
        self.encode(&piece, padding, header.len());
        self.symbol(END_OF_BLOCK);
        self.last_header.clear();
        self.last_header.extend_from_slice(header);
        self.last_header_end = self.position + (padding + header.len()) as u64;
        self.position += piece.len() as u64;
    }

    /// Adds a content, or a piece of one, small enough to be encoded here.
    pub(crate) fn content(&mut self, content: &[u8]) {
        self.put(0b010, 3);
        self.encode(content, content.len(), 0);
        self.symbol(END_OF_BLOCK);
        self.position += content.len() as u64;
    }

    /// Adds foreign blocks that inflate to `plain` bytes: whole bytes, then the low `tail_bits` of one more byte.
    ///
    /// None of the blocks may be marked as the last. The first call after [`Self::header`] aligns.
    pub(crate) fn foreign(&mut self, blocks: &[u8], tail: Option<(u8, u32)>, plain: u64) {
        if self.held > 0 {
            debug_assert!(self.held < 8);
            self.align();
        }
        self.out.extend_from_slice(blocks);
        if let Some((byte, bits)) = tail {
            self.put(u64::from(byte) & ((1 << bits) - 1), bits);
        }
        self.position += plain;
    }

    /// Adds the end of the tar and the gzip trailer for the CRC-32 of the whole tar; returns the length of the tar.
    pub(crate) fn finish(&mut self, crc32_of: impl FnOnce(&[u8]) -> u32) -> u64 {
        let end = vec![0; self.padding() + 2 * crate::tar::BLOCK];
        self.put(0b011, 3);
        self.encode(&end, 0, 0);
        self.symbol(END_OF_BLOCK);
        self.position += end.len() as u64;
        self.trailer(crc32_of(&end));
        self.position
    }

    fn trailer(&mut self, crc32: u32) {
        if self.held > 0 {
            self.put(0, 8 - self.held);
        }
        self.out.extend_from_slice(&crc32.to_le_bytes());
        self.out.extend_from_slice(&((self.position - self.member_start) as u32).to_le_bytes());
    }

    /// Ends at a byte boundary with an empty stored block.
    fn align(&mut self) {
        self.put(0, 3);
        if self.held > 0 {
            self.put(0, 8 - self.held);
        }
        self.out.extend_from_slice(&[0, 0, 0xff, 0xff]);
    }

    fn put(&mut self, value: u64, count: u32) {
        self.bits |= value << self.held;
        self.held += count;
        while self.held >= 8 {
            self.out.push(self.bits as u8);
            self.bits >>= 8;
            self.held -= 8;
        }
    }

    /// Encodes `piece`, whose header starts at `padding`; greedy, with two candidates for a match at every place.
    fn encode(&mut self, piece: &[u8], padding: usize, header_length: usize) {
        let header_end = padding + header_length;
        // Headers are compared from their ends, because only some have PAX records in front.
        let distance = self.position + header_end as u64 - self.last_header_end;
        let last_header = std::mem::take(&mut self.last_header);
        let old = if distance <= WINDOW { &last_header[..] } else { &[] };
        let mut at = 0;
        while at < piece.len() {
            let rest = &piece[at..piece.len().min(at + LONGEST_MATCH)];
            let run = match at.checked_sub(1).map(|before| piece[before]) {
                Some(byte) => rest.iter().take_while(|next| **next == byte).count(),
                None => 0,
            };
            let far = match (header_end.checked_sub(at), at >= padding) {
                (Some(to_end), true) if to_end > 0 && to_end <= old.len() => {
                    let old = &old[old.len() - to_end..];
                    rest.iter().zip(old).take_while(|(new, old)| new == old).count()
                }
                _ => 0,
            };
            if far > run && far >= SHORTEST_FAR_MATCH {
                self.repeat(far, distance as u32);
                at += far;
            } else if run >= SHORTEST_RUN {
                self.repeat(run, 1);
                at += run;
            } else {
                self.symbol(piece[at].into());
                at += 1;
            }
        }
        self.last_header = last_header;
    }

    /// A literal, length or end-of-block symbol in the fixed code (RFC 1951, 3.2.6).
    fn symbol(&mut self, symbol: u32) {
        let (code, width) = match symbol {
            0..=143 => (0x30 + symbol, 8),
            144..=255 => (0x190 + symbol - 144, 9),
            256..=279 => (symbol - 256, 7),
            _ => (0xC0 + symbol - 280, 8),
        };
        self.put(u64::from(code.reverse_bits() >> (32 - width)), width);
    }

    /// A match (RFC 1951, 3.2.5).
    fn repeat(&mut self, length: usize, distance: u32) {
        let (symbol, extra, bits) = match length as u32 {
            258 => (285, 0, 0),
            length => {
                let (class, extra, bits) = logarithmic(length - 3, 4);
                (257 + class, extra, bits)
            }
        };
        self.symbol(symbol);
        self.put(extra.into(), bits);
        let (class, extra, bits) = logarithmic(distance - 1, 2);
        self.put(u64::from(class.reverse_bits() >> 27), 5);
        self.put(extra.into(), bits);
    }
}

/// The class, extra bits and their number of a value: classes double in width, `steps` of them for each power of two.
fn logarithmic(value: u32, steps: u32) -> (u32, u32, u32) {
    if value < 2 * steps {
        return (value, 0, 0);
    }
    let bits = value.ilog2() - steps.ilog2();
    let class = steps * bits + (value >> bits);
    (class, value & ((1 << bits) - 1), bits)
}
