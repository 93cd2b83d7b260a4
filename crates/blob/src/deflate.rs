use flate2::{Compress, FlushCompress};

/// zlib level for what arrives uncompressed.
pub(crate) const LEVEL: u32 = 6;

/// A compressor of raw deflate data at [`LEVEL`].
pub(crate) fn compressor() -> Compress {
    Compress::new(flate2::Compression::new(LEVEL), false)
}

/// Compresses all of `input` behind `output`.
pub(crate) fn compress(
    compressor: &mut Compress,
    mut input: &[u8],
    flush: FlushCompress,
    output: &mut Vec<u8>,
) {
    loop {
        output.reserve(input.len() / 2 + 1024);
        let before = compressor.total_in();
        // Writing to memory with room left cannot fail.
        let _ = compressor.compress_vec(input, output, flush);
        input = &input[(compressor.total_in() - before) as usize..];
        if input.is_empty() && output.len() < output.capacity() {
            return;
        }
    }
}
