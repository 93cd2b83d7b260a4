use std::io::Write;

use wainwright_oci::{Compression, Descriptor, DiffId, Lazy, annotation, by_component};

use crate::body::Body;
use crate::content::check_digest;
use crate::entry::{Entry, Kind};
use crate::options::Options;
use crate::part::Part;
use crate::produce::{Producer, Wanted};
use crate::sink::Sink;
use crate::step_hasher::StepHasher;
use crate::tar::{self, ZEROS};
use crate::{Error, estargz};

/// The number of the layer format: part of every cache key, raised when the same entries give other bytes.
pub const FORMAT: u32 = 2;

/// A layer that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Media type, digest and size of the bytes written.
    pub descriptor: Descriptor,
    /// Digest of the tar inside.
    pub diff_id: DiffId,
    /// Size of the tar inside, in bytes.
    pub tar_size: u64,
}

/// Writes a layer: the same entries give the same bytes, on every machine, whatever their order and however many cores.
///
/// Contents are read, inflated and checked in parallel; two hashes follow in order. Memory does not depend on the size
/// of any entry. On an error, what was written to `out` is worthless.
pub fn write(entries: &[Entry], options: &Options, out: &mut (dyn Write + Send)) -> Result<Written, Error> {
    options.check()?;
    let wanted = match (options.compression, options.lazy) {
        (Compression::Splice, Lazy::No) => Wanted::Blocks,
        (Compression::Splice, Lazy::Estargz) => Wanted::SmallBlocks,
        _ => Wanted::Plain,
    };
    let landmark = match options.lazy {
        Lazy::No => None,
        Lazy::Estargz => estargz::landmark(entries)?,
    };
    let entries = sorted(entries.iter().chain(&landmark).collect())?;
    let mut producer = Producer::new(&entries, options.mtime, wanted);
    let mut diff = DiffHasher::default();
    let mut sink = Sink::new(out);
    let mut body = Body::new(&entries, options, &mut sink)?;

    let mut parts = producer.next()?;
    while !parts.is_empty() {
        let (next, written) = rayon::join(
            || producer.next(),
            || {
                let (checked, written) = rayon::join(
                    || parts.iter().try_for_each(|part| diff.add(part)),
                    || body.add(&parts, &mut sink),
                );
                checked.and(written)
            },
        );
        written?;
        producer.take_back(std::mem::replace(&mut parts, next?));
    }
    let table = body.finish(&mut sink)?;
    if let Some(table) = &table {
        diff.bytes(&table.tar);
    }
    let (diff_id, tar_size) = diff.finish();
    let (digest, size) = sink.finish();
    let mut descriptor = Descriptor::new(options.compression.media_type(), digest, size);
    if let Some(table) = table {
        descriptor.annotations.insert(annotation::TOC_DIGEST.into(), table.digest.to_string());
        descriptor.annotations.insert(annotation::TAR_SIZE.into(), tar_size.to_string());
    }
    Ok(Written { descriptor, diff_id, tar_size })
}

/// Puts entries in order (by the bytes of their paths, hard links behind everything else) and checks that they can
/// stand side by side.
fn sorted(mut entries: Vec<&Entry>) -> Result<Vec<&Entry>, Error> {
    entries.sort_by(|a, b| {
        let is_link = |entry: &Entry| matches!(entry.kind, Kind::Hardlink(_));
        is_link(a).cmp(&is_link(b)).then_with(|| a.path.cmp(&b.path))
    });
    let mut paths = entries.clone();
    // In this order neighbours are all there is to look at. The other order is near it: a stable sort is quick with that.
    paths.sort_by(|a, b| by_component(a.path.as_bytes(), b.path.as_bytes()));
    for pair in paths.windows(2) {
        let [above, below] = *pair else { continue };
        if above.path == below.path {
            return Err(Error::Duplicate { path: below.path.clone() });
        }
        if !matches!(above.kind, Kind::Directory) && below.path.starts_with(&above.path) {
            return Err(Error::UnderFile { path: below.path.clone(), file: above.path.clone() });
        }
    }
    for entry in &entries {
        let Kind::Hardlink(target) = &entry.kind else { continue };
        let found = paths.binary_search_by(|other| by_component(other.path.as_bytes(), target.as_bytes()));
        if !found.is_ok_and(|index| matches!(paths[index].kind, Kind::File(_))) {
            return Err(Error::HardlinkTarget { path: entry.path.clone(), target: target.clone() });
        }
    }
    Ok(entries)
}

/// Hashes the tar, and the contents in it that RECORD gives hashes for.
#[derive(Default)]
struct DiffHasher {
    hasher: StepHasher,
    position: u64,
    /// Of the content that is open.
    content: StepHasher,
}

