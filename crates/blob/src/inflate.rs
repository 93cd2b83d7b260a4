use crate::corrupt::Corrupt;
use crate::huffman::{Kind, Tables};

/// How far back a match may reach (RFC 1951, 3.2.5).
pub(crate) const WINDOW: usize = 32 * 1024;
/// Room a caller leaves behind the limit of an output buffer, so that a match never has to stop half way.
pub(crate) const SLACK: usize = 258 + 16;
/// Zero bytes a caller appends to the last input, so that whole words can be read up to its end.
pub(crate) const INPUT_PADDING: usize = 16;
/// More than the longest header of a dynamic block: 17 + 19*3 + 318*(7+7) bits.
const LONGEST_HEADER: usize = 640;

/// Why an inflater stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The output limit is reached; call again with room.
    OutputFull,
    /// The input is nearly used up; call again with what is left and more behind it.
    NeedInput,
    /// The last block has ended.
    End,
}

/// Compressed bytes in memory.
pub(crate) struct Input<'a> {
    /// The bytes; behind `length` stand [`INPUT_PADDING`] more of any value.
    pub(crate) bytes: &'a [u8],
    /// How many of them are input.
    pub(crate) length: usize,
    /// Whether nothing follows them.
    pub(crate) is_whole: bool,
    /// The next byte to read.
    pub(crate) next: usize,
}

/// Room for inflated bytes.
pub(crate) struct Output<'a> {
    /// `..next` holds at least the last [`WINDOW`] bytes made, or all; there are [`SLACK`] bytes behind `limit`.
    pub(crate) bytes: &'a mut [u8],
    /// Where to stop; a match may end up to `SLACK` bytes behind it.
    pub(crate) limit: usize,
    /// The next byte to write.
    pub(crate) next: usize,
}

