use std::io::{Read as _, Write as _};

use flate2::read::GzDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};
use wainwright_blob::{Compression as Kind, Content, Deflated, Entry, Options, Span, write};
use wainwright_oci::{Digest, ImagePath};

use crate::scratch;

/// More is not compared: the point is the bits, not the bytes.
const MOST: usize = 1 << 20;

/// Puts a deflate stream into a layer, and reads it back with zlib: what one accepts, so does the other, as the same bytes.
pub(crate) fn inflate(bytes: &[u8]) {
    let expected = by_zlib(bytes);
    let content = match &expected {
        Verdict::Good(content) => content.clone(),
        Verdict::Bad => Vec::new(),
        Verdict::Long => return,
    };
    let size = content.len() as u64;
    let span = Span { file: scratch::file(bytes), offset: 0, length: bytes.len() as u64 };
    let deflated =
        Deflated { span, size, crc32: crc32fast::hash(&content), digest: Some(Digest::of(&content)) };
    let path = ImagePath::new("a").unwrap();
    let entries = vec![
        Entry::file(path, false, Content::Deflated(deflated)),
        Entry::bytes(ImagePath::new("b").unwrap(), "behind it"),
    ];
    let options = Options { mtime: 0, compression: Kind::Splice, lazy: Default::default() };
    let mut layer = Vec::new();
    let written = write(&entries, &options, &mut layer);
    match (written, expected) {
        (Ok(_), Verdict::Good(content)) => {
            let mut tar = Vec::new();
            GzDecoder::new(layer.as_slice()).read_to_end(&mut tar).unwrap();
            assert!(tar[512..].starts_with(&content), "the layer holds other bytes");
            let behind = 512 + content.len().next_multiple_of(512) + 512;
            assert!(tar[behind..].starts_with(b"behind it"), "the next file is damaged");
        }
        (Err(_), Verdict::Bad) => {}
        (Ok(_), _) => panic!("zlib refuses it"),
        (Err(error), _) => panic!("zlib reads it, and we do not: {error}"),
    }
}

enum Verdict {
    Good(Vec<u8>),
    Bad,
    /// It goes on.
    Long,
}

fn by_zlib(bytes: &[u8]) -> Verdict {
    let mut decoder = Decompress::new(false);
    let mut content = Vec::with_capacity(MOST);
    match decoder.decompress_vec(bytes, &mut content, FlushDecompress::Finish) {
        Ok(Status::StreamEnd) if decoder.total_in() == bytes.len() as u64 => Verdict::Good(content),
        Ok(_) if content.len() == MOST => Verdict::Long,
        _ => Verdict::Bad,
    }
}

pub(crate) fn streams() -> Vec<Vec<u8>> {
    let text = "the quick brown fox jumps over the lazy dog; ".repeat(40).into_bytes();
    let noise: Vec<u8> =
        (0u32..3000).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mixed = [text.as_slice(), &noise, &[0; 70_000], &text].concat();
    let mut streams = Vec::new();
    for content in [text, noise, mixed] {
        for level in [0, 1, 9] {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
            let (front, back) = content.split_at(content.len() / 2);
            encoder.write_all(front).unwrap();
            encoder.flush().unwrap();
            encoder.write_all(back).unwrap();
            streams.push(encoder.finish().unwrap());
        }
    }
    // An empty block in the fixed code, and one that is stored.
    streams.extend([b"\x03\x00".to_vec(), b"\x01\x00\x00\xff\xff".to_vec()]);
    streams
}
