use std::path::{Path, PathBuf};

use wainwright_python::PackageName;

use super::lines::{Line, lines};
use crate::hash::Hash;
use crate::text::Text;
use crate::{Error, Indexes, Invalid, Place, Requirement};

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
}

/// One requirement and the hashes its file may have.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) requirement: Requirement,
    pub(super) hashes: Vec<Hash>,
    /// The folder relative paths start from.
    pub(super) directory: PathBuf,
    pub(super) place: Place,
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
        if line.text.starts_with('-') {
            options(&line, text.directory(), kind, path, parsed)?;
            continue;
        }
        if parsed.requirements.len() + parsed.constraints.len() >= LIMIT {
            let reason = format!("it includes {LIMIT} requirements or more");
            return Err(Error::TooLarge { file: text.file.clone(), reason });
        }
        let entry = entry(&line, text.directory())?;
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
            "-e" | "--editable" => {
                let name = crate::error::redact(&value()?);
                return Err(Error::NotAWheel {
                    place: line.place.clone(),
                    name,
                    from: "an editable source tree".into(),
                });
            }
            // Only wheels are installed, and the hashes are checked, in any case.
            "--only-binary" | "--use-feature" => drop(value()?),
            "--prefer-binary" | "--require-hashes" | "--pre" => {}
            "--no-binary" => {
                if value()? != ":none:" {
                    return Err(refuse(option, "only wheels are installed"));
                }
            }
            "--trusted-host" => return Err(refuse(option, "certificates are always checked")),
            _ => return Err(refuse(option, "it is not known")),
        }
    }
    match words.0.next() {
        None => Ok(()),
        Some(_) => {
            Err(wrong(&line.place, "an option was expected, one requirement or option on a line".into()))
        }
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
        let reason = "files are included from this disk only";
        return Err(Error::Option { place: place.clone(), option: option.into(), reason });
    }
    let included = directory.join(name);
    if path.contains(&included) || path.len() >= DEPTH {
        return Err(wrong(place, format!("`{name}` includes itself")));
    }
    file(&Text::read(&included, Some(place))?, kind, path, parsed)
}

/// A line with a requirement, and options of its own behind it.
fn entry(line: &Line, directory: &Path) -> Result<Entry, Error> {
    let is_option = |(at, _): &(usize, &str)| line.text[..*at].ends_with(char::is_whitespace);
    let end = line.text.match_indices('-').find(is_option).map_or(line.text.len(), |(at, _)| at);
    let (text, own_options) = line.text.split_at(end);
    if text.contains("${") {
        return Err(wrong(
            &line.place,
            "variables such as `${NAME}` are not replaced in requirements".into(),
        ));
    }
    let requirement: Requirement = named(text.trim(), &line.place)?
        .parse()
        .map_err(|error: Invalid| wrong(&line.place, error.to_string()))?;
    let mut hashes = Vec::new();
    let mut words = Words(own_options.split_whitespace());
    while let Some((option, attached)) = words.option() {
        let value = attached.or_else(|| words.0.next());
        match (option, value) {
            ("--hash", Some(value)) => {
                hashes.push(Hash::read(value).map_err(|reason| wrong(&line.place, reason))?);
            }
            // These are for building source distributions, which does not happen.
            ("--config-settings" | "--config-setting" | "--global-option" | "-C", Some(_)) => {}
            _ => {
                let reason = "it is not known behind a requirement";
                return Err(Error::Option { place: line.place.clone(), option: option.into(), reason });
            }
        }
    }
    if words.0.next().is_some() {
        return Err(wrong(&line.place, "only options may follow the first option".into()));
    }
    Ok(Entry { requirement, hashes, directory: directory.into(), place: line.place.clone() })
}

/// Gives a line that is only an address or a path the name its file has: `foo @ https://.../foo-1.0-py3-none-any.whl`.
fn named(text: &str, place: &Place) -> Result<String, Error> {
    let (address, marker) = match text.split_once([' ', '\t']) {
        Some((address, marker)) => (address, format!(" {}", marker.trim())),
        None => (text, String::new()),
    };
    let is_address = address.contains("://")
        || address.starts_with(['.', '/'])
        || address.ends_with(".whl")
        || address.starts_with("file:");
    // `name@https://...` has a name.
    let has_name = address.split_once('@').is_some_and(|(name, _)| {
        name.split('[').next().is_some_and(|name| name.parse::<PackageName>().is_ok())
    });
    if !is_address || has_name {
        return Ok(text.to_owned());
    }
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    match file.ends_with(".whl").then(|| file.split('-').next()).flatten() {
        Some(name) => Ok(format!("{name} @ {address}{marker}")),
        None => Err(Error::NotAWheel {
            place: place.clone(),
            name: crate::error::redact(address),
            from: "a source tree".into(),
        }),
    }
}

fn wrong(place: &Place, reason: String) -> Error {
    Error::Syntax { place: place.clone(), reason }
}
