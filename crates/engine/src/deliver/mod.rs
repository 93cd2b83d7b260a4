//! From images to where they are wanted: layouts, archives, Docker, registries; and images that are carried between them.

mod copy;
mod inspect;
mod last;
mod login;
mod outcome;
mod outputs;
mod probe;
mod publish;
mod pull;
mod push;
mod push_release;
mod push_tree;
mod release;
mod send;
mod set;
mod shared;
mod subject;
mod tag;

pub use self::copy::copy;
pub use self::inspect::{InspectedManifest, Inspection, Raw, inspect, inspect_raw, is_meant};
pub use self::login::{login, logout};
pub use self::outcome::{Delivery, Outcome};
pub use self::probe::probe;
pub use self::publish::publish;
pub use self::pull::{Pull, pull};
pub use self::push::push;
pub use self::release::{preview_release, release};
pub use self::set::deliver;
pub use self::subject::Subject;
pub use self::tag::tag;
