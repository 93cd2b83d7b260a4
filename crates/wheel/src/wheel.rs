use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::sync::Arc;

use wainwright_python::{PackageName, Version, WheelFilename};

use crate::Error;
use crate::entry_points::{Script, is_reserved, read_modules, read_scripts};
use crate::error::{Fault, printable};
use crate::layout::Place;
use crate::metadata::{Metadata, check_wheel_file, is_same_version, read_metadata};
use crate::record::{Hash, Record, verify};
use crate::rules::{E_DATA, E_META, E_RECORD, E_SCRIPT, W_CASE, W_PTH};
use crate::source::Source;
use crate::warning::{Warning, Warnings};
use crate::zip::{self, Limits, Member};

/// RECORD grows with the number of files; a million rows fit.
const RECORD_LIMIT: u64 = 128 << 20;
/// METADATA holds the description of the project, entry points a few lines.
const METADATA_LIMIT: u64 = 16 << 20;

/// A file of the archive, as every reader of zip archives sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchivedFile<'a> {
    /// Its path in the archive.
    pub name: &'a str,
    /// Its size unpacked, in bytes.
    pub size: u64,
    /// The CRC-32 of its bytes.
    pub crc32: u32,
}

/// A wheel that was found sound as far as that can be known without unpacking it.
#[derive(Debug)]
pub struct Wheel {
    pub(crate) source: Source,
    pub(crate) filename: WheelFilename,
    /// In the order of the archive; names are canonical and unique.
    pub(crate) members: Vec<Member>,
    pub(crate) record: Record,
    /// `greet-1.0.dist-info`.
    pub(crate) dist_info: String,
    /// `greet-1.0.data`, if the wheel has one.
    pub(crate) data_directory: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) scripts: BTreeMap<String, Script>,
    /// The modules that entry points of any kind name.
    pub(crate) entry_modules: BTreeSet<String>,
    warnings: Vec<Warning>,
}

impl Wheel {
    /// Opens a wheel and applies every rule that does not need its whole content.
    ///
    /// The file is read with positional reads only. The content of members is left alone, apart from WHEEL, METADATA,
    /// RECORD and entry points; [`Wheel::check`], or whoever unpacks it, verifies the rest.
    pub fn open(file: Arc<File>, filename: &WheelFilename) -> Result<Self, Error> {
        Self::open_within(file, filename, &Limits::default())
    }

    /// [`Wheel::open`] with limits of your own.
    pub fn open_within(file: Arc<File>, filename: &WheelFilename, limits: &Limits) -> Result<Self, Error> {
        read(file, filename, limits).map_err(|fault| fault.in_wheel(filename))
    }

    /// The file, for reading the parts that [`Wheel::install`] names.
    pub fn file(&self) -> &Arc<File> {
        &self.source.file
    }

    /// The name it was opened with.
    pub fn filename(&self) -> &WheelFilename {
        &self.filename
    }

    /// The names of its members by where their data start in the file, which is how installed files name them.
    pub fn members(&self) -> impl Iterator<Item = (u64, &str)> {
        let files = self.members.iter().filter(|member| !member.is_directory);
        files.map(|member| (member.offset, member.name.as_str()))
    }

    /// The hashes in RECORD that are no sha256, by where the data of the member starts in the file.
    pub(crate) fn other_hashes(&self) -> HashMap<u64, &Hash> {
        let members = self.members.iter().enumerate();
        let hashes = members.filter_map(|(index, member)| Some((member.offset, self.record.hash(index)?)));
        hashes.filter(|(_, hash)| !matches!(hash, Hash::Sha256(_))).collect()
    }

    /// What METADATA says.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What is odd about it, but no reason to refuse it.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The files of the archive in its order, without directories.
    pub fn archived_files(&self) -> impl Iterator<Item = ArchivedFile<'_>> {
        let files = self.members.iter().filter(|member| !member.is_directory);
        files.map(|member| ArchivedFile { name: &member.name, size: member.size, crc32: member.crc32 })
    }

    /// Sum of the sizes of all files, unpacked, in bytes.
    pub fn unpacked_size(&self) -> u64 {
        self.members.iter().map(|member| member.size).sum()
    }

    /// Inflates every member and verifies its size, CRC-32 and hash.
    ///
    /// Takes constant memory and one processor. What [`Wheel::open`] decides is not decided again.
    pub fn check(&self) -> Result<(), Error> {
        let files = self.members.iter().enumerate().filter(|(_, member)| !member.is_directory);
        for (index, member) in files {
            verify(&self.source, member, self.record.hash(index))
                .map_err(|fault| fault.in_wheel(&self.filename))?;
        }
        Ok(())
    }
}

