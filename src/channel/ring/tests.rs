//! Tests of the ring alone. They need no switch, so that Miri can run them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::{FIRST_SLOTS, Ring};

/// Adds its number to a list when it is dropped, and panics if the list says so.
struct Counted {
    number: usize,
    dropped: Rc<RefCell<Vec<usize>>>,
    panics: bool,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.dropped.borrow_mut().push(self.number);
        assert!(!self.panics, "message {} panics", self.number);
    }
}

/// Takes all messages out.
fn drain<T>(ring: &Ring<T>) -> Vec<T> {
    std::iter::from_fn(|| ring.pop()).collect()
}

/// Performs random operations on a ring with the first position `start` and on a
/// [`VecDeque`], and compares what they return.
fn compare_with_a_deque(start: usize, limit: usize, seed: u32) {
    let ring = Ring::new();
    ring.head.set(start);
    ring.tail.set(start);
    let mut model = VecDeque::new();
    let mut random = seed;
    let (mut is_put_open, mut is_take_open) = (false, false);
    for number in 0..if cfg!(miri) { 400 } else { 20_000 } {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let message = Box::new(number);
        match random >> 28 {
            0..5 => match ring.put_at_once(message) {
                Ok(()) => {
                    assert!(is_put_open && model.len() < limit);
                    model.push_back(number);
                }
                // The ring may have no free slot.
                Err(message) => assert_eq!(*message, number),
            },
            5..7 if model.len() < limit => {
                ring.push(message);
                model.push_back(number);
            }
            7..10 => {
                let taken = ring.take_at_once().map(|message| *message);
                assert_eq!(taken, if is_take_open { model.pop_front() } else { None });
            }
            10..12 => assert_eq!(ring.pop().map(|message| *message), model.pop_front()),
            12 => {
                ring.open_put(limit);
                is_put_open = true;
            }
            13 => {
                ring.open_take();
                is_take_open = true;
            }
            14 if number % 8 == 0 => {
                ring.close_put();
                is_put_open = false;
            }
            15 if number % 8 == 0 => {
                ring.close_take();
                is_take_open = false;
            }
            _ => {}
        }
        assert_eq!((ring.len(), ring.is_empty()), (model.len(), model.is_empty()));
    }
    assert!(drain(&ring).iter().map(|message| **message).eq(model));
}

#[test]
fn behaves_like_a_deque() {
    for (seed, limit) in [1, 2, 3, 5, 64, 100, usize::MAX].into_iter().enumerate() {
        compare_with_a_deque(0, limit, seed as u32);
    }
}

#[test]
fn positions_wrap_around_at_the_end_of_their_type() {
    compare_with_a_deque(usize::MAX - 10, 7, 11);
    compare_with_a_deque(usize::MAX - 10, usize::MAX, 12);
}

#[test]
fn keeps_the_order_when_it_grows_in_the_middle() {
    for start in 0..=FIRST_SLOTS {
        let ring = Ring::new();
        // The first message lies in slot `start`, so what follows it wraps around.
        for number in 0..start {
            ring.push(number.to_string());
            assert_eq!(ring.pop(), Some(number.to_string()));
        }
        let numbers = || (0..FIRST_SLOTS * 4 + 1).map(|number| number.to_string());
        numbers().for_each(|number| ring.push(number));
        assert!(drain(&ring).into_iter().eq(numbers()), "from slot {start}");
    }
}

#[test]
fn messages_without_a_size_are_counted_and_dropped() {
    thread_local! { static DROPPED: Cell<usize> = const { Cell::new(0) } }
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {
            DROPPED.set(DROPPED.get() + 1);
        }
    }
    let ring = Ring::new();
    (0..100).for_each(|_| ring.push(Nothing));
    assert_eq!(ring.len(), 100);
    drop(ring.pop());
    assert_eq!((ring.len(), DROPPED.get()), (99, 1));
    drop(ring);
    assert_eq!(DROPPED.get(), 100);
}

#[test]
fn never_holds_more_than_the_limit_at_once() {
    for limit in [1, 2, 3, 4, 5, 6, 7, 9, 100] {
        let ring = Ring::new();
        while ring.len() < limit {
            ring.push(0);
            ring.open_put(limit);
            while ring.put_at_once(0).is_ok() {}
        }
        assert_eq!(ring.len(), limit);
        assert_eq!(ring.put_at_once(7), Err(7));
    }
}

#[test]
fn allocates_with_the_first_message_and_not_for_its_limit() {
    let ring = Ring::<u64>::new();
    ring.open_put(usize::MAX);
    assert_eq!((ring.slot_count(), ring.put_at_once(1)), (0, Err(1)));
    ring.push(1);
    ring.open_put(usize::MAX);
    assert_eq!((ring.slot_count(), ring.put_limit.get()), (FIRST_SLOTS, FIRST_SLOTS));
}

#[test]
fn a_closed_shortcut_does_nothing() {
    let ring = Ring::new();
    ring.push(1);
    assert_eq!((ring.put_at_once(2), ring.take_at_once()), (Err(2), None));
    ring.open_put(10);
    ring.open_take();
    assert_eq!((ring.put_at_once(2), ring.take_at_once()), (Ok(()), Some(1)));
    ring.close_put();
    ring.close_take();
    assert_eq!((ring.put_at_once(3), ring.take_at_once()), (Err(3), None));
    assert_eq!(ring.pop(), Some(2));
}

#[test]
fn a_panicking_destructor_leaves_no_message_behind() {
    for panicking in 0..10 {
        let dropped = Rc::default();
        let ring = Ring::new();
        for number in 0..10 {
            let dropped = Rc::clone(&dropped);
            ring.push(Counted { number, dropped, panics: number == panicking });
        }
        catch_unwind(AssertUnwindSafe(|| drop(ring))).expect_err("a destructor panics");
        assert!(dropped.borrow().iter().copied().eq(0..10));
    }
}

#[test]
fn what_is_taken_out_as_a_whole_leaves_an_empty_ring_with_closed_shortcuts() {
    let dropped = Rc::default();
    let ring = Ring::new();
    for number in 0..5 {
        ring.push(Counted { number, dropped: Rc::clone(&dropped), panics: false });
    }
    ring.open_put(100);
    ring.open_take();
    let all = ring.take_all();
    assert_eq!((ring.len(), all.len()), (0, 5));
    assert!(ring.take_at_once().is_none());
    let last = Counted { number: 5, dropped: Rc::clone(&dropped), panics: false };
    let last = ring.put_at_once(last).expect_err("the shortcut is closed");
    drop(all);
    assert!(dropped.borrow().iter().copied().eq(0..5));
    ring.push(last);
    drop(ring);
    assert!(dropped.borrow().iter().copied().eq(0..6));
}

#[test]
fn a_destructor_may_use_the_ring_that_its_message_was_in() {
    /// Puts a message into the ring when it is dropped.
    struct Sends(Rc<Ring<Sends>>, usize);
    impl Drop for Sends {
        fn drop(&mut self) {
            if self.1 > 0 {
                self.0.push(Sends(self.0.clone(), self.1 - 1));
            }
        }
    }
    let ring = Rc::new(Ring::new());
    (0..FIRST_SLOTS).for_each(|_| ring.push(Sends(ring.clone(), 2)));
    for left in [FIRST_SLOTS, FIRST_SLOTS, 0] {
        drop(ring.take_all());
        assert_eq!(ring.len(), left);
    }
    assert_eq!(Rc::strong_count(&ring), 1);
}
