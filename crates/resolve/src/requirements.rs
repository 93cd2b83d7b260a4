use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use wainwright_lock::{Indexes, replace_variables};

use crate::Error;

/// No file of requirements comes near this.
const MOST: u64 = 32 << 20;
/// Nor does a line; uv would read a longer one for as long as it takes.
const MOST_OF_A_LINE: usize = 1 << 20;
/// Files that include files that include files ...
const DEPTH: usize = 16;

/// What a requirements file and the files it includes say, as far as it is not for uv alone.
#[derive(Default)]
pub(crate) struct Requirements {
    /// Every line that says something, without comments and spaces; they decide whether a lockfile still fits.
    pub(crate) lines: Vec<String>,
    /// Folders of links are relative to the folder of the project, or absolute; `${NAME}` is replaced.
    pub(crate) indexes: Indexes,
    /// Whether anything is required.
    pub(crate) has_requirements: bool,
    /// The first line that wants source installed in place.
    pub(crate) editable: Option<String>,
    /// Whether somebody locked it: a hash stands behind a requirement.
    pub(crate) has_hashes: bool,
}

impl Requirements {
    pub(crate) fn read(file: &Path, vars: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut found = Self::default();
        found.include(file, vars, &mut Vec::new(), true)?;
        Ok(found)
    }

    fn include(
        &mut self,
        file: &Path,
        vars: &BTreeMap<String, String>,
        path: &mut Vec<PathBuf>,
        is_required: bool,
    ) -> Result<(), Error> {
        if path.iter().any(|known| known == file) || path.len() >= DEPTH {
            return Err(Error::Syntax { path: file.into(), reason: "it includes itself".into() });
        }
        let text = read(file)?;
        path.push(file.into());
        let folder = file.parent().unwrap_or(Path::new(""));
        for line in lines(&text) {
            if line.len() > MOST_OF_A_LINE {
                return Err(Error::Syntax { path: file.into(), reason: "a line is over 1 MiB".into() });
            }
            self.lines.push(line.clone());
            self.has_hashes |= line.contains("--hash") || line.contains("#sha256=");
            let Some((option, value)) = option(&line) else {
                self.has_requirements |= is_required;
                continue;
            };
            // uv tells which variables are not set.
            let value = replace_variables(value.trim_matches(['"', '\'']), vars, &mut BTreeSet::new());
            let is_address = value.contains("://");
            match option {
                "-r" | "--requirement" if !is_address => {
                    self.include(&folder.join(&value), vars, path, is_required)?;
                }
                "-c" | "--constraint" if !is_address => {
                    self.include(&folder.join(&value), vars, path, false)?;
                }
                "-r" | "--requirement" => self.has_requirements |= is_required,
                "-e" | "--editable" => {
                    self.has_requirements |= is_required;
                    self.editable.get_or_insert(format!("{option} {value}"));
                }
                "-i" | "--index-url" | "--pypi-url" => self.indexes.index = Some(value),
                "--extra-index-url" => self.indexes.extra.push(value),
                "--no-index" => self.indexes.no_index = true,
                "-f" | "--find-links" => {
                    let in_folder = || folder.join(&value).to_string_lossy().into_owned();
                    self.indexes.links.push(if is_address { value } else { in_folder() });
                }
                _ => {}
            }
        }
        path.pop();
        Ok(())
    }
}

/// Reads a file of bounded size.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::Read { path: path.into(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    // A pipe would be waited for.
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Error::Syntax { path: path.into(), reason: "it is not a regular file".into() });
    }
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST {
        return Err(Error::Syntax { path: path.into(), reason: "it is over 32 MiB".into() });
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::Syntax { path: path.into(), reason: "it is not UTF-8 text".into() })?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// The logical lines (pip, "Requirements File Format"): joined at `\`, without comments, each run of spaces as one.
fn lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut words: Vec<&str> = Vec::new();
    for line in text.lines() {
        let line = line.trim_end();
        let is_comment = line.trim_start().starts_with('#');
        let (line, goes_on) = match line.strip_suffix('\\').filter(|_| !is_comment) {
            Some(line) => (line, true),
            None => (line, false),
        };
        // A comment begins at a word: an address may hold `#` elsewhere.
        words.extend(line.split_whitespace().take_while(|word| !word.starts_with('#')));
        if !goes_on && !words.is_empty() {
            lines.push(std::mem::take(&mut words).join(" "));
        }
    }
    if !words.is_empty() {
        lines.push(words.join(" "));
    }
    lines
}

/// `--index-url=https://...`, `-r more.txt`, `-rmore.txt` as an option and its value.
fn option(line: &str) -> Option<(&str, &str)> {
    if line.starts_with("--") {
        let end = line.find(['=', ' ']).unwrap_or(line.len());
        return Some((&line[..end], line[end..].trim_start_matches(['=', ' '])));
    }
    let end = line.starts_with('-').then(|| line.char_indices().nth(2).map_or(line.len(), |(at, _)| at))?;
    Some((&line[..end], line[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Requirements, Error> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let vars = [("TOKEN".to_owned(), "CANARY".to_owned())].into();
        Requirements::read(&folder.path().join("requirements.txt"), &vars)
    }

    #[test]
    fn included_files_count_and_comments_do_not() {
        let found = read(&[
            ("requirements.txt", "# head\n-r more.txt\n-c limits.txt\na[x]  >=1 \\\n  ,<2 # why\n"),
            ("more.txt", "b ; python_version < '3.12'\n"),
            ("limits.txt", "c<3\n"),
        ])
        .unwrap();
        let expected = ["-r more.txt", "b ; python_version < '3.12'", "-c limits.txt", "c<3", "a[x] >=1 ,<2"];
        assert_eq!(found.lines, expected);
        assert!(found.has_requirements && !found.has_hashes);
    }

    #[test]
    fn constraints_alone_require_nothing() {
        let found = read(&[("requirements.txt", "-c limits.txt\n"), ("limits.txt", "c<3\n")]).unwrap();
        assert!(!found.has_requirements);
    }

    #[test]
    fn hashes_make_a_lockfile() {
        let locked = |line: &str| read(&[("requirements.txt", line)]).unwrap().has_hashes;
        assert!(locked("a==1 \\\n  --hash=sha256:00\n"));
        assert!(locked("a @ https://h/a-1-py3-none-any.whl#sha256=00\n"));
        assert!(!locked("a==1\n"));
    }

    #[test]
    fn indexes_are_known_with_their_variables() {
        let text =
            "-i https://u:${TOKEN}@h/\n--extra-index-url=https://${NOT_SET}/\n-fwheels\n--no-index\na\n";
        let found = read(&[("requirements.txt", text)]).unwrap().indexes;
        assert_eq!(found.index.as_deref(), Some("https://u:CANARY@h/"));
        assert_eq!(found.extra, ["https://${NOT_SET}/"]);
        assert!(found.links[0].ends_with("/wheels") && found.no_index);
    }

    #[test]
    fn a_file_that_includes_itself_is_refused() {
        let error = read(&[("requirements.txt", "-r requirements.txt\n")]).err().unwrap();
        assert!(error.to_string().contains("includes itself"), "{error}");
        let missing = read(&[("requirements.txt", "-r more.txt\n")]).err().unwrap();
        assert!(missing.to_string().contains("more.txt"), "{missing}");
    }
}
