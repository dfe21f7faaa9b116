//! The enabled green threads of an execution, in the order in which they became ready.
//!
//! It follows the run queue from choice to choice, so that a choice among n threads takes log n steps.
//! To list them at each choice would take n.

use crate::explore::{CLOCK, EnabledSet};
use crate::runtime::sums::Sums;

/// The slots that a line may have beyond twice its threads before it is packed.
const SPARE_SLOTS: usize = 64;

/// A thread in the line; its weight decides how likely it is drawn.
#[derive(Clone, Copy)]
struct Slot {
    number: u64,
    weight: u64,
    is_empty: bool,
}

#[derive(Default)]
pub(super) struct Line {
    slots: Vec<Slot>,
    /// One for each slot that is not empty.
    present: Sums<usize>,
    weights: Sums<u64>,
    /// The slot of each thread and one more, by the thread's number; 0 if it is not in the line.
    places: Vec<usize>,
    count: usize,
    /// The run queue's count of pushes up to which this line has followed it.
    followed: Option<usize>,
}

impl Line {
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.present.clear();
        self.weights.clear();
        self.places.clear();
        self.count = 0;
        self.followed = None;
    }

    /// Adds the threads that have become enabled since the last choice. Each is given to `arrives`,
    /// which returns its weight.
    pub(super) fn follow(&mut self, enabled: &EnabledSet<'_>, mut arrives: impl FnMut(u64) -> u64) {
        let (new, end) = enabled.places_since(self.followed);
        self.followed = Some(end);
        for place in new..enabled.len() {
            let number = enabled.number(place);
            if !self.contains(number) {
                self.arrive(number, arrives(number));
            }
        }
        debug_assert!(self.numbers().eq((0..enabled.len()).map(|place| enabled.number(place))));
    }

    fn arrive(&mut self, number: u64, weight: u64) {
        if self.slots.len() > 2 * self.count + SPARE_SLOTS {
            self.pack();
        }
        self.append(number, weight);
    }

    fn append(&mut self, number: u64, weight: u64) {
        let index = number as usize;
        if index >= self.places.len() {
            self.places.resize(index + 1, 0);
        }
        self.slots.push(Slot { number, weight, is_empty: false });
        self.present.push(1);
        self.weights.push(weight);
        self.places[index] = self.slots.len();
        self.count += 1;
    }

    /// Removes the empty slots.
    fn pack(&mut self) {
        let slots = std::mem::take(&mut self.slots);
        self.present.clear();
        self.weights.clear();
        self.count = 0;
        for slot in slots.iter().filter(|slot| !slot.is_empty) {
            self.append(slot.number, slot.weight);
        }
    }

    /// Removes a thread, which has the next turn, and the clock, which is always the last.
    pub(super) fn leave(&mut self, number: u64) {
        for number in [number, CLOCK] {
            if let Some(index) = self.slot(number) {
                self.present.change(index, 1, 0);
                self.set_weight(number, 0);
                self.slots[index].is_empty = true;
                self.places[number as usize] = 0;
                self.count -= 1;
            }
        }
    }

    fn slot(&self, number: u64) -> Option<usize> {
        self.places.get(number as usize)?.checked_sub(1)
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.slot(number).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Returns the number of threads before this one, which is in the line.
    pub(super) fn rank(&self, number: u64) -> usize {
        self.present.of_first(self.slot(number).expect("the thread is enabled"))
    }

    /// Returns the thread with `rank` threads before it.
    pub(super) fn at_rank(&self, rank: usize) -> u64 {
        self.slots[self.present.find(rank)].number
    }

    /// Returns the first thread that is not `without`, of which each is in the line.
    pub(super) fn first_without(&self, without: &[u64]) -> Option<u64> {
        if without.is_empty() {
            return (self.count > 0).then(|| self.at_rank(0));
        }
        self.numbers().find(|number| !without.contains(number))
    }

    /// Returns the threads, the first one first.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().filter(|slot| !slot.is_empty).map(|slot| slot.number)
    }

    /// Replaces the weight of a thread in the line, and returns the former one.
    pub(super) fn set_weight(&mut self, number: u64, weight: u64) -> u64 {
        let index = self.slot(number).expect("the thread is enabled");
        let former = std::mem::replace(&mut self.slots[index].weight, weight);
        self.weights.change(index, former, weight);
        former
    }

    pub(super) fn total_weight(&self) -> u64 {
        self.weights.of_first(self.slots.len())
    }

    /// Returns the thread at `drawn`, a number less than the total, where each has a stretch as long
    /// as its weight.
    pub(super) fn at_weight(&self, drawn: u64) -> u64 {
        self.slots[self.weights.find(drawn)].number
    }
}
