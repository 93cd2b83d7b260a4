use wainwright_engine::Error;
use wainwright_store::Store;

use super::signals::{Ended, until_signal};
use crate::console::fail;

/// Reads images on disk with a temporary store, and shows the result.
///
/// The work runs on another thread, so that a signal can stop it and remove the store.
pub(crate) fn run_on_disk<T: Send + 'static>(
    read: impl FnOnce(&Store) -> Result<T, Error> + Send + 'static,
    show: impl FnOnce(T) -> u8,
) -> u8 {
    let store = match Store::ephemeral(&std::env::temp_dir()) {
        Ok(store) => store,
        Err(error) => return fail(&error.into()),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Error::Threads { source: error.into() }),
    };
    let job = {
        let store = store.clone();
        move || read(&store)
    };
    let ended = runtime.block_on(until_signal(async {
        let done = tokio::task::spawn_blocking(job).await;
        done.unwrap_or_else(|error| Err(Error::Bug { what: error.to_string() }))
    }));
    runtime.shutdown_background();
    match ended {
        Ended::Done(Ok(found)) => show(found),
        Ended::Done(Err(error)) => fail(&error),
        Ended::Stopped(code) => {
            store.abandon();
            code
        }
    }
}
