use super::finder::Finder;
use crate::codes;
use crate::span::Span;
use crate::syntax::{Node, Tree};

const ALONE: &str = "write `name = kind type {` on its own line, with one space between the words";

/// The first lines of components, and what is before the first of them.
pub(super) fn find(finder: &mut Finder<'_>, tree: &Tree) {
    if tree.byte_order_mark && tree.components.first().is_some_and(|node| node.name.at.line == 1) {
        let at = Span { start: 0, end: 0, line: 1, column: 1 };
        let text = "it reads the byte order mark as part of the first name";
        finder.tell(codes::D_BOM, at, text, "save the file without byte order mark");
    }
    for node in &tree.components {
        header(finder, node);
    }
}

fn header(finder: &mut Finder<'_>, node: &Node) {
    let at = Span { end: node.body.open.end, ..node.name.at };
    let is_first = finder.before(node.name.at.start).trim().is_empty();
    if !is_first || !finder.is_one_line(at.start, at.end) {
        let text = "it ignores this component: its name does not start a line that ends with `{`";
        return finder.tell(codes::D_HEADER_LINE, Span { end: node.name.at.end, ..at }, text, ALONE);
    }
    // What is between `=`, kind and type is cut at single blanks.
    let before_kind = finder.between(node.equals.end, node.kind.at.start);
    let behind_kind = finder.between(node.kind.at.end, node.kind_type.at.start);
    if before_kind != " " || !behind_kind.starts_with(' ') {
        let text = "it splits this line at single spaces and reads another kind and type";
        return finder.tell(codes::D_HEADER_BLANKS, at, text, ALONE);
    }
    if node.kind_type.text.contains(&node.kind.text) {
        let text = "it splits the type where the kind occurs in it";
        finder.tell(codes::D_HEADER_TYPE, node.kind_type.at, text, "use another type; there is no other way");
    }
}
