//! Makes wheels of sources, by the build backends that the sources name (PEP 517): the one place where code of a package
//! runs, and only when the caller was told that it may.
//!
//! Sources are unpacked ([`unpack`]) or checked out ([`checkout`]) by us. Build requirements are installed as wheels by uv or
//! pip, which know the indexes and run nothing; the backend then runs in that environment, and knows neither indexes nor
//! variables nor the home of the user ([`build`]). Whatever it starts ends with it.

mod clean;
mod compilers;
mod error;
mod git;
mod interpreter;
mod make;
mod programs;
mod run;
mod system;
mod unpack;

pub use clean::{Clean, VARIABLES};
pub use error::Error;
pub use git::{Checkout, checkout};
pub use interpreter::Interpreter;
pub use make::{Built, Job, Tool, build};
pub use system::BuildSystem;
pub use unpack::unpack;
