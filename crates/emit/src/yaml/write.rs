use std::fmt::Write as _;

use super::node::{Map, Node};

/// Writes a document: blocks indented by two, one line for every text however long.
///
/// A text is plain where no reader of YAML 1.1 or 1.2 can take it for something else, and in double quotes otherwise, with
/// escapes that both versions know.
pub(crate) fn write(document: &Map) -> String {
    let mut out = String::new();
    if document.is_empty() {
        out.push_str("{}\n");
    }
    write_map(document, 0, &mut out);
    out
}

fn write_map(map: &Map, depth: usize, out: &mut String) {
    for (index, entry) in map.0.iter().enumerate() {
        if let Some(comment) = &entry.comment {
            write_comment(comment, if index == 0 { 0 } else { depth }, depth, out);
        } else if index > 0 {
            indent(depth, out);
        }
        scalar(&entry.key, out);
        out.push(':');
        write_value(&entry.value, depth, out);
    }
}

/// Writes a comment and the indentation of what follows it. The first line may stand where something has indented already.
fn write_comment(comment: &str, first: usize, depth: usize, out: &mut String) {
    for (index, line) in comment.lines().enumerate() {
        indent(if index == 0 { first } else { depth }, out);
        out.push('#');
        if !line.is_empty() {
            out.push(' ');
        }
        out.extend(line.chars().map(|letter| if is_printable(letter) { letter } else { '?' }));
        out.push('\n');
    }
    indent(depth, out);
}

/// Writes what follows `key:`, with the line end.
fn write_value(value: &Node, depth: usize, out: &mut String) {
    match value {
        Node::Map(map) if !map.is_empty() => {
            out.push('\n');
            indent(depth + 1, out);
            write_map(map, depth + 1, out);
        }
        Node::List(items) if !items.is_empty() => {
            out.push('\n');
            write_list(items, depth + 1, out);
        }
        value => {
            out.push(' ');
            write_flat(value, out);
        }
    }
}

fn write_list(items: &[Node], depth: usize, out: &mut String) {
    for item in items {
        indent(depth, out);
        out.push('-');
        match item {
            Node::Map(map) if !map.is_empty() => {
                out.push(' ');
                write_map(map, depth + 1, out);
            }
            Node::List(inner) if !inner.is_empty() => {
                out.push('\n');
                write_list(inner, depth + 1, out);
            }
            item => {
                out.push(' ');
                write_flat(item, out);
            }
        }
    }
}

/// Writes what needs no block, and the line end.
fn write_flat(value: &Node, out: &mut String) {
    match value {
        Node::Null => out.push_str("null"),
        Node::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Node::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Node::Text(text) => scalar(text, out),
        Node::List(_) => out.push_str("[]"),
        Node::Map(_) => out.push_str("{}"),
    }
    out.push('\n');
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Words that some reader takes for a truth value, nothing or a number.
const WORDS: &[&str] =
    &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"];

/// Whether nobody can misread a text without quotes: it begins with a letter or `/`, and holds nothing that YAML knows.
fn is_plain(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@+-".contains(&byte);
    text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '/')
        && text.bytes().all(is_inner)
        && !text.ends_with(':')
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn scalar(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if is_printable(letter) => out.push(letter),
            letter if u32::from(letter) > 0xffff => {
                let _ = write!(out, "\\U{:08x}", u32::from(letter));
            }
            letter => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
        }
    }
    out.push('"');
}

/// What YAML calls printable (1.2, rule 1), without what ends lines, marks byte orders or turns the direction of a text: all
/// that is either refused by some reader or not seen by people.
fn is_printable(letter: char) -> bool {
    !letter.is_control()
        && !matches!(u32::from(letter),
            0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfe00..=0xfe0f
            | 0xfeff | 0xfff0..=0xffff | 0xe0000..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::yaml::{Spot, Value, read};

    /// Texts that somebody misreads, and any others.
    fn text() -> impl Strategy<Value = String> {
        let odd = [
            "",
            " ",
            "~",
            "null",
            "yes",
            "Off",
            "1e3",
            "0x1f",
            "1:30",
            "=",
            "<<",
            "- a",
            "a: b",
            "a #b",
            "#",
            "\u{85}",
            "\u{feff}",
            "\u{2028}",
            "\u{fffe}",
            "\u{10ffff}",
            "a\n---\nb",
            "\r",
            "\t",
            "'",
            "\"",
            "\\",
            "{{ . }}",
            "/",
            "a:",
            "-",
            "$",
        ];
        prop_oneof![
            proptest::sample::select(odd.to_vec()).prop_map(ToOwned::to_owned),
            ".{0,20}",
            proptest::collection::vec(any::<char>(), 0..8).prop_map(|letters| letters.into_iter().collect()),
        ]
    }

    fn node() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            text().prop_map(Node::Text),
            any::<bool>().prop_map(Node::Bool),
            any::<u64>().prop_map(Node::Number),
            Just(Node::Null),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let maps = proptest::collection::btree_map(text(), inner.clone(), 0..4);
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(Node::List),
                maps.prop_map(|entries| Node::Map(
                    entries.into_iter().filter(|(key, _)| key != "<<").collect()
                )),
            ]
        })
    }

    /// Whether a reader finds what was written.
    fn is_same(node: &Node, spot: &Spot) -> bool {
        match (node, &spot.value) {
            // Without quotes only what begins like a word or a path.
            (Node::Text(text), Value::Text(found, is_bare)) => {
                text == found
                    && (!is_bare || text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '/'))
            }
            (Node::Null, _) => spot.is_null(),
            (Node::Bool(value), Value::Text(found, true)) => value.to_string() == *found,
            (Node::Number(value), Value::Text(found, true)) => value.to_string() == *found,
            (Node::List(items), Value::List(found)) => {
                items.len() == found.len()
                    && items.iter().zip(found).all(|(item, found)| is_same(item, found))
            }
            (Node::Map(map), Value::Map(found)) => {
                let pairs = map.0.iter().zip(found);
                map.0.len() == found.len()
                    && pairs
                        .into_iter()
                        .all(|(entry, (key, _, value))| entry.key == *key && is_same(&entry.value, value))
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn written_yaml_round_trips(key in "[a-z]{1,5}", value in node(), comment in text()) {
            let mut document = Map::default();
            document.put_said(&comment, key, value);
            let text = write(&document);
            let found = read(text.as_bytes()).unwrap();
            prop_assert!(is_same(&Node::Map(document), &found), "{text}\n{found:?}");
        }
    }

    #[test]
    fn only_unambiguous_scalars_are_plain() {
        let shown = |text: &str| {
            let mut out = String::new();
            scalar(text, &mut out);
            out
        };
        for text in ["a", "/tmp", "linux/amd64", "no-new-privileges:true", "app.kubernetes.io/name", "u+1"] {
            assert_eq!(shown(text), text);
        }
        for text in
            ["", "No", "y", "1", "-m", "a:", "a b", "a#", "0.1.0", "250m", "~", ".5", "a,b", "NaN", "ä"]
        {
            assert_eq!(shown(text), format!("\"{text}\""));
        }
        assert_eq!(shown("a\u{85}\u{feff}\u{10ffff}\u{202e}\n"), "\"a\\u0085\\ufeff\\U0010ffff\\u202e\\n\"");
    }
}
