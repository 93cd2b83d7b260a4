//! Damaged wheels give an error or a sound wheel, never a panic.

use proptest::prelude::*;

use super::maker::{greet, layout, open};

fn sample() -> Vec<u8> {
    greet()
        .file("greet-1.0.data/scripts/a", "#!python\n")
        .file("greet/b", "text text text text")
        .but(|part| part.describe(0))
        .with(|zip| zip.zip64 = Some(0))
        .bytes()
}

fn judge(bytes: &[u8]) {
    if let Ok(wheel) = open(bytes) {
        let _ = wheel.install(&layout());
        let _ = wheel.check();
    }
}

proptest! {
    #[test]
    fn reader_rejects_changed_bytes(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = sample();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        judge(&bytes);
    }

    #[test]
    fn reader_rejects_extreme_numbers(index in any::<prop::sample::Index>(), length in 1usize..9) {
        let mut bytes = sample();
        let start = index.index(bytes.len());
        let end = bytes.len().min(start + length);
        bytes[start..end].fill(0xff);
        judge(&bytes);
    }

    #[test]
    fn reader_rejects_missing_bytes(start in any::<prop::sample::Index>(), length in 1usize..200) {
        let mut bytes = sample();
        let start = start.index(bytes.len());
        let end = bytes.len().min(start + length);
        bytes.drain(start..end);
        judge(&bytes);
    }
}
