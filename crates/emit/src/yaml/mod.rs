//! YAML as we write it: blocks, and every text quoted that any reader could take for something else.

mod node;
mod read;
mod write;

pub(crate) use node::{Map, Node, map};
pub(crate) use read::{Spot, Value, read};
pub(crate) use write::write;
