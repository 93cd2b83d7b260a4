use std::cell::Cell;
use std::ops::ControlFlow;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest as _, Sha384, Sha512};
use wainwright_oci::{Digest, Hasher};

use crate::error::{Fault, printable};
use crate::rules::E_RECORD;
use crate::source::Source;
use crate::zip::{Member, pour};

/// Without padding, as RECORD wants it; padding is forgiven when reading.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The hash a row of RECORD gives (PyPA, "Recording installed projects").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256(Digest),
    Sha384(Vec<u8>),
    Sha512(Vec<u8>),
}

impl Hash {
    fn read(text: &str) -> Result<Self, String> {
        let Some((algorithm, value)) = text.split_once('=') else {
            return Err(format!("`{}` is not `algorithm=hash`", printable(text)));
        };
        let bytes = BASE64.decode(value).map_err(|_| format!("`{}` is not base64", printable(value)));
        let sized = |bytes: Vec<u8>, size| match bytes.len() == size {
            true => Ok(bytes),
            false => Err(format!("its {algorithm} is {} bytes long", bytes.len())),
        };
        match algorithm {
            "sha256" => {
                let bytes = bytes?;
                let array = <[u8; 32]>::try_from(&bytes[..]);
                array
                    .map(|array| Self::Sha256(Digest::from_bytes(array)))
                    .map_err(|_| format!("its sha256 is {} bytes long", bytes.len()))
            }
            "sha384" => sized(bytes?, 48).map(Self::Sha384),
            "sha512" => sized(bytes?, 64).map(Self::Sha512),
            other => Err(format!("`{}` is not sha256, sha384 or sha512", printable(other))),
        }
    }

    /// As a row of RECORD writes it.
    pub(crate) fn write(&self) -> String {
        match self {
            Self::Sha256(digest) => format!("sha256={}", BASE64.encode(digest.as_bytes())),
            Self::Sha384(bytes) => format!("sha384={}", BASE64.encode(bytes)),
            Self::Sha512(bytes) => format!("sha512={}", BASE64.encode(bytes)),
        }
    }
}

/// Where the rows of RECORD are checked against the archive.
#[derive(Debug)]
pub(crate) struct Record {
    /// The hash of every member, in their order; `None` for directories, RECORD, and signatures that it does not list.
    hashes: Vec<Option<Hash>>,
}

impl Record {
    /// Reads RECORD. Every file must have a row, every row a file, and sizes must match.
    ///
    /// Forgiven, because published wheels have it and nobody is misled: `./` before and backslashes in the path of a file
    /// that exists, rows for directories, a row twice, a missing size, Windows line ends.
    pub(crate) fn read(file: &str, bytes: &[u8], members: &[Member]) -> Result<Self, Fault> {
        let refuse =
            |line: u64, reason: String| Fault::member(E_RECORD, file, format!("line {line}: {reason}"));
        let text =
            std::str::from_utf8(bytes).map_err(|_| Fault::member(E_RECORD, file, "it is not UTF-8"))?;
        // The CSV reader would skip it, Python takes it for a part of the first path.
        if text.starts_with('\u{feff}') {
            return Err(Fault::member(E_RECORD, file, "it starts with a byte order mark"));
        }
        let names = Names::of(members);
        let mut hashes = vec![None; members.len()];

        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let mut row = csv::StringRecord::new();
        let broken = |error| Fault::member(E_RECORD, file, format!("it is not CSV: {error}"));
        while reader.read_record(&mut row).map_err(broken)? {
            let line = row.position().map_or(0, |position| position.line());
            let (path, hash, size) =
                (row.get(0).unwrap_or(""), row.get(1).unwrap_or(""), row.get(2).unwrap_or(""));
            if row.len() > 3 {
                return Err(refuse(line, format!("it has {} fields instead of three", row.len())));
            }
            let Some((index, member)) = names.find(path) else {
                if hash.is_empty() && names.has_below(path) {
                    continue;
                }
                return Err(refuse(line, format!("`{}` is not in the wheel", printable(path))));
            };
            if member.is_directory || is_exempt(file, &member.name) && hash.is_empty() {
                continue;
            }
            let about = |reason: String| refuse(line, format!("`{}`: {reason}", printable(path)));
            if hash.is_empty() {
                return Err(about("it gives no hash".into()));
            }
            if member.name == file {
                return Err(about("it gives a hash of itself".into()));
            }
            let hash = Hash::read(hash).map_err(about)?;
            if !size.is_empty() && size.parse() != Ok(member.size) {
                return Err(about(format!(
                    "it says {} bytes, the file has {}",
                    printable(size),
                    member.size
                )));
            }
            let known = &mut hashes[index];
            if known.as_ref().is_some_and(|known| *known != hash) {
                return Err(about("it gives a second hash".into()));
            }
            *known = Some(hash);
        }
        let unlisted = members
            .iter()
            .zip(&hashes)
            .find(|(member, hash)| hash.is_none() && !member.is_directory && !is_exempt(file, &member.name));
        match unlisted {
            Some((member, _)) => Err(Fault::member(E_RECORD, &member.name, "RECORD does not list it")),
            None => Ok(Self { hashes }),
        }
    }

    /// The hash of the member with this index.
    pub(crate) fn hash(&self, index: usize) -> Option<&Hash> {
        self.hashes.get(index)?.as_ref()
    }
}

/// The members by name. RECORD mostly has the order of the archive, so who is next is tried first.
struct Names<'a> {
    members: &'a [Member],
    /// Indices of members, sorted by their names.
    sorted: Vec<u32>,
    next: Cell<usize>,
}

