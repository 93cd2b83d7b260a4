/// How bytes are sent (distribution-spec, "Pushing Blobs").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// In one PUT.
    Whole,
    /// In PATCHes of so many bytes, then an empty PUT.
    Pieces(u64),
}

/// The way that a registry takes, learnt from what it refused.
#[derive(Clone, Copy)]
pub(crate) struct Learnt {
    pub(crate) way: Way,
    /// Smaller blobs, in bytes, were not refused.
    pub(crate) from_size: u64,
}
