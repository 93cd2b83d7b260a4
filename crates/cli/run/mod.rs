//! Runs commands: what they are asked, on which machine, until when.

pub(crate) mod deliver;
pub(crate) mod limits;
pub(crate) mod machine;
pub(crate) mod on_disk;
pub(crate) mod report_place;
pub(crate) mod request;
pub(crate) mod session;
pub(crate) mod signals;
pub(crate) mod size_limit;
pub(crate) mod tidy;
pub(crate) mod workflow;
