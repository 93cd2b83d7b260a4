//! Whatever deflate data wheels hold, the member joined from it is read by everybody alike.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use flate2::{Compress, FlushCompress};
use proptest::prelude::*;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use wainwright_oci::{Digest, ImagePath};
use wainwright_testing::need;
use zlib_rs::{DeflateConfig, Method, Strategy};

use crate::{Compression, Content, Deflated, Entry, Lazy, Options, Span, write};

/// Who deflated a member, and how.
#[derive(Clone, Debug)]
enum Maker {
    /// zlib, flushed every so many bytes: `Sync` and `Full` leave empty stored blocks, `Partial` empty fixed ones.
    Flushed { level: u32, flush: FlushCompress, every: usize },
    /// zlib with its other strategies, window sizes and block sizes.
    Tuned { level: i32, strategy: Strategy, window_bits: i32, mem_level: i32 },
    /// libdeflate, whose levels 10 to 12 look for the shortest form.
    Libdeflate { level: i32 },
    /// miniz, as in many zip writers.
    Miniz { level: u8 },
    /// Blocks set by hand, one for each number: stored and fixed ones, empty ones among them.
    ByHand { sizes: Vec<(bool, usize)> },
}

fn makers() -> impl proptest::strategy::Strategy<Value = Maker> {
    let flushes = [FlushCompress::None, FlushCompress::Partial, FlushCompress::Sync, FlushCompress::Full];
    let strategies =
        [Strategy::Default, Strategy::Filtered, Strategy::HuffmanOnly, Strategy::Rle, Strategy::Fixed];
    prop_oneof![
        (0..10_u32, prop::sample::select(flushes.to_vec()), 1..20_000_usize)
            .prop_map(|(level, flush, every)| Maker::Flushed { level, flush, every }),
        (0..10, prop::sample::select(strategies.to_vec()), 9..16, 1..10).prop_map(
            |(level, strategy, window_bits, mem_level)| Maker::Tuned {
                level,
                strategy,
                window_bits,
                mem_level
            }
        ),
        (0..13).prop_map(|level| Maker::Libdeflate { level }),
        (0..11_u8).prop_map(|level| Maker::Miniz { level }),
        prop::collection::vec((any::<bool>(), prop_oneof![Just(0), Just(1), 0..70_000_usize]), 0..9)
            .prop_map(|sizes| Maker::ByHand { sizes }),
    ]
}

/// What a member holds: text, noise or a single byte over and over.
fn contents() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    let text = (0..60_000_u32)
        .prop_map(|count| (0..count).flat_map(|n| (n % 9973).to_string().into_bytes()).collect());
    let small = prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        small,
        text,
        prop::collection::vec(any::<u8>(), 0..40_000),
        (0..200_000_usize).prop_map(|size| vec![7; size])
    ]
}

impl Maker {
    fn deflate(&self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Flushed { level, flush, every } => {
                let mut compress = Compress::new(flate2::Compression::new(*level), false);
                let mut out = Vec::new();
                // A byte at a time would be all empty blocks.
                let every = (*every).max(data.len() / 200 + 1);
                for piece in data.chunks(every) {
                    crate::deflate::compress(&mut compress, piece, *flush, &mut out);
                }
                crate::deflate::compress(&mut compress, &[], FlushCompress::Finish, &mut out);
                out
            }
            Self::Tuned { level, strategy, window_bits, mem_level } => {
                let config = DeflateConfig {
                    level: *level,
                    method: Method::Deflated,
                    window_bits: -window_bits,
                    mem_level: *mem_level,
                    strategy: *strategy,
                };
                let mut out = vec![0; 2 * data.len() + 4096];
                let (out, code) = zlib_rs::compress_slice(&mut out, data, config);
                assert_eq!(code as i32, 0, "{self:?}");
                out.to_vec()
            }
            Self::Libdeflate { level } => {
                let level = libdeflater::CompressionLvl::new(*level).unwrap();
                let mut compressor = libdeflater::Compressor::new(level);
                let mut out = vec![0; compressor.deflate_compress_bound(data.len())];
                let size = compressor.deflate_compress(data, &mut out).unwrap();
                out.truncate(size);
                out
            }
            Self::Miniz { level } => miniz_oxide::deflate::compress_to_vec(data, *level),
            Self::ByHand { sizes } => by_hand(sizes, data),
        }
    }
}

/// Stored and fixed blocks of the sizes given, as far as the data goes; the last block has the rest.
fn by_hand(sizes: &[(bool, usize)], mut data: &[u8]) -> Vec<u8> {
    let (mut out, mut bits, mut count) = (Vec::new(), 0_u64, 0);
    let mut put = |value: u64, width: u32, out: &mut Vec<u8>| {
        bits |= value << count;
        count += width;
        while count >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
        count
    };
    let code = |byte: u8| match byte {
        0..=143 => (u64::from((0x30 + u32::from(byte)).reverse_bits() >> 24), 8),
        _ => (u64::from((0x190 + u32::from(byte) - 144).reverse_bits() >> 23), 9),
    };
    for (at, (is_stored, size)) in sizes.iter().chain([&(false, usize::MAX)]).enumerate() {
        let most = if *is_stored { 0xffff } else { usize::MAX };
        let (now, later) = data.split_at((*size).min(most).min(data.len()));
        data = later;
        put(u64::from(at == sizes.len()), 1, &mut out);
        if *is_stored {
            let held = put(0, 2, &mut out);
            put(0, (8 - held) % 8, &mut out);
            let length = now.len() as u64;
            put(length | (length ^ 0xffff) << 16, 32, &mut out);
            for byte in now {
                put(u64::from(*byte), 8, &mut out);
            }
        } else {
            put(1, 2, &mut out);
            for byte in now {
                let (code, width) = code(*byte);
                put(code, width, &mut out);
            }
            put(0, 7, &mut out);
        }
    }
    let held = put(0, 0, &mut out);
    put(0, (8 - held) % 8, &mut out);
    out
}

