use super::comments;
use super::finder::{Finder, Inside};
use crate::codes;
use crate::parse::is_word;
use crate::span::Span;

/// Text: its brackets are counted, and what looks like a name may be one.
pub(super) fn find(finder: &mut Finder<'_>, text: &str, at: Span, inside: Inside) {
    braces(finder, text, at, inside);
    brackets(finder, text, at, inside);
    if inside.dict && !inside.list && has_copied_key(text) {
        let said = "it reads a string in a dictionary that contains `event:` as a key";
        finder.tell(codes::D_STRING_EVENT, at, said, "reword the text");
    }
    if let Some(name) = text.strip_prefix('$').filter(|name| is_word(name)) {
        let said = "an environment variable in quotes is text";
        finder.tell(
            codes::W_QUOTED_ENV,
            at,
            said,
            &format!("to use the value of the variable, write ${name}"),
        );
    }
    if !inside.list || inside.item {
        return;
    }
    if finder.names.contains(text) {
        let said = "in a list, the quoted name of a component is the component, not text";
        finder.tell(codes::W_QUOTED_REF, at, said, "remove the quotes, or give the component another name");
    } else if is_word(text) {
        let said = "it reads a string in a list that looks like a name as a component";
        finder.tell(codes::D_LIST_NAME, at, said, "use another text, with a space, `-` or `.`");
    }
}

fn braces(finder: &mut Finder<'_>, text: &str, at: Span, inside: Inside) {
    if let Some(brace) = text.rfind('{') {
        // The quote is something before `=`, and something is between `=` and `{`.
        let before = text.get(..brace).unwrap_or_default();
        if before.find('=').is_some_and(|equals| equals + 1 < brace) {
            let said = "it reads a string with `=` before `{` as the first line of a component";
            finder.tell(codes::D_STRING_EQUALS, at, said, "move the text to a file");
        }
    }
    let is_dropped = inside.list && !inside.item && comments::is_balanced(text);
    if text.contains(['{', '}']) && !is_dropped {
        let said = "it counts the braces of a string, and drops keys or ends the component at them";
        finder.tell(codes::D_STRING_BRACE, at, said, "move the text to a file, or avoid braces");
    }
}

pub(super) const BRACKET: &str = "it reads a bracket in a string as one of a list";
pub(super) const NO_BRACKETS: &str = "avoid brackets, or move the text to a file";

/// Those in lists are judged with their list.
fn brackets(finder: &mut Finder<'_>, text: &str, at: Span, inside: Inside) {
    let is_taken = match inside {
        Inside { list: true, .. } => false,
        Inside { dict: true, .. } => text.contains(['[', ']']),
        _ => text.contains('[') && !finder.lines.at(at.start).closes,
    };
    if is_taken {
        finder.tell(codes::D_STRING_BRACKET, at, BRACKET, NO_BRACKETS);
    }
}

/// Whether one of the keys that are copied to the top of a component occurs, with a `:`.
fn has_copied_key(text: &str) -> bool {
    super::dicts::COPIED.iter().any(|key| {
        let mut ends = text.match_indices(key).map(|(start, _)| start + key.len());
        ends.any(|end| text.get(end..).is_some_and(|rest| rest.trim_start().starts_with(':')))
    })
}
