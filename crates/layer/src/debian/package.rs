//! One Debian package, read into memory: its control files and the members of its `data.tar`.

use std::io::Read as _;
use std::sync::Arc;

use tar::EntryType;
use wainwright_oci::ImagePath;

use super::ar::{self, Failure, Section};
use super::archive::{self, Stop};
use super::filters::Filters;
use super::groups::Group;
use super::member::{Member, MemberKind};
use super::{DebFile, Error, control, keep};

/// A package as it will be laid out.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) control: String,
    /// The layer its files go to.
    pub(super) group: Group,
    /// Everything beside the control file, sorted by name: scripts, checksums, triggers.
    pub(super) control_files: Vec<ControlFile>,
    /// Every path of `data.tar` as it is written there, in its order.
    pub(super) listed: Vec<Vec<u8>>,
    /// Its maintainer scripts, which never run: `preinst` and `postinst`.
    pub(super) scripts: Vec<Script>,
    /// What stays of `data.tar`, in its order, with top-level directories that are merged into `usr` moved there.
    pub(super) members: Vec<Member>,
}

/// A file beside the control file.
pub(super) struct ControlFile {
    pub(super) name: String,
    pub(super) mode: u32,
    pub(super) bytes: Vec<u8>,
}

/// What packages are read for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// A root made from nothing: `bin`, `lib` and the like are in `usr`, and what nobody reads there stays out.
    Root { keep_docs: bool },
    /// An image with dpkg in it: paths as the package has them, without those that its dpkg is told to leave out.
    Dpkg(&'a Filters),
    /// An image made without dpkg: paths as the package has them, without what nobody reads there.
    Plain,
}

/// A maintainer script.
pub(super) struct Script {
    pub(super) name: &'static str,
    pub(super) text: String,
}

/// Far above what a runtime package unpacks to, and small enough to be held in memory.
const DATA_LIMIT: u64 = 512 << 20;
const CONTROL_LIMIT: u64 = 16 << 20;
/// Reads a package and checks that it is the one the lock means.
pub(super) fn read(deb: &DebFile, purpose: Purpose<'_>) -> Result<Package, Error> {
    if !is_name(&deb.name) {
        let reason = "its name is not a valid Debian package name".to_owned();
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
        group: match purpose {
            Purpose::Root { .. } => Group::of(&deb.name),
            Purpose::Dpkg(_) | Purpose::Plain => Group::Added,
        },
        control_files: Vec::new(),
        listed: Vec::new(),
        scripts: Vec::new(),
        members: Vec::new(),
    };
    read_control(deb, members.control, &mut package)?;
    let is_merged = matches!(purpose, Purpose::Root { .. });
    package.members = read_data(deb, members.data, is_merged, &mut package.listed)?;
    let conffiles: Vec<Vec<u8>> = package.conffiles().map(|path| path.into()).collect();
    package.members.retain_mut(|member| {
        let path = member.path.as_bytes();
        member.is_conffile = conffiles.iter().any(|conffile| conffile == path);
        match purpose {
            Purpose::Root { keep_docs } => keep::stays(path, &member.kind, keep_docs),
            Purpose::Plain => keep::stays(path, &member.kind, false),
            Purpose::Dpkg(filters) => filters.keep(path, matches!(member.kind, MemberKind::Directory)),
        }
    });
    Ok(package)
}

impl Package {
    /// A file beside the control file.
    pub(super) fn control_file(&self, name: &str) -> Option<&[u8]> {
        self.control_files.iter().find(|file| file.name == name).map(|file| file.bytes.as_slice())
    }

    /// Its configuration files, without a leading slash (deb-conffiles(5)).
    pub(super) fn conffiles(&self) -> impl Iterator<Item = &str> {
        let text = self.control_file("conffiles").and_then(|bytes| std::str::from_utf8(bytes).ok());
        // A line with a flag is about a file that is to be removed.
        text.unwrap_or_default().lines().filter_map(|line| line.trim_end().strip_prefix('/'))
    }
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
        let Some(name) = std::str::from_utf8(name).ok().filter(|name| is_file && is_control_name(name))
        else {
            return Ok(());
        };
        let name = name.to_owned();
        let mode = entry.header().mode().map_err(Stop::Unpack)?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(Stop::Unpack)?;
        if name == "control" {
            found = Some(bytes);
            return Ok(());
        }
        for script in ["postinst", "preinst"].into_iter().filter(|script| *script == name) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            package.scripts.push(Script { name: script, text });
        }
        let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
        package.control_files.push(ControlFile { name, mode, bytes });
        Ok(())
    })?;
    package.scripts.sort_by_key(|script| script.name);
    package.control_files.sort_by(|one, other| one.name.cmp(&other.name));
    if let Some(pair) = package.control_files.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(refuse(&format!("`{}` appears twice in it", pair[0].name)));
    }
    let control = found.ok_or_else(|| refuse("it is missing"))?;
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

/// A name that becomes part of the name of a file in the image.
fn is_control_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn read_data(
    deb: &DebFile,
    member: (String, Section),
    is_merged: bool,
    listed: &mut Vec<Vec<u8>>,
) -> Result<Vec<Member>, Error> {
    let mut members: Vec<Member> = Vec::new();
    archive::each(deb, member, DATA_LIMIT, |entry| {
        let raw = entry.path_bytes().into_owned();
        let refuse = |reason: &str| Stop::Member(raw.escape_ascii().to_string(), reason.to_owned());
        let Some(path) = image_path(&raw).map_err(|reason| refuse(&reason))? else {
            return Ok(());
        };
        listed.push(path.as_bytes().to_vec());
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
        let path = if is_merged { merged(path, &kind).map_err(|reason| refuse(&reason))? } else { path };
        members.push(Member { path, mode: mode & 0o1777, had_set_id, is_conffile: false, kind });
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