fn layers() -> impl proptest::strategy::Strategy<Value = Vec<(Maker, Vec<u8>)>> {
    prop::collection::vec((makers(), contents()), 1..5)
}

/// A spliced layer of these members, and the tar that it must be.
fn joined(members: &[(Maker, Vec<u8>)]) -> (Vec<u8>, Vec<u8>) {
    let entries: Vec<Entry> = members
        .iter()
        .enumerate()
        .map(|(index, (maker, data))| {
            let packed = maker.deflate(data);
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(&packed, 0).unwrap();
            let content = Content::Deflated(Deflated {
                span: Span { file: Arc::new(file), offset: 0, length: packed.len() as u64 },
                size: data.len() as u64,
                crc32: crc32fast::hash(data),
                digest: Some(Digest::of(data)),
            });
            Entry::file(ImagePath::new(format!("f{index}")).unwrap(), false, content)
        })
        .collect();
    let options = Options { mtime: 1, compression: Compression::Splice, lazy: Lazy::No };
    let (mut layer, mut tar) = (Vec::new(), Vec::new());
    write(&entries, &options, &mut layer).unwrap();
    write(&entries, &Options { compression: Compression::None, ..options }, &mut tar).unwrap();
    (layer, tar)
}

/// Reads with three libraries that share no code with ours, nor with each other.
fn check_libraries(layer: &[u8], tar: &[u8]) -> Result<(), TestCaseError> {
    let (mut read, mut rest) = (Vec::new(), layer);
    flate2::bufread::GzDecoder::new(&mut rest).read_to_end(&mut read).unwrap();
    prop_assert!(read == tar && rest.is_empty(), "zlib-rs");
    let mut read = vec![0; tar.len() + 1];
    let size = libdeflater::Decompressor::new().gzip_decompress(layer, &mut read).unwrap();
    prop_assert!(read[..size] == *tar, "libdeflate");
    // It knows no gzip: the header has ten bytes, the trailer eight.
    let read = miniz_oxide::inflate::decompress_to_vec(&layer[10..layer.len() - 8]).unwrap();
    prop_assert!(read == tar, "miniz");
    let trailer = [crc32fast::hash(tar).to_le_bytes(), (tar.len() as u32).to_le_bytes()].concat();
    prop_assert!(layer.ends_with(&trailer), "trailer");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn libraries_read_joined_gzip(members in layers()) {
        let (layer, tar) = joined(&members);
        check_libraries(&layer, &tar)?;
    }
}

/// Programs that write what a gzip file holds to standard output.
const PROGRAMS: [&[&str]; 11] = [
    &["gzip", "-dc"],
    &["pigz", "-dc"],
    &["igzip", "-dc"],
    &["busybox", "gunzip", "-c"],
    &["7z", "e", "-so", "-tgzip"],
    &["bsdcat"],
    &["zstd", "-dcq", "--format=gzip"],
    &["python3", "-c", "import gzip, sys; sys.stdout.buffer.write(gzip.open(sys.argv[1]).read())"],
    &[
        "python3",
        "-c",
        "import zlib, sys; z = zlib.decompressobj(31); sys.stdout.buffer.write(z.decompress(open(sys.argv[1], 'rb').read()));\
         sys.exit(not z.eof or len(z.unused_data))",
    ],
    &["perl", "-MIO::Uncompress::Gunzip=gunzip", "-e", "gunzip $ARGV[0] => '-', MultiStream => 0 or die"],
    &[
        "node",
        "-e",
        "process.stdout.write(require('zlib').gunzipSync(require('fs').readFileSync(process.argv[1])))",
    ],
];

#[test]
fn programs_read_joined_gzip() {
    let folder = tempfile::tempdir().unwrap();
    // The same layers every time: a program that is slow to start is no place for chance.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let layers: Vec<_> = (0..12)
        .map(|number| {
            let (layer, tar) = joined(&layers().new_tree(&mut runner).unwrap().current());
            let path = folder.path().join(format!("{number}.gz"));
            std::fs::File::create(&path).unwrap().write_all(&layer).unwrap();
            (path, tar)
        })
        .collect();
    let mut readers = 0;
    for words in PROGRAMS {
        // Node is no part of what the tests install: it is used where it happens to be.
        let is_there = if words[0] == "node" { has("node") } else { need(words[0]).is_some() };
        if !is_there {
            continue;
        }
        for (path, tar) in &layers {
            let output =
                Command::new(words[0]).args(&words[1..]).arg(path).stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{words:?}: {said}");
            assert!(output.stdout == *tar, "{words:?} read something else: {said}");
        }
        readers += 1;
    }
    assert!(readers >= 3, "only {readers} programs read gzip here");
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