/// Inflates raw deflate data and says where its blocks stand, to the bit.
///
/// Splicing needs both: where the last block's header is (its final bit is cleared) and at which bit the stream ends.
/// benches/README.md compares it with the libraries that can say so, and with those that cannot.
pub(crate) struct Inflater {
    tables: Box<Tables>,
    state: State,
    /// Bits read but not used, lowest first; those above `held` are a preview of the input and may be stale.
    bits: u64,
    held: u32,
    is_last_block: bool,
    /// Bits of input before the current input slice.
    consumed_before: u64,
    /// Where the header of the last block starts, in bits from the start of the stream.
    last_block: Option<u64>,
    /// Where the stream ends, in bits from its start.
    end: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Stored(usize),
    Symbols,
    End,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self {
            tables: Box::default(),
            state: State::Header,
            bits: 0,
            held: 0,
            is_last_block: false,
            consumed_before: 0,
            last_block: None,
            end: None,
        }
    }

    /// Makes the inflater ready for another stream.
    pub(crate) fn reset(&mut self) {
        self.state = State::Header;
        self.bits = 0;
        self.held = 0;
        self.is_last_block = false;
        self.consumed_before = 0;
        self.last_block = None;
        self.end = None;
    }

    /// Bit position of the header of the last block, once it was met.
    pub(crate) fn last_block(&self) -> Option<u64> {
        self.last_block
    }

    /// Bit position behind the end of the last block, once it was met.
    pub(crate) fn end(&self) -> Option<u64> {
        self.end
    }

    /// Inflates until something is missing; `input.next` and `output.next` move on.
    pub(crate) fn run(&mut self, input: &mut Input<'_>, output: &mut Output<'_>) -> Result<Stop, Corrupt> {
        debug_assert!(input.length + INPUT_PADDING <= input.bytes.len());
        debug_assert!(output.limit + SLACK <= output.bytes.len());
        loop {
            let enough = match self.state {
                State::Header => LONGEST_HEADER,
                State::Stored(_) => 1,
                State::Symbols => 16,
                State::End => return Ok(Stop::End),
            };
            if !input.is_whole && input.length.saturating_sub(input.next) < enough {
                return Ok(Stop::NeedInput);
            }
            // A block that ends exactly at the limit still has its end code to be read.
            let is_full = output.next >= output.limit && self.state != State::Header;
            if is_full && !(output.next == output.limit && self.is_end_of_block_next(input)) {
                return Ok(Stop::OutputFull);
            }
            match self.state {
                State::Header => self.header(input)?,
                State::Stored(left) => self.stored(left, input, output)?,
                State::Symbols => self.symbols(input, output)?,
                State::End => {}
            }
            // Padding may have been read as if it were input; then the stream was too short.
            if input.next as u64 * 8 > input.length as u64 * 8 + u64::from(self.held) {
                return Err(Corrupt::Truncated);
            }
        }
    }

    /// Tells the inflater that the caller dropped `count` bytes from the front of the input.
    pub(crate) fn shifted(&mut self, count: usize) {
        self.consumed_before += count as u64 * 8;
    }

    fn position(&self, next_in: usize) -> u64 {
        self.consumed_before + next_in as u64 * 8 - u64::from(self.held)
    }

    fn is_end_of_block_next(&mut self, input: &Input<'_>) -> bool {
        if self.state != State::Symbols {
            return false;
        }
        let (bits, held) = (self.bits, self.held);
        self.refill(input.bytes, &mut { input.next });
        let mut entry = self.tables.literal(self.bits);
        if entry.kind() == Kind::Subtable {
            entry = self.tables.literal_below(entry, self.bits);
        }
        (self.bits, self.held) = (bits, held);
        entry.kind() == Kind::EndOfBlock
    }

    fn end_block(&mut self, next_in: usize) {
        if self.is_last_block {
            self.end = Some(self.position(next_in));
            self.state = State::End;
        } else {
            self.state = State::Header;
        }
    }

    /// Tops up to at least 56 bits; reads eight bytes that the caller's padding guarantees.
    #[inline(always)]
    fn refill(&mut self, input: &[u8], next_in: &mut usize) {
        if let Some(Ok(word)) = input.get(*next_in..*next_in + 8).map(<[u8; 8]>::try_from) {
            self.bits |= u64::from_le_bytes(word) << self.held;
            *next_in += ((63 - self.held) >> 3) as usize;
            self.held |= 56;
        } else {
            // Only behind the padding: pretend zeros, the caller notices the overrun.
            *next_in += ((63 - self.held) >> 3) as usize;
            self.held |= 56;
        }
    }

    #[inline(always)]
    fn take(&mut self, count: u32) -> u64 {
        let value = self.bits & ((1 << count) - 1);
        self.bits >>= count;
        self.held -= count;
        value
    }

    fn header(&mut self, input: &mut Input<'_>) -> Result<(), Corrupt> {
        let start = self.position(input.next);
        self.refill(input.bytes, &mut input.next);
        self.is_last_block = self.take(1) == 1;
        if self.is_last_block {
            self.last_block = Some(start);
        }
        match self.take(2) {
            0 => {
                // Back to the next byte boundary: bytes read ahead are given back.
                self.take(self.held % 8);
                input.next -= (self.held / 8) as usize;
                (self.bits, self.held) = (0, 0);
                let lengths = input.bytes[..input.length].get(input.next..input.next + 4);
                let Some(&[a, b, c, d]) = lengths else { return Err(Corrupt::Truncated) };
                let size = u16::from_le_bytes([a, b]);
                if size != !u16::from_le_bytes([c, d]) {
                    return Err(Corrupt::StoredLength);
                }
                input.next += 4;
                self.state = State::Stored(size.into());
                if size == 0 {
                    self.end_block(input.next);
                }
            }
            1 => {
                self.tables.set_fixed();
                self.state = State::Symbols;
            }
            2 => {
                self.dynamic(input.bytes, &mut input.next)?;
                self.state = State::Symbols;
            }
            _ => return Err(Corrupt::BlockType),
        }
        Ok(())
    }

    /// Copies what is there of a stored block.
    fn stored(&mut self, left: usize, input: &mut Input<'_>, output: &mut Output<'_>) -> Result<(), Corrupt> {
        let count = left.min(input.length - input.next).min(output.limit - output.next);
        if count == 0 {
            // There is room, and the caller was asked for more if more is to come.
            return Err(Corrupt::Truncated);
        }
        output.bytes[output.next..output.next + count]
            .copy_from_slice(&input.bytes[input.next..input.next + count]);
        input.next += count;
        output.next += count;
        self.state = State::Stored(left - count);
        if left == count {
            self.end_block(input.next);
        }
        Ok(())
    }

    /// Reads the code lengths of a dynamic block (RFC 1951, 3.2.7).
    fn dynamic(&mut self, input: &[u8], next_in: &mut usize) -> Result<(), Corrupt> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let literals = self.take(5) as usize + 257;
        let distances = self.take(5) as usize + 1;
        let codes = self.take(4) as usize + 4;
        if literals > 286 || distances > 30 {
            return Err(Corrupt::Code);
        }
        let mut lengths = [0_u8; 19];
        for place in &ORDER[..codes] {
            if self.held < 3 {
                self.refill(input, next_in);
            }
            lengths[*place] = self.take(3) as u8;
        }
        self.tables.set_lengths(&lengths)?;
        let mut all = [0_u8; 320];
        let mut count = 0;
        while count < literals + distances {
            self.refill(input, next_in);
            let (symbol, width) = self.tables.length(self.bits);
            if width == 0 {
                return Err(Corrupt::Symbol);
            }
            self.take(width);
            let (value, repeat) = match symbol {
                0..=15 => (symbol, 1),
                16 if count == 0 => return Err(Corrupt::Code),
                16 => (all[count - 1], 3 + self.take(2) as usize),
                17 => (0, 3 + self.take(3) as usize),
                _ => (0, 11 + self.take(7) as usize),
            };
            if count + repeat > literals + distances {
                return Err(Corrupt::Code);
            }
            all[count..count + repeat].fill(value);
            count += repeat;
        }
        self.tables.set_dynamic(&all[..literals], &all[literals..literals + distances])
    }

    /// Decodes symbols until the block ends, the output is full or the input runs low.
    fn symbols(&mut self, input: &mut Input<'_>, output: &mut Output<'_>) -> Result<(), Corrupt> {
        self.many_symbols(input, output)?;
        // It may have read ahead up to where reading stops, without a symbol it knew; that one is read here.
        self.unread(&mut input.next);
        // Reading stops 16 bytes before the end of a part; at the end of the whole, when padding would be used up.
        let last_in = if input.is_whole { input.length } else { input.length.saturating_sub(16) };
        while self.state == State::Symbols {
            if input.next > last_in {
                if !input.is_whole {
                    break;
                }
                if input.next as u64 * 8 > input.length as u64 * 8 + u64::from(self.held) {
                    return Err(Corrupt::Truncated);
                }
            }
            self.refill(input.bytes, &mut input.next);
            let mut entry = self.tables.literal(self.bits);
            if entry.kind() == Kind::Subtable {
                entry = self.tables.literal_below(entry, self.bits);
            }
            if entry.kind() == Kind::EndOfBlock {
                self.skip(entry.width());
                self.unread(&mut input.next);
                self.end_block(input.next);
                return Ok(());
            }
            if output.next >= output.limit {
                break;
            }
            match entry.kind() {
                Kind::Literal => {
                    output.bytes[output.next] = entry.value() as u8;
                    output.next += 1;
                    self.skip(entry.width());
                }
                Kind::Match => {
                    let size = entry.value_with(self.bits);
                    self.skip(entry.width());
                    // A length took at most 20 bits of 56; a distance needs at most 28.
                    let mut entry = self.tables.distance(self.bits);
                    if entry.kind() == Kind::Subtable {
                        entry = self.tables.distance_below(entry, self.bits);
                    }
                    if entry.kind() != Kind::Match {
                        return Err(Corrupt::Symbol);
                    }
                    let distance = entry.value_with(self.bits);
                    self.skip(entry.width());
                    if distance > output.next {
                        return Err(Corrupt::Distance);
                    }
                    repeat(output.bytes, output.next, distance, size);
                    output.next += size;
                }
                _ => return Err(Corrupt::Symbol),
            }
        }
        self.unread(&mut input.next);
        Ok(())
    }

    /// Decodes symbols as long as neither the end of the input nor that of the output is near, and the block goes on.
    ///
    /// Nearly all time is spent here, so everything that changes is in variables, and bounds are looked at once for
    /// several symbols. Whatever is odd (the end of a block, a symbol that is none) is left to [`Self::symbols`].
    fn many_symbols(&mut self, input: &mut Input<'_>, output: &mut Output<'_>) -> Result<(), Corrupt> {
        let tables = &*self.tables;
        let bytes = &input.bytes[..input.length];
        // Three literals may go before a match, and a match may pass the limit.
        let limit = output.limit.saturating_sub(3);
        let output_bytes = &mut *output.bytes;
        let (mut bits, mut held) = (self.bits, self.held);
        let (mut from, mut at) = (input.next, output.next);
        while at < limit {
            let Some(word) = bytes.get(from..).and_then(<[u8]>::first_chunk) else { break };
            bits |= u64::from_le_bytes(*word) << held;
            from += ((63 - held) >> 3) as usize;
            held |= 56;
            let mut entry = tables.literal(bits);
            if entry.is_literal() {
                let Some(room) = output_bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<3>) else {
                    break;
                };
                room[0] = entry.value() as u8;
                bits >>= entry.width();
                held -= entry.width();
                at += 1;
                entry = tables.literal(bits);
                if entry.is_literal() {
                    room[1] = entry.value() as u8;
                    bits >>= entry.width();
                    held -= entry.width();
                    at += 1;
                    entry = tables.literal(bits);
                    if entry.is_literal() {
                        room[2] = entry.value() as u8;
                        bits >>= entry.width();
                        held -= entry.width();
                        at += 1;
                        continue;
                    }
                }
            }
            if entry.kind() == Kind::Subtable {
                entry = tables.literal_below(entry, bits);
                if entry.is_literal() {
                    let Some(place) = output_bytes.get_mut(at) else { break };
                    *place = entry.value() as u8;
                    bits >>= entry.width();
                    held -= entry.width();
                    at += 1;
                    continue;
                }
            }
            if entry.kind() != Kind::Match {
                break;
            }
            let (bits_before, held_before) = (bits, held);
            let size = entry.value_with(bits);
            bits >>= entry.width();
            held -= entry.width();
            // Two literals and a length may have taken 42 bits of 56; a distance needs up to 28.
            if held < 28 {
                let Some(word) = bytes.get(from..).and_then(<[u8]>::first_chunk) else {
                    (bits, held) = (bits_before, held_before);
                    break;
                };
                bits |= u64::from_le_bytes(*word) << held;
                from += ((63 - held) >> 3) as usize;
                held |= 56;
            }
            let mut entry = tables.distance(bits);
            if entry.kind() == Kind::Subtable {
                entry = tables.distance_below(entry, bits);
            }
            if entry.kind() != Kind::Match {
                return Err(Corrupt::Symbol);
            }
            let distance = entry.value_with(bits);
            bits >>= entry.width();
            held -= entry.width();
            if distance > at {
                return Err(Corrupt::Distance);
            }
            repeat(output_bytes, at, distance, size);
            at += size;
        }
        (self.bits, self.held) = (bits, held);
        (input.next, output.next) = (from, at);
        Ok(())
    }

    #[inline(always)]
    fn skip(&mut self, count: u32) {
        self.bits >>= count;
        self.held -= count;
    }

    /// Gives back whole bytes that were read ahead, so that `next_in` tells the truth.
    fn unread(&mut self, next_in: &mut usize) {
        *next_in -= (self.held / 8) as usize;
        self.held %= 8;
        self.bits &= (1 << self.held) - 1;
    }
}

