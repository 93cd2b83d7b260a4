/// Deflates without ever looking for repetitions (RFC 1951), so that the bytes depend on no library's mood.
///
/// The content becomes three blocks: fixed Huffman codes, then stored, then fixed Huffman codes: a joiner of streams has
/// to find the end of each, at any bit.
pub(crate) fn deflate(content: &[u8]) -> Vec<u8> {
    let third = content.len() / 3;
    let mut out = Bits::default();
    out.fixed_block(&content[..third], false);
    // A stored block holds less than 64 KiB.
    for part in content[third..2 * third].chunks(0xffff) {
        out.stored_block(part);
    }
    out.fixed_block(&content[2 * third..], true);
    out.align();
    out.bytes
}

/// Bits, the lowest of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    rest: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.rest |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.rest as u8);
            self.rest >>= 8;
            self.count -= 8;
        }
    }

    /// Codes stand with their highest bit first, unlike every other number.
    fn code(&mut self, code: u32, count: u32) {
        self.put(code.reverse_bits() >> (32 - count), count);
    }

    fn align(&mut self) {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
    }

    fn fixed_block(&mut self, content: &[u8], is_last: bool) {
        self.put(u32::from(is_last), 1);
        self.put(1, 2);
        for byte in content.iter().map(|byte| u32::from(*byte)) {
            match byte {
                0..144 => self.code(0x30 + byte, 8),
                _ => self.code(0x190 + byte - 144, 9),
            }
        }
        self.code(0, 7);
    }

    fn stored_block(&mut self, content: &[u8]) {
        self.put(0, 3);
        self.align();
        let length = content.len() as u16;
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend((!length).to_le_bytes());
        self.bytes.extend(content);
    }
}
