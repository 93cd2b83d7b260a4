use crate::corrupt::Corrupt;

/// Bits that the first look-up of a literal or length takes.
const LITERAL_BITS: u32 = 11;
/// Bits that the first look-up of a distance takes.
const DISTANCE_BITS: u32 = 8;

/// First tables plus the worst case of all second tables (zlib's `examples/enough.c` for 286 symbols, 11 and 15 bits:
/// 2342; 30 symbols, 8 and 15 bits: 402), rounded up.
const LITERAL_SIZE: usize = 2560;
const DISTANCE_SIZE: usize = 512;
const LENGTH_BITS: u32 = 7;

/// What an entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Literal,
    Match,
    Subtable,
    EndOfBlock,
    Nothing,
}

/// One place of a decoding table: bits of the code and its extra bits together in bits 0-7, those of the code alone in
/// 8-12, kind in 13-15, value in 16-31.
///
/// `Nothing` is all zero bits. Of a subtable, the value is where it starts, and bits 8-12 say how wide it is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Entry(u32);

impl Entry {
    const fn new(kind: Kind, value: u16, extra: u8) -> Self {
        let kind = match kind {
            Kind::Nothing => 0,
            Kind::Literal => 4,
            Kind::Match => 1,
            Kind::Subtable => 2,
            Kind::EndOfBlock => 3,
        };
        Self((value as u32) << 16 | kind << 13 | extra as u32)
    }

    const fn subtable(start: usize, bits: u32) -> Self {
        Self(Self::new(Kind::Subtable, start as u16, 0).0 | bits << 8)
    }

    /// Fills in how wide the code is.
    const fn with_code(self, width: u32) -> Self {
        Self((self.0 + width) | width << 8)
    }

    #[inline(always)]
    pub(crate) fn kind(self) -> Kind {
        if self.is_literal() {
            return Kind::Literal;
        }
        match self.0 >> 13 & 3 {
            0 => Kind::Nothing,
            1 => Kind::Match,
            2 => Kind::Subtable,
            _ => Kind::EndOfBlock,
        }
    }

    #[inline(always)]
    pub(crate) fn is_literal(self) -> bool {
        self.0 & 1 << 15 != 0
    }

    /// How many bits it takes, extra bits included.
    #[inline(always)]
    pub(crate) fn width(self) -> u32 {
        self.0 & 0xFF
    }

    #[inline(always)]
    fn code(self) -> u32 {
        self.0 >> 8 & 0x1F
    }

    #[inline(always)]
    pub(crate) fn value(self) -> u32 {
        self.0 >> 16
    }

    /// The value with its extra bits, of which `bits` holds the whole symbol.
    #[inline(always)]
    pub(crate) fn value_with(self, bits: u64) -> usize {
        let symbol = bits & ((1_u64 << (self.0 & 63)) - 1);
        self.value() as usize + (symbol >> self.code()) as usize
    }
}

/// The decoding tables of one block.
pub(crate) struct Tables {
    literals: [Entry; LITERAL_SIZE],
    distances: [Entry; DISTANCE_SIZE],
    lengths: [Entry; 1 << LENGTH_BITS],
    is_fixed: bool,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            literals: [Entry::default(); LITERAL_SIZE],
            distances: [Entry::default(); DISTANCE_SIZE],
            lengths: [Entry::default(); 1 << LENGTH_BITS],
            is_fixed: false,
        }
    }
}

impl Tables {
    #[inline(always)]
    pub(crate) fn literal(&self, bits: u64) -> Entry {
        self.literals[(bits & ((1 << LITERAL_BITS) - 1)) as usize]
    }

    /// The entry of a longer code: where the first look-up led, and all bits again.
    pub(crate) fn literal_below(&self, entry: Entry, bits: u64) -> Entry {
        let place = entry.value() as usize + (bits >> LITERAL_BITS & ((1 << entry.code()) - 1)) as usize;
        self.literals.get(place).copied().unwrap_or_default()
    }

    #[inline(always)]
    pub(crate) fn distance(&self, bits: u64) -> Entry {
        self.distances[(bits & ((1 << DISTANCE_BITS) - 1)) as usize]
    }

    pub(crate) fn distance_below(&self, entry: Entry, bits: u64) -> Entry {
        let place = entry.value() as usize + (bits >> DISTANCE_BITS & ((1 << entry.code()) - 1)) as usize;
        self.distances.get(place).copied().unwrap_or_default()
    }

    /// The code-length symbol at the front of `bits` and its width, 0 when there is none.
    pub(crate) fn length(&self, bits: u64) -> (u8, u32) {
        let entry = self.lengths[(bits & ((1 << LENGTH_BITS) - 1)) as usize];
        (entry.value() as u8, entry.width())
    }

