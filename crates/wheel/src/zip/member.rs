/// A file or directory of the archive, after its two headers were found to agree.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Canonical: without a trailing slash.
    pub(crate) name: String,
    pub(crate) is_directory: bool,
    pub(crate) is_executable: bool,
    pub(crate) is_deflated: bool,
    /// Where the data starts in the file.
    pub(crate) offset: u64,
    pub(crate) compressed_size: u64,
    pub(crate) size: u64,
    pub(crate) crc32: u32,
}
