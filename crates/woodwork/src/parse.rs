use std::collections::BTreeSet;

use crate::codes::{self, Code};
use crate::cursor::Cursor;
use crate::problem::{Problem, Stage, is_secret};
use crate::span::Span;
use crate::syntax::{Content, Dict, Entry, Node, Number, Tree, Value, Word};
use crate::table;

/// Bytes of a file that are read.
pub const MOST_BYTES: usize = 1 << 20;
/// Components of a file.
pub const MOST_COMPONENTS: usize = 1000;
/// Brackets and braces within each other.
const DEEPEST: usize = 64;
/// What may follow a value directly.
const ENDS: &[char] = &[' ', '\t', '\r', '\n', ',', ']', '}', '#'];

/// Reads the grammar; stops at the first error.
///
/// Kinds, types and names are not judged here. Boxed, because a problem brings its line along.
pub(crate) fn parse(bytes: &[u8]) -> Result<Tree, Box<Problem>> {
    let text = text(bytes)?;
    let without_mark = text.strip_prefix('\u{feff}');
    let byte_order_mark = without_mark.is_some();
    let text = without_mark.unwrap_or(text);
    let mut parser = Parser { source: text, cursor: Cursor::new(text), depth: 0, comments: Vec::new() };
    let components = parser.file()?;
    let comments = parser.comments;
    Ok(Tree { text: text.to_owned(), components, comments, byte_order_mark })
}

/// The bytes as text in which a line ends with LF or CRLF.
fn text(bytes: &[u8]) -> Result<&str, Box<Problem>> {
    let refused = |code, at: usize, text: String| {
        let before = bytes.get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let in_line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let column = String::from_utf8_lossy(in_line).chars().count() + 1;
        // The line is not shown: it holds what cannot be shown.
        Problem::new("", Stage::Parse, code, Span { start: at, end: at, line, column }, text)
    };
    if bytes.len() > MOST_BYTES {
        let text = format!("the file has {} bytes; the limit is {MOST_BYTES}", bytes.len());
        return Err(Box::new(
            refused(codes::E_SIZE, 0, text)
                .hint("check that it is a workflow, which refers to files instead of containing them"),
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let hint = "save the file as UTF-8";
        refused(codes::E_UTF8, error.valid_up_to(), "the file is not UTF-8 here".into()).hint(hint)
    })?;
    if let Some(at) = text.find('\0') {
        let hint = "check that it is a workflow";
        return Err(Box::new(refused(codes::E_NUL, at, "the file contains a NUL byte".into()).hint(hint)));
    }
    let mut letters = text.bytes().enumerate().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == b'\r' && letters.peek().is_none_or(|(_, next)| *next != b'\n') {
            let text = "a carriage return that does not end a line".to_owned();
            let hint = "end lines with LF or CRLF";
            return Err(Box::new(refused(codes::E_CR, at, text).hint(hint)));
        }
    }
    Ok(text)
}

struct Parser<'t> {
    source: &'t str,
    cursor: Cursor<'t>,
    depth: usize,
    comments: Vec<Span>,
}

type Parsed<T> = Result<T, Box<Problem>>;

impl<'t> Parser<'t> {
    /// `{ component }`
    fn file(&mut self) -> Parsed<Vec<Node>> {
        let mut components = Vec::new();
        loop {
            self.gap();
            if self.cursor.peek().is_none() {
                return Ok(components);
            }
            let component = self.component()?;
            if components.len() == MOST_COMPONENTS {
                let text = format!("a workflow has at most {MOST_COMPONENTS} components");
                return Err(self.problem(codes::E_LIMIT, component.name.at, text));
            }
            components.push(component);
        }
    }

    /// `name = kind type { body }`
    fn component(&mut self) -> Parsed<Node> {
        let start = self.cursor.here();
        let Some(name) = self.word() else { return Err(self.stray(start)) };
        self.gap();
        let equals = self.cursor.here();
        if !self.cursor.eat('=') {
            return Err(self.stray(start));
        }
        self.gap();
        let Some(kind) = self.word() else { return Err(self.header(&name, None, equals)) };
        self.gap();
        let Some(kind_type) = self.word() else { return Err(self.header(&name, Some(&kind), kind.at)) };
        self.gap();
        if self.cursor.peek() != Some('{') {
            return Err(self.header(&name, Some(&kind), kind_type.at));
        }
        let body = self.dict()?;
        Ok(Node { name, kind, kind_type, body, equals })
    }

