//! A function applied to each item of a collection, on all shards.

use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec;

use super::set::Shards;

/// The items that are left, with their places. What drops it leaves none.
struct Items<T>(Arc<Mutex<vec::IntoIter<(usize, T)>>>);

impl<T> Items<T> {
    fn lock(&self) -> MutexGuard<'_, vec::IntoIter<(usize, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<(usize, T)> {
        self.lock().next()
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        let left = std::mem::replace(&mut *self.lock(), Vec::new().into_iter());
        // Without the lock: this runs code of the program.
        drop(left);
    }
}

impl Shards {
    /// Applies `f` to each item on the shards, and returns the results in the order of the items.
    ///
    /// Each shard has one green thread for it, which takes the next item when it has finished one: that
    /// costs a lock for each item, so small items should come in chunks. Inside a runtime, only the calling
    /// green thread waits. The caller may run on one of the shards.
    ///
    /// # Panics
    ///
    /// If `f` panics. Items that have not begun are dropped, and the others finished before.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. If the thread is unwound here, items that have not begun are dropped, and the
    /// others go on.
    ///
    /// # Examples
    ///
    /// ```
    /// let shards = leno::shards::Shards::new(2);
    /// assert_eq!(shards.map(1..=5, |n| n * n), [1, 4, 9, 16, 25]);
    /// ```
    #[track_caller]
    pub fn map<I, F, T>(&self, items: I, f: F) -> Vec<T>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        let items: Vec<_> = items.into_iter().enumerate().collect();
        let mut results: Vec<Option<T>> = items.iter().map(|_| None).collect();
        let shards = self.count().min(items.len());
        let items = Items(Arc::new(Mutex::new(items.into_iter())));
        let f = Arc::new(f);
        let spawn = |shard| {
            let (items, f) = (Items(items.0.clone()), f.clone());
            self.spawn_on(shard, move || {
                let next = || items.next().map(|(place, item)| (place, f(item)));
                std::iter::from_fn(next).collect::<Vec<_>>()
            })
        };
        let handles: Vec<_> = (0..shards).map(spawn).collect();
        let mut panicked = None;
        for handle in handles {
            match handle.join() {
                Ok(part) => part.into_iter().for_each(|(place, it)| results[place] = Some(it)),
                Err(payload) => panicked = panicked.or(Some(payload)),
            }
        }
        if let Some(payload) = panicked {
            panic::resume_unwind(payload);
        }
        results.into_iter().map(|result| result.expect("each item has been taken")).collect()
    }
}
