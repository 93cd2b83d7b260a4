use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wainwright_python::PackageName;

use super::entry::Entry;
use super::lines::{Line, lines};
use super::pin::{local_path, sdist_name};
use crate::hash::Hash;
use crate::table::is_archive;
use crate::text::Text;
use crate::{Error, Foreign, Indexes, Invalid, Place, Requirement};

/// Files that include files that include files ...
const DEPTH: usize = 16;
/// ... and the lines of all of them together.
const LIMIT: usize = 100_000;

/// Everything a requirements file and the files it includes say.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) requirements: Vec<Entry>,
    pub(super) constraints: Vec<Entry>,
    pub(super) indexes: Indexes,
    /// What folders are called that were asked already: many lines may name one.
    names: BTreeMap<PathBuf, Option<PackageName>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Requirements,
    Constraints,
}

/// Reads a requirements file with all it includes.
pub(super) fn parse(text: &Text) -> Result<Parsed, Error> {
    let mut parsed = Parsed::default();
    file(text, Kind::Requirements, &mut Vec::new(), &mut parsed)?;
    Ok(parsed)
}

fn file(text: &Text, kind: Kind, path: &mut Vec<PathBuf>, parsed: &mut Parsed) -> Result<(), Error> {
    path.push(text.file.clone());
    for line in lines(text)? {
        let editable = line.text.strip_prefix("--editable").or_else(|| line.text.strip_prefix("-e"));
        let editable = editable.map(|source| source.trim_start_matches(['=', ' ', '\t']));
        if line.text.starts_with('-') && editable.is_none() {
            options(&line, text.directory(), kind, path, parsed)?;
            continue;
        }
        if parsed.requirements.len() + parsed.constraints.len() >= LIMIT {
            let reason = format!("it includes {LIMIT} requirements or more");
            return Err(Error::TooLarge { file: text.file.clone(), reason });
        }
        let entry = entry(editable.unwrap_or(&line.text), &line.place, text.directory(), &mut parsed.names)?;
        match kind {
            Kind::Requirements => parsed.requirements.push(entry),
            Kind::Constraints => parsed.constraints.push(entry),
        }
    }
    path.pop();
    Ok(())
}

/// A line of options: `--index-url https://...`, `-r more.txt`.
fn options(
    line: &Line,
    directory: &Path,
    kind: Kind,
    path: &mut Vec<PathBuf>,
    parsed: &mut Parsed,
) -> Result<(), Error> {
    let refuse =
        |option: &str, reason| Error::Option { place: line.place.clone(), option: option.into(), reason };
    let mut words = Words(line.text.split_whitespace());
    while let Some((option, attached)) = words.option() {
        let mut value = || {
            attached
                .or_else(|| words.0.next())
                .map(|value| value.trim_matches(['"', '\'']).to_owned())
                .ok_or_else(|| refuse(option, "its value is missing"))
        };
        match option {
            "-r" | "--requirement" => {
                include(&value()?, directory, &line.place, kind, path, parsed)?;
            }
            "-c" | "--constraint" => {
                include(&value()?, directory, &line.place, Kind::Constraints, path, parsed)?;
            }
            "-i" | "--index-url" | "--pypi-url" => parsed.indexes.index = Some(value()?),
            "--extra-index-url" => parsed.indexes.extra.push(value()?),
            "--no-index" => parsed.indexes.no_index = true,
            "-f" | "--find-links" => {
                let link = value()?;
                let is_address = link.contains("://");
                let folder = || directory.join(&link).to_string_lossy().into_owned();
                parsed.indexes.links.push(if is_address { link } else { folder() });
            }
            // Only wheels are installed, and the hashes are checked, in any case.
            "--only-binary" | "--use-feature" => drop(value()?),
            // Certificates are checked in any case; where there are none, nothing is to be trusted.
            "--trusted-host" => drop(value()?),
            "--prefer-binary" | "--require-hashes" | "--pre" => {}
            "--no-binary" => {
                if value()? != ":none:" {
                    return Err(refuse(option, "only wheels are installed"));
                }
            }
            _ => return Err(refuse(option, "it is unknown")),
        }
    }
    match words.0.next() {
        None => Ok(()),
        Some(_) => Err(wrong(&line.place, "expected one requirement or option per line".into())),
    }
}

/// The words of a line of options.
struct Words<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    /// The next option, and its value where that is attached: `--hash=...`, `-rmore.txt`.
    fn option(&mut self) -> Option<(&'a str, Option<&'a str>)> {
        let mut ahead = self.0.clone();
        let word = ahead.next().filter(|word| word.starts_with('-'))?;
        self.0 = ahead;
        if word.starts_with("--") {
            return Some(word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value))));
        }
        let end = word.char_indices().nth(2).map_or(word.len(), |(at, _)| at);
        let (option, value) = word.split_at(end);
        Some((option, Some(value).filter(|value| !value.is_empty())))
    }
}

fn include(
    name: &str,
    directory: &Path,
    place: &Place,
    kind: Kind,
    path: &mut Vec<PathBuf>,
    parsed: &mut Parsed,
) -> Result<(), Error> {
    if name.contains("://") {
        let option = if kind == Kind::Constraints { "-c" } else { "-r" };
        let reason = "only local files can be included";
        return Err(Error::Option { place: place.clone(), option: option.into(), reason });
    }
    let included = directory.join(name);
    if path.contains(&included) || path.len() >= DEPTH {
        return Err(wrong(place, format!("`{name}` includes itself")));
    }
    file(&Text::read(&included, Some(place))?, kind, path, parsed)
}

