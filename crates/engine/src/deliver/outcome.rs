use serde::Serialize;
use wainwright_image::Delivered;
use wainwright_oci::Digest;

use crate::{Event, Session};

/// What was delivered.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The digest of the image, or of the index over several.
    pub digest: Digest,
    /// What became of every output, in the order asked for.
    pub outcomes: Vec<Outcome>,
}

/// What became of one output.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The output, as written.
    pub output: String,
    /// How many bytes were written or sent.
    pub bytes: u64,
    /// How many bytes were left out because the output had them.
    pub skipped: u64,
    /// Whether it had the image already.
    pub was_there: bool,
}

impl Outcome {
    /// What became of an output, reported as an event as well.
    pub(crate) fn report(output: String, delivered: Delivered, session: &Session) -> Self {
        let Delivered { bytes_written: bytes, bytes_skipped: skipped, was_there } = delivered;
        session.report(Event::DeliveryFinished { output: output.clone(), bytes, skipped, was_there });
        Self { output, bytes, skipped, was_there }
    }
}
