use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Bytes that can be read in any order.
pub trait Source {
    /// Fills `bytes` from what stands at `offset`; `None` where it ends before, or cannot be read.
    fn fill(&self, offset: u64, bytes: &mut [u8]) -> Option<()>;
}

impl Source for [u8] {
    fn fill(&self, offset: u64, bytes: &mut [u8]) -> Option<()> {
        let start = usize::try_from(offset).ok()?;
        bytes.copy_from_slice(self.get(start..start.checked_add(bytes.len())?)?);
        Some(())
    }
}

impl Source for File {
    fn fill(&self, offset: u64, bytes: &mut [u8]) -> Option<()> {
        // The kernel counts in signed numbers.
        i64::try_from(offset).ok()?;
        self.read_exact_at(bytes, offset).ok()
    }
}
