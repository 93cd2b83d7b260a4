//! TOML with positions: every value knows where it stands, so that every error can point at it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use strsim::osa_distance;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::read::{LIMIT, read_text};
use crate::{Error, Place};

/// The text of a TOML file.
pub(crate) struct Source {
    pub(crate) file: &'static str,
    text: String,
}

impl Source {
    /// Reads `<root>/<file>`; `None` when there is none.
    pub(crate) fn read(root: &Path, file: &'static str) -> Result<Option<Self>, Error> {
        Ok(read_text(root, file, LIMIT)?.map(|text| Self { file, text }))
    }

    /// Parses it. Nesting is bounded by the parser (80 levels).
    pub(crate) fn parse(&self) -> Result<DeTable<'_>, Error> {
        DeTable::parse(&self.text).map(Spanned::into_inner).map_err(|error| {
            let end = self.text.len();
            self.refuse(error.span().unwrap_or(end..end), error.message().replace('\n', ", "), None)
        })
    }

    pub(crate) fn refuse(&self, span: Range<usize>, what: String, remedy: Option<String>) -> Error {
        Error::Invalid { place: Box::new(Place::of(self.file, &self.text, span)), what, remedy }
    }
}

/// A table of a TOML file.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    pub(crate) source: &'a Source,
    pub(crate) entries: &'a DeTable<'a>,
}

/// A value in a table, with its key.
#[derive(Clone)]
pub(crate) struct Item<'a> {
    source: &'a Source,
    pub(crate) key: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Table<'a> {
    /// A value by key.
    pub(crate) fn get(&self, key: &str) -> Option<Item<'a>> {
        let value = self.entries.get(key)?;
        Some(Item { source: self.source, key: key.to_owned(), value })
    }

    /// A value by a path of keys. Something other than a table on the way is "nothing": for files of other tools.
    pub(crate) fn look(&self, path: &[&str]) -> Option<Item<'a>> {
        let (last, way) = path.split_last()?;
        let mut table = *self;
        for key in way {
            table.entries = table.entries.get(*key)?.get_ref().as_table()?;
        }
        table.get(last)
    }

    /// Every value, with the span of its key, sorted by key.
    pub(crate) fn items(&self) -> BTreeMap<&'a str, (Range<usize>, Item<'a>)> {
        let item = |key: &'a str, value| Item { source: self.source, key: key.to_owned(), value };
        self.entries
            .iter()
            .map(|(key, value)| (&**key.get_ref(), (key.span(), item(key.get_ref(), value))))
            .collect()
    }

    /// Refuses keys that are not in `known`, and says which was probably meant.
    pub(crate) fn allow_only(&self, known: &[&str]) -> Result<(), Error> {
        for (key, (span, _)) in self.items() {
            if !known.contains(&key) {
                let remedy = match closest(key, known) {
                    Some(close) => format!("did you mean `{close}`?"),
                    None => format!("known keys: {}", known.join(", ")),
                };
                let what = format!("unknown key `{}`", key.escape_debug());
                return Err(self.source.refuse(span, what, Some(remedy)));
            }
        }
        Ok(())
    }
}

impl<'a> Item<'a> {
    /// An error that points at this value.
    pub(crate) fn refuse(&self, what: impl Display) -> Error {
        self.source.refuse(self.value.span(), what.to_string(), None)
    }

    /// An error that points at this value and knows the way out.
    pub(crate) fn refuse_with(&self, what: impl Display, remedy: impl Display) -> Error {
        self.source.refuse(self.value.span(), what.to_string(), Some(remedy.to_string()))
    }

    /// An error that points at this value, with a hint where there is one.
    pub(crate) fn refuse_maybe(&self, what: impl Display, remedy: Option<String>) -> Error {
        self.source.refuse(self.value.span(), what.to_string(), remedy)
    }

    fn wrong_type(&self, expected: &str) -> Error {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a decimal point",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let what = format!("`{}` must be {expected}, not {found}", self.key);
        match self.value.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) if expected == "a string" => {
                self.refuse_with(what, "put it in quotes")
            }
            DeValue::String(_) if expected == "an array" => self.refuse_with(what, "put it in [ ]"),
            _ => self.refuse(what),
        }
    }

    /// The text of a string. NUL is refused: no part of an image config can hold it.
    pub(crate) fn string(&self) -> Result<&'a str, Error> {
        let text = self.value.get_ref().as_str().ok_or_else(|| self.wrong_type("a string"))?;
        if text.contains('\0') {
            return Err(self.refuse(format!("`{}` contains a NUL character", self.key)));
        }
        Ok(text)
    }

    /// A string that is one line.
    pub(crate) fn line(&self) -> Result<&'a str, Error> {
        let text = self.string()?;
        if text.chars().any(|letter| letter.is_control() && letter != '\t') {
            return Err(self.refuse(format!("`{}` must be one line without control characters", self.key)));
        }
        Ok(text)
    }

    /// An integer.
    pub(crate) fn integer(&self) -> Result<i64, Error> {
        let number = self.value.get_ref().as_integer().ok_or_else(|| self.wrong_type("an integer"))?;
        i64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| self.refuse(format!("`{}` is out of range", self.key)))
    }

    pub(crate) fn is_integer(&self) -> bool {
        self.value.get_ref().is_integer()
    }

    pub(crate) fn is_string(&self) -> bool {
        self.value.get_ref().is_str()
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Result<bool, Error> {
        self.value.get_ref().as_bool().ok_or_else(|| self.wrong_type("true or false"))
    }

    /// The values of an array.
    pub(crate) fn array(&self) -> Result<Vec<Item<'a>>, Error> {
        let values = self.value.get_ref().as_array().ok_or_else(|| self.wrong_type("an array"))?;
        Ok(values.iter().map(|value| Item { value, ..self.clone() }).collect())
    }

    /// A table.
    pub(crate) fn table(&self) -> Result<Table<'a>, Error> {
        let entries = self.value.get_ref().as_table().ok_or_else(|| self.wrong_type("a table"))?;
        Ok(Table { source: self.source, entries })
    }

    /// An array of strings.
    pub(crate) fn strings(&self) -> Result<Vec<String>, Error> {
        self.array()?.iter().map(|item| item.string().map(str::to_owned)).collect()
    }

    /// A string that follows a grammar.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&self) -> Result<T, Error> {
        self.string()?.parse().map_err(|error: T::Err| self.refuse(error))
    }
}

/// The known word with the fewest changes, when they are few.
pub(crate) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let folded = word.to_lowercase().replace('_', "-");
    let (distance, close) =
        known.iter().map(|candidate| (osa_distance(&folded, candidate), *candidate)).min()?;
    (distance <= 1 + close.len() / 4).then_some(close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_keys_get_suggestions() {
        let known = ["ports", "platforms", "stop-signal", "env"];
        for (written, meant) in [
            ("port", Some("ports")),
            ("prots", Some("ports")),
            ("stop_signal", Some("stop-signal")),
            ("Platform", Some("platforms")),
            ("healthcheck", None),
        ] {
            assert_eq!(closest(written, &known), meant, "{written}");
        }
    }
}
