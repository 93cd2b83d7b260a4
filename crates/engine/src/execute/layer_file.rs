use wainwright_blob::{Entry, Options, write};
use wainwright_oci::{Layer, Place};
use wainwright_store::{Draft, Store};

use crate::{Error, LayerPlan};

/// The error of a plan that was made for display and is executed.
pub fn unbuilt(layer: &LayerPlan) -> Error {
    Error::Bug { what: format!("the wheel of `{}` was not built", layer.name) }
}

/// A layer that is written, but may not be on the disk yet.
pub(crate) struct WrittenLayer {
    draft: Draft,
    layer: Layer,
}

impl WrittenLayer {
    /// Waits for the disk, on a thread that has nothing else to do, and puts the layer into its place in the store.
    pub(crate) async fn keep(self) -> Result<Layer, Error> {
        let Self { draft, layer } = self;
        let digest = layer.descriptor.digest;
        let kept = tokio::task::spawn_blocking(move || draft.commit(&digest)).await;
        kept.map_err(|error| Error::Bug { what: error.to_string() })??;
        Ok(layer)
    }
}

/// Writes entries as a layer that the store may keep.
pub(crate) fn write_entries(
    name: &str,
    entries: &[Entry],
    options: &Options,
    store: &Store,
) -> Result<WrittenLayer, Error> {
    let mut draft = store.draft()?;
    let written = write(entries, options, &mut draft)
        .map_err(|source| Error::Blob { layer: name.to_owned(), source })?;
    let layer = Layer { descriptor: written.descriptor, diff_id: written.diff_id, place: Place::Store };
    Ok(WrittenLayer { draft, layer })
}
