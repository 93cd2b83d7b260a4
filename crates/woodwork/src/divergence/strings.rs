use super::{Finder, Inside};
use crate::parse::is_word;
use crate::span::Span;

/// Text: its brackets are counted, and what looks like a name may be one.
pub(super) fn find(finder: &mut Finder<'_>, text: &str, at: Span, inside: Inside) {
    if text.contains(['{', '}']) {
        let said = "it counts the braces of a string, and loses keys or ends the component by them";
        finder.tell("D-STRING-BRACE", at, said, "put the text into a file, or do without braces");
        if text.find('{').and_then(|brace| text.get(..brace)).is_some_and(|before| before.contains('=')) {
            let said = "it takes a string with `=` before `{` for the first line of a component";
            finder.tell("D-STRING-EQUALS", at, said, "put the text into a file");
        }
    }
    if is_bracket_open(finder, text, at, inside) {
        let said = "it takes the bracket of a string for that of a list";
        finder.tell("D-STRING-BRACKET", at, said, "do without brackets, or put the text into a file");
    }
    if let Some(name) = text.strip_prefix('$').filter(|name| is_word(name)) {
        let said = "an environment variable in quotes is text";
        finder.tell(
            "W-QUOTED-ENV",
            at,
            said,
            &format!("if the value of the variable is meant, write ${name}"),
        );
    }
    if !inside.list {
        return;
    }
    if finder.names.contains(text) {
        let said = "in a list the quoted name of a component is the component, not text";
        finder.tell("W-QUOTED-REF", at, said, "leave out the quotes, or give the component another name");
    } else if is_word(text) {
        let said = "it takes a string in a list that looks like a name for a component";
        finder.tell(
            "D-LIST-NAME",
            at,
            said,
            "there is no way around it but another text: with a blank, `-` or `.`",
        );
    }
}

/// Whether a line seems to open a list by a string, or a list of several lines to end by one.
fn is_bracket_open(finder: &Finder<'_>, text: &str, at: Span, inside: Inside) -> bool {
    let line = finder.lines.at(at.start);
    match inside.list {
        true => text.contains(']') && !line.opens,
        false => text.contains('[') && !line.closes,
    }
}
