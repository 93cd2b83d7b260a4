use super::finder::Finder;
use crate::codes::{self, Code};
use crate::syntax::{Content, Dict, Tree, Value};

/// What a comment is in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Region {
    /// A component.
    Body,
    /// A dictionary under a key.
    Dict,
    List,
    /// A dictionary in a list.
    Item,
}

/// Comments: those in components are lines like others, and those between may look like components.
///
/// Gives the places of those with braces that are no harm by themselves.
pub(super) fn find(finder: &mut Finder<'_>, tree: &Tree) -> Vec<usize> {
    let mut braces = Vec::new();
    let regions = regions(tree);
    let mut regions = regions.iter().peekable();
    // The regions that a comment is in, the innermost last.
    let mut open: Vec<(Region, usize, usize)> = Vec::new();
    for at in tree.comments.iter().copied() {
        while let Some(region) = regions.next_if(|(_, start, _)| *start < at.start) {
            open.push(*region);
        }
        while open.last().is_some_and(|(_, _, end)| *end <= at.start) {
            open.pop();
        }
        let text = finder.between(at.start, at.end);
        let before = finder.before(at.start);
        let inside = open.last().map(|(region, _, _)| *region);
        let is_behind_header =
            inside == Some(Region::Body) && before.contains('=') && before.trim_end().ends_with('{');
        let reason = match !is_behind_header && looks_like_header(before, text) {
            true => Some(COMPONENT),
            false => judge(text, before.trim(), inside),
        };
        if let Some((code, text, hint)) = reason {
            finder.tell(code, at, text, hint);
        } else if inside.is_some() && !is_behind_header && text.contains('{') {
            braces.push(at.start);
        }
    }
    braces
}

/// A code, what is wrong, and what to do.
type Reason = (&'static Code, &'static str, &'static str);

const ABOVE: &str = "move the comment out of the component, or reword it";
const ALONE: &str = "put the comment on its own line";
const COMPONENT: Reason = (
    codes::D_COMMENT_COMPONENT,
    "it reads this comment as the first line of a component",
    "remove it, or remove `=` or `{` from it",
);
const BRACKET: Reason = (codes::D_COMMENT_BRACKET, "it counts the braces and brackets of a comment", ABOVE);
const KEY: Reason = (codes::D_COMMENT_KEY, "it reads a comment with `:` as a key and a value", ABOVE);
const TRAILING: Reason =
    (codes::D_COMMENT_TRAILING, "it reads a comment after a value as part of the value", ALONE);
const LIST: Reason = (codes::D_COMMENT_LIST, "it reads a comment in a list as part of the list", ABOVE);

/// Judges a comment by what it is in, and by what is before it in its line.
fn judge(text: &str, before: &str, inside: Option<Region>) -> Option<Reason> {
    let has = |letters: &[char]| text.contains(letters);
    let is_alone = before.is_empty() || before == ",";
    let is_behind_dict = before.trim_end_matches([',', ' ', '\t']).ends_with('}');
    match inside? {
        // Of the first line of a component only the header is read, and of that of a dictionary nothing.
        Region::Body if before.ends_with('{') => has(&['}']).then_some(BRACKET),
        Region::Dict if before.ends_with('{') => has(&['{', '}', '[']).then_some(BRACKET),
        // A line with a brace is dropped.
        Region::Body | Region::Dict if is_behind_dict => {
            let is_counted = !is_balanced(text) || inside == Some(Region::Dict) && has(&['{']);
            (is_counted || has(&[':']) && has(&['[', ']'])).then_some(BRACKET)
        }
        Region::Body if is_alone && is_balanced(text) && has(&['{']) => None,
        Region::Body | Region::Dict if is_alone && has(&[':']) => Some(KEY),
        Region::Body | Region::Dict if is_alone => has(&['{', '}']).then_some(BRACKET),
        Region::Body | Region::Dict => Some(TRAILING),
        // Only strings are looked for, and each line loses what is before its first `:`.
        Region::Item => {
            let cuts_brace = before.ends_with('{') && !before.contains(':') && has(&[':']);
            (cuts_brace || has(&['"', '\'', '{', '}', ']'])).then_some(LIST)
        }
        Region::List => {
            let is_cut = is_alone && text.split_once(':').is_some_and(|(_, rest)| rest.trim().is_empty());
            (!is_cut).then_some(LIST)
        }
    }
}

/// Something, `=`, something, `{` in one line.
fn looks_like_header(before: &str, comment: &str) -> bool {
    let Some(text) = comment.rfind('{').and_then(|brace| comment.get(..brace)) else { return false };
    let mut text = text.chars();
    text.next_back();
    before.chars().chain(text).skip(1).any(|letter| letter == '=')
}

/// Whether every `{` has its `}` behind it, and there is no other.
pub(super) fn is_balanced(text: &str) -> bool {
    let mut depth = 0usize;
    for letter in text.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => return false,
            '}' => depth -= 1,
            _ => {}
        }
    }
    depth == 0
}

/// Where components, dictionaries and lists begin and end, each before what is in it.
fn regions(tree: &Tree) -> Vec<(Region, usize, usize)> {
    let mut regions = Vec::new();
    tree.components.iter().for_each(|node| of_dict(Region::Body, &node.body, &mut regions));
    regions
}

fn of_dict(region: Region, dict: &Dict, regions: &mut Vec<(Region, usize, usize)>) {
    regions.push((region, dict.open.start, dict.close.end));
    dict.entries.iter().for_each(|entry| of_value(&entry.value, false, regions));
}

fn of_value(value: &Value, in_list: bool, regions: &mut Vec<(Region, usize, usize)>) {
    match &value.content {
        Content::List(items) => {
            regions.push((Region::List, value.at.start, value.at.end));
            items.iter().for_each(|item| of_value(item, true, regions));
        }
        Content::Dict(dict) => {
            of_dict(if in_list { Region::Item } else { Region::Dict }, dict, regions);
        }
        _ => {}
    }
}