impl<'a> Names<'a> {
    fn of(members: &'a [Member]) -> Self {
        let mut sorted: Vec<u32> = (0..members.len() as u32).collect();
        sorted.sort_by_key(|index| members[*index as usize].name.as_str());
        Self { members, sorted, next: Cell::new(0) }
    }

    /// The member that a row of RECORD means.
    fn find(&self, path: &str) -> Option<(usize, &'a Member)> {
        self.get(path).or_else(|| self.get(path.replace('\\', "/").trim_start_matches("./")))
    }

    fn get(&self, name: &str) -> Option<(usize, &'a Member)> {
        let next = self.next.get();
        let is_next = self.members.get(next).is_some_and(|member| member.name == name);
        let index = match is_next {
            true => next,
            false => *self.sorted.get(self.place(name))? as usize,
        };
        let member = self.members.get(index).filter(|member| member.name == name)?;
        self.next.set(index + 1);
        Some((index, member))
    }

    /// Whether something of the archive lies below this path.
    fn has_below(&self, path: &str) -> bool {
        let directory = format!("{}/", path.trim_start_matches("./").trim_end_matches('/'));
        let first = self.sorted.get(self.place(&directory));
        first.is_some_and(|index| self.members[*index as usize].name.starts_with(&directory))
    }

    /// Where in the sorted list a name stands, or would.
    fn place(&self, name: &str) -> usize {
        self.sorted.partition_point(|index| self.members[*index as usize].name.as_str() < name)
    }
}

/// Needs no hash: RECORD cannot hold its own, and its signatures are made after it.
fn is_exempt(record: &str, name: &str) -> bool {
    name.strip_prefix(record).is_some_and(|rest| matches!(rest, "" | ".jws" | ".p7s"))
}

/// Reads a whole member and compares it with its hash, if it has one; gives the sha256 of what was read.
pub(crate) fn verify(source: &Source, member: &Member, hash: Option<&Hash>) -> Result<Digest, Fault> {
    let mut sha256 = Hasher::new();
    let mut sha384 = matches!(hash, Some(Hash::Sha384(_))).then(Sha384::new);
    let mut sha512 = matches!(hash, Some(Hash::Sha512(_))).then(Sha512::new);
    pour(source, member, |piece| {
        sha256.update(piece);
        sha384.iter_mut().for_each(|hasher| hasher.update(piece));
        sha512.iter_mut().for_each(|hasher| hasher.update(piece));
        ControlFlow::Continue(())
    })?;
    let digest = sha256.finish();
    let found = match (sha384, sha512) {
        (Some(hasher), _) => Hash::Sha384(hasher.finalize().to_vec()),
        (_, Some(hasher)) => Hash::Sha512(hasher.finalize().to_vec()),
        _ => Hash::Sha256(digest),
    };
    match hash {
        Some(expected) if *expected != found => {
            let reason = format!("its hash is {}, RECORD says {}", found.write(), expected.write());
            Err(Fault::member(E_RECORD, &member.name, reason))
        }
        _ => Ok(digest),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members() -> Vec<Member> {
        ["a/b.py", "a/c d,e.py", "a-1.dist-info/RECORD", "a-1.dist-info/RECORD.jws"]
            .map(|name| Member {
                name: name.into(),
                is_directory: false,
                is_executable: false,
                is_deflated: false,
                offset: 0,
                compressed_size: 3,
                size: 3,
                crc32: 0,
            })
            .into()
    }

    fn read(record: &str) -> Result<Record, Fault> {
        let hash = "sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE";
        Record::read("a-1.dist-info/RECORD", record.replace("HASH", hash).as_bytes(), &members())
    }

    #[test]
    fn reader_accepts_harmless_variants() {
        let second = "\"a/c d,e.py\",HASH,3\n";
        for first in [
            "a/b.py,HASH,3",
            "./a/b.py,HASH,3\r",
            "a\\b.py,HASH=,",
            "a/b.py,HASH",
            "a/,,\na,,\na/b.py,HASH,3",
        ] {
            assert!(read(&format!("{first}\n{second}a-1.dist-info/RECORD,,\n")).is_ok(), "{first}");
        }
        assert!(read(&format!("a/b.py,HASH,3\na/b.py,HASH,3\n{second}")).is_ok());
    }

    #[test]
    fn rows_and_files_match_one_to_one() {
        let second = "\"a/c d,e.py\",HASH,3\n";
        for first in [
            "",
            "a/b.py,,",
            "/a/b.py,HASH,3",
            "\u{feff}a/b.py,HASH,3",
            "a/b.py,HASH,3\na-1.dist-info/RECORD,HASH,3",
            "a/b.py,HASH,3\na-1.dist-info/RECORD.jws,HASH,4",
            "a/b.py,HASH,4",
            "a/b.py,HASH,-3",
            "a/b.py,HASH,3,",
            "a/b.py,md5=e57pZHqmCvJmx5DeP2WUAw,3",
            "a/b.py,sha256=e57pZHqmCvJmx5DeP2WUAw,3",
            "a/b.py,sha256,3",
            "a/b.py,HASH,3\n../../etc/passwd,,",
            "a/b.py,HASH,3\n/etc/passwd,,",
            "a/b.py,HASH,3\nb,,",
            "a/b.py,HASH,3\na/b.py,sha256=AAEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,3",
        ] {
            assert!(read(&format!("{first}\n{second}")).is_err(), "{first}");
        }
    }

    #[test]
    fn a_hash_is_written_as_it_was_read() {
        let sha384 = format!("sha384={}", "A".repeat(64));
        for text in ["sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE", &sha384] {
            assert_eq!(Hash::read(text).unwrap().write(), text);
        }
    }

    proptest! {
        #[test]
        fn reader_never_panics(record in "[a-c./\\\\,\"\n\r=A-Z0-9]{0,200}") {
            let _ = read(&record);
        }
    }
}
