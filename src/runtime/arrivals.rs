//! The order in which threads became ready, kept beside a run queue that does not keep it.
//!
//! A random policy takes threads out of the middle of the run queue. To close each gap would take
//! time in proportion to the number of threads, so the first thread of the queue moves into the
//! gap, and the order is noted here: each thread that becomes ready is an arrival, and sums count
//! those that are still queued. So the n-th thread in the order of arrival is found in logarithmic
//! time.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use super::sums::Sums;
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
    /// One for each arrival that is queued.
    present: Sums<usize>,
    /// The queue's count of pops after the last removal that was made here.
    head: usize,
}

/// The arrivals that may be noted beyond twice the queued ones before they are renumbered.
const SPARE: usize = 64;

impl Arrivals {
    /// Removes the thread that is the n-th in the order of arrival from the queue, which holds
    /// more than `n` threads.
    pub(super) fn take(&mut self, queue: &RunQueue, n: usize) -> Runnable {
        self.update(queue);
        let arrival = self.present.find(n);
        let place = self.places[arrival].take().expect("the arrival is counted as queued");
        self.present.change(arrival, 1, 0);
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
            if self.places.len() > 2 * self.queued.len() + SPARE {
                self.renumber();
            }
            self.queued.push_back(self.places.len());
            self.places.push(Some(self.passed + self.queued.len() - 1));
            self.present.push(1);
        }
    }

    /// Forgets the arrivals that have been taken.
    fn renumber(&mut self) {
        self.places.retain(Option::is_some);
        self.present.clear();
        for (arrival, place) in self.places.iter().flatten().enumerate() {
            self.queued[place - self.passed] = arrival;
            self.present.push(1);
        }
    }
}
