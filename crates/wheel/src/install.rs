use std::collections::{BTreeMap, BTreeSet};

use wainwright_oci::{Digest, ImagePath};
use wainwright_python::Slim;

use crate::entry_points::Script;
use crate::error::Fault;
use crate::launcher::{PLACEHOLDER, launcher, rewrite};
use crate::layout::{Directories, Place, relative};
use crate::record::{Hash, verify};
use crate::rules::{E_DUP, E_RECORD};
use crate::slim::Slimming;
use crate::zip::{Member, check_tree, head, read_all};
use crate::{Error, Layout, Wheel};

/// Scripts whose first line is rewritten are held in memory; they are short.
const SCRIPT_LIMIT: u64 = 16 << 20;

/// A file of an installed wheel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledFile {
    /// Where it goes.
    pub path: ImagePath,
    /// Whether it gets the x bits; everything else of its mode is the same for all files.
    pub executable: bool,
    /// What it holds.
    pub content: FileContent,
}

/// Where the bytes of an installed file come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContent {
    /// Raw deflate data (RFC 1951) in the wheel file; whoever inflates it verifies it.
    Deflated {
        /// Where it starts in the wheel file, in bytes.
        offset: u64,
        /// How long it is, in bytes; all of it must be used.
        compressed_size: u64,
        /// Size after inflating, in bytes.
        size: u64,
        /// CRC-32 after inflating.
        crc32: u32,
        /// sha256 after inflating; `None` for signatures of RECORD only.
        digest: Option<Digest>,
    },
    /// Plain bytes in the wheel file; whoever reads them verifies them.
    Stored {
        /// Where they start in the wheel file.
        offset: u64,
        /// How many they are.
        size: u64,
        /// Their CRC-32.
        crc32: u32,
        /// Their sha256; `None` for signatures of RECORD only.
        digest: Option<Digest>,
    },
    /// Bytes made here: RECORD, INSTALLER, launchers, scripts with a new first line.
    Generated(Vec<u8>),
}

impl FileContent {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Deflated { size, .. } | Self::Stored { size, .. } => *size,
            Self::Generated(bytes) => bytes.len() as u64,
        }
    }

    /// Where its bytes start in the wheel file; `None` for what is made here.
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::Deflated { offset, .. } | Self::Stored { offset, .. } => Some(*offset),
            Self::Generated(_) => None,
        }
    }

    /// Its sha256 where that is known or can be had at once.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Deflated { digest, .. } | Self::Stored { digest, .. } => *digest,
            Self::Generated(bytes) => Some(Digest::of(bytes)),
        }
    }
}

impl Wheel {
    /// Every file of the wheel as installed, sorted by path (binary distribution format, "Installing a wheel").
    ///
    /// Equal to what uv installs, but for the name in INSTALLER; there is no REQUESTED and no `direct_url.json`, which
    /// only who asked for the package could write. Reads the scripts of the wheel, and members that RECORD vouches for
    /// with another hash than sha256.
    pub fn install(&self, layout: &Layout) -> Result<Vec<InstalledFile>, Error> {
        self.install_except(layout, &|_| false)
    }

    /// Every file of the wheel as installed, but for those that `is_left_out` says it loses to another package.
    ///
    /// They have no row in RECORD either: who checks rows finds all of them true, and who uninstalls this package leaves
    /// the other one whole.
    pub fn install_except(
        &self,
        layout: &Layout,
        is_left_out: &dyn Fn(&ImagePath) -> bool,
    ) -> Result<Vec<InstalledFile>, Error> {
        layout.check()?;
        let files = Vec::with_capacity(self.members.len() + self.scripts.len() + 2);
        let fill = || {
            let directories = layout.directories(&self.metadata.name)?;
            Tree { wheel: self, layout, directories, files }.fill(is_left_out)
        };
        fill().map_err(|fault| fault.in_wheel(&self.filename))
    }

    /// What the layout has left out of the wheel: for each kind, how many files, and their bytes.
    pub fn left_out(&self, layout: &Layout) -> Result<BTreeMap<Slim, (u64, u64)>, Error> {
        let mut found: BTreeMap<Slim, (u64, u64)> = BTreeMap::new();
        if layout.slim.is_empty() {
            return Ok(found);
        }
        let slim = self.slimming(layout);
        let of_wheel = |fault: Fault| fault.in_wheel(&self.filename);
        let directories = layout.directories(&self.metadata.name).map_err(of_wheel)?;
        // One file may stand under two schemes.
        let mut seen = BTreeSet::new();
        for member in self.members.iter().filter(|member| !member.is_directory) {
            let Some(place) = Place::of(&member.name, self.data_directory.as_deref()) else { continue };
            let path = directories.path(&place).map_err(of_wheel)?;
            if let Some(kind) = slim.kind_of(&path)
                && seen.insert(path)
            {
                let (files, bytes) = found.entry(kind).or_default();
                *files += 1;
                *bytes = bytes.saturating_add(member.size);
            }
        }
        Ok(found)
    }

