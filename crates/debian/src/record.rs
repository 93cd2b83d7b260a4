use std::io::BufRead;
use std::ops::Range;

use wainwright_oci::Digest;

use crate::Error;
use crate::deb822::{self, Line};
use crate::relation::is_package_name;

/// A piece of the text of an index.
pub(crate) type Span = Range<u32>;

/// The fields kept, in the order of `Record::spans`.
pub(crate) const FIELDS: [&str; 11] = [
    "Package",
    "Version",
    "Architecture",
    "Source",
    "Filename",
    "Pre-Depends",
    "Depends",
    "Conflicts",
    "Breaks",
    "Provides",
    "Priority",
];
pub(crate) const NAME: usize = 0;
pub(crate) const VERSION: usize = 1;
const ARCHITECTURE: usize = 2;
const SOURCE: usize = 3;
const FILENAME: usize = 4;
pub(crate) const PROVIDES: usize = 9;
const PRIORITY: usize = 10;

/// One paragraph of a `Packages` file, as spans into the text of an index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) spans: [Span; FIELDS.len()],
    pub(crate) size: Option<u64>,
    pub(crate) digest: Option<Digest>,
    /// From 0, `required`, to 5, unknown.
    pub(crate) priority: u8,
    /// Already there, so that nothing of it is fetched.
    pub(crate) is_installed: bool,
    pub(crate) origin: u32,
    /// The place among all paragraphs read, which decides between equals.
    pub(crate) order: u32,
}

/// A span as slices are cut.
pub(crate) fn range(span: &Span) -> Range<usize> {
    span.start as usize..span.end as usize
}

/// What a file of paragraphs is a list of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lists {
    /// The packages of an archive.
    Archive,
    /// The packages of a system: dpkg's `status`, or control files one after the other.
    System,
}

/// Reads a `Packages` file, or dpkg's `status`: appends the kept fields of each package to `text`, and the package to `records`.
pub(crate) fn read_file(
    file: &str,
    reader: impl BufRead,
    lists: Lists,
    origin: u32,
    architecture: &str,
    text: &mut String,
    records: &mut Vec<Record>,
) -> Result<(), Error> {
    let refuse = |line, reason| Error::Syntax { file: file.to_owned(), line, reason };
    let mut record = Record::default();
    // Where the text of this paragraph begins, and which kept field the last line belongs to.
    let (mut start, mut first_line, mut field) = (text.len(), 0, None);
    let mut is_away = false;
    deb822::read(reader, file, |number, line| {
        match line {
            Line::Field(name, value) => {
                if first_line == 0 {
                    first_line = number;
                }
                field = FIELDS.iter().position(|kept| kept.eq_ignore_ascii_case(name));
                if let Some(field) = field {
                    if !record.spans[field].is_empty() {
                        return Err(refuse(number, "duplicate field"));
                    }
                    record.spans[field] = push(text, value).ok_or_else(|| refuse(number, TOO_LARGE))?;
                } else if lists == Lists::System {
                    is_away |= name.eq_ignore_ascii_case("Status") && !is_there(value);
                } else if name.eq_ignore_ascii_case("Size") {
                    record.size = Some(value.parse().map_err(|_| refuse(number, "not a size"))?);
                } else if name.eq_ignore_ascii_case("SHA256") {
                    record.digest =
                        Some(Digest::from_hex(value).map_err(|_| refuse(number, "not a sha256"))?);
                }
            }
            Line::More(value) => {
                // Nothing was written since the field began, so its span can grow.
                if let Some(field) = field {
                    let more = push(text, " ").and_then(|_| push(text, value));
                    record.spans[field].end = more.ok_or_else(|| refuse(number, TOO_LARGE))?.end;
                }
            }
            Line::End => {
                let mut record = std::mem::take(&mut record);
                let line = std::mem::take(&mut first_line);
                let kept = |field: usize| &text[range(&record.spans[field])];
                let is_ours = matches!(kept(ARCHITECTURE), "all") || kept(ARCHITECTURE) == architecture;
                if std::mem::take(&mut is_away) || !is_ours {
                    text.truncate(start);
                    return Ok(());
                }
                check(&record, lists, kept).map_err(|reason| refuse(line, reason))?;
                record.priority = priority(kept(PRIORITY));
                record.is_installed = lists == Lists::System;
                record.origin = origin;
                record.order = u32::try_from(records.len()).map_err(|_| refuse(line, TOO_LARGE))?;
                records.push(record);
                start = text.len();
            }
        }
        Ok(())
    })
}

const TOO_LARGE: &str = "the indexes together are too large";

fn push(text: &mut String, value: &str) -> Option<Span> {
    let start = u32::try_from(text.len()).ok()?;
    let end = u32::try_from(text.len() + value.len()).ok()?;
    text.push_str(value);
    Some(start..end)
}

/// Whether the `Status` of a package says that others can rely on it (dpkg(1), "Package states").
fn is_there(status: &str) -> bool {
    let state = status.split_ascii_whitespace().last();
    matches!(state, Some("installed" | "triggers-pending" | "triggers-awaited"))
}

/// What every package of an archive must say about itself, and one of a system as well as far as it concerns it.
fn check<'a>(record: &Record, lists: Lists, kept: impl Fn(usize) -> &'a str) -> Result<(), &'static str> {
    if !is_package_name(kept(NAME)) {
        return Err("the package has no valid name");
    }
    if kept(VERSION).is_empty() || !kept(VERSION).bytes().all(|b| b.is_ascii_graphic()) {
        return Err("the package has no valid version");
    }
    if lists == Lists::System {
        return Ok(());
    }
    if !is_archive_path(kept(FILENAME)) {
        return Err("the package has no valid file name");
    }
    if record.size.is_none() || record.digest.is_none() {
        return Err("the package has no size or no SHA256");
    }
    match kept(SOURCE).split(' ').next() {
        Some("") | None => Ok(()),
        Some(source) if is_package_name(source) => Ok(()),
        Some(_) => Err("the source package has no valid name"),
    }
}

/// Whether a path stays below the root of an archive: relative, plain, no `.` or `..`.
pub(crate) fn is_archive_path(path: &str) -> bool {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-._~:%/".contains(&b);
    path.len() <= 1000 && path.bytes().all(is_allowed) && path.split('/').all(is_plain)
}

fn priority(text: &str) -> u8 {
    let names = ["required", "important", "standard", "optional", "extra"];
    names.iter().position(|name| *name == text).map_or(5, |at| at as u8)
}
