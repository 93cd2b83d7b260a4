use std::collections::BTreeMap;

use super::Finder;
use crate::syntax::{Content, Dict, Entry, Value};

const SPREAD: &str = "begin a new line behind `{`, for every key, and for `}`";
/// Keys that are copied to the top of a component.
const COPIED: [&str; 3] = ["event", "script_path", "function_name"];

/// The body of a component: its first line is not read, and neither is one with a brace.
pub(super) fn body(finder: &mut Finder<'_>, body: &Dict) {
    if !is_spread(finder, body) {
        let text = "it does not read what is in the line of the first or last brace of a component";
        finder.tell("D-BODY-LINE", body.open, text, SPREAD);
    }
    let is_of_dicts = |entry: &Entry| {
        entry.value.as_list().is_some_and(|items| items.iter().any(|item| item.as_dict().is_some()))
    };
    let behind = body.entries.iter().skip_while(|entry| !is_of_dicts(entry));
    for entry in behind.filter(|entry| entry.value.as_dict().is_some()) {
        let text = "it loses this and every later key: a dictionary behind a list of dictionaries";
        finder.tell("D-DICT-BEHIND", entry.key_at, text, "put dictionaries before hooks and pipes");
    }
}

/// A dictionary of one line, or empty.
pub(super) fn lines(finder: &mut Finder<'_>, dict: &Dict) {
    if dict.entries.is_empty() || !is_spread(finder, dict) {
        let text = "it drops a dictionary that is empty, or that shares a line with a key or its end";
        finder.tell("D-DICT-LINE", dict.open, text, SPREAD);
    }
}

fn is_spread(finder: &Finder<'_>, dict: &Dict) -> bool {
    let is_next = |start: usize, end: usize| !finder.is_one_line(start, end);
    match (dict.entries.first(), dict.entries.last()) {
        (Some(first), Some(last)) => {
            is_next(dict.open.end, first.key_at.start) && is_next(last.value.at.end, dict.close.start)
        }
        _ => true,
    }
}

/// What is between entries, and how their keys are written.
pub(super) fn entry(finder: &mut Finder<'_>, entry: &Entry, is_in_dict: bool) {
    key(finder, entry);
    if is_in_dict && COPIED.contains(&entry.key.as_str()) {
        let text = "it copies this key of a dictionary to the top of the component";
        finder.tell("D-DICT-EVENT", entry.key_at, text, "give the key another name");
    }
}

/// Keys with quotes, and commas behind values.
pub(super) fn key(finder: &mut Finder<'_>, entry: &Entry) {
    if entry.is_key_quoted {
        let text = "it takes the quotes for a part of the key";
        finder.tell("D-KEY-QUOTED", entry.key_at, text, "leave out the quotes");
    }
    if let Some(comma) = entry.comma {
        let text = "it takes a comma behind a value, and what follows, for a part of the value";
        finder.tell("D-COMMA", comma, text, "write every key in a line of its own, without comma");
    }
}

/// Dictionaries are looked for by their key in the whole component: the first that ends alike is taken.
pub(super) fn same_keys(finder: &mut Finder<'_>, body: &Dict) {
    let mut seen: BTreeMap<String, &Dict> = BTreeMap::new();
    same_keys_of(finder, body, &mut seen);
}

fn same_keys_of<'t>(finder: &mut Finder<'_>, dict: &'t Dict, seen: &mut BTreeMap<String, &'t Dict>) {
    for entry in &dict.entries {
        let Value { content: Content::Dict(inner), .. } = &entry.value else { continue };
        let backwards: String = entry.key.chars().rev().collect();
        let ends_alike =
            seen.range(backwards.clone()..).next().filter(|(key, _)| key.starts_with(&backwards));
        if ends_alike.is_some() {
            let text = "it takes the content of a dictionary before, whose key ends alike";
            finder.tell("D-DICT-KEY", entry.key_at, text, "give the two keys names that do not end alike");
        }
        seen.entry(backwards).or_insert(inner);
        same_keys_of(finder, inner, seen);
    }
}
