use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::{Error, Place};

/// No lockfile of a real project comes near these; what is over them is refused before it is parsed.
const FILE_LIMIT: u64 = 32 << 20;
const LINE_LIMIT: usize = 1 << 20;

/// The text of a file that was read, and the way from offsets to lines.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) file: PathBuf,
    pub(crate) text: String,
    /// The offset at which each line begins.
    starts: Vec<usize>,
}

impl Text {
    /// Reads a whole file of bounded size; `wanted_by` is the line that includes it.
    pub(crate) fn read(file: &Path, wanted_by: Option<&Place>) -> Result<Self, Error> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => Error::Missing { file: file.into(), wanted_by: wanted_by.cloned() },
            _ => Error::Read { file: file.into(), source },
        };
        // A pipe would be waited for.
        if std::fs::metadata(file).is_ok_and(|found| !found.is_file()) {
            let place = Place { file: file.into(), line: 1, column: None };
            return Err(Error::Syntax { place, reason: "it is not a regular file".into() });
        }
        let mut bytes = Vec::new();
        // One byte more than allowed tells a file that is too large, without a race on its size.
        File::open(file)
            .and_then(|opened| opened.take(FILE_LIMIT + 1).read_to_end(&mut bytes))
            .map_err(failed)?;
        Self::new(file, bytes)
    }

    /// Takes bytes that were read elsewhere.
    pub(crate) fn new(file: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        let too_large = |reason: &str| Error::TooLarge { file: file.into(), reason: reason.into() };
        if bytes.len() as u64 > FILE_LIMIT {
            return Err(too_large("it is over 32 MiB"));
        }
        let mut text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
            let place = Place { file: file.into(), line, column: None };
            Error::Syntax { place, reason: "it is not UTF-8 text".into() }
        })?;
        // Some editors put a byte order mark in front.
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        if starts.iter().zip(ends).any(|(start, end)| end - start > LINE_LIMIT) {
            return Err(too_large("a line is over 1 MiB"));
        }
        Ok(Self { file: file.into(), text, starts })
    }

    /// The line of a byte offset.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|&start| start <= offset);
        Place { file: self.file.clone(), line, column: None }
    }

    /// The line and character of a byte offset.
    pub(crate) fn exact_place(&self, offset: usize) -> Place {
        let mut place = self.place(offset);
        let start = self.starts.get(place.line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        place.column = Some(before.chars().count() + 1);
        place
    }

    /// Reads the text as TOML.
    pub(crate) fn toml<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        toml::from_str(&self.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let reason = error.message().lines().next().unwrap_or_default().to_owned();
            Error::Syntax { place: self.exact_place(offset), reason }
        })
    }

    /// The folder relative paths start from.
    pub(crate) fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }
}
