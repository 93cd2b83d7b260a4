//! JSON as Python's `json.dumps(..., sort_keys=True)` writes it: what Poetry, PDM and pipenv hash.

use std::fmt::Write;

use toml::Value;

/// What stands between items, and between a key and its value.
#[derive(Clone, Copy)]
pub(crate) struct Separators(pub(crate) &'static str, pub(crate) &'static str);

/// Python's own.
pub(crate) const SPACED: Separators = Separators(", ", ": ");
/// As short as can be.
pub(crate) const TIGHT: Separators = Separators(",", ":");

/// A value; `None` stands for `null`. Keys are sorted, letters beyond ASCII are escaped.
///
/// `None` where Python would not write it either, as for dates.
pub(crate) fn dump(value: &Value, separators: Separators) -> Option<String> {
    let mut text = String::new();
    write(value, separators, &mut text)?;
    Some(text)
}

/// A table of which some values may be `null`.
pub(crate) fn dump_table(fields: &[(&str, Option<&Value>)], separators: Separators) -> Option<String> {
    let mut fields: Vec<_> = fields.to_vec();
    fields.sort_by_key(|(key, _)| *key);
    let mut text = String::from("{");
    for (index, (key, value)) in fields.into_iter().enumerate() {
        if index > 0 {
            text += separators.0;
        }
        string(key, &mut text);
        text += separators.1;
        match value {
            Some(value) => write(value, separators, &mut text)?,
            None => text += "null",
        }
    }
    text.push('}');
    Some(text)
}

fn write(value: &Value, separators: Separators, text: &mut String) -> Option<()> {
    match value {
        Value::String(words) => string(words, text),
        Value::Integer(number) => write!(text, "{number}").ok()?,
        Value::Float(number) if number.is_finite() => write!(text, "{number:?}").ok()?,
        Value::Boolean(is) => write!(text, "{is}").ok()?,
        Value::Float(_) | Value::Datetime(_) => return None,
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    *text += separators.0;
                }
                write(item, separators, text)?;
            }
            text.push(']');
        }
        Value::Table(table) => {
            let mut keys: Vec<_> = table.iter().collect();
            keys.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, item)) in keys.into_iter().enumerate() {
                if index > 0 {
                    *text += separators.0;
                }
                string(key, text);
                *text += separators.1;
                write(item, separators, text)?;
            }
            text.push('}');
        }
    }
    Some(())
}

fn string(words: &str, text: &mut String) {
    text.push('"');
    for letter in words.chars() {
        match letter {
            '"' => *text += "\\\"",
            '\\' => *text += "\\\\",
            '\n' => *text += "\\n",
            '\r' => *text += "\\r",
            '\t' => *text += "\\t",
            '\u{8}' => *text += "\\b",
            '\u{c}' => *text += "\\f",
            ' '..='~' => text.push(letter),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_text_matches_python() {
        let value: Value =
            toml::from_str("b = [1, 2.0, true, 'é\"\\𝄞']\na = { z = {}, y = [], x = \"\\u0001\\n\" }")
                .unwrap();
        let expected = "{\"a\": {\"x\": \"\\u0001\\n\", \"y\": [], \"z\": {}}, \"b\": [1, 2.0, true, \"\\u00e9\\\"\\\\\\ud834\\udd1e\"]}";
        assert_eq!(dump(&value, SPACED).unwrap(), expected);
        assert_eq!(dump(&value, TIGHT).unwrap(), expected.replace(", ", ",").replace(": ", ":"));
        assert_eq!(
            dump_table(&[("b", None), ("a", Some(&Value::Integer(1)))], SPACED).unwrap(),
            "{\"a\": 1, \"b\": null}"
        );
        assert_eq!(dump(&toml::from_str("a = 2020-01-01").unwrap(), SPACED), None);
    }
}