    fn slimming<'a>(&'a self, layout: &'a Layout) -> Slimming<'a> {
        let names = self.members.iter().map(|member| &*member.name);
        let modules = self.entry_modules.iter().map(String::as_str);
        Slimming::new(&layout.slim, &layout.prefix, modules, names)
    }

    /// Directories the wheel names that no installed file lies in, sorted; installers make them.
    pub fn empty_directories(&self, layout: &Layout) -> Result<Vec<ImagePath>, Error> {
        if !self.members.iter().any(|member| member.is_directory) {
            return Ok(Vec::new());
        }
        let files: Vec<ImagePath> = self.install(layout)?.into_iter().map(|file| file.path).collect();
        let slim = self.slimming(layout);
        let of_wheel = |fault: Fault| fault.in_wheel(&self.filename);
        let directories = layout.directories(&self.metadata.name).map_err(of_wheel)?;
        let mut empty = Vec::new();
        for member in self.members.iter().filter(|member| member.is_directory) {
            let place = Place::of(&member.name, self.data_directory.as_deref());
            let Some(place) = place.filter(|place| !place.rest().is_empty()) else { continue };
            let path = directories.path(&place).map_err(of_wheel)?;
            // Files are sorted by bytes: those below the directory start where its name with a slash would stand.
            let below = [path.as_bytes(), b"/"].concat();
            let next = files.partition_point(|file| file.as_bytes() < below.as_slice());
            let is_slim = slim.kind_of(&path).is_some()
                || path.join("x").is_ok_and(|file| slim.kind_of(&file).is_some());
            if !is_slim && !files.get(next).is_some_and(|file| file.starts_with(&path)) {
                empty.push(path);
            }
        }
        empty.sort();
        empty.dedup();
        Ok(empty)
    }
}

/// The installed files as they are found.
struct Tree<'a> {
    wheel: &'a Wheel,
    layout: &'a Layout,
    directories: Directories<'a>,
    files: Vec<InstalledFile>,
}

