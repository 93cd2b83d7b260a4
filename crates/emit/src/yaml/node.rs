/// A value of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Node>),
    Map(Map),
}

/// Keys and values in the order they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Map(pub(crate) Vec<Entry>);

/// A key, its value, and what is said about them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) comment: Option<String>,
    pub(crate) key: String,
    pub(crate) value: Node,
}

impl Map {
    /// Adds a key.
    pub(crate) fn put(&mut self, key: impl Into<String>, value: impl Into<Node>) {
        self.0.push(Entry { comment: None, key: key.into(), value: value.into() });
    }

    /// Adds a key below a comment, whose lines are parted by line ends.
    pub(crate) fn put_said(&mut self, comment: &str, key: impl Into<String>, value: impl Into<Node>) {
        self.0.push(Entry { comment: Some(comment.to_owned()), key: key.into(), value: value.into() });
    }

    /// Adds a key if there is a value for it.
    pub(crate) fn put_some(&mut self, key: &str, value: Option<impl Into<Node>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Adds a key if its list or map is not empty.
    pub(crate) fn put_filled(&mut self, key: &str, value: impl Into<Node>) {
        let value = value.into();
        let is_empty = match &value {
            Node::List(items) => items.is_empty(),
            Node::Map(map) => map.0.is_empty(),
            _ => false,
        };
        if !is_empty {
            self.put(key, value);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A map of keys that are all known.
pub(crate) fn map<const N: usize>(entries: [(&str, Node); N]) -> Map {
    entries.into_iter().collect()
}

impl<K: Into<String>, V: Into<Node>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        entries.into_iter().for_each(|(key, value)| map.put(key, value));
        map
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Node {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u16> for Node {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Node {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<Map> for Node {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl<T: Into<Node>> From<Vec<T>> for Node {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Node>, const N: usize> From<[T; N]> for Node {
    fn from(items: [T; N]) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Node>> From<Option<T>> for Node {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
