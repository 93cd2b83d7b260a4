use std::future::Future;

use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;

/// Runs jobs at the same time, at most `at_once` of them, and returns their results in the order of the jobs.
///
/// Of several failures it returns that of the earliest job, whichever arrives first, so that the same inputs give the same
/// message. Once a job has failed, later ones are dropped and only earlier ones are completed: one of them may fail as well.
pub fn try_join_ordered<J, T, E>(
    jobs: impl IntoIterator<Item = J>,
    at_once: usize,
) -> impl Future<Output = Result<Vec<T>, E>>
where
    J: Future<Output = Result<T, E>>,
{
    // An iterator that lives in the future would keep most callers from being `Send`.
    join(jobs.into_iter().collect(), at_once.max(1))
}

async fn join<J, T, E>(jobs: Vec<J>, at_once: usize) -> Result<Vec<T>, E>
where
    J: Future<Output = Result<T, E>>,
{
    let mut done: Vec<Option<T>> = jobs.iter().map(|_| None).collect();
    let mut waiting = jobs.into_iter().enumerate();
    let mut running = FuturesUnordered::new();
    let mut handles: Vec<AbortHandle> = Vec::new();
    let mut failure: Option<(usize, E)> = None;
    loop {
        while failure.is_none() && running.len() < at_once {
            let Some((at, job)) = waiting.next() else { break };
            let (handle, registration) = AbortHandle::new_pair();
            handles.push(handle);
            running.push(async move { (at, Abortable::new(job, registration).await) });
        }
        match running.next().await {
            Some((at, Ok(Ok(value)))) => done[at] = Some(value),
            Some((at, Ok(Err(error)))) if failure.as_ref().is_none_or(|(first, _)| at < *first) => {
                handles[at + 1..].iter().for_each(AbortHandle::abort);
                failure = Some((at, error));
            }
            Some((_, Ok(Err(_)) | Err(_))) => {}
            None => break,
        }
    }
    match failure {
        Some((_, error)) => Err(error),
        None => Ok(done.into_iter().flatten().collect()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const NEVER: usize = usize::MAX;

    /// A job that is done after so many rounds, and fails with its name if that is upper case.
    async fn job(name: char, rounds: usize) -> Result<char, char> {
        for _ in 0..rounds {
            tokio::task::yield_now().await;
        }
        if name.is_uppercase() { Err(name) } else { Ok(name) }
    }

    async fn check(jobs: &[(char, usize)], at_once: usize) -> Result<String, char> {
        let jobs = jobs.iter().map(|(name, rounds)| job(*name, *rounds));
        try_join_ordered(jobs, at_once).await.map(String::from_iter)
    }

    #[tokio::test]
    async fn results_keep_the_order_of_the_jobs() {
        for at_once in [0, 1, 2, 9] {
            assert_eq!(check(&[('a', 30), ('b', 10), ('c', 20)], at_once).await.as_deref(), Ok("abc"));
        }
        assert_eq!(check(&[], 4).await.as_deref(), Ok(""));
    }

    #[tokio::test]
    async fn earliest_job_names_the_failure_whichever_fails_first() {
        for rounds in [[10, 20, 30], [30, 20, 10], [20, 30, 10]] {
            let jobs = [('a', 5), ('B', rounds[0]), ('C', rounds[1]), ('D', rounds[2])];
            for at_once in [1, 2, 3, 4] {
                assert_eq!(check(&jobs, at_once).await, Err('B'), "{rounds:?}, {at_once} at once");
            }
        }
    }

    #[tokio::test]
    async fn failure_drops_later_jobs_and_starts_no_more() {
        assert_eq!(check(&[('a', 20), ('B', 10), ('c', NEVER), ('d', NEVER)], 3).await, Err('B'));
        let begun = Cell::new(0);
        let jobs = (0..50).map(|_| async {
            begun.set(begun.get() + 1);
            Err::<(), ()>(())
        });
        assert_eq!(try_join_ordered(jobs, 4).await, Err(()));
        assert!(begun.get() <= 4, "{}", begun.get());
    }
}
