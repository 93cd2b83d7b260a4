//! Reads `control.tar` and `data.tar`, whichever way they are compressed, within bounds.

use std::io::{self, BufReader, Read};

use super::ar::Section;
use super::{DebFile, Error};

/// Enough for the dictionary of `xz -9` (64 MiB), which dpkg-deb uses at most.
const XZ_MEMORY_KIB: u32 = 128 << 10;

/// Why reading stopped at an entry: the archive is broken, or the entry itself may not enter an image.
pub(super) enum Stop {
    Unpack(io::Error),
    Member(String, String),
}

/// Calls a function for each entry of a compressed tar, and reads it to its end so that its checksum is checked.
pub(super) fn each(
    deb: &DebFile,
    (member, section): (String, Section),
    limit: u64,
    mut see: impl FnMut(&mut tar::Entry<'_, &mut dyn Read>) -> Result<(), Stop>,
) -> Result<(), Error> {
    let failed = |source| Error::Unpack { package: deb.name.clone(), member: member.clone(), source };
    let plain: Box<dyn Read> = match member.rsplit_once(".tar").map(|(_, compression)| compression) {
        Some("") => Box::new(BufReader::new(section)),
        Some(".gz") => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(section))),
        Some(".xz") => {
            Box::new(lzma_rust2::XzReader::new_mem_limit(BufReader::new(section), true, XZ_MEMORY_KIB))
        }
        Some(".zst") => {
            let mut decoder = zstd::Decoder::new(section).map_err(failed)?;
            decoder.window_log_max(27).map_err(failed)?;
            Box::new(decoder)
        }
        _ => {
            let reason = format!("its member `{member}` has an unknown compression");
            return Err(Error::Archive { package: deb.name.clone(), reason });
        }
    };
    let mut bounded = Bounded { plain, left: limit, is_spent: false };
    let outcome = walk(&mut bounded, &mut see);
    if bounded.is_spent {
        return Err(Error::TooLarge { package: deb.name.clone(), member, limit });
    }
    outcome.map_err(|stop| match stop {
        Stop::Unpack(source) => failed(source),
        Stop::Member(path, reason) => Error::Member { package: deb.name.clone(), path, reason },
    })
}

fn walk(
    bounded: &mut Bounded,
    see: &mut impl FnMut(&mut tar::Entry<'_, &mut dyn Read>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    {
        let reader: &mut dyn Read = &mut *bounded;
        let mut archive = tar::Archive::new(reader);
        for entry in archive.entries().map_err(Stop::Unpack)? {
            see(&mut entry.map_err(Stop::Unpack)?)?;
        }
    }
    io::copy(bounded, &mut io::sink()).map_err(Stop::Unpack)?;
    Ok(())
}

/// A reader that fails instead of giving more than it was allowed to.
struct Bounded {
    plain: Box<dyn Read>,
    left: u64,
    is_spent: bool,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.plain.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                self.is_spent = true;
                return Err(io::Error::other("too large"));
            }
        }
        Ok(read)
    }
}
