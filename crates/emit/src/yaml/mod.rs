//! YAML as we write it: blocks, and every text quoted that any reader could take for something else.

mod node;
mod write;

pub(crate) use node::{Map, Node, map};
pub(crate) use write::write;
