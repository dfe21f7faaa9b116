//! The free stacks of one size, in an array: last in, first out.
//!
//! An array, and not a list that is linked through the headers of the stacks: to take
//! a stack from a list reads the header of that stack, which is not in the cache
//! where there are many thousand. With 100,000 free stacks a spawn took 320 to 415 ns
//! with a list, and takes 85 to 117 ns with the array. The array also tells which
//! stacks are taken next, so that their headers can be prefetched.

use std::alloc::{self, Layout};
use std::cell::Cell;
use std::io;
use std::ptr::{self, NonNull};

use super::header::Header;

type Place = *mut NonNull<Header>;

/// The number of stacks that are warmed at once.
const BATCH: usize = 16;

/// The array begins at a multiple of this. So the address of its end is a multiple of
/// this exactly where a batch ends, and where the array is empty: one test for both.
const BATCH_BYTES: usize = BATCH * size_of::<NonNull<Header>>();

/// With fewer free stacks than this, the headers of all of them are in the cache.
const COLD_COUNT: usize = 1024;

const FIRST_CAPACITY: usize = 64;

pub(super) struct FreeStacks {
    /// Where the next stack that comes back goes. Null while nothing is allocated.
    end: Cell<Place>,
    start: Cell<Place>,
    capacity: Cell<usize>,
    /// Where the array ended when a batch was warmed last.
    warmed: Cell<Place>,
}

impl FreeStacks {
    pub(super) const fn new() -> FreeStacks {
        FreeStacks {
            end: Cell::new(ptr::null_mut()),
            start: Cell::new(ptr::null_mut()),
            capacity: Cell::new(0),
            warmed: Cell::new(ptr::null_mut()),
        }
    }

    pub(super) fn len(&self) -> usize {
        (self.end.get().addr() - self.start.get().addr()) / size_of::<NonNull<Header>>()
    }

    /// Takes the stack that came back last. Calls `warm` for each stack of the next
    /// batch when that batch begins.
    #[inline(always)]
    pub(super) fn take(&self, warm: impl Fn(NonNull<Header>)) -> Option<NonNull<Header>> {
        if self.end.get().addr().is_multiple_of(BATCH_BYTES) && !self.begin_batch(warm) {
            return None;
        }
        // SAFETY: the array is not empty: its end is not a multiple of BATCH_BYTES, as
        // its start is, or `begin_batch` has looked. What is before the end was
        // written by `put`.
        unsafe {
            let last = self.end.get().sub(1);
            self.end.set(last);
            Some(last.read())
        }
    }

    /// Warms the next batch, if it is likely to be cold. Returns `false` if there is no
    /// free stack.
    #[cold]
    #[inline(never)]
    fn begin_batch(&self, warm: impl Fn(NonNull<Header>)) -> bool {
        // A stack that is taken and put back in turn just here is warm already.
        if self.len() >= COLD_COUNT && self.warmed.get() != self.end.get() {
            self.warmed.set(self.end.get());
            self.iter().rev().take(BATCH).for_each(warm);
        }
        self.len() > 0
    }

    /// Puts a stack back.
    ///
    /// # Safety
    ///
    /// The last [`FreeStacks::reserve`] must have counted this stack.
    #[inline(always)]
    pub(super) unsafe fn put(&self, stack: NonNull<Header>) {
        debug_assert!(self.len() < self.capacity.get());
        // SAFETY: the capacity is that of all stacks that were counted.
        unsafe {
            let end = self.end.get();
            end.write(stack);
            self.end.set(end.add(1));
        }
    }

    /// Makes sure that `count` stacks can be free at once, so that `put` need not look.
    ///
    /// # Errors
    ///
    /// If there is no memory for the array.
    #[cold]
    pub(super) fn reserve(&self, count: usize) -> io::Result<()> {
        if count <= self.capacity.get() {
            return Ok(());
        }
        let capacity = count.next_power_of_two().max(FIRST_CAPACITY);
        // SAFETY: the layout is not empty.
        let start: Place = unsafe { alloc::alloc(layout(capacity)) }.cast();
        if start.is_null() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let len = self.len();
        // SAFETY: `len` entries have been written, and the new array has room for more.
        unsafe { self.start.get().copy_to_nonoverlapping(start, len) };
        self.free_array();
        self.start.set(start);
        // SAFETY: within the new array.
        self.end.set(unsafe { start.add(len) });
        self.capacity.set(capacity);
        Ok(())
    }

    fn free_array(&self) {
        if self.capacity.get() > 0 {
            // SAFETY: allocated by `reserve` with this layout.
            unsafe { alloc::dealloc(self.start.get().cast(), layout(self.capacity.get())) };
        }
    }

