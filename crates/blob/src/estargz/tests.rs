use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use flate2::bufread::{GzDecoder, MultiGzDecoder};
use serde_json::Value;
use wainwright_oci::annotation;

use super::*;
use crate::{Content, Deflated, Kind, Lazy, Span, Written, write};

fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

fn text(size: usize) -> Vec<u8> {
    (0_u32..).flat_map(|number| (number % 9973).to_string().into_bytes()).take(size).collect()
}

fn deflated(data: &[u8]) -> Content {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    let packed = encoder.finish().unwrap();
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&packed, 0).unwrap();
    Content::Deflated(Deflated {
        span: Span { file: Arc::new(file), offset: 0, length: packed.len() as u64 },
        size: data.len() as u64,
        crc32: crc32fast::hash(data),
        digest: None,
    })
}

/// All kinds of entries; contents around every limit.
fn entries() -> Vec<(Entry, Vec<u8>)> {
    let sizes = [0, 1, 64, 65, 511, 512, 513, 100_000, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7];
    let files = sizes.iter().flat_map(|size| {
        let data = text(*size);
        let spliced = Entry::file(path(&format!("app/d/spliced{size}")), true, deflated(&data));
        let fresh = Entry::bytes(path(&format!("app/fresh{size}")), data.clone());
        [(spliced, data.clone()), (fresh, data)]
    });
    let hardlink =
        Entry { kind: Kind::Hardlink(path("app/fresh513")), ..Entry::bytes(path("app/hard"), *b"") };
    let others = [
        Entry::directory(path("app")),
        Entry::directory(path("app/d")),
        Entry::symlink(path("app/link"), "../\u{fc}"),
        Entry { owner: (10, 20), mode: 0o4755, ..Entry::bytes(path(&"long/".repeat(40)[..199]), *b"x") },
    ];
    let others = others.into_iter().chain([hardlink]).map(|entry| {
        let data = if matches!(entry.kind, Kind::File(_)) { b"x".to_vec() } else { Vec::new() };
        (entry, data)
    });
    files.chain(others).collect()
}

fn made(entries: Vec<Entry>, compression: Compression) -> (Written, Vec<u8>) {
    let mut bytes = Vec::new();
    let options = Options { mtime: 315_532_801, compression, lazy: Lazy::Estargz };
    let written = write(&entries, &options, &mut bytes).unwrap();
    assert_eq!(written.descriptor.digest, Digest::of(&bytes));
    (written, bytes)
}

/// The table of contents, found by the footer.
fn toc(written: &Written, bytes: &[u8]) -> Vec<Value> {
    let footer = &bytes[bytes.len() - 51..];
    let offset = usize::from_str_radix(std::str::from_utf8(&footer[16..32]).unwrap(), 16).unwrap();
    let mut member = Vec::new();
    GzDecoder::new(&bytes[offset..]).read_to_end(&mut member).unwrap();
    let mut archive = ::tar::Archive::new(&member[..]);
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(entry.path_bytes(), TOC_NAME.as_bytes());
    let mut json = Vec::new();
    entry.read_to_end(&mut json).unwrap();
    assert_eq!(written.descriptor.annotations[annotation::TOC_DIGEST], Digest::of(&json).to_string());
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["version"], 1);
    json["entries"].as_array().unwrap().clone()
}

#[test]
fn every_chunk_is_found_by_the_table_of_contents() {
    for compression in [Compression::Splice, Compression::Gzip(1), Compression::Gzip(9)] {
        let (list, contents): (Vec<Entry>, Vec<Vec<u8>>) = entries().into_iter().unzip();
        let names: Vec<String> = list.iter().map(|entry| entry.path.to_string()).collect();
        let (written, bytes) = made(list, compression);
        let mut found: std::collections::BTreeMap<String, Vec<u8>> =
            names.iter().map(|name| (name.clone(), Vec::new())).collect();
        for row in toc(&written, &bytes) {
            let Some(content) = found.get_mut(row["name"].as_str().unwrap().trim_end_matches('/')) else {
                assert_eq!(row["name"], LANDMARK);
                continue;
            };
            let Some(offset) = row["offset"].as_u64() else { continue };
            let start = row["chunkOffset"].as_u64().unwrap_or(0);
            assert_eq!(start, content.len() as u64);
            // A reader of one member: what it gets begins with the chunk.
            let mut member = Vec::new();
            GzDecoder::new(&bytes[offset as usize..]).read_to_end(&mut member).unwrap();
            let whole = names.iter().zip(&contents).find(|(name, _)| row["name"] == **name).unwrap().1;
            let size = match row["chunkSize"].as_u64() {
                Some(size) => size as usize,
                None => whole.len() - start as usize,
            };
            assert_eq!(row["chunkDigest"], Digest::of(&member[..size]).to_string());
            content.extend_from_slice(&member[..size]);
        }
        for (name, content) in names.iter().zip(contents) {
            assert!(found[name] == content, "{name}");
        }
    }
}

#[test]
fn all_members_together_are_the_tar() {
    for compression in [Compression::Splice, Compression::Gzip(6)] {
        let list: Vec<Entry> = entries().into_iter().map(|(entry, _)| entry).collect();
        let (written, bytes) = made(list.clone(), compression);
        let mut tar = Vec::new();
        MultiGzDecoder::new(&bytes[..]).read_to_end(&mut tar).unwrap();
        assert_eq!(written.diff_id.0, Digest::of(&tar));
        assert_eq!(written.descriptor.annotations[annotation::TAR_SIZE], tar.len().to_string());
        assert_eq!(::tar::Archive::new(&tar[..]).entries().unwrap().count(), list.len() + 2);
    }
}

#[test]
fn only_gzip_can_be_lazy_and_names_are_text() {
    let check = |entries: &[Entry], compression, expected: &str| {
        let options = Options { mtime: 0, compression, lazy: Lazy::Estargz };
        let error = write(entries, &options, &mut std::io::sink()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    for compression in [Compression::Zstd(3), Compression::None] {
        let expected = format!("lazy layers cannot use the compression `{compression}`");
        check(&[], compression, &expected);
    }
    let odd = Entry::bytes(ImagePath::new(*b"a\xff").unwrap(), *b"");
    let expected = "`a\\xff` is not UTF-8, which the table of contents of a lazy layer requires";
    check(&[odd], Compression::Splice, expected);
    let ours = Entry::bytes(path(TOC_NAME), *b"");
    check(&[ours], Compression::Splice, "`stargz.index.json` appears twice");
}
