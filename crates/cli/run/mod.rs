//! Runs commands: the session, the request, the machine and its limits.

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
