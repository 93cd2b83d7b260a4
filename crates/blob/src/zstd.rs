use zstd::stream::write::Encoder;
use zstd::zstd_safe::CParameter;

use crate::Error;
use crate::sink::Sink;

/// How much of the tar one thread compresses at a time; levels with a larger window take as much as that.
///
/// It decides bytes: raise the format number with it.
const JOB: u32 = 4 << 20;
/// More threads for one layer would cost more memory than they save time: high levels need 80 MiB each.
const MOST_THREADS: usize = 4;

/// One Zstandard frame with a checksum of its content (RFC 8878).
///
/// One frame, because some readers stop behind the first and report success. libzstd cuts the content into jobs by the
/// level alone as soon as there is at least one worker, so the bytes do not depend on how many there are.
pub(crate) struct Zstd {
    encoder: Encoder<'static, Vec<u8>>,
}

impl Zstd {
    /// Begins a frame.
    pub(crate) fn new(level: u8) -> Result<Self, Error> {
        let begin = || {
            let mut encoder = Encoder::new(Vec::new(), level.into())?;
            encoder.include_checksum(true)?;
            encoder.multithread(rayon::current_num_threads().clamp(1, MOST_THREADS) as u32)?;
            encoder.set_parameter(CParameter::JobSize(JOB))?;
            Ok(encoder)
        };
        Ok(Self { encoder: begin().map_err(|source| Error::Compress { source })? })
    }

    /// Takes the next bytes of the tar.
    pub(crate) fn add(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Error> {
        std::io::Write::write_all(&mut self.encoder, bytes).map_err(|source| Error::Compress { source })?;
        sink.write(self.encoder.get_ref())?;
        self.encoder.get_mut().clear();
        Ok(())
    }

    /// Ends the frame.
    pub(crate) fn finish(self, sink: &mut Sink<'_>) -> Result<(), Error> {
        let rest = self.encoder.finish().map_err(|source| Error::Compress { source })?;
        sink.write(&rest)
    }
}
