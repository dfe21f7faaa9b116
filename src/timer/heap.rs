//! The timer heap.
//!
//! A heap with four children to a node, ordered by deadline and, among equal deadlines, by age.
//! Entries hold what is compared. A table beside the heap has the place of each timer in it, so
//! that a timer can be removed without a search. Both are dense: to move an entry touches no
//! stack of a thread.

#![forbid(unsafe_code)]

/// The identity of a timer. It differs from that of a newer timer in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerId {
    slot: u32,
    generation: u32,
}

#[derive(Clone, Copy)]
struct Entry {
    deadline: u64,
    age: u64,
    slot: u32,
}

struct Slot<T> {
    /// The place of the timer in the heap; in a free slot, the next free slot.
    position: u32,
    generation: u32,
    target: T,
}

pub(crate) struct TimerHeap<T> {
    heap: Vec<Entry>,
    slots: Vec<Slot<T>>,
    first_free: u32,
    started: u64,
}

const NONE: u32 = u32::MAX;
const CHILDREN: usize = 4;

impl TimerId {
    /// Returns the identity as a number.
    pub(super) fn token(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    pub(super) fn of_token(token: u64) -> TimerId {
        TimerId { slot: token as u32, generation: (token >> 32) as u32 }
    }
}

impl Entry {
    fn before(&self, other: &Entry) -> bool {
        // mistake: younger-timer-first
        (self.deadline, self.age) < (other.deadline, other.age)
    }
}

impl<T: Copy> TimerHeap<T> {
    pub(crate) const fn new() -> TimerHeap<T> {
        TimerHeap { heap: Vec::new(), slots: Vec::new(), first_free: NONE, started: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Returns the deadline of the next timer to fire.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.heap.first().map(|entry| entry.deadline)
    }

    /// Returns the target of the next timer to fire.
    pub(crate) fn next_target(&self) -> Option<T> {
        self.heap.first().map(|entry| self.slots[entry.slot as usize].target)
    }

    /// Returns the targets of all timers, in no particular order.
    pub(crate) fn targets(&self) -> impl Iterator<Item = T> {
        self.heap.iter().map(|entry| self.slots[entry.slot as usize].target)
    }

    /// Starts a timer.
    pub(crate) fn insert(&mut self, deadline: u64, target: T) -> TimerId {
        let position = self.heap.len();
        let slot = self.first_free;
        let slot = if slot == NONE {
            let slot = u32::try_from(self.slots.len()).expect("fewer than 4 billion timers");
            self.slots.push(Slot { position: 0, generation: 0, target });
            slot
        } else {
            let free = &mut self.slots[slot as usize];
            self.first_free = free.position;
            free.target = target;
            slot
        };
        self.started += 1;
        let entry = Entry { deadline, age: self.started, slot };
        self.heap.push(entry);
        self.sift_up(position, entry);
        TimerId { slot, generation: self.slots[slot as usize].generation }
    }

    /// Stops a timer. Does nothing if it has fired.
    pub(crate) fn remove(&mut self, id: TimerId) {
        let slot = &self.slots[id.slot as usize];
        if slot.generation == id.generation {
            let position = slot.position as usize;
            self.take_out(position);
        }
    }

    /// Takes out the next timer with a deadline that is not after `now`.
    pub(crate) fn pop_expired(&mut self, now: u64) -> Option<T> {
        let first = self.heap.first()?;
        if first.deadline > now {
            return None;
        }
        let target = self.slots[first.slot as usize].target;
        self.take_out(0);
        Some(target)
    }

    fn take_out(&mut self, position: usize) {
        let removed = self.heap.swap_remove(position);
        let slot = &mut self.slots[removed.slot as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.position = self.first_free;
        self.first_free = removed.slot;
        if let Some(&moved) = self.heap.get(position)
            && !self.sift_up(position, moved)
        {
            self.sift_down(position, moved);
        }
    }

    /// Moves `entry`, which is at `position`, to where it belongs, if that is further
    /// up. Returns `true` if it has moved.
    ///
    /// The caller passes the entry, which it has in registers: to read what was just
    /// written took 80 ns of a sleeper's 550 among 100,000.
    #[inline(always)]
    fn sift_up(&mut self, mut position: usize, entry: Entry) -> bool {
        let start = position;
        while position > 0 {
            let parent = (position - 1) / CHILDREN;
            if !entry.before(&self.heap[parent]) {
                break;
            }
            self.put(position, self.heap[parent]);
            position = parent;
        }
        self.put(position, entry);
        position != start
    }

    /// Moves `entry`, which is at `position`, to where it belongs, if that is further
    /// down.
    fn sift_down(&mut self, mut position: usize, entry: Entry) {
        loop {
            let first = position * CHILDREN + 1;
            let children = first..(first + CHILDREN).min(self.heap.len());
            let Some(child) = children.reduce(|least, child| {
                if self.heap[child].before(&self.heap[least]) { child } else { least }
            }) else {
                break;
            };
            if !self.heap[child].before(&entry) {
                break;
            }
            self.put(position, self.heap[child]);
            position = child;
        }
        self.put(position, entry);
    }

    fn put(&mut self, position: usize, entry: Entry) {
        self.heap[position] = entry;
        self.slots[entry.slot as usize].position = position as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn fires_in_the_order_of_deadline_and_age_whatever_is_removed() {
        let mut timers = TimerHeap::new();
        let mut model = BTreeMap::new();
        let mut ids = Vec::new();
        let mut random = 1u64;
        let mut now = 0;
        for age in 0..if cfg!(miri) { 500 } else { 50_000u64 } {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match random >> 61 {
                0..=3 => {
                    let deadline = now + (random >> 40) % 64;
                    ids.push((timers.insert(deadline, age), deadline, age));
                    model.insert((deadline, age), age);
                }
                4 | 5 if !ids.is_empty() => {
                    // Often one that has fired already.
                    let index = (random >> 20) as usize % ids.len();
                    let (id, deadline, age) = ids.swap_remove(index);
                    timers.remove(id);
                    model.remove(&(deadline, age));
                }
                _ => {
                    now += (random >> 50) % 8;
                    while let Some(fired) = timers.pop_expired(now) {
                        let ((deadline, _), expected) = model.pop_first().unwrap();
                        assert!(deadline <= now);
                        assert_eq!(fired, expected);
                    }
                    assert!(model.keys().next().is_none_or(|&(deadline, _)| deadline > now));
                }
            }
            assert_eq!(timers.next_deadline(), model.keys().next().map(|&(deadline, _)| deadline));
            assert_eq!(timers.is_empty(), model.is_empty());
        }
    }

    #[test]
    fn equal_deadlines_fire_in_the_order_of_their_start_also_around_removed_ones() {
        for removed in (0..100).step_by(if cfg!(miri) { 33 } else { 1 }) {
            let mut timers = TimerHeap::new();
            let ids: Vec<TimerId> = (0..100).map(|number| timers.insert(7, number)).collect();
            timers.remove(ids[removed]);
            assert_eq!(timers.pop_expired(6), None);
            let expected: Vec<usize> = (0..100).filter(|&number| number != removed).collect();
            let mut fired = Vec::new();
            while let Some(next) = timers.next_target() {
                assert_eq!(timers.pop_expired(7), Some(next));
                fired.push(next);
            }
            assert_eq!(fired, expected);
        }
    }

    #[test]
    fn a_timer_that_takes_the_place_of_a_removed_one_moves_up_or_down() {
        // The last of the heap moves into each place in turn.
        for removed in (0..64).step_by(if cfg!(miri) { 21 } else { 1 }) {
            for seed in 0..8 {
                let mut timers = TimerHeap::new();
                let deadline = |number: u64| (number * 37 + seed * 11) % 64;
                let ids: Vec<TimerId> =
                    (0..64).map(|number| timers.insert(deadline(number), number)).collect();
                timers.remove(ids[removed]);
                let mut expected: Vec<u64> =
                    (0..64).filter(|&number| number != removed as u64).collect();
                expected.sort_by_key(|&number| deadline(number));
                let fired: Vec<u64> = std::iter::from_fn(|| timers.pop_expired(64)).collect();
                assert_eq!(fired, expected);
            }
        }
    }

    #[test]
    fn slots_are_used_again() {
        let mut timers = TimerHeap::new();
        for deadline in 0..if cfg!(miri) { 10 } else { 1_000 } {
            let id = timers.insert(deadline, ());
            timers.remove(id);
            timers.remove(id);
        }
        assert_eq!(timers.slots.len(), 1);
    }
}