    /// `{ body }`; the brace comes next.
    fn dict(&mut self) -> Parsed<Dict> {
        let open = self.cursor.here();
        self.deeper(open)?;
        self.cursor.bump();
        let mut dict = Dict { entries: Vec::new(), open, close: open };
        let mut keys = BTreeSet::new();
        loop {
            self.gap();
            dict.close = self.cursor.here();
            match self.cursor.peek() {
                None => return Err(self.unclosed(open)),
                Some('}') => {
                    self.cursor.bump();
                    self.depth -= 1;
                    return Ok(dict);
                }
                Some(_) => {}
            }
            let mut entry = self.entry()?;
            if !keys.insert(entry.key.clone()) {
                let text = format!("duplicate key `{}`", entry.key);
                return Err(self.hinted(codes::E_KEY_DUP, entry.key_at, text, "keep one of the two"));
            }
            self.end_of_entry(&entry)?;
            self.gap();
            let comma = self.cursor.here();
            entry.comma = self.cursor.eat(',').then_some(comma);
            dict.entries.push(entry);
        }
    }

    /// `key: value`
    fn entry(&mut self) -> Parsed<Entry> {
        let start = self.cursor.here();
        let is_key_quoted = matches!(self.cursor.peek(), Some('"' | '\''));
        let key = match is_key_quoted {
            true => self.string()?,
            false => self.key()?,
        };
        let key_at = self.cursor.since(start);
        self.blanks();
        if !self.cursor.eat(':') {
            return Err(self.no_colon(&key, key_at));
        }
        self.blanks();
        if matches!(self.cursor.peek(), None | Some('\r' | '\n' | '#' | ',' | '}')) {
            let text = format!("`{key}` has no value");
            let hint = "a value begins in the line of its key; an empty one is `\"\"`";
            return Err(self.hinted(codes::E_EMPTY_VALUE, key_at, text, hint));
        }
        let value = self.value()?;
        Ok(Entry { key, key_at, value, is_key_quoted, comma: None })
    }

    fn key(&mut self) -> Parsed<String> {
        let at = self.cursor.here();
        if !self.cursor.peek().is_some_and(begins_word) {
            let (text, hint) = match self.cursor.peek() {
                Some(',') => ("missing value before this comma".to_owned(), "remove it"),
                Some('/') => ("a comment starts with `#`".to_owned(), "write `#` in place of `//`"),
                Some('{') => ("a dictionary without a key".to_owned(), "write `key: {`"),
                _ => ("expected a key".to_owned(), "write `key: value`; keys start with a letter or `_`"),
            };
            return Err(self.hinted(codes::E_KEY, at, text, hint));
        }
        Ok(self.cursor.take_while(|letter| continues_word(letter) || letter == '-').to_owned())
    }

    /// Says what stands in the place of the colon.
    fn no_colon(&mut self, key: &str, at: Span) -> Box<Problem> {
        if self.cursor.peek() != Some('=') {
            let hint = format!("write `{key}: value`");
            return self.hinted(codes::E_NO_COLON, at, format!("`{key}` is not followed by `:`"), hint);
        }
        let mut ahead = self.cursor.clone();
        let line = ahead.take_while(|letter| letter != '\n' && letter != '#');
        let words: Vec<&str> =
            line.trim_start_matches('=').trim_end().trim_end_matches('{').split_whitespace().collect();
        let is_header =
            line.trim_end().ends_with('{') && words.iter().all(|word| word.chars().all(continues_word));
        if is_header && words.len() == 2 {
            let text = format!("the component `{key}` starts inside another one");
            let hint = "close the previous component with `}`; components cannot be nested";
            return self.hinted(codes::E_EQUALS, at, text, hint);
        }
        let hint = format!("write `{key}: value`; `=` occurs only in the first line of a component");
        self.hinted(codes::E_EQUALS, at, format!("`{key}` is followed by `=`"), hint)
    }

    /// Between entries there is a new line or a comma.
    fn end_of_entry(&mut self, entry: &Entry) -> Parsed<()> {
        self.blanks();
        if matches!(self.cursor.peek(), None | Some('\r' | '\n' | ',' | '}' | '#')) {
            return Ok(());
        }
        let at = self.cursor.here();
        let text = format!("unexpected text after the value of `{}`", entry.key);
        let hint = match entry.value.content {
            Content::Text(_) => {
                "a string ends at the next quote of its kind and has no escapes; start a new line for the next key"
            }
            _ => "quote text, and start a new line for the next key",
        };
        Err(self.hinted(codes::E_TRAILING, at, text, hint))
    }

