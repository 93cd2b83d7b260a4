use sha2::block_api::compress256;
use wainwright_oci::Digest;

const BLOCK: usize = 64;

/// The first words of sha256 (FIPS 180-4, 5.3.3).
const START: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// Hashes bytes as they pass, alone or in step with another hasher ([`StepHasher::update_both`]).
///
/// The rounds are those of `sha2`; the frame around them is ours, because `Sha256` does not let two hashes take turns
/// block by block. In turns they take 0.73 times as long (`cargo bench -p wainwright-layer --bench own_parts`).
#[derive(Clone)]
pub(crate) struct StepHasher {
    state: [u32; 8],
    /// Bytes seen.
    length: u64,
    /// The last of them, as long as they fill no block.
    open: [u8; BLOCK],
}

impl Default for StepHasher {
    fn default() -> Self {
        Self { state: START, length: 0, open: [0; BLOCK] }
    }
}

impl StepHasher {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let rest = self.fill(bytes);
        let (blocks, rest) = rest.as_chunks();
        if !blocks.is_empty() {
            compress256(&mut self.state, blocks);
        }
        self.keep(bytes, rest);
    }

    /// Takes the next bytes, as `other` does: in less time than one after the other.
    ///
    /// Every round of sha256 waits for the one before. Block by block in turns, the processor works on both.
    pub(crate) fn update_both(&mut self, other: &mut Self, bytes: &[u8]) {
        if self.open_length() != 0 || other.open_length() != 0 {
            self.update(bytes);
            other.update(bytes);
            return;
        }
        let (blocks, rest) = bytes.as_chunks();
        for block in blocks {
            compress256(&mut self.state, std::slice::from_ref(block));
            compress256(&mut other.state, std::slice::from_ref(block));
        }
        self.keep(bytes, rest);
        other.keep(bytes, rest);
    }

    /// The digest of everything seen (FIPS 180-4, 5.1.1: a one, zeros, and the number of bits).
    pub(crate) fn finish(mut self) -> Digest {
        let bits = self.length.wrapping_mul(8);
        let zeros = (BLOCK + 55 - self.open_length()) % BLOCK;
        let mut end = [0; 2 * BLOCK];
        end[0] = 0x80;
        end[1 + zeros..][..8].copy_from_slice(&bits.to_be_bytes());
        self.update(&end[..1 + zeros + 8]);
        let mut bytes = [0; 32];
        for (into, word) in bytes.chunks_exact_mut(4).zip(self.state) {
            into.copy_from_slice(&word.to_be_bytes());
        }
        Digest::from_bytes(bytes)
    }

    fn open_length(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }

    /// Fills up the open block, if there is one; gives back what is left of the bytes.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.open_length();
        if start == 0 {
            return bytes;
        }
        let (now, later) = bytes.split_at(bytes.len().min(BLOCK - start));
        self.open[start..start + now.len()].copy_from_slice(now);
        if start + now.len() == BLOCK {
            compress256(&mut self.state, std::slice::from_ref(&self.open));
        }
        later
    }

    /// Counts the bytes, and keeps those that filled no block.
    fn keep(&mut self, bytes: &[u8], rest: &[u8]) {
        self.length += bytes.len() as u64;
        let end = self.open_length();
        if let Some(place) = end.checked_sub(rest.len()) {
            self.open[place..end].copy_from_slice(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn expected(bytes: &[u8]) -> Digest {
        Digest::from_bytes(Sha256::digest(bytes).into())
    }

    #[test]
    fn any_pieces_give_the_hash_of_the_whole() {
        let bytes: Vec<u8> = (0..1000_u32).map(|index| ((index * index) >> 3) as u8).collect();
        for length in 0..260 {
            for piece in [1, 7, 55, 56, 63, 64, 65, 128, 300] {
                let mut hasher = StepHasher::default();
                bytes[..length].chunks(piece).for_each(|piece| hasher.update(piece));
                assert_eq!(hasher.finish(), expected(&bytes[..length]), "{length} bytes by {piece}");
            }
        }
    }

    #[test]
    fn two_hashers_share_the_way_wherever_they_stand() {
        let bytes: Vec<u8> = (0..1000_u32).map(|index| ((index * 31) >> 2) as u8).collect();
        for before in [0, 1, 63, 64, 512] {
            for first in [0, 1, 64, 65, 200, 320] {
                let (mut one, mut two) = (StepHasher::default(), StepHasher::default());
                one.update(&bytes[..before]);
                one.update_both(&mut two, &bytes[before..before + first]);
                one.update_both(&mut two, &bytes[before + first..]);
                assert_eq!(one.finish(), expected(&bytes), "{before} and {first} bytes");
                assert_eq!(two.finish(), expected(&bytes[before..]), "{before} and {first} bytes");
            }
        }
    }
}