impl Tree<'_> {
    fn fill(mut self, is_left_out: &dyn Fn(&ImagePath) -> bool) -> Result<Vec<InstalledFile>, Fault> {
        let scripts = self.scripts();
        for (index, member) in self.wheel.members.iter().enumerate() {
            if !member.is_directory && !self.is_replaced(&member.name) {
                self.member(index, member, &scripts)?;
            }
        }
        for (name, script) in &scripts {
            let path = self.path(Place::Script(name))?;
            self.add(path, true, FileContent::Generated(launcher(script, &self.layout.interpreter)));
        }
        let path = self.dist_info("INSTALLER")?;
        let line = format!("{}\n", self.layout.installer).into_bytes();
        self.add(path, false, FileContent::Generated(line));
        self.merge()?;
        let slim = self.wheel.slimming(self.layout);
        self.files.retain(|file| !is_left_out(&file.path) && slim.kind_of(&file.path).is_none());
        let path = self.dist_info("RECORD")?;
        let bytes = self.record(&path)?;
        let place = self.files.partition_point(|file| file.path < path);
        let record = InstalledFile { path, executable: false, content: FileContent::Generated(bytes) };
        self.files.insert(place, record);
        check_tree(self.files.iter().map(|file| (file.path.as_bytes(), false)))?;
        Ok(self.files)
    }

    /// The launchers to write. pip names one of its own after the version of Python it was built with; installers
    /// name it after the one it is installed for.
    fn scripts(&self) -> BTreeMap<String, Script> {
        let mut scripts = self.wheel.scripts.clone();
        let is_versioned =
            |name: &str| name.strip_prefix("pip3.").is_some_and(|minor| minor.parse::<u8>().is_ok());
        scripts.retain(|name, _| !is_versioned(name));
        if let Some(script) = scripts.get("pip3") {
            scripts.insert(format!("pip{}", self.layout.python.short()), script.clone());
        }
        scripts
    }

    /// Files in `.dist-info` that the installer writes, or leaves out because they would claim a wrong origin.
    fn is_replaced(&self, name: &str) -> bool {
        let below = name.strip_prefix(&self.wheel.dist_info).and_then(|rest| rest.strip_prefix('/'));
        below.is_some_and(|file| matches!(file, "RECORD" | "INSTALLER" | "REQUESTED" | "direct_url.json"))
    }

    fn member(
        &mut self,
        index: usize,
        member: &Member,
        scripts: &BTreeMap<String, Script>,
    ) -> Result<(), Fault> {
        let Some(place) = Place::of(&member.name, self.wheel.data_directory.as_deref()) else {
            return Ok(());
        };
        let source = &self.wheel.source;
        let hash = self.wheel.record.hash(index);
        let mut executable = member.is_executable;
        let path = self.path(place)?;
        if let Place::Script(name) = place {
            // A launcher and the file it replaces: older tools put both into the wheel.
            let endings = [".exe", "-script.py", ".pya"];
            let name = endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
            if scripts.contains_key(name) {
                return Ok(());
            }
            executable = true;
            if head(source, member, PLACEHOLDER.len())? == PLACEHOLDER {
                verify(source, member, hash)?;
                let script = read_all(source, member, SCRIPT_LIMIT)?;
                let script = rewrite(&script, &self.layout.interpreter);
                self.add(path, executable, FileContent::Generated(script));
                return Ok(());
            }
        }
        let digest = match hash {
            None => None,
            Some(Hash::Sha256(digest)) => Some(*digest),
            Some(_) => Some(verify(source, member, hash)?),
        };
        let Member { offset, compressed_size, size, crc32, .. } = *member;
        let content = match member.is_deflated {
            true => FileContent::Deflated { offset, compressed_size, size, crc32, digest },
            false => FileContent::Stored { offset, size, crc32, digest },
        };
        self.add(path, executable, content);
        Ok(())
    }

    fn add(&mut self, path: ImagePath, executable: bool, content: FileContent) {
        self.files.push(InstalledFile { path, executable, content });
    }

    /// Sorts the files by path. The same file under two schemes is one file; other bytes would depend on the order of
    /// installation.
    fn merge(&mut self) -> Result<(), Fault> {
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut clash = None;
        self.files.dedup_by(|later, first| {
            let is_one = later.path == first.path;
            let is_same = || {
                let digest = first.content.digest();
                later.executable == first.executable && digest.is_some() && digest == later.content.digest()
            };
            if is_one && !is_same() {
                clash.get_or_insert_with(|| first.path.clone());
            }
            is_one
        });
        match clash {
            Some(path) => Err(Fault::member(
                E_DUP,
                path.as_bytes(),
                "two files of the wheel are installed to this path",
            )),
            None => Ok(()),
        }
    }

    /// The bytes of RECORD. Rows keep the hashes of the wheel's own RECORD where they are of another kind than sha256.
    fn record(&self, path: &ImagePath) -> Result<Vec<u8>, Fault> {
        let others = self.wheel.other_hashes();
        let files = self.files.iter().map(|file| {
            let other = file.content.offset().and_then(|offset| others.get(&offset).copied());
            (file, other)
        });
        write_record(files, path, &self.directories.site)
    }

    fn path(&self, place: Place<'_>) -> Result<ImagePath, Fault> {
        self.directories.path(&place)
    }

    fn dist_info(&self, file: &str) -> Result<ImagePath, Fault> {
        self.path(Place::Site(&format!("{}/{file}", self.wheel.dist_info)))
    }
}

/// Writes RECORD: a row for every file, relative to site-packages, sorted; its own row has neither hash nor size.
///
/// Rows have the sha256 of the file, where no other hash is given with it.
pub(crate) fn write_record<'a>(
    files: impl Iterator<Item = (&'a InstalledFile, Option<&'a Hash>)>,
    record: &ImagePath,
    site: &ImagePath,
) -> Result<Vec<u8>, Fault> {
    let mut rows: Vec<_> =
        files.map(|(file, hash)| (relative(site, &file.path), Some((file, hash)))).collect();
    rows.push((relative(site, record), None));
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let refuse =
        |error: String| Fault::archive(E_RECORD, format!("its new RECORD cannot be written: {error}"));
    for (path, file) in rows {
        let hash = file.and_then(|(file, hash)| {
            let hash = hash.cloned().or_else(|| file.content.digest().map(Hash::Sha256))?;
            Some((hash.write(), file.content.size().to_string()))
        });
        let (hash, size) = hash.unwrap_or_default();
        writer.write_record([&*path, &hash, &size]).map_err(|error| refuse(error.to_string()))?;
    }
    writer.into_inner().map_err(|error| refuse(error.to_string()))
}
