use std::fs::File;
use std::io::{self, Read as _};

use regex::bytes::RegexSet;

use crate::place::show;
use crate::{Error, Project, SourceKind, SourceTree, read};

/// Files with text that somebody wrote are smaller; what is larger is data.
const LARGEST: u64 = 1024 * 1024;
/// Shorter passwords stand in many a text by chance.
const SHORTEST: usize = 6;

/// Refuses a project with a file that would carry one of these passwords into the image, as they are or encoded for a
/// URL.
///
/// Files that `include` names, by their whole path, are meant. Reads nothing when there is no password.
pub fn refuse_leaks(project: &Project, tree: &SourceTree, passwords: &[String]) -> Result<(), Error> {
    let long = passwords.iter().filter(|password| password.len() >= SHORTEST);
    // Nothing is searched when they are too many or too long to be passwords.
    let Ok(searched) = RegexSet::new(long.map(|password| regex::escape(password))) else { return Ok(()) };
    if searched.is_empty() {
        return Ok(());
    }
    let is_meant = |path: &str| {
        project.settings.include.iter().any(|named| named.strip_prefix('/').unwrap_or(named) == path)
    };
    for file in &tree.files {
        if !matches!(file.kind, SourceKind::File { size, .. } if size <= LARGEST) {
            continue;
        }
        let path = show(file.path.as_bytes());
        if is_meant(&path) {
            continue;
        }
        let disk = tree.disk(file);
        let bytes = match read::open(&disk).and_then(|file| file.map(read_all).transpose()) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(source) => return Err(Error::read(&disk, source)),
        };
        if searched.is_match(&bytes) {
            return Err(Error::Leak { path });
        }
    }
    Ok(())
}

fn read_all(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;

    use super::*;
    use crate::{list_sources, load};

    fn verdict(settings: &str, text: &str, passwords: &[&str]) -> Result<(), Error> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("pyproject.toml"),
            format!("[project]\nname = \"a\"\nversion = \"1\"\n[tool.wainwright]\n{settings}"),
        )
        .unwrap();
        std::fs::write(folder.path().join("requirements.txt"), text).unwrap();
        let project = load(folder.path()).unwrap();
        let passwords: Vec<String> = passwords.iter().map(|&password| password.to_owned()).collect();
        refuse_leaks(&project, &list_sources(&project).unwrap(), &passwords)
    }

    #[test]
    fn a_password_in_a_file_of_the_project_is_refused_and_never_shown() {
        let error = verdict("", "-i https://ann:hunter22@h/\n", &["hunter22"]).unwrap_err();
        let told = format!("{error} {}", error.hint().unwrap_or_default());
        assert!(told.contains("requirements.txt") && !told.contains("hunter22"), "{told}");
    }

    #[test]
    fn included_file_overrides_ignore_rules() {
        let text = "-i https://ann:hunter22@h/\n";
        assert!(verdict("include = [\"requirements.txt\"]", text, &["hunter22"]).is_ok());
        assert!(verdict("exclude = [\"requirements.txt\"]", text, &["hunter22"]).is_ok());
    }

    #[test]
    fn word_like_passwords_are_not_searched_for() {
        assert!(verdict("", "flask==3\n", &["flask"]).is_ok());
        assert!(verdict("", "flask==3\n", &["another-word"]).is_ok());
    }
}
