//! The order in which threads became ready, kept beside a run queue that does not keep it.
//!
//! A random policy takes threads out of the middle of the run queue. To close each gap would take
//! time in proportion to the number of threads, so the first thread of the queue moves into the
//! gap, and the order is noted here: each thread that becomes ready is an arrival, and a Fenwick
//! tree ("A new data structure for cumulative frequency tables", 1994) counts those that are still
//! queued. So the n-th thread in the order of arrival is found in logarithmic time.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use crate::kernel::run_queue::{RunQueue, Runnable};

#[derive(Default)]
pub(super) struct Arrivals {
    /// The arrivals in the order of their places in the run queue.
    queued: VecDeque<usize>,
    /// The place of each arrival, counted from the first place that the queue has ever had; `None`
    /// once it has been taken.
    places: Vec<Option<usize>>,
    /// The number of places that are no longer in the queue.
    passed: usize,
    /// The Fenwick tree, which begins with entry 1.
    counts: Vec<u32>,
    /// The queue's count of pops after the last removal that was made here.
    head: usize,
}

/// The least number of arrivals between two renumberings.
const LEAST: usize = 64;

impl Arrivals {
    /// Removes the thread that is the n-th in the order of arrival from the queue, which holds
    /// more than `n` threads.
    pub(super) fn take(&mut self, queue: &RunQueue, n: usize) -> Runnable {
        self.update(queue);
        let arrival = self.nth(n);
        let place = self.places[arrival].take().expect("the arrival is counted as queued");
        self.count(arrival, false);
        let index = place - self.passed;
        let first = self.queued.pop_front().expect("the queue is not empty");
        if index > 0 {
            self.queued[index - 1] = first;
            self.places[first] = Some(place);
        }
        self.passed += 1;
        let taken = queue.take_from_middle(index);
        self.head = queue.head();
        taken
    }

    /// Adds the threads that have become ready since the last removal.
    fn update(&mut self, queue: &RunQueue) {
        if queue.head() != self.head || queue.len() < self.queued.len() {
            // The queue has been emptied elsewhere: its order is that of arrival.
            *self = Arrivals { head: queue.head(), ..Arrivals::default() };
        }
        for _ in self.queued.len()..queue.len() {
            if self.places.len() + 1 >= self.counts.len() {
                self.renumber();
            }
            let arrival = self.places.len();
            self.places.push(Some(self.passed + self.queued.len()));
            self.queued.push_back(arrival);
            self.count(arrival, true);
        }
    }

    /// Forgets the arrivals that have been taken, and makes room for as many as there are left.
    fn renumber(&mut self) {
        let left: Vec<usize> = self.places.drain(..).flatten().collect();
        let room = (2 * left.len()).max(LEAST).next_power_of_two();
        self.counts.clear();
        self.counts.resize(room + 1, 0);
        for (arrival, &place) in left.iter().enumerate() {
            self.queued[place - self.passed] = arrival;
            self.places.push(Some(place));
            self.count(arrival, true);
        }
    }

    /// Counts an arrival as queued, or no longer.
    fn count(&mut self, arrival: usize, is_queued: bool) {
        let mut entry = arrival + 1;
        while let Some(count) = self.counts.get_mut(entry) {
            *count = if is_queued { *count + 1 } else { *count - 1 };
            entry += entry & entry.wrapping_neg();
        }
    }

    /// Returns the n-th arrival that is queued.
    fn nth(&self, n: usize) -> usize {
        let mut left = n as u32;
        let mut before = 0;
        let mut step = self.counts.len().next_power_of_two() / 2;
        while step > 0 {
            if let Some(&count) = self.counts.get(before + step)
                && count <= left
            {
                left -= count;
                before += step;
            }
            step /= 2;
        }
        before
    }
}
