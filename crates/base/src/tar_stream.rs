use std::io::{self, Read, Seek, SeekFrom};

use tar::Header;

/// Size of a tar block in bytes.
const BLOCK: u64 = 512;
/// Long names and PAX records of one member; more is an attack on memory.
const LARGEST_EXTENSION: u64 = 1 << 20;
/// Sizes below this fit the octal field of a header, so a PAX record has no reason to change them.
const OCTAL_SIZES: u64 = 1 << 33;

/// Reads the members of a tar one after the other, in bounded memory.
///
/// Strict where readers differ: two sizes for one member, or bytes behind a link, would let one reader see members that
/// another does not.
pub(crate) struct TarStream<R> {
    inner: R,
    skip: fn(&mut R, u64) -> io::Result<()>,
    position: u64,
    /// Bytes of the current member that were not read yet, and the padding behind them.
    content: u64,
    padding: u64,
}

/// One member of a tar.
#[derive(Debug)]
pub(crate) struct Member {
    /// As it stands in the tar.
    pub(crate) path: Vec<u8>,
    /// Target of a link.
    pub(crate) link: Vec<u8>,
    pub(crate) kind: MemberKind,
    /// Bytes of content in the tar.
    pub(crate) size: u64,
    /// Where the content starts in the tar.
    pub(crate) offset: u64,
    /// Permission bits and the bits above them; 0 where the header does not say.
    pub(crate) mode: u32,
    /// Numeric user and group; 0 where the header does not say.
    pub(crate) owner: (u64, u64),
    /// Seconds since 1970; 0 where the header does not say.
    pub(crate) mtime: u64,
    /// Extended attributes and access lists, as PAX records name them.
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// The content in the tar is not the content of the file, but a map and its parts.
    pub(crate) is_sparse: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberKind {
    File,
    Directory,
    Symlink,
    Hardlink,
    /// A device, a pipe, or something no reader knows.
    Other,
}

/// What extended headers say about the member behind them.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    owner: (Option<u64>, Option<u64>),
    mtime: Option<u64>,
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
    is_sparse: bool,
    bytes: u64,
}

impl<R: Read> TarStream<R> {
    /// Reads through everything.
    pub(crate) fn new(inner: R) -> Self {
        let skip = |inner: &mut R, count: u64| match io::copy(&mut inner.take(count), &mut io::sink())? {
            read if read == count => Ok(()),
            _ => Err(ends_early()),
        };
        Self { inner, skip, position: 0, content: 0, padding: 0 }
    }

    /// Jumps over contents that are not asked for. Whether they are there must be checked by the caller.
    pub(crate) fn seeking(inner: R) -> Self
    where
        R: Seek,
    {
        let skip = |inner: &mut R, count: u64| {
            let count = i64::try_from(count).map_err(|_| invalid("a member is too large"))?;
            inner.seek(SeekFrom::Current(count)).map(|_| ())
        };
        Self { inner, skip, position: 0, content: 0, padding: 0 }
    }

    /// The next member; `None` at the end of the archive, which is two blocks of zeros or the end of the stream.
    pub(crate) fn next(&mut self) -> io::Result<Option<Member>> {
        let mut extension = Extension::default();
        loop {
            self.skip_rest()?;
            let Some(header) = self.header()? else {
                return match extension.bytes {
                    0 => Ok(None),
                    _ => Err(invalid("the tar ends after an extended header")),
                };
            };
            let size = header.entry_size().map_err(|_| invalid("a header has no valid size"))?;
            match header.as_old().linkflag[0] {
                b'x' => self.read_records(size, &mut extension)?,
                b'g' => self.check_global_records(size, &mut extension)?,
                b'L' => extension.path = Some(self.read_name(size, &mut extension.bytes)?),
                b'K' => extension.link = Some(self.read_name(size, &mut extension.bytes)?),
                flag => return self.member(&header, flag, size, extension).map(Some),
            }
        }
    }