/// Copies `size` bytes from `distance` bytes back; ranges may overlap. Writes up to 15 bytes more.
#[inline(always)]
fn repeat(output: &mut [u8], at: usize, distance: usize, size: usize) {
    let end = at + size;
    if distance == 1 {
        let byte = output[at - 1];
        output[at..end].fill(byte);
        return;
    }
    // Of a chunk that overlaps itself only the first `distance` bytes are right; the next one mends the others.
    let step = distance.min(16);
    let mut to = at;
    while to < end {
        output.copy_within(to - distance..to - distance + 16, to);
        to += step;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use proptest::prelude::*;

    use super::*;

    /// Inflates in pieces of the given sizes; returns the bytes, the last block's bit and the end bit.
    fn inflate(data: &[u8], piece_in: usize, piece_out: usize) -> Result<(Vec<u8>, u64, u64), Corrupt> {
        let mut inflater = Inflater::new();
        let mut made = Vec::new();
        let mut output = vec![0; WINDOW + piece_out + SLACK];
        let (mut start, mut next_in, mut next_out) = (0, 0, 0);
        let mut length = piece_in.min(data.len());
        let mut shown = 0;
        loop {
            let mut input = data[start..start + length].to_vec();
            input.extend([0xAA; INPUT_PADDING]);
            let is_whole = start + length == data.len();
            let limit = if next_out < piece_out { piece_out } else { WINDOW + piece_out };
            let mut from = Input { bytes: &input, length, is_whole, next: next_in };
            let mut to = Output { bytes: &mut output, limit, next: next_out };
            let stop = inflater.run(&mut from, &mut to)?;
            (next_in, next_out) = (from.next, to.next);
            made.extend_from_slice(&output[shown..next_out]);
            shown = next_out;
            match stop {
                Stop::End => break,
                Stop::NeedInput => {
                    start += next_in;
                    inflater.shifted(next_in);
                    length = (length - next_in + piece_in).min(data.len() - start);
                    next_in = 0;
                }
                Stop::OutputFull => {
                    let keep = next_out.min(WINDOW);
                    output.copy_within(next_out - keep..next_out, 0);
                    next_out = keep;
                    shown = keep;
                }
            }
        }
        Ok((made, inflater.last_block().unwrap(), inflater.end().unwrap()))
    }

    fn deflate(data: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn sample(size: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        let mut data: Vec<u8> = Vec::with_capacity(size);
        while data.len() < size {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let word = (state >> 33) as usize;
            if word.is_multiple_of(3) && data.len() > 40 {
                let back = 1 + word / 7 % data.len().min(33000);
                for _ in 0..3 + word % 300 {
                    data.push(data[data.len() - back.min(data.len())]);
                }
            } else {
                data.extend_from_slice(&state.to_le_bytes()[..3 + word % 5]);
            }
        }
        data.truncate(size);
        data
    }

    #[test]
    fn every_level_and_piece_size_gives_the_bytes_back() {
        for size in [0, 1, 100, 70_000, 400_000] {
            let data = sample(size, size as u64);
            for level in [0, 1, 6, 9] {
                let packed = deflate(&data, level);
                for (piece_in, piece_out) in [(1 << 20, 1 << 20), (1000, 5000), (700, 300)] {
                    let (made, last, end) = inflate(&packed, piece_in, piece_out).unwrap();
                    assert!(made == data, "size {size}, level {level}, pieces {piece_in}/{piece_out}");
                    assert_eq!(end.div_ceil(8), packed.len() as u64);
                    assert!(last < end);
                    assert_eq!(packed[(last / 8) as usize] >> (last % 8) & 1, 1);
                }
            }
        }
    }

    #[test]
    fn a_block_may_end_anywhere_in_a_part() {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
        for seed in 1..=4 {
            encoder.write_all(&sample(8000, seed)).unwrap();
            encoder.flush().unwrap();
        }
        let packed = encoder.finish().unwrap();
        let data: Vec<u8> = (1..=4).flat_map(|seed| sample(8000, seed)).collect();
        assert!(packed.len() > 3 * LONGEST_HEADER);
        for piece_in in LONGEST_HEADER + 8..packed.len() {
            assert!(inflate(&packed, piece_in, 1 << 16).unwrap().0 == data, "parts of {piece_in} bytes");
        }
    }

    #[test]
    fn long_runs_and_limits_round_trip() {
        let data = vec![7; 100_000];
        let packed = deflate(&data, 9);
        for piece_out in [1, 257, 258, 259, 50_000, 100_000, 100_001] {
            assert!(inflate(&packed, 1 << 20, piece_out).unwrap().0 == data);
        }
    }

    #[test]
    fn every_truncation_is_noticed() {
        let packed = deflate(&sample(3000, 5), 6);
        for length in 0..packed.len() {
            assert!(inflate(&packed[..length], 1 << 20, 1 << 20).is_err(), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn inflate_matches_zlib(mut data in prop::collection::vec(any::<u8>(), 0..3000), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)) {
            data = deflate(&data, 9);
            for (place, value) in flips {
                let place = place.index(data.len());
                data[place] ^= value;
            }
            let mut theirs = vec![0; 1 << 20];
            let mut zlib = flate2::Decompress::new(false);
            let verdict = zlib.decompress(&data, &mut theirs, flate2::FlushDecompress::Finish);
            match inflate(&data, 1 << 20, 1 << 20) {
                Ok((made, _, end)) => {
                    prop_assert!(matches!(verdict, Ok(flate2::Status::StreamEnd)));
                    prop_assert_eq!(&made[..], &theirs[..zlib.total_out() as usize]);
                    prop_assert_eq!(end.div_ceil(8), zlib.total_in());
                }
                Err(_) => prop_assert!(!matches!(verdict, Ok(flate2::Status::StreamEnd))),
            }
        }
    }
}