/// A requirement, and options of its own behind it.
fn entry(
    line: &str,
    place: &Place,
    directory: &Path,
    names: &mut BTreeMap<PathBuf, Option<PackageName>>,
) -> Result<Entry, Error> {
    let is_option = |(at, _): &(usize, &str)| line[..*at].ends_with(char::is_whitespace);
    let end = line.match_indices('-').find(is_option).map_or(line.len(), |(at, _)| at);
    let (text, own_options) = line.split_at(end);
    if text.contains("${") {
        return Err(wrong(place, "variables such as `${NAME}` are not replaced in requirements".into()));
    }
    let (named, url) = named(text.trim(), place, directory, names)?;
    let mut requirement: Requirement =
        named.parse().map_err(|error: Invalid| wrong(place, error.to_string()))?;
    requirement.url = url.or(requirement.url);
    let folder = requirement.url.as_deref().and_then(|url| folder(url, directory));
    if folder.is_some() {
        requirement.url = None;
    }
    let mut hashes = Vec::new();
    let mut words = Words(own_options.split_whitespace());
    while let Some((option, attached)) = words.option() {
        let value = attached.or_else(|| words.0.next());
        match (option, value) {
            ("--hash", Some(value)) => {
                hashes.push(Hash::read(value).map_err(|reason| wrong(place, reason))?);
            }
            // These are for building source distributions, which does not happen.
            ("--config-settings" | "--config-setting" | "--global-option" | "-C", Some(_)) => {}
            _ => {
                let reason = "it cannot follow a requirement";
                return Err(Error::Option { place: place.clone(), option: option.into(), reason });
            }
        }
    }
    if words.0.next().is_some() {
        return Err(wrong(place, "only options may follow the first option".into()));
    }
    Ok(Entry { requirement, hashes, directory: directory.into(), folder, place: place.clone() })
}

/// Gives a line that is only an address or a path the name its file has, as for `foo @ https://.../foo-1.0-py3-none-any.whl`: a
/// requirement, and the address.
fn named(
    text: &str,
    place: &Place,
    directory: &Path,
    names: &mut BTreeMap<PathBuf, Option<PackageName>>,
) -> Result<(String, Option<String>), Error> {
    let word = text.split_whitespace().next().unwrap_or_default();
    let (address, marker) = split_marker(text);
    let is_address = word.contains("://")
        || word.starts_with(['.', '/'])
        || address.ends_with(".whl")
        || word.starts_with("file:");
    // `name@https://...` has a name.
    let has_name = word.split_once('@').is_some_and(|(name, _)| {
        name.split('[').next().is_some_and(|name| name.parse::<PackageName>().is_ok())
    });
    let has_name = has_name || text.split_whitespace().nth(1) == Some("@");
    if !is_address || has_name {
        return Ok((text.to_owned(), None));
    }
    let found = |name: &str, address: &str| Ok((format!("{name}{marker}"), Some(address.to_owned())));
    let (path, fragment) = address.split_once('#').unwrap_or((address, ""));
    if let Some(name) = fragment.split('&').find_map(|part| part.strip_prefix("egg=")) {
        return found(name, address);
    }
    let path = path.split('?').next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    let of_file = match file.ends_with(".whl") {
        true => file.split('-').next(),
        false => Some(file).filter(|file| is_archive(file)).and_then(sdist_name).map(|(name, _)| name),
    };
    if let Some(name) = of_file {
        return found(name, address);
    }
    let not_a_wheel =
        |from: Foreign| Error::NotAWheel { place: place.clone(), name: crate::error::redact(address), from };
    let bare = address.strip_suffix(']').and_then(|address| address.rsplit_once('[')).map(|(path, _)| path);
    let bare = bare.unwrap_or(address);
    let Some(folder) = folder(bare, directory) else { return Err(not_a_wheel("a source tree".into())) };
    let key = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    let name = match names.get(&key) {
        Some(name) => name.clone(),
        None => names.entry(key).or_insert(name_of(&folder, place)?).clone(),
    };
    let name = name.ok_or_else(|| not_a_wheel(Foreign::Nameless))?;
    found(name.as_str(), bare)
}

/// An address, which may hold `;` and a path spaces, and the marker behind it with its `;`.
fn split_marker(text: &str) -> (&str, &str) {
    let begins = |(at, _): &(usize, &str)| {
        text[..*at].ends_with(char::is_whitespace) || text[at + 1..].starts_with(char::is_whitespace)
    };
    let at = text.match_indices(';').find(begins).map_or(text.len(), |(at, _)| at);
    (text[..at].trim_end(), &text[at..])
}

/// The folder on this disk that an address or a path means, where it means one.
fn folder(address: &str, directory: &Path) -> Option<PathBuf> {
    let is_local = !address.contains("://") || address.starts_with("file:");
    let path = is_local.then(|| local_path(address, directory))?;
    let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    (!file.ends_with(".whl") && !is_archive(file)).then(|| tidy(&path))
}

/// A path without `.` in it.
fn tidy(path: &Path) -> PathBuf {
    path.components().collect()
}

/// What a folder of source is called, as far as it says so.
fn name_of(folder: &Path, place: &Place) -> Result<Option<PackageName>, Error> {
    let text = match Text::read(&folder.join("pyproject.toml"), Some(place)) {
        Ok(text) => text,
        Err(Error::Missing { .. }) => return Ok(None),
        Err(Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotADirectory => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let document: toml::Table = text.toml()?;
    let tables = [document.get("project"), document.get("tool").and_then(|tool| tool.get("poetry"))];
    let name = tables.into_iter().flatten().find_map(|table| table.get("name")?.as_str()?.parse().ok());
    Ok(name)
}

fn wrong(place: &Place, reason: String) -> Error {
    Error::Syntax { place: place.clone(), reason }
}