    /// All free stacks, in the order in which they came back.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = NonNull<Header>> {
        // SAFETY: what is before the end was written by `put`.
        (0..self.len()).map(|index| unsafe { self.start.get().add(index).read() })
    }

    /// Forgets all free stacks.
    pub(super) fn clear(&self) {
        self.end.set(self.start.get());
    }
}

impl Drop for FreeStacks {
    fn drop(&mut self) {
        self.free_array();
    }
}

fn layout(capacity: usize) -> Layout {
    Layout::array::<NonNull<Header>>(capacity)
        .and_then(|layout| layout.align_to(BATCH_BYTES))
        .expect("the address space ends before the array does")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    /// Stands for a stack; nothing looks at it.
    fn stack(number: usize) -> NonNull<Header> {
        NonNull::without_provenance((number * 64).try_into().expect("numbers begin at 1"))
    }

    fn take(free: &FreeStacks) -> Option<NonNull<Header>> {
        free.take(|_| ())
    }

    /// So many free stacks: 1 came back first.
    fn with_stacks(count: usize) -> FreeStacks {
        let free = FreeStacks::new();
        free.reserve(count).expect("memory");
        // SAFETY: reserved above.
        (1..=count).for_each(|number| unsafe { free.put(stack(number)) });
        free
    }

    #[test]
    fn the_last_stack_that_came_back_is_the_first_to_be_taken() {
        for count in [0, 1, 15, 16, 17, 63, 64, 65, 1_023, 1_024, 1_040, 5_000] {
            let free = with_stacks(count);
            assert_eq!(free.len(), count);
            for number in (1..=count).rev() {
                assert_eq!(take(&free), Some(stack(number)), "of {count}");
            }
            assert_eq!(take(&free), None);
            assert_eq!(take(&free), None, "an empty array stays empty");
        }
    }

    #[test]
    fn no_stack_is_lost_and_none_is_handed_out_twice() {
        let free = FreeStacks::new();
        let mut model: Vec<NonNull<Header>> = Vec::new();
        let mut taken = BTreeSet::new();
        let mut opened = 0;
        let mut random = 1u64;
        for step in 0..60_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // For a while more stacks are taken, then more come back.
            let takes = (random >> 60) < if step % 12_000 < 7_000 { 11 } else { 5 };
            if takes {
                let stack = match take(&free) {
                    Some(stack) => {
                        assert_eq!(Some(stack), model.pop());
                        stack
                    }
                    None => {
                        assert!(model.is_empty());
                        opened += 1;
                        free.reserve(opened).expect("memory");
                        stack(opened)
                    }
                };
                assert!(taken.insert(stack), "handed out twice");
            } else if let Some(stack) = taken.pop_first() {
                // SAFETY: it was reserved for when it was opened.
                unsafe { free.put(stack) };
                model.push(stack);
            }
            assert_eq!(free.len(), model.len());
        }
        assert!(opened > 1_000, "{opened} stacks try batches as well");
        assert!(free.iter().eq(model), "none is lost");
    }

    /// The numbers of the stacks that are warmed while `count` are taken.
    fn warmed_by(free: &FreeStacks, count: usize) -> Vec<usize> {
        let warmed = RefCell::new(Vec::new());
        for _ in 0..count {
            free.take(|stack| warmed.borrow_mut().push(stack.addr().get() / 64));
        }
        warmed.into_inner()
    }

    #[test]
    fn each_stack_is_warmed_once_before_it_is_taken() {
        let free = with_stacks(2_048);
        let expected: Vec<usize> = (COLD_COUNT - BATCH + 1..=2_048).rev().collect();
        assert_eq!(warmed_by(&free, 2_048), expected);
    }

    #[test]
    fn a_stack_that_is_taken_and_put_back_in_turn_is_not_warmed_twice() {
        let free = with_stacks(2_048);
        assert_eq!(warmed_by(&free, 1).len(), BATCH);
        for _ in 0..10 {
            // SAFETY: it was taken before.
            unsafe { free.put(stack(2_048)) };
            assert_eq!(warmed_by(&free, 1), []);
        }
    }

    #[test]
    fn few_stacks_are_never_warmed() {
        assert_eq!(warmed_by(&with_stacks(COLD_COUNT - 1), COLD_COUNT), []);
    }

    #[test]
    fn what_was_put_back_stays_while_the_array_grows() {
        let free = with_stacks(64);
        free.reserve(100_000).expect("memory");
        assert!(free.iter().eq((1..=64).map(stack)));
        free.clear();
        assert_eq!(take(&free), None);
    }
}
