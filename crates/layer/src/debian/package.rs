//! One Debian package, read into memory: its control files and the members of its `data.tar`.

use std::io::Read as _;
use std::sync::Arc;

use tar::EntryType;
use wainwright_oci::ImagePath;

use super::ar::{self, Failure, Section};
use super::archive::{self, Stop};
use super::{DebFile, Error, control, keep};

/// A package as it will be laid out.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) control: String,
    pub(super) md5sums: Option<Vec<u8>>,
    /// Its maintainer scripts, which never run: `preinst` and `postinst`.
    pub(super) scripts: Vec<Script>,
    /// What stays of `data.tar`, in its order, with top-level directories that are merged into `usr` moved there.
    pub(super) members: Vec<Member>,
}

/// A maintainer script.
pub(super) struct Script {
    pub(super) name: &'static str,
    pub(super) text: String,
}

/// A member of `data.tar`.
pub(super) struct Member {
    pub(super) path: ImagePath,
    /// Permission bits; of the bits above them only the sticky bit is left.
    pub(super) mode: u32,
    /// Whether it lost a set-uid or set-gid bit.
    pub(super) had_set_id: bool,
    pub(super) kind: MemberKind,
}

/// What a member is.
#[derive(Clone)]
pub(super) enum MemberKind {
    Directory,
    /// Its bytes; hard links share one `Arc`.
    File(Arc<[u8]>),
    Symlink(Vec<u8>),
}

/// Far above what a runtime package unpacks to, and small enough to be held in memory.
const DATA_LIMIT: u64 = 512 << 20;
const CONTROL_LIMIT: u64 = 16 << 20;
/// Reads a package and checks that it is the one the lock means.
pub(super) fn read(deb: &DebFile, keep_docs: bool) -> Result<Package, Error> {
    if !is_name(&deb.name) {
        let reason = "its name is not one that Debian allows".to_owned();
        return Err(Error::Control { package: deb.name.clone(), reason });
    }
    let members = ar::open(&deb.file).map_err(|failure| match failure {
        Failure::Read(source) => Error::Read { package: deb.name.clone(), source },
        Failure::Format(reason) => Error::Archive { package: deb.name.clone(), reason },
    })?;
    let mut package = Package {
        name: deb.name.clone(),
        version: deb.version.clone(),
        control: String::new(),
        md5sums: None,
        scripts: Vec::new(),
        members: Vec::new(),
    };
    read_control(deb, members.control, &mut package)?;
    package.members = read_data(deb, members.data)?;
    package.members.retain(|member| keep::stays(member.path.as_bytes(), &member.kind, keep_docs));
    Ok(package)
}

/// The name becomes the name of a file (Debian Policy 5.6.7).
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(byte) || b"+-.".contains(&byte))
}

