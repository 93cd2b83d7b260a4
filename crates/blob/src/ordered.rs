use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::iter::{IndexedParallelIterator, ParallelIterator};

/// Applies a function to items in parallel and returns the results in the order of the items.
///
/// Of several errors it returns that of the earliest item, whichever occurs first, so that the same inputs give the same
/// message. Items after a failed one are skipped.
pub fn try_map_ordered<I, T: Send, E: Send>(
    items: impl IndexedParallelIterator<Item = I>,
    apply: impl Fn(I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let first_failed = AtomicUsize::new(usize::MAX);
    let results: Vec<Option<Result<T, E>>> = items
        .enumerate()
        .map(|(at, item)| {
            if at > first_failed.load(Ordering::Relaxed) {
                return None;
            }
            let result = apply(item);
            if result.is_err() {
                first_failed.fetch_min(at, Ordering::Relaxed);
            }
            Some(result)
        })
        .collect();
    // Only items after the error that ends this have been skipped.
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use rayon::prelude::*;

    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let doubled = try_map_ordered((0..1000).into_par_iter(), |item: u32| Ok::<_, ()>(item * 2));
        assert_eq!(doubled.unwrap(), (0..1000).map(|item| item * 2).collect::<Vec<_>>());
    }

    #[test]
    fn earliest_item_names_the_error_whichever_fails_first() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let both_run = Barrier::new(2);
        let apply = |item: u32| {
            both_run.wait();
            if item == 0 {
                // The other one fails meanwhile; in which order they really fail does not decide this test.
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            Err::<(), u32>(item)
        };
        let found = pool.install(|| try_map_ordered((0..2).into_par_iter(), apply));
        assert_eq!(found, Err(0));
    }

    #[test]
    fn items_after_a_failed_one_are_skipped() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let applied = AtomicUsize::new(0);
        let apply = |_: u32| {
            applied.fetch_add(1, Ordering::Relaxed);
            Err::<(), ()>(())
        };
        assert_eq!(pool.install(|| try_map_ordered((0..1000).into_par_iter(), apply)), Err(()));
        assert_eq!(applied.load(Ordering::Relaxed), 1);
    }
}
