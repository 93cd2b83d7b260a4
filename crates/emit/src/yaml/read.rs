use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::Error;

/// A value with its place, as it was written: what a text means is up to who asks for it.
#[derive(Debug)]
pub(crate) struct Spot {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    /// A text, and whether it stood without quotes.
    Text(String, bool),
    List(Vec<Spot>),
    /// Keys and values, in the order written; every key once.
    Map(Vec<(String, Spot, Spot)>),
}

/// Deeper than any file of values.
const DEEPEST: usize = 16;
/// Larger than any file of values.
const MOST_BYTES: usize = 1 << 20;

/// Reads one document of YAML, and so of JSON: no anchors, aliases or tags, and every key of a map once.
///
/// # Errors
/// What is wrong first, with its place.
pub(crate) fn read(text: &[u8]) -> Result<Spot, Error> {
    if text.len() > MOST_BYTES {
        return Err(Error::TooLarge { what: "the file of values", limit: MOST_BYTES });
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        let line = text.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
        Error::Values { line, column: 1, reason: "this is not UTF-8".into(), remedy: None }
    })?;
    let mut reader = Reader { parser: Parser::new_from_str(text) };
    let mut found = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if found.is_some() => {
                return Err(at(span, "the file contains a second document", Some("keep one document")));
            }
            event => found = Some(reader.value(event, span, 0)?),
        }
    }
    Ok(found.unwrap_or(Spot { line: 1, column: 1, value: Value::Map(Vec::new()) }))
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
}

fn at(span: Span, reason: impl Into<String>, remedy: Option<&str>) -> Error {
    Error::Values {
        line: span.start.line(),
        column: span.start.col() + 1,
        reason: reason.into(),
        remedy: remedy.map(ToOwned::to_owned),
    }
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Error> {
        match self.parser.next_event() {
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => Err(at(Span::empty(*error.marker()), error.info(), None)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The value that an event begins.
    fn value(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Spot, Error> {
        let plainly = Some("write the value explicitly");
        if depth > DEEPEST {
            return Err(at(span, "this is nested too deeply", None));
        }
        let value = match event {
            Event::Alias(_) => return Err(at(span, "aliases are not supported", plainly)),
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                return Err(at(span, "anchors are not supported", plainly));
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return Err(at(span, "tags are not supported", plainly));
            }
            Event::Scalar(text, style, ..) => Value::Text(text.into_owned(), style == ScalarStyle::Plain),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::List(items),
                        (event, span) => items.push(self.value(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => self.map(depth)?,
            _ => return Err(at(span, "the file ends in the middle of a value", None)),
        };
        Ok(Spot { line: span.start.line(), column: span.start.col() + 1, value })
    }

    fn map(&mut self, depth: usize) -> Result<Value, Error> {
        let mut entries: Vec<(String, Spot, Spot)> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let key = self.value(event, span, depth + 1)?;
            let Value::Text(name, _) = &key.value else {
                return Err(at(span, "a key must be a string", None));
            };
            let name = name.clone();
            if name == "<<" {
                return Err(at(span, "merge keys are not supported", Some("write the keys explicitly")));
            }
            if !seen.insert(name.clone()) {
                return Err(key.error(format!("`{}` is defined twice", crate::check::shown(&name)), None));
            }
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth + 1)?;
            entries.push((name, key, value));
        }
    }
}

impl Spot {
    /// What is wrong with it.
    pub(crate) fn error(&self, reason: impl Into<String>, remedy: Option<String>) -> Error {
        Error::Values { line: self.line, column: self.column, reason: reason.into(), remedy }
    }

    /// Whether nothing was written, or that there is nothing.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Text(text, true) if ["", "~", "null", "Null", "NULL"].contains(&text.as_str()))
    }

    /// Its text.
    pub(crate) fn text(&self, what: &str) -> Result<&str, Error> {
        match &self.value {
            Value::Text(text, _) if !self.is_null() => Ok(text),
            _ => Err(self.error(format!("{what} must be a string"), None)),
        }
    }

    /// The whole number that it is.
    pub(crate) fn number<T: std::str::FromStr>(&self, what: &str) -> Result<T, Error> {
        let number = match &self.value {
            Value::Text(text, true) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| {
            self.error(format!("{what} must be a whole number without quotes, in range"), None)
        })
    }

    /// Its items.
    pub(crate) fn items(&self, what: &str) -> Result<&[Spot], Error> {
        match &self.value {
            Value::List(items) => Ok(items),
            _ => Err(self.error(format!("{what} must be a list"), None)),
        }
    }

    /// Its keys and values.
    pub(crate) fn entries(&self, what: &str) -> Result<&[(String, Spot, Spot)], Error> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            _ if self.is_null() => Ok(&[]),
            _ => Err(self.error(format!("{what} must be a map"), None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::told;

    #[test]
    fn json_is_read_too() {
        let spot = read(b"{\"a\": [1, \"b\", {\"c\": null}]}").unwrap();
        let [(name, _, list)] = spot.entries("it").unwrap() else { panic!("{spot:?}") };
        assert_eq!(name, "a");
        let items = list.items("it").unwrap();
        assert_eq!((items[0].number::<u16>("it").unwrap(), items[1].text("it").unwrap()), (1, "b"));
        assert!(items[2].entries("it").unwrap()[0].2.is_null());
    }

    #[test]
    fn misleading_yaml_is_rejected() {
        let deep = "[".repeat(200_000);
        let cases: [(&[u8], &str); 11] = [
            (b"a: &x 1\nb: *x", "line 1, column 4: anchors are not supported"),
            (b"b: *x", "line 1, column 4: "),
            (b"a: !!int 1", "line 1, column 4: tags are not supported"),
            (b"a: 1\na: 2", "line 2, column 1: `a` is defined twice"),
            (b"a: 1\n<<: {b: 2}", "line 2, column 1: merge keys are not supported"),
            (b"a: 1\n---\nb: 2", "line 3, column 1: the file contains a second document"),
            (b"? [a]\n: 1", "line 1, column 3: a key must be a string"),
            (b"a: [1, 2", "line "),
            (b"a: 1\nb: \xff", "line 2, column 1: this is not UTF-8"),
            (b"a: 'x", "line "),
            (deep.as_bytes(), "line "),
        ];
        for (text, expected) in cases {
            let error = told(&read(text).unwrap_err());
            assert!(error.starts_with(&format!("values, {expected}")), "{error}");
        }
        assert!(matches!(read(&vec![b' '; MOST_BYTES + 1]), Err(Error::TooLarge { .. })));
    }
}
