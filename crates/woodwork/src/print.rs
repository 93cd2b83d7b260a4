use std::fmt::Write as _;

use crate::syntax::{Content, Dict, Tree, Value};

/// Writes a workflow in a form that the `woodwork` command reads alike, as far as there is one.
///
/// One entry in a line, bodies on lines of their own, no comments and no commas between entries. What has no such form (a
/// number, a brace in a string) is written as it is: [`check()`](crate::check()) warns of it.
pub fn print(tree: &Tree) -> String {
    let mut text = String::new();
    for node in &tree.components {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = write!(text, "{} = {} {} ", node.name.text, node.kind.text, node.kind_type.text);
        dict(&mut text, &node.body, 0);
        text.push('\n');
    }
    text
}

fn dict(text: &mut String, dict: &Dict, depth: usize) {
    text.push_str("{\n");
    for entry in &dict.entries {
        indent(text, depth + 1);
        match is_key(&entry.key) {
            true => text.push_str(&entry.key),
            false => text.push_str(&quoted(&entry.key)),
        }
        text.push_str(": ");
        value(text, &entry.value, depth + 1);
        text.push('\n');
    }
    indent(text, depth);
    text.push('}');
}

fn value(text: &mut String, value: &Value, depth: usize) {
    match &value.content {
        Content::Text(string) => text.push_str(&quoted(string)),
        Content::Env(name) => {
            text.push('$');
            text.push_str(name);
        }
        Content::Number(number) => text.push_str(number.as_str()),
        Content::Boolean(value) => text.push_str(if *value { "true" } else { "false" }),
        Content::Dict(inner) => dict(text, inner, depth),
        Content::List(items) => list(text, items, depth),
        Content::Reference { name, .. } => text.push_str(name),
    }
}

/// In one line, but for lists with dictionaries: those begin in lines of their own.
fn list(text: &mut String, items: &[Value], depth: usize) {
    let is_long = items.iter().any(|item| matches!(item.content, Content::Dict(_)));
    text.push('[');
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        match is_long {
            true => {
                text.push('\n');
                indent(text, depth + 1);
            }
            false if number > 0 => text.push(' '),
            false => {}
        }
        value(text, item, depth + 1);
    }
    if is_long {
        text.push('\n');
        indent(text, depth);
    }
    text.push(']');
}

fn indent(text: &mut String, depth: usize) {
    (0..depth).for_each(|_| text.push_str("    "));
}

/// A string holds one sort of quotes at most, as it was read.
fn quoted(text: &str) -> String {
    let quote = if text.contains('"') { '\'' } else { '"' };
    format!("{quote}{text}{quote}")
}

fn is_key(key: &str) -> bool {
    let is_rest = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    key.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_') && key.chars().all(is_rest)
}
