use std::collections::BTreeSet;

use super::finder::Finder;
use crate::codes;
use crate::syntax::{Content, Dict, Entry, Value};

const SPREAD: &str = "start a new line after `{`, for every key, and for `}`";
/// Keys that are copied from dictionaries to the top of a component, also where they are the end of a key.
pub(super) const COPIED: [&str; 3] = ["event", "script_path", "function_name"];

/// The body of a component: its first line is not read, and neither is one with a brace.
///
/// `comment` is the place of the next comment with braces.
pub(super) fn body(finder: &mut Finder<'_>, body: &Dict, comment: Option<usize>) {
    let ends_in_dict = body.entries.last().is_some_and(|entry| entry.value.as_dict().is_some());
    if begins_in_line(finder, body) || ends_in_line(finder, body) && !ends_in_dict {
        let text = "it ignores text on the line of the first or last brace of a component";
        finder.tell(codes::D_BODY_LINE, body.open, text, SPREAD);
    }
    if let Some(entry) = lost(body, comment, &mut Lost::No) {
        let text = "it drops this key and the following ones, because of the dictionary before and a list or comment with braces before that";
        finder.tell(codes::D_DICT_BEHIND, entry.key_at, text, "put dictionaries before hooks and pipes");
    }
}

/// How far the way to lost keys is gone.
#[derive(PartialEq)]
enum Lost {
    No,
    /// A list or a comment with braces was there.
    Braces,
    /// And a dictionary behind it.
    Dict,
}

/// The first key that is lost; lists are never.
fn lost<'t>(dict: &'t Dict, comment: Option<usize>, state: &mut Lost) -> Option<&'t Entry> {
    for entry in &dict.entries {
        if *state == Lost::No && comment.is_some_and(|at| at < entry.key_at.start) {
            *state = Lost::Braces;
        }
        match &entry.value.content {
            Content::List(items) if *state == Lost::No && items.iter().any(has_braces) => {
                *state = Lost::Braces;
            }
            Content::List(_) => {}
            _ if *state == Lost::Dict => return Some(entry),
            Content::Dict(inner) => {
                if let Some(found) = lost(inner, comment, state) {
                    return Some(found);
                }
                if *state == Lost::Braces {
                    *state = Lost::Dict;
                }
            }
            _ => {}
        }
    }
    None
}

fn has_braces(item: &Value) -> bool {
    item.as_dict().is_some() || item.as_text().is_some_and(|text| text.contains(['{', '}']))
}

/// A dictionary of one line, or one that shares a line with a key or its end.
pub(super) fn lines(finder: &mut Finder<'_>, dict: &Dict) {
    let is_one_line = dict.entries.is_empty() && finder.is_one_line(dict.open.start, dict.close.start);
    if is_one_line || begins_in_line(finder, dict) || ends_in_line(finder, dict) {
        let text = "it drops a dictionary on one line, or one whose braces share a line with a key";
        finder.tell(codes::D_DICT_LINE, dict.open, text, SPREAD);
    }
}

/// Whether the first key is in the line of `{`.
fn begins_in_line(finder: &Finder<'_>, dict: &Dict) -> bool {
    dict.entries.first().is_some_and(|first| finder.is_one_line(dict.open.start, first.key_at.start))
}

/// Whether the last value ends in the line of `}`.
fn ends_in_line(finder: &Finder<'_>, dict: &Dict) -> bool {
    dict.entries.last().is_some_and(|last| finder.is_one_line(last.value.at.end, dict.close.start))
}

/// How keys are written, and what is between entries.
pub(super) fn entries(finder: &mut Finder<'_>, dict: &Dict, is_in_dict: bool) {
    let next = dict.entries.iter().skip(1).map(Some).chain([None]);
    for (entry, next) in dict.entries.iter().zip(next) {
        if entry.is_key_quoted {
            quoted(finder, entry);
        }
        comma(finder, entry, next);
        if is_in_dict && COPIED.iter().any(|key| entry.key.ends_with(key)) {
            let text = "it copies this key of a dictionary to the top of the component";
            finder.tell(codes::D_DICT_EVENT, entry.key_at, text, "rename the key");
        }
    }
}

/// A comma is read as a part of its line; a line with the end of a dictionary is not read.
fn comma(finder: &mut Finder<'_>, entry: &Entry, next: Option<&Entry>) {
    let Some(comma) = entry.comma else { return };
    let is_behind = finder.is_one_line(entry.value.at.end, comma.start) && entry.value.as_dict().is_none();
    let is_before = next.is_some_and(|next| finder.is_one_line(comma.start, next.key_at.start));
    if is_behind || is_before {
        let text = "it reads a comma after a value, and the text after it, as part of the value";
        finder.tell(codes::D_COMMA, comma, text, "write every key on its own line, without comma");
    }
}

/// The keys of a dictionary in a list; of a line only what is behind the first `:` is read.
pub(super) fn item(finder: &mut Finder<'_>, dict: &Dict) {
    for entry in dict.entries.iter().filter(|entry| entry.is_key_quoted) {
        if finder.before(entry.key_at.start).contains(':') {
            quoted(finder, entry);
        }
    }
}

fn quoted(finder: &mut Finder<'_>, entry: &Entry) {
    let text = "it reads the quotes as part of the key";
    finder.tell(codes::D_KEY_QUOTED, entry.key_at, text, "remove the quotes");
}

/// A dictionary is looked for by its key, in the text of what it is in: the first key that ends alike is taken.
pub(super) fn same_keys(finder: &mut Finder<'_>, dict: &Dict) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for entry in &dict.entries {
        let Some(inner) = entry.value.as_dict() else { continue };
        let backwards = backwards(&entry.key);
        let next = seen.range(backwards.clone()..).next();
        if next.is_some_and(|key| key.starts_with(&backwards)) {
            let text = "it reads the content of an earlier dictionary whose key has the same end";
            finder.tell(codes::D_DICT_KEY, entry.key_at, text, "rename one of the two keys");
        }
        seen.insert(backwards);
        keys(inner, &mut seen);
    }
}

/// The keys of all dictionaries in a dictionary, backwards.
fn keys(dict: &Dict, seen: &mut BTreeSet<String>) {
    for entry in &dict.entries {
        if let Some(inner) = entry.value.as_dict() {
            seen.insert(backwards(&entry.key));
            keys(inner, seen);
        }
    }
}

fn backwards(key: &str) -> String {
    key.chars().rev().collect()
}
