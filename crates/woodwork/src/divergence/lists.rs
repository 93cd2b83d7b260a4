use super::finder::{Finder, Inside};
use super::strings;
use crate::codes;
use crate::span::Span;
use crate::syntax::{Content, Dict, Value};

/// The keys of a dictionary in a list that is read alike, in this order.
const OF_HOOK: [&str; 3] = ["event", "script_path", "function_name"];

/// Lists: their lines are put together, and each loses what is before its first `:`.
pub(super) fn find(finder: &mut Finder<'_>, value: &Value, items: &[Value], inside: Inside) {
    if inside.list {
        let text = "it reads a list in a list as text";
        return finder.tell(codes::D_LIST_NESTED, value.at, text, "move the inner list to its own key");
    }
    if inside.dict {
        let text = "it copies a list in a dictionary to the top of the component";
        finder.tell(codes::D_DICT_LIST, value.at, text, "move the list to a key of the component");
    }
    let Some(last) = items.last() else { return };
    let ends_with_comma = finder.between(last.at.end, value.at.end).trim_start().starts_with(',');
    for item in items {
        let has_comma = ends_with_comma || item.at != last.at;
        match &item.content {
            Content::Dict(dict) if !is_hook(finder, dict, item.at, has_comma) => {
                let text = "it reads dictionaries in lists by position: `event`, `script_path` and `function_name`, each on its own line, without quotes and `:` in them; this one is empty or different";
                finder.tell(
                    codes::D_LIST_DICT,
                    item.at,
                    text,
                    "write it in that form, or move it to its own key",
                );
            }
            Content::Text(text)
                if text.contains(':') && !finder.is_one_line(value.at.start, item.at.start) =>
            {
                let text = "it splits lines of a list at the first `:`";
                finder.tell(codes::D_LIST_COLON, item.at, text, "write the list on one line");
            }
            _ => {}
        }
        // A comma at the end is dropped with what is behind it, as the bracket would be.
        let is_end = ends_with_comma && finder.is_one_line(item.at.start, last.at.start);
        if !is_end {
            brackets(finder, item, value.at);
        }
    }
}

/// A bracket in a line before the last ends a list.
fn brackets(finder: &mut Finder<'_>, item: &Value, list: Span) {
    if finder.is_one_line(list.start, list.end) {
        return;
    }
    item.walk(&mut |value| {
        let has_bracket = value.as_text().is_some_and(|text| text.contains(']'));
        if has_bracket && !finder.is_one_line(value.at.start, list.end) {
            finder.tell(codes::D_STRING_BRACKET, value.at, strings::BRACKET, strings::NO_BRACKETS);
        }
    });
}

/// Whether a dictionary is empty, or three strings in order that are found when lines are cut at their first `:`.
fn is_hook(finder: &Finder<'_>, dict: &Dict, at: Span, has_comma: bool) -> bool {
    let Some(first) = dict.entries.first() else { return true };
    let is_cut = |at: Span| finder.before(at.start).contains(':');
    let is_brace_cut = finder.is_one_line(at.start, first.key_at.start) && !is_cut(at);
    let keys = dict.entries.iter().map(|entry| entry.key.as_str());
    let mut texts = dict.entries.iter().map(|entry| entry.value.as_text());
    let is_quoted = !texts.all(|text| text.is_some_and(|text| !text.contains(['"', '\''])));
    // What is between a `:` that is left and a comma is taken for a key.
    let mut entries = dict.entries.iter();
    let keeps_colon = |text: Option<&str>| text.is_some_and(|text| text.contains(':'));
    let has_colon = entries.any(|entry| keeps_colon(entry.value.as_text()) || is_cut(entry.key_at));
    let is_misread = is_brace_cut || is_quoted || has_comma && has_colon;
    keys.eq(OF_HOOK) && !is_misread
}