    /// What stands behind the end of the archive must be zeros: other bytes are members for some readers.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.inner.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) if buffer[..count].iter().all(|byte| *byte == 0) => {}
                Ok(_) => return Err(invalid("bytes follow the end of the tar")),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn member(&mut self, header: &Header, flag: u8, size: u64, extension: Extension) -> io::Result<Member> {
        let size = match extension.size {
            Some(pax) if pax != size && pax < OCTAL_SIZES => {
                return Err(invalid("a PAX record and a header have different sizes for a member"));
            }
            pax => pax.unwrap_or(size),
        };
        let path = extension.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let link = extension
            .link
            .unwrap_or_else(|| header.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default());
        let kind = match flag {
            0 if path.ends_with(b"/") => MemberKind::Directory,
            0 | b'0' | b'7' | b'S' => MemberKind::File,
            b'1' => MemberKind::Hardlink,
            b'2' => MemberKind::Symlink,
            b'5' => MemberKind::Directory,
            _ => MemberKind::Other,
        };
        if matches!(flag, b'1'..=b'6') && size != 0 {
            return Err(invalid("a link, directory or device has content"));
        }
        if flag == b'S' {
            self.skip_sparse_map(header)?;
        }
        self.content = size;
        self.padding = (BLOCK - size % BLOCK) % BLOCK;
        Ok(Member {
            path,
            link,
            kind,
            size,
            offset: self.position,
            mode: header.mode().unwrap_or(0) & 0o7777,
            owner: (
                extension.owner.0.or(header.uid().ok()).unwrap_or(0),
                extension.owner.1.or(header.gid().ok()).unwrap_or(0),
            ),
            mtime: extension.mtime.or(header.mtime().ok()).unwrap_or(0),
            attributes: extension.attributes,
            is_sparse: extension.is_sparse || flag == b'S',
        })
    }

