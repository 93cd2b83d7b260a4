/// Deflate data that breaks RFC 1951.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Corrupt {
    #[error("the deflate data ends too early")]
    Truncated,
    #[error("a deflate block has an unknown type")]
    BlockType,
    #[error("a stored block contradicts its length")]
    StoredLength,
    #[error("a Huffman code is not well formed")]
    Code,
    #[error("a code stands for no symbol")]
    Symbol,
    #[error("a match reaches back before the start")]
    Distance,
}
