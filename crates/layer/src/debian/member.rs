use std::sync::Arc;

use wainwright_oci::ImagePath;

/// A member of `data.tar`.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) path: ImagePath,
    /// Permission bits; of the bits above them only the sticky bit is left.
    pub(super) mode: u32,
    /// Whether it lost a set-uid or set-gid bit.
    pub(super) had_set_id: bool,
    /// Whether it is a configuration file, which an administrator may have changed.
    pub(super) is_conffile: bool,
    pub(super) kind: MemberKind,
}

/// What a member is.
#[derive(Clone)]
pub(super) enum MemberKind {
    Directory,
    /// Its bytes; hard links share one `Arc`.
    File(Arc<[u8]>),
    Symlink(Vec<u8>),
    /// Something of the image below that is neither a directory nor a link, and whose bytes are not here.
    There,
}
