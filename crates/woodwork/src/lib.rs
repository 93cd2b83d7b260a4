//! Reads workflows: `.ww` files of the Woodwork language.
//!
//! [`read`] takes the text of a file through three stages: is it the language, is everything there that is named, and
//! does every component have what its kind wants. What comes out, a [`Workflow`], holds no open questions. No file is
//! read here and nothing is run: the scripts that a workflow names are somebody else's, and [`defines`] looks at their text.

mod check;
mod codes;
mod cursor;
mod divergence;
mod error;
mod fold;
mod hooks;
mod keys;
mod parse;
mod path;
mod print;
mod problem;
mod python;
mod requirement;
mod resolve;
mod service;
mod similar;
mod span;
mod syntax;
mod table;
mod validate;
mod workflow;

pub use check::{Compat, Verdict, check};
pub use codes::{CODES, Code, explain};
pub use error::Error;
pub use hooks::Hook;
pub use parse::{MOST_BYTES, MOST_COMPONENTS};
pub use print::print;
pub use problem::{Problem, Stage};
pub use python::defines;
pub use service::{NoService, service_name};
pub use span::Span;
pub use syntax::{Content, Dict, Entry, Node, Number, Tree, Value, Word};
pub use table::{Kind, Place, Service};
pub use workflow::{Component, NamedFile, Resources, Workflow};

/// Reads a workflow file; `file` is its name in errors.
///
/// # Errors
///
/// When something in the text is wrong; all that the first failing stage finds is told.
pub fn read(file: &str, text: impl AsRef<[u8]>, compat: Compat) -> Result<Workflow, Error> {
    check::through(text.as_ref(), compat)
        .map_err(|problems| Error::Refused { file: file.to_owned(), problems })
}

/// Reads the grammar of a workflow file alone; [`print()`] writes it again.
///
/// # Errors
///
/// The first error of the grammar.
pub fn parse(file: &str, text: impl AsRef<[u8]>) -> Result<Tree, Error> {
    parse::parse(text.as_ref())
        .map_err(|problem| Error::Refused { file: file.to_owned(), problems: vec![*problem] })
}
