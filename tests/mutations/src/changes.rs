/// Bytes that mean something to one of the readers.
const TOKENS: &[&[u8]] = &[
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"PK\x07\x08",
    b"\xff\xff\xff\xff",
    b"\xff\xff",
    b"\0\0\0\0",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"..",
    b"/",
    b"\\",
    b"../",
    b"\"",
    b",",
    b"=",
    b":",
    b"[",
    b"]",
    b"{",
    b"}",
    b"(",
    b")",
    b"sha256",
    b"\xef\xbb\xbf",
    b"\xc3\xa9",
    b"\x1b[",
    b"#",
    b";",
    b" ",
    b"\t",
    b"ustar\x0000",
    b"99999999999999999999",
    b"-1",
    b"1e999",
    b"null",
    b"true",
    b" and ",
    b" or ",
    b"not in",
    b"sys_platform",
    b"===",
    b"~=",
    b"1.*",
    b"@ http://x",
    b"\x1f\x8b\x08",
];

/// Some change of the samples, the same for the same number on every machine.
pub(crate) fn change(seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d);
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at.min(end)..end)),
            4 => {
                let again = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, again);
            }
            5 | 6 => {
                let token = TOKENS[random.below(TOKENS.len())];
                let over = (at + token.len() * random.below(2)).min(bytes.len());
                bytes.splice(at..over, token.iter().copied());
            }
            7 => bytes[at.min(end)..end].fill([0, 0xff, 0x7f, b'9'][random.below(4)]),
            _ => {
                // The front of one sample and the back of another.
                let other = &seeds[random.below(seeds.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[at.min(other.len())..]);
            }
        }
    }
    bytes
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}