    /// The code of fixed blocks (RFC 1951, 3.2.6).
    pub(crate) fn set_fixed(&mut self) {
        if self.is_fixed {
            return;
        }
        let mut lengths = [8_u8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        // Both codes are complete, so filling cannot fail.
        let _ = fill(&mut self.literals, LITERAL_BITS, &lengths, literal_entry);
        let _ = fill(&mut self.distances, DISTANCE_BITS, &[5; 32], distance_entry);
        self.is_fixed = true;
    }

    /// The codes of a dynamic block, from the length of every code.
    pub(crate) fn set_dynamic(&mut self, literals: &[u8], distances: &[u8]) -> Result<(), Corrupt> {
        self.is_fixed = false;
        if literals.get(256).is_none_or(|width| *width == 0) {
            return Err(Corrupt::Code);
        }
        fill(&mut self.literals, LITERAL_BITS, literals, literal_entry)?;
        fill(&mut self.distances, DISTANCE_BITS, distances, distance_entry)
    }

    /// The code that code lengths themselves are written in; it has to be complete.
    pub(crate) fn set_lengths(&mut self, lengths: &[u8; 19]) -> Result<(), Corrupt> {
        let used: u32 = lengths.iter().filter(|width| **width > 0).map(|width| 128 >> width).sum();
        if used != 128 {
            return Err(Corrupt::Code);
        }
        fill(&mut self.lengths, LENGTH_BITS, lengths, |symbol| Entry::new(Kind::Literal, symbol as u16, 0))
    }
}

fn literal_entry(symbol: usize) -> Entry {
    const BASE: [u16; 29] = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163,
        195, 227, 258,
    ];
    const EXTRA: [u8; 29] =
        [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
    match symbol {
        0..=255 => Entry::new(Kind::Literal, symbol as u16, 0),
        256 => Entry::new(Kind::EndOfBlock, 0, 0),
        257..=285 => Entry::new(Kind::Match, BASE[symbol - 257], EXTRA[symbol - 257]),
        _ => Entry::default(),
    }
}

fn distance_entry(symbol: usize) -> Entry {
    const BASE: [u16; 30] = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
        3073, 4097, 6145, 8193, 12289, 16385, 24577,
    ];
    match symbol {
        0..=3 => Entry::new(Kind::Match, BASE[symbol], 0),
        4..=29 => Entry::new(Kind::Match, BASE[symbol], (symbol / 2 - 1) as u8),
        _ => Entry::default(),
    }
}

/// Fills a decoding table from code lengths (RFC 1951, 3.2.2).
///
/// What is accepted is what zlib accepts: a complete code, a single code of one bit, or no code at all.
fn fill(
    table: &mut [Entry],
    first_bits: u32,
    widths: &[u8],
    entry_of: impl Fn(usize) -> Entry,
) -> Result<(), Corrupt> {
    let mut counts = [0_u32; 16];
    for width in widths {
        counts[usize::from(*width & 15)] += 1;
    }
    counts[0] = 0;
    let mut left = 1_i32;
    for count in &counts[1..] {
        left = left * 2 - *count as i32;
        if left < 0 {
            return Err(Corrupt::Code);
        }
    }
    let longest = (1..16).rev().find(|width| counts[*width] > 0).unwrap_or(0) as u32;
    if left > 0 && longest > 1 {
        return Err(Corrupt::Code);
    }
    let first_size = 1 << first_bits;
    if left > 0 {
        table[..first_size].fill(Entry::default());
    }

    // Symbols in order of their codes.
    let mut offsets = [0_u32; 17];
    for width in 1..16 {
        offsets[width + 1] = offsets[width] + counts[width];
    }
    let mut sorted = [0_u16; 320];
    for (symbol, width) in widths.iter().enumerate() {
        if *width > 0 {
            let place = &mut offsets[usize::from(*width)];
            sorted[*place as usize] = symbol as u16;
            *place += 1;
        }
    }

    let mut code = 0_u32;
    let mut next_free = first_size;
    let mut open_prefix = u32::MAX;
    let (mut sub_start, mut sub_bits) = (0, 0);
    let mut symbols = sorted.iter();
    for width in 1..=longest {
        let mut remaining = counts[width as usize];
        while remaining > 0 {
            let Some(symbol) = symbols.next() else { break };
            let entry = entry_of(usize::from(*symbol));
            let reversed = (code.reverse_bits() >> (32 - width)) as usize;
            let entry = if entry.kind() == Kind::Nothing { entry } else { entry.with_code(width) };
            if width <= first_bits {
                let mut place = reversed;
                while place < first_size {
                    table[place] = entry;
                    place += 1 << width;
                }
            } else {
                let prefix = reversed as u32 & ((1 << first_bits) - 1);
                if prefix != open_prefix {
                    // How wide must the second table be to hold every code with this prefix?
                    open_prefix = prefix;
                    sub_bits = width - first_bits;
                    let mut room = (1_i64 << sub_bits) - i64::from(remaining);
                    while room > 0 && first_bits + sub_bits < longest {
                        sub_bits += 1;
                        room = room * 2 - i64::from(counts[(first_bits + sub_bits) as usize]);
                    }
                    sub_start = next_free;
                    next_free += 1 << sub_bits;
                    if next_free > table.len() {
                        return Err(Corrupt::Code);
                    }
                    table[prefix as usize] = Entry::subtable(sub_start, sub_bits);
                }
                let mut place = reversed >> first_bits;
                while place < 1 << sub_bits {
                    table[sub_start + place] = entry;
                    place += 1 << (width - first_bits);
                }
            }
            code += 1;
            remaining -= 1;
        }
        code <<= 1;
    }
    Ok(())
}