    /// The next header block; `None` at the end of the archive.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        if !self.read_block(&mut header)? {
            return Ok(None);
        }
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            // One block of zeros and then members again is an archive that readers end at different places.
            let is_end = !self.read_block(&mut header)? || header.as_bytes().iter().all(|byte| *byte == 0);
            return if is_end { Ok(None) } else { Err(invalid("there is a block of zeros between members")) };
        }
        let bytes = header.as_bytes();
        let sum: u32 = bytes[..148].iter().chain(&bytes[156..]).map(|byte| u32::from(*byte)).sum();
        match header.cksum() {
            Ok(found) if found == sum + 8 * u32::from(b' ') => Ok(Some(header)),
            _ => Err(invalid("a header has a wrong checksum")),
        }
    }

    /// Reads one whole block; `false` at the end of the stream.
    fn read_block(&mut self, header: &mut Header) -> io::Result<bool> {
        let block = header.as_mut_bytes();
        let mut filled = 0;
        while filled < block.len() {
            match self.inner.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(ends_early()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.position += BLOCK;
        Ok(true)
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        let end = self.position.checked_add(self.content).and_then(|end| end.checked_add(self.padding));
        self.position = end.ok_or_else(|| invalid("a size is out of range"))?;
        if self.content > 0 {
            (self.skip)(&mut self.inner, self.content)?;
        }
        // `umoci insert` and others never close their tars: after the last content even the padding may be missing.
        io::copy(&mut (&mut self.inner).take(self.padding), &mut io::sink())?;
        (self.content, self.padding) = (0, 0);
        Ok(())
    }

    /// Old GNU sparse files carry their map in blocks behind the header, each of which says whether another follows.
    fn skip_sparse_map(&mut self, header: &Header) -> io::Result<()> {
        let mut has_more = header.as_gnu().is_some_and(|gnu| gnu.isextended[0] == 1);
        let mut blocks = 0;
        while has_more {
            let mut block = Header::new_old();
            blocks += 1;
            if blocks * BLOCK > LARGEST_EXTENSION {
                return Err(invalid("the map of a sparse file is too large"));
            }
            if !self.read_block(&mut block)? {
                return Err(ends_early());
            }
            has_more = block.as_bytes()[504] == 1;
        }
        Ok(())
    }

    fn read_extension(&mut self, size: u64, total: &mut u64) -> io::Result<Vec<u8>> {
        *total = total.saturating_add(size.max(1));
        if *total > LARGEST_EXTENSION {
            return Err(invalid("the extended headers of a member are larger than 1 MiB"));
        }
        let mut bytes = Vec::new();
        (&mut self.inner).take(size).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != size {
            return Err(ends_early());
        }
        self.position += size;
        self.padding = (BLOCK - size % BLOCK) % BLOCK;
        Ok(bytes)
    }

    fn read_name(&mut self, size: u64, total: &mut u64) -> io::Result<Vec<u8>> {
        let mut name = self.read_extension(size, total)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        name.truncate(end);
        Ok(name)
    }

    fn read_records(&mut self, size: u64, extension: &mut Extension) -> io::Result<()> {
        let bytes = self.read_extension(size, &mut extension.bytes)?;
        for record in records(&bytes) {
            let (key, value) = record?;
            match key {
                b"path" => extension.path = Some(value.to_vec()),
                b"linkpath" => extension.link = Some(value.to_vec()),
                b"size" => extension.size = Some(decimal(value)?),
                b"uid" => extension.owner.0 = decimal(value).ok(),
                b"gid" => extension.owner.1 = decimal(value).ok(),
                // A fraction of a second is of no interest.
                b"mtime" => {
                    let whole = value.split(|byte| *byte == b'.').next();
                    extension.mtime = whole.and_then(|whole| decimal(whole).ok());
                }
                b"GNU.sparse.name" => {
                    extension.path = Some(value.to_vec());
                    extension.is_sparse = true;
                }
                key if key.starts_with(b"GNU.sparse.") => extension.is_sparse = true,
                key if key.starts_with(b"SCHILY.") || key.starts_with(b"LIBARCHIVE.") => {
                    extension.attributes.push((key.to_vec(), value.to_vec()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Global records are ignored by some readers and obeyed by others: harmless only when they name no path or size.
    fn check_global_records(&mut self, size: u64, extension: &mut Extension) -> io::Result<()> {
        let mut total = extension.bytes;
        let bytes = self.read_extension(size, &mut total)?;
        for record in records(&bytes) {
            let (key, _) = record?;
            if matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.") {
                return Err(invalid("a global PAX record sets a path or a size for all members"));
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for TarStream<R> {
    /// Reads the content of the current member.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.content).unwrap_or(usize::MAX).min(out.len());
        if limit == 0 {
            return Ok(0);
        }
        let count = self.inner.read(&mut out[..limit])?;
        if count == 0 {
            return Err(ends_early());
        }
        self.content -= count as u64;
        self.position += count as u64;
        Ok(count)
    }
}

/// `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record (POSIX.1-2001, "pax Extended Header").
fn records(mut bytes: &[u8]) -> impl Iterator<Item = io::Result<(&[u8], &[u8])>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let parsed = (|| {
            let space = bytes.iter().position(|byte| *byte == b' ')?;
            let length = usize::try_from(decimal(&bytes[..space]).ok()?).ok()?;
            let (record, rest) = bytes.split_at_checked(length)?;
            bytes = rest;
            let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|byte| *byte == b'=')?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            (!value.contains(&0)).then_some((key, value))
        })();
        if parsed.is_none() {
            bytes = &[];
        }
        Some(parsed.ok_or_else(|| invalid("a PAX record is damaged")))
    })
}

fn decimal(text: &[u8]) -> io::Result<u64> {
    let is_number = !text.is_empty() && text.len() < 20 && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| is_number).and_then(|text| text.parse().ok());
    number.ok_or_else(|| invalid("a PAX record contains an invalid number"))
}

pub(crate) fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn ends_early() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the tar ends in the middle of a member")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{RawTar, raw};

    fn check(tar: RawTar, expected: &[&str]) {
        check_bytes(&tar.bytes(), expected);
    }

    /// Lists what both ways of reading see, up to and including the first error.
    fn check_bytes(bytes: &[u8], expected: &[&str]) {
        let list = |mut stream: TarStream<io::Cursor<&[u8]>>| {
            let mut lines = Vec::new();
            loop {
                match stream.next() {
                    Ok(Some(member)) => {
                        let name = member.path.escape_ascii();
                        lines.push(format!("{:?} {name} {}", member.kind, member.size));
                    }
                    Ok(None) => return lines,
                    Err(error) => {
                        lines.push(error.to_string());
                        return lines;
                    }
                }
            }
        };
        assert_eq!(list(TarStream::new(io::Cursor::new(bytes))), expected);
        assert_eq!(list(TarStream::seeking(io::Cursor::new(bytes))), expected);
    }

    #[test]
    fn members_long_names_and_contents_are_read() {
        let long = "d/".repeat(100) + "x";
        let bytes = raw()
            .directory("d/")
            .file("d/a", b"hello")
            .pax(&[("path", long.as_bytes())])
            .file("short", b"1")
            .gnu_name(b'L', long.as_bytes())
            .file("short", b"2")
            .symlink("l", "d/a")
            .bytes();
        let long = format!("File {long} 1");
        check_bytes(&bytes, &["Directory d/ 0", "File d/a 5", &long, &long, "Symlink l 0"]);
        let mut stream = TarStream::new(&bytes[..]);
        stream.next().unwrap();
        let member = stream.next().unwrap().unwrap();
        let mut content = String::new();
        stream.read_to_string(&mut content).unwrap();
        assert_eq!((content.as_str(), member.offset), ("hello", 1024));
    }

    #[test]
    fn the_end_may_be_missing_but_members_may_not() {
        let bytes = raw().file("a", b"hello").bytes();
        check_bytes(&bytes[..1024], &["File a 5"]);
        check_bytes(&bytes[..517], &["File a 5"]);
        let mut stream = TarStream::new(&bytes[..516]);
        stream.next().unwrap();
        assert_eq!(stream.next().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        check_bytes(&bytes[..100], &["the tar ends in the middle of a member"]);
    }

    #[test]
    fn two_readings_of_one_tar_are_refused() {
        let one = "a PAX record and a header have different sizes for a member";
        check(raw().pax(&[("size", b"1024")]).file("a", b"x"), &[one]);
        let two = "a global PAX record sets a path or a size for all members";
        check(raw().global(&[("path", b"etc/passwd")]).file("a", b""), &[two]);
        check(raw().global(&[("comment", b"made by git")]).file("a", b""), &["File a 0"]);
        let three = "a link, directory or device has content";
        check(raw().entry(b'2', "a", "b", b"x"), &[three]);
        let mut bytes = raw().file("a", b"").bytes();
        bytes.truncate(512);
        bytes.extend([0; 512]);
        bytes.extend(raw().file("b", b"").bytes());
        check_bytes(&bytes, &["File a 0", "there is a block of zeros between members"]);
    }

    #[test]
    fn bytes_behind_the_end_are_refused() {
        let mut bytes = raw().file("a", b"").bytes();
        for (more, is_fine) in [(0, true), (b'x', false)] {
            bytes.extend([more; 100]);
            let mut stream = TarStream::new(&bytes[..]);
            while stream.next().unwrap().is_some() {}
            assert_eq!(stream.finish().is_ok(), is_fine);
        }
    }

    #[test]
    fn damage_and_bombs_are_refused() {
        let mut bytes = raw().file("a", b"").bytes();
        bytes[0] = b'b';
        check_bytes(&bytes, &["a header has a wrong checksum"]);
        let large = "the extended headers of a member are larger than 1 MiB";
        check(raw().gnu_name(b'L', &vec![b'x'; (1 << 20) + 1]), &[large]);
        check(raw().pax(&[("path", b"a\0b")]).file("a", b""), &["a PAX record is damaged"]);
        check(raw().pax(&[("size", b"-1")]).file("a", b""), &["a PAX record contains an invalid number"]);
        check(raw().pax(&[("path", b"a")]), &["the tar ends after an extended header"]);
    }

    #[test]
    fn sparse_files_are_told_apart() {
        let bytes =
            raw().pax(&[("GNU.sparse.name", b"big"), ("GNU.sparse.major", b"1")]).file("x", b"1").bytes();
        let member = TarStream::new(&bytes[..]).next().unwrap().unwrap();
        assert!(member.is_sparse);
        assert_eq!(member.path, b"big");
    }
}
