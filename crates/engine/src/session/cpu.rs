use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rayon::ThreadPool;
use tokio::sync::{Semaphore, oneshot};

use crate::Error;

/// The one door between tokio, which moves bytes, and rayon, which makes layers of them.
#[derive(Clone)]
pub(crate) struct Cpu {
    pool: Arc<ThreadPool>,
    /// Every job holds some memory, so only so many run at a time.
    permits: Arc<Semaphore>,
}

impl Cpu {
    /// At most `jobs` jobs at a time, on as many threads.
    pub(crate) fn new(jobs: usize) -> Result<Self, Error> {
        let jobs = jobs.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(jobs)
            .thread_name(|index| format!("layer-{index}"))
            .build()
            .map_err(|source| Error::Threads { source: source.into() })?;
        Ok(Self { pool: Arc::new(pool), permits: Arc::new(Semaphore::new(jobs)) })
    }

    /// Runs a job on the pool and waits for it. A panic in it becomes an error.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| bug("the door is closed"))?;
        let (send, receive) = oneshot::channel();
        self.pool.spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(job));
            drop(permit);
            // Nobody waits any more when the build was given up.
            let _ = send.send(result);
        });
        match receive.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(bug(&message(&*panic))),
            Err(_) => Err(bug("a job vanished")),
        }
    }
}

fn bug(what: &str) -> Error {
    Error::Bug { what: what.to_owned() }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a job failed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_job_runs() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let cpu = Cpu::new(1).unwrap();
            let failed = cpu.run::<()>(|| panic!("on purpose")).await;
            assert!(matches!(failed, Err(Error::Bug { what }) if what == "on purpose"));
            assert_eq!(cpu.run(|| Ok(7)).await.unwrap(), 7);
        });
    }
}
