//! The nouns: what the user asked for, what was decided, what was made. Plain data, which later rooms hand to each other.

pub(crate) mod base;
pub(crate) mod cache;
pub(crate) mod config;
pub(crate) mod conflicts;
pub(crate) mod debian;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod findings;
pub(crate) mod format;
pub(crate) mod image_set;
pub(crate) mod images;
pub(crate) mod native;
pub(crate) mod plan;
pub(crate) mod request;
pub(crate) mod resolution;
pub(crate) mod wheel;