fn read(file: Arc<File>, filename: &WheelFilename, limits: &Limits) -> Result<Wheel, Fault> {
    let source = Source::new(file)?;
    let mut warnings = Warnings::default();
    let members = zip::read(&source, limits, &mut warnings)?;
    for (first, second) in zip::same_but_for_case(members.iter().map(|member| member.name.as_str())) {
        let text = format!("it differs from `{}` only by case", printable(first));
        warnings.add(W_CASE, Some(second), text);
    }

    let dist_info = find_dist_info(&members, filename)?;
    let data_directory = find_data_directory(&members, &dist_info, filename)?;
    let find = |name: &str| {
        let name = format!("{dist_info}/{name}");
        members.iter().position(|member| member.name == name && !member.is_directory)
    };
    let content = |index: usize, limit| zip::read_all(&source, &members[index], limit);
    let missing = |rule, name: &str| Fault::archive(rule, format!("it has no {dist_info}/{name}"));

    let wheel_file = find("WHEEL").ok_or_else(|| missing(E_META, "WHEEL"))?;
    check_wheel_file(
        &members[wheel_file].name,
        &content(wheel_file, METADATA_LIMIT)?,
        filename,
        &mut warnings,
    )?;
    let metadata_file = find("METADATA").ok_or_else(|| missing(E_META, "METADATA"))?;
    let metadata =
        read_metadata(&members[metadata_file].name, &content(metadata_file, METADATA_LIMIT)?, filename)?;
    let record_file = find("RECORD").ok_or_else(|| missing(E_RECORD, "RECORD"))?;
    let record = Record::read(&members[record_file].name, &content(record_file, RECORD_LIMIT)?, &members)?;
    let entry_points = find("entry_points.txt");
    let (scripts, entry_modules) = match entry_points {
        Some(index) => {
            let bytes = content(index, METADATA_LIMIT)?;
            (read_scripts(&members[index].name, &bytes)?, read_modules(&bytes))
        }
        None => Default::default(),
    };
    // What was used already must be what RECORD vouches for.
    for index in [Some(wheel_file), Some(metadata_file), entry_points].into_iter().flatten() {
        verify(&source, &members[index], record.hash(index))?;
    }

    for member in &members {
        check_place(member, data_directory.as_deref(), &mut warnings)?;
    }
    Ok(Wheel {
        source,
        filename: filename.clone(),
        members,
        record,
        dist_info,
        data_directory,
        metadata,
        scripts,
        entry_modules,
        warnings: warnings.finish(),
    })
}

/// The first components of all names that have a second one, or are directories.
fn top_directories(members: &[Member]) -> BTreeSet<&str> {
    let top = members.iter().map(|member| match member.name.split_once('/') {
        Some((top, _)) => Some(top),
        None => member.is_directory.then_some(member.name.as_str()),
    });
    top.flatten().collect()
}

/// The one `.dist-info` directory, which must be named like the file.
fn find_dist_info(members: &[Member], filename: &WheelFilename) -> Result<String, Fault> {
    let mut found = top_directories(members).into_iter().filter(|name| is_dist_info(name));
    let Some(name) = found.next() else {
        return Err(Fault::archive(E_META, "it has no .dist-info directory"));
    };
    if let Some(other) = found.next() {
        return Err(Fault::member(
            E_META,
            other,
            format!("it is a second .dist-info directory beside {name}"),
        ));
    }
    let stem = name.strip_suffix(".dist-info").unwrap_or(name);
    match is_named_like(stem, filename) {
        true => Ok(name.to_owned()),
        false => Err(Fault::member(E_META, name, "its project or version differs from the file name")),
    }
}