    fn value(&mut self) -> Parsed<Value> {
        let start = self.cursor.here();
        let content = match self.cursor.peek() {
            Some('"' | '\'') => Content::Text(self.string()?),
            Some('$') => Content::Env(self.env()?),
            Some('[') => self.list()?,
            Some('{') => Content::Dict(self.dict()?),
            _ => self.bare()?,
        };
        Ok(Value { content, at: self.cursor.since(start) })
    }

    fn string(&mut self) -> Parsed<String> {
        let start = self.cursor.here();
        let Some(quote) = self.cursor.bump() else { return Err(self.unclosed(start)) };
        let text = self.cursor.take_while(|letter| letter != quote && letter != '\n' && letter != '\r');
        if self.cursor.eat(quote) {
            return Ok(text.to_owned());
        }
        let at = self.cursor.since(start);
        let hint =
            format!("close it with {quote} in the same line; a string has no line ends and no escapes");
        Err(self.hinted(codes::E_STRING, at, "this string does not end in its line", hint))
    }

    fn env(&mut self) -> Parsed<String> {
        let start = self.cursor.here();
        self.cursor.bump();
        let name = self.word();
        if let Some(name) = name.filter(|_| self.is_at_end()) {
            return Ok(name.text);
        }
        let rest = self.cursor.take_while(|letter| !ENDS.contains(&letter) || letter == '}');
        let inside = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let hint = match inside.filter(|name| !name.is_empty() && name.chars().all(continues_word)) {
            Some(name) => format!("write `${name}`"),
            None => "write `$NAME`, with nothing before or behind: values are not put together".into(),
        };
        let at = self.cursor.since(start);
        let text = "a `$` is followed by a name of letters, digits and `_`, and nothing more";
        Err(self.hinted(codes::E_ENV, at, text, hint))
    }

    fn list(&mut self) -> Parsed<Content> {
        let open = self.cursor.here();
        self.deeper(open)?;
        self.cursor.bump();
        let mut items = Vec::new();
        loop {
            self.gap();
            match self.cursor.peek() {
                None => return Err(self.unclosed(open)),
                Some(']') => break,
                Some(',' | '}') => return Err(self.not_in_list(open, "an item or `]`")),
                Some(_) => items.push(self.value()?),
            }
            self.gap();
            match self.cursor.peek() {
                None => return Err(self.unclosed(open)),
                Some(']') => break,
                Some(',') => self.cursor.bump(),
                Some(_) => return Err(self.not_in_list(open, "`,` or `]`")),
            };
        }
        self.cursor.bump();
        self.depth -= 1;
        Ok(Content::List(items))
    }

    fn not_in_list(&self, open: Span, expected: &str) -> Box<Problem> {
        let text = format!("here {expected} is expected, in the list that begins in line {}", open.line);
        self.hinted(
            codes::E_LIST,
            self.cursor.here(),
            text,
            "items are separated by commas, and a list ends with `]`",
        )
    }

    /// A word without quotes: a number, a boolean or a name.
    fn bare(&mut self) -> Parsed<Content> {
        let start = self.cursor.here();
        let word = self.cursor.take_while(|letter| !ENDS.contains(&letter));
        let at = self.cursor.since(start);
        if word.starts_with(begins_word) && word.chars().all(continues_word) {
            return Ok(match word.to_ascii_lowercase().as_str() {
                "true" => Content::Boolean(true),
                "false" => Content::Boolean(false),
                _ => Content::Reference { name: word.to_owned(), is_quoted: false },
            });
        }
        if is_number(word) {
            let hint = "write it in quotes";
            let refused = || self.hinted(codes::E_NUMBER, at, "this number is too large", hint);
            return Number::new(word).map(Content::Number).ok_or_else(refused);
        }
        // A list without commas, or `]` too much.
        if word.is_empty() {
            let hint =
                "a value is a string, a number, true, false, `$NAME`, a list, a dictionary or a component";
            return Err(self.hinted(codes::E_BARE, at, "here a value is expected", hint));
        }
        if is_secret(self.source, at) {
            let hint = "write `$NAME` and set the variable at run time";
            return Err(self.hinted(codes::E_BARE, at, "this value is neither a name nor a number", hint));
        }
        let shown: String = word.chars().take(60).collect();
        let hint = match word.contains(['"', '\'']) {
            true => "put all of it into one pair of quotes".to_owned(),
            false => format!("write it in quotes: \"{shown}\""),
        };
        Err(self.hinted(codes::E_BARE, at, format!("`{shown}` is neither a name nor a number"), hint))
    }

