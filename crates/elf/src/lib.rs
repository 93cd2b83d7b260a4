//! What the dynamic loader reads of an ELF file, and nothing else: what it is for, what it needs, what it offers.
//!
//! System V ABI, chapters 4 and 5; symbol versions as in the Linux Standard Base, chapter 10.7. A file is read where it
//! lies, a few short stretches of it, so its size does not matter.

mod elf;
mod machine;
mod source;
#[cfg(test)]
mod tests;

pub use elf::{Elf, Version, names, read};
pub use machine::{Machine, machine};
pub use source::Source;