/// Whether Python takes a directory of this name for an installed package; it looks at names in any case.
fn is_dist_info(name: &str) -> bool {
    const ENDING: &[u8] = b".dist-info";
    name.as_bytes().last_chunk::<{ ENDING.len() }>().is_some_and(|end| end.eq_ignore_ascii_case(ENDING))
}

/// The `.data` directory of this wheel, in whatever spelling.
fn find_data_directory(
    members: &[Member],
    dist_info: &str,
    filename: &WheelFilename,
) -> Result<Option<String>, Fault> {
    let ours = dist_info.strip_suffix(".dist-info");
    let mut found = top_directories(members).into_iter().filter(|name| {
        let stem = name.strip_suffix(".data");
        stem.is_some_and(|stem| Some(stem) == ours || is_named_like(stem, filename))
    });
    let name = found.next();
    match found.next() {
        Some(other) => Err(Fault::member(E_DATA, other, "it is a second .data directory")),
        None => Ok(name.map(str::to_owned)),
    }
}

/// Whether `stem` is the name and version of the file name, in any spelling the specifications ever allowed.
fn is_named_like(stem: &str, filename: &WheelFilename) -> bool {
    stem.match_indices('-').any(|(dash, _)| {
        let (name, version) = (&stem[..dash], &stem[dash + 1..]);
        let version = version.parse::<Version>().or_else(|_| version.replace('_', "-").parse());
        name.parse::<PackageName>().is_ok_and(|name| name == filename.name)
            && version.is_ok_and(|version| is_same_version(&version, filename))
    })
}

/// Checks that there is a place for a member in every environment.
fn check_place(member: &Member, data_directory: Option<&str>, warnings: &mut Warnings) -> Result<(), Fault> {
    let name = &member.name;
    if member.is_directory && Some(name.as_str()) == data_directory {
        return Ok(());
    }
    let place =
        Place::of(name, data_directory).filter(|place| member.is_directory || !place.rest().is_empty());
    let Some(place) = place else {
        return Err(Fault::member(
            E_DATA,
            name,
            "the .data directory may contain only purelib, platlib, scripts, data and headers",
        ));
    };
    let interpreter = |name: &str| {
        let reason = format!("a script called `{}` would replace the interpreter", printable(name));
        Err(Fault::member(E_SCRIPT, &member.name, reason))
    };
    // What takes the way through `data` into the folder of packages is one of them there.
    let site = place.site();
    if let (Some(rest), true) = (site, data_directory.is_some_and(|data| is_below(name, data)))
        && is_dist_info(rest.split('/').next().unwrap_or(rest))
    {
        return Err(Fault::member(E_META, name, "it is a second .dist-info directory once it is installed"));
    }
    if site.is_some_and(is_read_at_start) && !member.is_directory {
        warnings.add(W_PTH, Some(name), "it is read at every start of the interpreter and may run code");
    }
    match place {
        Place::Script(rest) if rest.contains('/') || member.is_directory && !rest.is_empty() => {
            Err(Fault::member(E_SCRIPT, name, "scripts cannot be in directories"))
        }
        Place::Script(rest) if is_reserved(rest) => interpreter(rest),
        Place::Data("pyvenv.cfg") => {
            Err(Fault::member(E_SCRIPT, name, "it would replace the configuration of the environment"))
        }
        Place::Data("bin" | "lib" | "lib64" | "include") if !member.is_directory => {
            Err(Fault::member(E_DATA, name, "it would replace a directory of the environment"))
        }
        Place::Data(rest) => match rest.strip_prefix("bin/") {
            Some(script) if is_reserved(script) => interpreter(script),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn is_below(name: &str, directory: &str) -> bool {
    name.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether Python reads a file of the folder of packages by itself (its module `site`).
fn is_read_at_start(path: &str) -> bool {
    match path.split_once('/') {
        None => {
            let stem = path.split('.').next().unwrap_or(path);
            let is_module = [".py", ".so", ".pyc"].iter().any(|ending| path.ends_with(ending));
            path.ends_with(".pth") || is_module && matches!(stem, "sitecustomize" | "usercustomize")
        }
        Some((folder, file)) => {
            matches!(folder, "sitecustomize" | "usercustomize") && file.starts_with("__init__.")
        }
    }
}
