use std::path::PathBuf;

use serde::Serialize;
use wainwright_oci::{Descriptor, Digest, Platform};

use super::wheel::Made;

/// What happened: facts in the past tense, in the order they happened.
///
/// Whoever shows progress, counts bytes or writes a report folds over these.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// A phase of the build began: `resolve`, `plan`, `execute`, `deliver`.
    PhaseStarted {
        /// Its name.
        phase: &'static str,
    },
    /// It ended well.
    PhaseFinished {
        /// Its name.
        phase: &'static str,
    },
    /// Something is odd, but no reason to stop.
    Warned {
        /// A sentence.
        message: String,
    },
    /// Something the user should know was decided.
    Noted {
        /// A sentence.
        message: String,
    },
    /// Nothing came from a server for some time, or it took nothing, and it is waited for.
    Waited {
        /// The server, with its port where that is not the usual one.
        host: String,
        /// For how many seconds so far.
        seconds: u64,
    },
    /// It is settled what goes into the image for one platform, or into the images of several components of a workflow.
    Resolved {
        /// The components, where it is a workflow.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        components: Vec<String>,
        /// The platform.
        platform: Platform,
        /// The base image.
        base: String,
        /// The Python version.
        python: String,
        /// How many wheels are installed.
        wheels: usize,
    },
    /// It is settled which layers there will be.
    Planned {
        /// Layers of ours, over all platforms; shared ones count once.
        layers: usize,
        /// How many of them were made earlier.
        cached: usize,
        /// Files that may have to be fetched.
        fetches: usize,
        /// Their sizes where known, in bytes.
        fetch_bytes: u64,
    },
    /// A file is being fetched.
    FetchStarted {
        /// Its name.
        name: String,
        /// Its size, where it is known.
        size: Option<u64>,
    },
    /// Some of it arrived.
    FetchProgressed {
        /// Its name.
        name: String,
        /// How many bytes arrived since the last such event.
        bytes: u64,
    },
    /// It is in the store, verified.
    FetchFinished {
        /// Its name.
        name: String,
        /// How many bytes were moved; 0 when the store had it.
        bytes: u64,
    },
    /// A wheel is being built of its source: code of the package runs.
    WheelStarted {
        /// The package, with its version.
        name: String,
        /// The source.
        from: String,
    },
    /// It is in the store, checked.
    WheelFinished {
        /// The package, with its version.
        name: String,
        /// What was made, and how.
        made: Made,
    },
    /// A layer is being made.
    LayerStarted {
        /// Its name.
        name: String,
    },
    /// It is in the store.
    LayerFinished {
        /// Its name.
        name: String,
        /// What was made.
        descriptor: Descriptor,
    },
    /// A layer was made earlier.
    LayerReused {
        /// Its name.
        name: String,
        /// What was made then.
        descriptor: Descriptor,
    },
    /// An image is complete, but for being delivered.
    ImageFinished {
        /// The component whose image it is, where it is a workflow.
        #[serde(skip_serializing_if = "Option::is_none")]
        component: Option<String>,
        /// Its platform.
        platform: Platform,
        /// The digest of its manifest.
        digest: Digest,
        /// The sizes of its layers together, in bytes.
        size: u64,
    },
    /// An image is on its way to an output.
    DeliveryStarted {
        /// The output.
        output: String,
    },
    /// Some of it arrived there.
    DeliveryProgressed {
        /// The output.
        output: String,
        /// How many bytes since the last such event.
        bytes: u64,
    },
    /// A blob is on its way into a repository.
    UploadStarted {
        /// Host and repository.
        repository: String,
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
    },
    /// Some of it was sent.
    UploadProgressed {
        /// Host and repository.
        repository: String,
        /// The blob.
        digest: Digest,
        /// How many bytes since the last such event; a try that failed begins again.
        bytes: u64,
    },
    /// The repository has it.
    UploadFinished {
        /// Host and repository.
        repository: String,
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// `sent`, `mounted` from another repository of the registry or found in this one, or `there`.
        how: &'static str,
    },
    /// It arrived.
    DeliveryFinished {
        /// The output.
        output: String,
        /// How many bytes were written or sent.
        bytes: u64,
        /// How many bytes were left out because the output had them.
        skipped: u64,
        /// Whether it had the image already.
        was_there: bool,
    },
    /// A file beside the project was written.
    FileWritten {
        /// The file.
        path: PathBuf,
    },
}

/// Hears of events, from any thread.
pub type Listener = dyn Fn(Event) + Send + Sync;
