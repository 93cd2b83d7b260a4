use std::collections::BTreeMap;
use std::path::Path;

use crate::Error;

/// A configuration file of pip: sections of `key = value`, read as Python's `configparser` does.
pub(crate) struct Ini(BTreeMap<(String, String), String>);

impl Ini {
    /// Reads a file; `None` when there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Error> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path).map(Some),
            Err(error) if is_absent(&error) => Ok(None),
            Err(source) => Err(Error::Read { path: path.to_owned(), source }),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut values: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut section: Option<String> = None;
        let mut key: Option<(String, String)> = None;
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let refuse = |reason: &str| Error::Syntax {
                path: path.to_owned(),
                line: number + 1,
                reason: reason.to_owned(),
            };
            let content = line.trim();
            if content.is_empty() || content.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with(char::is_whitespace)
                && let Some(value) = key.as_ref().and_then(|key| values.get_mut(key))
            {
                value.push('\n');
                value.push_str(content);
                continue;
            }
            if let Some(name) = content.strip_prefix('[') {
                let name = name.split_once(']').ok_or_else(|| refuse("a section has no `]`"))?.0;
                section = Some(name.to_owned());
                key = None;
                continue;
            }
            let section = section.clone().ok_or_else(|| refuse("a setting is outside a `[section]`"))?;
            let (name, value) =
                content.split_once(['=', ':']).ok_or_else(|| refuse("a setting needs `=` and a value"))?;
            // pip takes `index_url` for `index-url`.
            let full = (section, name.trim().to_lowercase().replace('_', "-"));
            values.insert(full.clone(), value.trim().to_owned());
            key = Some(full);
        }
        Ok(Self(values))
    }

    pub(crate) fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.0.get(&(section.to_owned(), key.to_owned())).map(String::as_str)
    }
}

/// No such file, or no way to it: both mean that nothing is configured there.
pub(crate) fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_go_on_in_the_next_line() {
        let text = "; pip\n[global]\nIndex_URL: https://a/\nextra-index-url =\n    https://b/\n    # why\n    https://c/\n[install]\nno-index=true\n";
        let ini = Ini::parse(text, Path::new("pip.conf")).unwrap();
        assert_eq!(ini.get("global", "index-url"), Some("https://a/"));
        assert_eq!(ini.get("global", "extra-index-url"), Some("\nhttps://b/\nhttps://c/"));
        assert_eq!(ini.get("install", "no-index"), Some("true"));
        assert_eq!(ini.get("install", "index-url"), None);
    }

    #[test]
    fn broken_files_are_named_with_the_line() {
        for (text, line) in [("x = y", 1), ("[global]\nnonsense", 2), ("\n[global", 2)] {
            let error = Ini::parse(text, Path::new("pip.conf")).err().unwrap();
            assert!(error.to_string().starts_with(&format!("`pip.conf`, line {line}: ")), "{error}");
        }
    }
}