impl DiffHasher {
    fn add(&mut self, part: &Part<'_>) -> Result<(), Error> {
        let plain = part.plain.as_ref();
        self.bytes(&part.header);
        match part.expected {
            Some(expected) => {
                self.hasher.update_both(&mut self.content, plain);
                self.position += plain.len() as u64;
                if part.is_end {
                    let found = std::mem::take(&mut self.content).finish();
                    check_digest(expected.path, expected.digest, found)?;
                }
            }
            None => self.bytes(plain),
        }
        if part.is_end {
            self.bytes(&ZEROS[..tar::padding(self.position)]);
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.position += bytes.len() as u64;
    }

    fn finish(mut self) -> (DiffId, u64) {
        self.bytes(&ZEROS);
        (DiffId(self.hasher.finish()), self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::FileExt as _;
    use std::sync::Arc;

    use flate2::write::DeflateEncoder;
    use proptest::prelude::*;
    use wainwright_oci::{Digest, ImagePath};

    use super::*;
    use crate::entry::{Content, Deflated, Span};
    use crate::error::MemberProblem;

    const SPLICE: Options = Options { mtime: 315_532_801, compression: Compression::Splice, lazy: Lazy::No };

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    fn made(entries: Vec<Entry>, options: &Options) -> (Written, Vec<u8>) {
        let mut bytes = Vec::new();
        let written = write(&entries, options, &mut bytes).unwrap();
        assert_eq!(written.descriptor.digest, Digest::of(&bytes));
        assert_eq!(written.descriptor.size, bytes.len() as u64);
        (written, bytes)
    }

    fn gunzip(bytes: &[u8]) -> Vec<u8> {
        let mut tar = Vec::new();
        flate2::bufread::GzDecoder::new(bytes).read_to_end(&mut tar).unwrap();
        tar
    }

    fn deflated(data: &[u8], level: u32, flush_every: usize) -> (Content, Vec<u8>) {
        let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::new(level));
        for part in data.chunks(flush_every.max(1)) {
            encoder.write_all(part).unwrap();
            if flush_every < data.len() {
                encoder.flush().unwrap();
            }
        }
        let packed = encoder.finish().unwrap();
        (member(&packed, data), packed)
    }

    /// A member that stands somewhere inside a larger file.
    fn member(packed: &[u8], data: &[u8]) -> Content {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(packed, 77).unwrap();
        Content::Deflated(Deflated {
            span: Span { file: Arc::new(file), offset: 77, length: packed.len() as u64 },
            size: data.len() as u64,
            crc32: crc32fast::hash(data),
            digest: Some(Digest::of(data)),
        })
    }

    /// Pseudo-random bytes of which deflate finds something to match.
    fn noise(size: usize) -> Vec<u8> {
        let mut state = size as u32 | 1;
        (0..size)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                b"abcdefgh  \n(){}=.01"[state as usize % 19]
            })
            .collect()
    }

