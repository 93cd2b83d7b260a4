use std::io::Read as _;

use deb822_fast::Deb822;

/// Ours stops at 4 MiB: an index of packages comes from a mirror, and a status file from anybody's base image.
#[test]
fn deb822_fast_reads_lines_without_limit() {
    let line = std::io::repeat(b'x').take(64 << 20);
    let endless = std::io::BufReader::new(b"A: ".chain(line));
    let paragraph = Deb822::iter_paragraphs_from_reader(endless).next().unwrap().unwrap();
    assert_eq!(paragraph.get("A").unwrap().len(), 64 << 20);
}

/// Ours names the line.
#[test]
fn deb822_fast_names_no_line_in_errors() {
    let error = "A: 1\nB: 2\n\nnonsense\n".parse::<Deb822>().err().unwrap();
    assert!(!error.to_string().contains('4'), "{error}");
}
