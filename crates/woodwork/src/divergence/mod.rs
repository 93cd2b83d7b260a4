//! What the `woodwork` command reads differently.
//!
//! It reads lines, not a grammar: it looks for `= .. {`, counts braces without regard to strings and comments, cuts lines at
//! the first `:`, and takes what it does not know for the name of a component. Each construct that it misreads by that has
//! a rule here, and a code. A file without warnings means the same to both.

mod comments;
mod dicts;
mod finder;
mod headers;
mod lines;
mod lists;
mod strings;

use finder::{Finder, Inside, MOST};
use lines::Lines;

use crate::codes;
use crate::problem::Problem;
use crate::syntax::{Content, Dict, Node, Tree, Value};

/// Every construct that is read differently, and what is read alike and may not be meant.
pub(crate) fn find(tree: &Tree) -> Vec<Problem> {
    let mut finder = Finder {
        source: &tree.text,
        lines: Lines::new(&tree.text),
        names: tree.components.iter().map(|node| node.name.text.as_str()).collect(),
        found: Vec::new(),
    };
    headers::find(&mut finder, tree);
    let braces = comments::find(&mut finder, tree);
    for node in &tree.components {
        finder.component(node, &braces);
    }
    finder.found.sort_by_key(|problem| problem.at);
    finder.found.truncate(MOST);
    finder.found
}

impl<'t> Finder<'t> {
    fn component(&mut self, node: &'t Node, braces: &[usize]) {
        let next = braces.partition_point(|at| *at < node.body.open.start);
        dicts::body(self, &node.body, braces.get(next).copied());
        self.dict(&node.body, Inside::default());
    }

    fn dict(&mut self, dict: &'t Dict, inside: Inside) {
        dicts::entries(self, dict, inside.dict);
        dicts::same_keys(self, dict);
        dict.entries.iter().for_each(|entry| self.value(&entry.value, inside));
    }

    fn value(&mut self, value: &'t Value, inside: Inside) {
        match &value.content {
            Content::Text(text) => strings::find(self, text, value.at, inside),
            Content::Number(_) => {
                let text = "it reads a number as the name of a component, or as text in a list";
                self.tell(codes::D_NUMBER, value.at, text, "write it in quotes, which both accept");
            }
            Content::Boolean(_) if inside.list => {
                let text = "it reads a boolean in a list as the name of a component";
                self.tell(codes::D_LIST_BOOLEAN, value.at, text, "move the boolean to its own key");
            }
            Content::Env(_) if inside.list => {
                let text = "it reads an environment variable in a list as text";
                self.tell(codes::D_LIST_ENV, value.at, text, "move it to its own key");
            }
            Content::List(items) => {
                lists::find(self, value, items, inside);
                let inside = Inside { list: true, ..inside };
                items.iter().for_each(|item| self.value(item, inside));
            }
            Content::Dict(dict) if inside.list => {
                dicts::item(self, dict);
                let inside = Inside { item: true, ..inside };
                dict.entries.iter().for_each(|entry| self.value(&entry.value, inside));
            }
            Content::Dict(dict) => {
                dicts::lines(self, dict);
                self.dict(dict, Inside { dict: true, ..inside });
            }
            Content::Env(_) | Content::Boolean(_) | Content::Reference { .. } => {}
        }
    }
}
