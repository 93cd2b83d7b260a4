//! The syntax tree: what is written, and where.

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::span::Span;

/// A workflow file as it is written: components, and the comments between.
#[derive(Clone, Debug)]
pub struct Tree {
    pub(crate) text: String,
    /// The components in the order of the file.
    pub components: Vec<Node>,
    pub(crate) comments: Vec<Span>,
    pub(crate) byte_order_mark: bool,
}

/// `name = kind type { ... }`
#[derive(Clone, Debug)]
pub struct Node {
    /// What others call it.
    pub name: Word,
    /// As `llm`.
    pub kind: Word,
    /// As `openai`.
    pub kind_type: Word,
    /// Its keys and values.
    pub body: Dict,
    pub(crate) equals: Span,
}

/// A word of a header.
#[derive(Clone, Debug)]
pub struct Word {
    /// The word.
    pub text: String,
    /// Where it stands.
    pub at: Span,
}

/// Keys with values, in the order of the file; every key is there once.
///
/// As JSON it is an object in this order.
#[derive(Clone, Debug, Default)]
pub struct Dict {
    /// The keys with their values.
    pub entries: Vec<Entry>,
    pub(crate) open: Span,
    pub(crate) close: Span,
}

/// `key: value`
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key, without quotes.
    pub key: String,
    /// Where the key stands.
    pub key_at: Span,
    /// Its value.
    pub value: Value,
    pub(crate) is_key_quoted: bool,
    pub(crate) comma: Option<Span>,
}

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub struct Value {
    /// What it is.
    pub content: Content,
    /// Where it stands.
    pub at: Span,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Content {
    /// `"text"`, without the quotes; nothing in it is an escape.
    Text(String),
    /// `$NAME`: the value of an environment variable at run time.
    Env(String),
    /// `30`, `-1.5e3`
    Number(Number),
    /// `true`, `False`
    Boolean(bool),
    /// `[ ... ]`
    List(Vec<Value>),
    /// `{ ... }`
    Dict(Dict),
    /// The name of a component.
    Reference {
        /// Its name.
        name: String,
        /// Whether it was written in quotes: in a list, the quoted name of a component is the component.
        is_quoted: bool,
    },
}

/// A number as it is written, which fits an `i64` or a finite `f64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// `None` if it fits neither.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let is_integer = !text.contains(['.', 'e', 'E']);
        let fits = match is_integer {
            true => text.parse::<i64>().is_ok(),
            false => text.parse::<f64>().is_ok_and(f64::is_finite),
        };
        fits.then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, if it is written without point and exponent.
    pub fn as_integer(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The number.
    pub fn as_float(&self) -> f64 {
        self.0.parse().unwrap_or_default()
    }
}

impl Dict {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The key and its value.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// A copy without some keys.
    pub fn without(&self, keys: &[&str]) -> Self {
        let entries = self.entries.iter().filter(|entry| !keys.contains(&entry.key.as_str()));
        Self { entries: entries.cloned().collect(), ..*self }
    }

    /// A copy without references to some components: their keys are gone, and their places in lists.
    pub fn without_references(&self, is_gone: &dyn Fn(&str) -> bool) -> Self {
        let entry =
            |entry: &Entry| Some(Entry { value: entry.value.without_references(is_gone)?, ..entry.clone() });
        Self { entries: self.entries.iter().filter_map(entry).collect(), ..*self }
    }
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The name of the component, if it is one.
    pub fn as_reference(&self) -> Option<&str> {
        match &self.content {
            Content::Reference { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match &self.content {
            Content::List(items) => Some(items),
            _ => None,
        }
    }

    /// The keys and values, if it has some.
    pub fn as_dict(&self) -> Option<&Dict> {
        match &self.content {
            Content::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// [`Dict::without_references`]; `None` when it is one itself.
    fn without_references(&self, is_gone: &dyn Fn(&str) -> bool) -> Option<Self> {
        let content = match &self.content {
            Content::Reference { name, .. } if is_gone(name) => return None,
            Content::List(items) => {
                Content::List(items.iter().filter_map(|item| item.without_references(is_gone)).collect())
            }
            Content::Dict(dict) => Content::Dict(dict.without_references(is_gone)),
            other => other.clone(),
        };
        Some(Self { content, at: self.at })
    }

    /// Calls `visit` for this value and all in it, in the order of the file.
    pub(crate) fn walk<'v>(&'v self, visit: &mut impl FnMut(&'v Self)) {
        visit(self);
        match &self.content {
            Content::List(items) => items.iter().for_each(|item| item.walk(visit)),
            Content::Dict(dict) => dict.walk(visit),
            _ => {}
        }
    }

    /// What it is, for a message: `a list`.
    pub(crate) fn sort(&self) -> &'static str {
        match &self.content {
            Content::Text(_) => "a string",
            Content::Env(_) => "an environment variable",
            Content::Number(_) => "a number",
            Content::Boolean(_) => "a boolean",
            Content::List(_) => "a list",
            Content::Dict(_) => "a dictionary",
            Content::Reference { .. } => "a component",
        }
    }
}

impl Dict {
    /// [`Value::walk`] of all values.
    pub(crate) fn walk<'v>(&'v self, visit: &mut impl FnMut(&'v Value)) {
        self.entries.iter().for_each(|entry| entry.value.walk(visit));
    }
}

impl Serialize for Dict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.entries.iter().map(|entry| (&entry.key, &entry.value)))
    }
}

/// `{"$env": NAME}`, `{"$ref": NAME}`, everything else as JSON has it.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let marked = |serializer: S, mark: &str, name: &str| {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(mark, name)?;
            map.end()
        };
        match &self.content {
            Content::Text(text) => text.serialize(serializer),
            Content::Env(name) => marked(serializer, "$env", name),
            Content::Number(number) => match number.as_integer() {
                Some(integer) => integer.serialize(serializer),
                None => number.as_float().serialize(serializer),
            },
            Content::Boolean(value) => value.serialize(serializer),
            Content::List(items) => items.serialize(serializer),
            Content::Dict(dict) => dict.serialize(serializer),
            Content::Reference { name, .. } => marked(serializer, "$ref", name),
        }
    }
}
