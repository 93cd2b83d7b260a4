use super::Finder;
use crate::syntax::{Content, Dict, Tree, Value};

const ABOVE: &str = "move the comment out of the component, or reword it";

/// Comments: those in components are lines like others, and those between may look like components.
pub(super) fn find(finder: &mut Finder<'_>, tree: &Tree) {
    let lists = lists(tree);
    let mut nodes = tree.components.iter().peekable();
    let mut lists = lists.iter().peekable();
    for comment in &tree.comments {
        let at = *comment;
        while nodes.peek().is_some_and(|node| node.body.close.end <= at.start) {
            nodes.next();
        }
        while lists.peek().is_some_and(|(_, end)| *end <= at.start) {
            lists.next();
        }
        let text = finder.between(at.start, at.end);
        let before = finder.before(at.start).trim();
        let is_in_body = nodes.peek().is_some_and(|node| node.body.open.start < at.start);
        // The line of the header is read for the header alone.
        let is_behind_header = is_in_body && before.ends_with('{') && before.contains('=');
        if looks_like_header(finder.before(at.start), text) {
            let text = "it takes this comment for the first line of a component";
            finder.tell("D-COMMENT-COMPONENT", at, text, "remove it, or leave out `=` or `{`");
        } else if !is_in_body || is_behind_header {
            // Ignored by both.
        } else if lists.peek().is_some_and(|(start, _)| *start < at.start) {
            let text = "it takes a comment in a list for a part of the list";
            finder.tell("D-COMMENT-LIST", at, text, ABOVE);
        } else if !before.is_empty() {
            let text = "it takes a comment behind a value for a part of the value";
            finder.tell("D-COMMENT-TRAILING", at, text, "put the comment into a line of its own");
        } else if text.contains(':') {
            let text = "it takes a comment with `:` for a key and a value";
            finder.tell("D-COMMENT-KEY", at, text, ABOVE);
        } else if text.contains(['{', '}', '[', ']']) {
            let text = "it counts the brackets of a comment";
            finder.tell("D-COMMENT-BRACKET", at, text, ABOVE);
        }
    }
}

/// Something, `=`, something, `{` in one line.
fn looks_like_header(before: &str, comment: &str) -> bool {
    let brace = comment.rfind('{');
    let text = brace.and_then(|brace| comment.get(..brace)).unwrap_or_default();
    let mut text = text.chars();
    text.next_back();
    let line: String = before.chars().chain(text).skip(1).collect();
    line.contains('=')
}

/// Where lists begin and end, in the order of the file; lists in lists are a part of them.
fn lists(tree: &Tree) -> Vec<(usize, usize)> {
    let mut lists = Vec::new();
    tree.components.iter().for_each(|node| of_dict(&node.body, &mut lists));
    lists
}

fn of_dict(dict: &Dict, lists: &mut Vec<(usize, usize)>) {
    dict.entries.iter().for_each(|entry| of_value(&entry.value, lists));
}

fn of_value(value: &Value, lists: &mut Vec<(usize, usize)>) {
    match &value.content {
        Content::List(_) => lists.push((value.at.start, value.at.end)),
        Content::Dict(dict) => of_dict(dict, lists),
        _ => {}
    }
}