    #[test]
    fn a_spliced_layer_reads_back_entry_by_entry() {
        let contents: Vec<Vec<u8>> = [0, 1, 64, 65, 511, 512, 513, 40_000, 5_000_000].map(noise).into();
        let mut entries = vec![Entry::directory(path("app"))];
        for (index, data) in contents.iter().enumerate() {
            let (content, _) = deflated(data, index as u32, usize::MAX);
            entries.push(Entry::file(path(&format!("app/deflated{index}")), index % 2 == 0, content));
            entries.push(Entry::bytes(path(&format!("app/bytes{index}")), data.clone()));
        }
        entries.push(Entry::symlink(path("app/link"), "bytes1"));
        entries.push(Entry {
            kind: Kind::Hardlink(path("app/bytes3")),
            ..Entry::bytes(path("app/a-hard-link"), *b"")
        });
        let (written, bytes) = made(entries, &SPLICE);
        let tar = gunzip(&bytes);
        assert_eq!(written.diff_id.0, Digest::of(&tar));
        assert_eq!(written.tar_size, tar.len() as u64);
        let mut archive = ::tar::Archive::new(&tar[..]);
        let mut seen = 0;
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let mut data = Vec::new();
            entry.read_to_end(&mut data).unwrap();
            if let Some(index) = name.strip_prefix("app/deflated").or(name.strip_prefix("app/bytes")) {
                assert!(data == contents[index.parse::<usize>().unwrap()], "{name}");
            }
            seen += 1;
        }
        assert_eq!(seen, 3 + 2 * contents.len());
    }

    const EVERY: [Compression; 6] = [
        Compression::Splice,
        Compression::Gzip(1),
        Compression::Gzip(9),
        Compression::Zstd(1),
        Compression::Zstd(9),
        Compression::None,
    ];

    #[test]
    fn entry_order_and_threads_do_not_change_bytes() {
        let mut entries: Vec<Entry> = (0..3000)
            .map(|index| Entry::bytes(path(&format!("d/{index}")), noise(index * 7 % 5000)))
            .collect();
        entries.push(Entry::bytes(path("large"), noise(5_000_000)));
        let lazy =
            [Compression::Splice, Compression::Gzip(9)].map(|compression| (compression, Lazy::Estargz));
        for (compression, lazy) in EVERY.map(|compression| (compression, Lazy::No)).into_iter().chain(lazy) {
            let options = Options { compression, lazy, ..SPLICE };
            let (one, _) = made(entries.clone(), &options);
            for threads in [1, 2, 7] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let shuffled = entries.iter().rev().cloned().collect();
                let again = pool.install(|| made(shuffled, &options)).0;
                assert_eq!(again, one, "{compression} with {threads} threads, lazy: {lazy}");
            }
        }
    }

    #[test]
    fn compressions_share_the_tar() {
        let entries = vec![Entry::bytes(path("a"), noise(5000)), Entry::bytes(path("b"), noise(9_000_000))];
        let (plain, tar) = made(entries.clone(), &Options { compression: Compression::None, ..SPLICE });
        assert_eq!(plain.descriptor.digest, plain.diff_id.0);
        for compression in EVERY {
            let (written, bytes) = made(entries.clone(), &Options { compression, ..SPLICE });
            assert_eq!(written.diff_id, plain.diff_id, "{compression}");
            let read = match written.descriptor.media_type.rsplit('.').next() {
                Some("tar+gzip") => gunzip(&bytes),
                Some("tar+zstd") => one_frame(&bytes),
                Some("tar") => bytes,
                other => panic!("{other:?}"),
            };
            assert!(read == tar, "{compression}");
        }
    }

    /// Reads the first frame only, and demands that it is the last, has a checksum and asks for 8 MiB at most.
    fn one_frame(bytes: &[u8]) -> Vec<u8> {
        // The frame header descriptor (RFC 8878, 3.1.1.1.1): a checksum, no dictionary.
        assert_eq!(bytes[4] & 0b111, 0b100);
        let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).unwrap().single_frame();
        decoder.window_log_max(23).unwrap();
        let mut tar = Vec::new();
        decoder.read_to_end(&mut tar).unwrap();
        assert_eq!(decoder.finish(), b"");
        tar
    }

    /// Changed bytes need a new [`FORMAT`] and a word in the changelog.
    #[test]
    fn golden() {
        let stored = [&[1, 5, 0, 0xfa, 0xff][..], b"hello"].concat();
        let entries = || {
            vec![
                Entry::directory(path("app")),
                Entry::file(path("app/stored-block"), false, member(&stored, b"hello")),
                Entry::bytes(path("app/tiny"), *b"tiny"),
                Entry::bytes(path("app/generated"), noise(10_000)),
                Entry::symlink(path("app/python"), "/usr/bin/python3"),
                Entry::bytes(path(&format!("app/{}", "long/".repeat(30))[..153]), noise(100)),
            ]
        };
        assert_eq!(FORMAT, 2);
        let (written, _) = made(entries(), &SPLICE);
        assert_eq!(
            (written.descriptor.digest.hex().as_str(), written.diff_id.0.hex().as_str()),
            (
                "dc0ab46df1ecedf6a78d590b27934ff73e17fcc728d38d3ef5a876afa37b396e",
                "e141283adebd483c4069fad884aaa209913db9f21488c72049d5d210db22729f",
            )
        );
        // Large enough for several stretches, jobs and chunks.
        let large = [entries(), vec![Entry::bytes(path("large"), noise(9_000_000))]].concat();
        let lines: Vec<String> =
            ["none", "splice", "gzip:1", "gzip:6", "gzip:9", "zstd:1", "zstd:3", "zstd:19"]
                .iter()
                .map(|text| {
                    let options = Options { compression: text.parse().unwrap(), ..SPLICE };
                    format!("{text} {}", made(large.clone(), &options).0.descriptor.digest.hex())
                })
                .collect();
        assert_eq!(
            lines,
            [
                "none 4356ef03f0305e9f393f306f20f1fb8a7f83522cc621101c620f1f4b32282c70",
                "splice 576f47556cefca4f1b85f19c7bdb72653a9c6328fad8890b3f74b62f20987bc4",
                "gzip:1 9cf51ff280338327cbe714d104c16a9ac98d5ad81b498d31517479b456fb6b2e",
                "gzip:6 96023fba8733daa1caa80982c714d89bee377e37146d8f53e5f465730c984c35",
                "gzip:9 86bea0a2236acee777ea6466ec2582c7824a4c0fe2eb6940b83e1925f785f79c",
                "zstd:1 e10788d8f84939821dcba53517305d24264dfff162177fba2ae10893b29b82da",
                "zstd:3 17413fb1e0134d92b9710bf54f03c5238ef073bc00f7fe7a4159da39942847d5",
                "zstd:19 b40e6ee1224ab55795eb13ab650662bcb1342f94e8577edc414687f289eb3a5b",
            ]
        );
        // Nothing in there was deflated by somebody else, so that the first two are the same.
        let lazy = |text: &str| {
            let options = Options { compression: text.parse().unwrap(), lazy: Lazy::Estargz, ..SPLICE };
            made(large.clone(), &options).0.descriptor.digest.hex()
        };
        assert_eq!(
            ["splice", "gzip:6", "gzip:9"].map(lazy),
            [
                "92cd27886a41c7f5bc285fb06a11999813ec34aeea2ad5b3ea100f716d1ae53b",
                "92cd27886a41c7f5bc285fb06a11999813ec34aeea2ad5b3ea100f716d1ae53b",
                "268f11ee3656b05d441565db01bc9246929e5387ae359ad661b6eb98f8dfd4e6",
            ]
        );
    }

    #[test]
    fn damaged_members_are_refused() {
        let data = noise(10_000);
        let big = noise(5_000_000);
        for data in [&data, &big] {
            let (content, packed) = deflated(data, 6, usize::MAX);
            let Content::Deflated(good) = content else { unreachable!() };
            let problem = |change: &dyn Fn(&mut Deflated)| {
                let mut deflated = good.clone();
                change(&mut deflated);
                let entry = Entry::file(path("x"), false, Content::Deflated(deflated));
                match write(&[entry], &SPLICE, &mut std::io::sink()) {
                    Err(Error::Member { problem, .. }) => problem,
                    other => panic!("{other:?}"),
                }
            };
            assert!(matches!(problem(&|d| d.crc32 ^= 1), MemberProblem::Crc { .. }));
            assert!(matches!(problem(&|d| d.size -= 1), MemberProblem::Size { .. }));
            assert!(matches!(problem(&|d| d.size += 1), MemberProblem::Size { .. }));
            assert!(matches!(problem(&|d| d.digest = Some(Digest::of(b""))), MemberProblem::Digest { .. }));
            assert!(matches!(problem(&|d| d.span.length -= 1), MemberProblem::Deflate(_)));
            let longer = [&packed[..], b"tail"].concat();
            let Content::Deflated(longer) = member(&longer, data) else { unreachable!() };
            assert_eq!(problem(&|d| d.span = longer.span.clone()), MemberProblem::Tail(4));
        }
    }

    #[test]
    fn conflicting_entries_are_rejected() {
        let check = |entries: Vec<Entry>, expected: &str| {
            let error = write(&entries, &SPLICE, &mut std::io::sink()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        check(vec![Entry::bytes(path("a"), *b"1"), Entry::bytes(path("a"), *b"1")], "`a` appears twice");
        check(
            vec![Entry::bytes(path("a"), *b"1"), Entry::bytes(path("a/b/c"), *b"1")],
            "`a/b/c` is below `a`, which is not a directory",
        );
        check(
            vec![Entry { kind: Kind::Hardlink(path("b")), ..Entry::bytes(path("a"), *b"") }],
            "`a` is a hard link to `b`, which is not a file of this layer",
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_deflate_data_can_be_joined(
            files in prop::collection::vec((0..200_000_usize, 0..10_u32, 1..50_000_usize), 1..6)
        ) {
            let mut entries = Vec::new();
            let mut expected = Vec::new();
            for (index, (size, level, flush_every)) in files.into_iter().enumerate() {
                let data = noise(size);
                let (content, _) = deflated(&data, level, flush_every);
                entries.push(Entry::file(path(&format!("f{index}")), false, content));
                expected.push(data);
            }
            let (written, bytes) = made(entries, &SPLICE);
            let tar = gunzip(&bytes);
            prop_assert_eq!(written.diff_id.0, Digest::of(&tar));
            let mut archive = ::tar::Archive::new(&tar[..]);
            for (entry, data) in archive.entries().unwrap().zip(expected) {
                let mut found = Vec::new();
                entry.unwrap().read_to_end(&mut found).unwrap();
                prop_assert!(found == data);
            }
        }
    }
}