fn read_control(deb: &DebFile, member: (String, Section), package: &mut Package) -> Result<(), Error> {
    let refuse = |reason: &str| Error::Control { package: deb.name.clone(), reason: reason.to_owned() };
    let mut found = None;
    archive::each(deb, member, CONTROL_LIMIT, |entry| {
        let path = entry.path_bytes().into_owned();
        let is_file = entry.header().entry_type().is_file();
        let name = path.strip_prefix(b"./").unwrap_or(&path);
        let is_wanted = [&b"control"[..], b"md5sums", b"preinst", b"postinst"].contains(&name);
        if !is_file || !is_wanted {
            return Ok(());
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(Stop::Unpack)?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        match name {
            b"control" => found = Some(bytes),
            b"md5sums" => package.md5sums = Some(bytes),
            b"preinst" => package.scripts.push(Script { name: "preinst", text: text(bytes) }),
            _ => package.scripts.push(Script { name: "postinst", text: text(bytes) }),
        }
        Ok(())
    })?;
    package.scripts.sort_by_key(|script| script.name);
    let control = found.ok_or_else(|| refuse("there is none"))?;
    package.control = String::from_utf8(control).map_err(|_| refuse("it is not UTF-8"))?;
    for (field, expected) in
        [("Package", &deb.name), ("Version", &deb.version), ("Architecture", &deb.architecture)]
    {
        let found = control::field(&package.control, field).unwrap_or("");
        if found != expected {
            let (expected, found) = (expected.clone(), found.to_owned());
            return Err(Error::OtherPackage { package: deb.name.clone(), field, expected, found });
        }
    }
    Ok(())
}

fn read_data(deb: &DebFile, member: (String, Section)) -> Result<Vec<Member>, Error> {
    let mut members: Vec<Member> = Vec::new();
    archive::each(deb, member, DATA_LIMIT, |entry| {
        let raw = entry.path_bytes().into_owned();
        let refuse = |reason: &str| Stop::Member(raw.escape_ascii().to_string(), reason.to_owned());
        let Some(path) = image_path(&raw).map_err(|reason| refuse(&reason))? else {
            return Ok(());
        };
        let mode = entry.header().mode().map_err(Stop::Unpack)?;
        let is_directory = entry.header().entry_type() == EntryType::Directory;
        let kind = match entry.header().entry_type() {
            EntryType::Directory => MemberKind::Directory,
            EntryType::Regular | EntryType::Continuous => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(Stop::Unpack)?;
                MemberKind::File(bytes.into())
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().map(|target| target.into_owned()).unwrap_or_default();
                if target.is_empty() || target.contains(&0) {
                    return Err(refuse("its link has no target"));
                }
                MemberKind::Symlink(target)
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().map(|target| target.into_owned()).unwrap_or_default();
                let target = image_path(&target).map_err(|reason| refuse(&reason))?;
                // tar writes a hard link after the file it names; searching from the end finds it soonest.
                let twin = members.iter().rev().find(|member| Some(&member.path) == target.as_ref());
                match twin.map(|member| &member.kind) {
                    Some(MemberKind::File(bytes)) => MemberKind::File(Arc::clone(bytes)),
                    _ => return Err(refuse("its hard link names no earlier file")),
                }
            }
            _ => return Err(refuse("it is neither a file nor a directory nor a link")),
        };
        let had_set_id = mode & 0o6000 != 0 && !is_directory;
        let path = merged(path, &kind).map_err(|reason| refuse(&reason))?;
        members.push(Member { path, mode: mode & 0o1777, had_set_id, kind });
        Ok(())
    })?;
    Ok(members)
}

/// The path of a member: `./usr/bin` becomes `usr/bin`, `./` nothing.
fn image_path(raw: &[u8]) -> Result<Option<ImagePath>, String> {
    let path = raw.strip_prefix(b"./").unwrap_or(raw);
    let path = path.strip_suffix(b"/").unwrap_or(path);
    if path.is_empty() || path == b"." {
        return Ok(None);
    }
    ImagePath::new(path).map(Some).map_err(|error| error.to_string())
}

/// Moves what stands below `bin`, `sbin`, `lib` ... to `usr`, where Debian has those directories since bookworm.
///
/// A package that ships the links themselves (base-files from trixie on) must ship the ones everybody expects.
fn merged(path: ImagePath, kind: &MemberKind) -> Result<ImagePath, String> {
    let bytes = path.as_bytes();
    let top = bytes.split(|byte| *byte == b'/').next().unwrap_or(bytes);
    if !keep::MERGED.iter().any(|merged| merged.as_bytes() == top) {
        return Ok(path);
    }
    let inside = [b"usr/", bytes].concat();
    match kind {
        MemberKind::Symlink(target) if bytes == top => {
            let is_usual = target.strip_prefix(b"/").unwrap_or(target) == inside;
            if is_usual { Ok(path) } else { Err("it does not point into `usr`".into()) }
        }
        MemberKind::File(_) if bytes == top => Err("it is a file where a directory belongs".into()),
        _ => ImagePath::new(inside).map_err(|error| error.to_string()),
    }
}