    /// An identifier, if one comes next.
    fn word(&mut self) -> Option<Word> {
        let start = self.cursor.here();
        self.cursor.peek().filter(|letter| begins_word(*letter))?;
        let text = self.cursor.take_while(continues_word).to_owned();
        Some(Word { text, at: self.cursor.since(start) })
    }

    fn is_at_end(&self) -> bool {
        self.cursor.peek().is_none_or(|letter| ENDS.contains(&letter))
    }

    fn blanks(&mut self) {
        self.cursor.take_while(|letter| letter == ' ' || letter == '\t');
    }

    /// White space, line ends and comments.
    fn gap(&mut self) {
        loop {
            self.cursor.take_while(|letter| matches!(letter, ' ' | '\t' | '\r' | '\n'));
            let start = self.cursor.here();
            if self.cursor.peek() != Some('#') {
                return;
            }
            self.cursor.take_while(|letter| letter != '\r' && letter != '\n');
            self.comments.push(self.cursor.since(start));
        }
    }

    fn deeper(&mut self, at: Span) -> Parsed<()> {
        self.depth += 1;
        match self.depth > DEEPEST {
            true => Err(self.problem(
                codes::E_DEPTH,
                at,
                format!("braces and brackets are nested more than {DEEPEST} levels deep"),
            )),
            false => Ok(()),
        }
    }

    fn unclosed(&self, open: Span) -> Box<Problem> {
        let (opens, closes) = match self.source.get(open.start..open.end) {
            Some("[") => ('[', ']'),
            _ => ('{', '}'),
        };
        let text = format!("unclosed `{opens}`");
        self.hinted(codes::E_UNCLOSED, open, text, format!("add `{closes}`"))
    }

    /// What stands between components.
    fn stray(&self, start: Span) -> Box<Problem> {
        let line = self.source.get(start.start..).unwrap_or_default().lines().next().unwrap_or_default();
        let hint = if line.starts_with("//") {
            "comments start with `#`"
        } else if line.starts_with('}') {
            "unexpected `}`"
        } else if line.contains('=') && line.contains('{') {
            "the name of a component is one word of letters, digits and `_` that does not start with a digit"
        } else if line.contains(':') {
            "keys are allowed only inside components"
        } else {
            "a component is `name = kind type { ... }`"
        };
        let at = Span { end: start.start + line.len(), ..start };
        self.hinted(codes::E_STRAY, at, "expected a component", hint)
    }

    /// A header that goes wrong behind `last`.
    fn header(&self, name: &Word, kind: Option<&Word>, last: Span) -> Box<Problem> {
        let here = self.cursor.here();
        let at = if here.line == last.line { here } else { last.after(self.source) };
        let name = &name.text;
        let hint = match kind.and_then(|kind| table::kind_of_type(&kind.text)) {
            Some((kind, kind_type)) => format!("did you mean `{name} = {kind} {kind_type} {{`?"),
            None => format!("write `{name} = kind type {{`, as `{name} = llm openai {{`"),
        };
        self.hinted(codes::E_HEADER, at, "a component starts with a name, `=`, a kind, a type and `{`", hint)
    }

    fn problem(&self, code: &'static Code, at: Span, text: impl Into<String>) -> Box<Problem> {
        Box::new(Problem::new(self.source, Stage::Parse, code, at, text))
    }

    fn hinted(
        &self,
        code: &'static Code,
        at: Span,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Box<Problem> {
        Box::new(Problem::new(self.source, Stage::Parse, code, at, text).hint(hint))
    }
}

fn begins_word(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '_'
}

pub(crate) fn continues_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Whether a text is a name as the grammar has it.
pub(crate) fn is_word(text: &str) -> bool {
    text.starts_with(begins_word) && text.chars().all(continues_word)
}

/// As JSON has numbers.
fn is_number(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let word = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (word, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_json() {
        for number in ["0", "-0", "30", "1.5", "-2e10", "1E+3", "0.1e-2"] {
            assert!(is_number(number), "{number}");
        }
        for word in ["", "-", "01", ".5", "1.", "1e", "+1", "1_0", "0x1", "1e+", "--1", "1.2.3"] {
            assert!(!is_number(word), "{word}");
        }
    }
}
