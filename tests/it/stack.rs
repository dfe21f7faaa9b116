//! Stacks: sizes, errors, high-water marks and the pool.

use std::collections::HashSet;
use std::hint::black_box;
use std::io::ErrorKind;
use std::panic;

use leno::coroutine::{Coroutine, Resumed};
use leno::stack::{DEFAULT_STACK_BYTES, MIN_STACK_BYTES, Pool, Stack};

use crate::support::resident_pages;

const PAGE: usize = 4096;
const KIB: usize = 1024;

/// Runs `f` on a new OS thread, whose pool is empty.
fn with_a_fresh_pool(f: impl FnOnce() + Send + 'static) {
    let ended = std::thread::spawn(f).join();
    ended.unwrap_or_else(|payload| panic::resume_unwind(payload));
}

fn stack(bytes: usize) -> Stack {
    Stack::new(bytes).expect("a stack")
}

/// Returns the address of the first local of a suspended coroutine, and the coroutine.
fn suspended_on(stack: Stack) -> (usize, Coroutine<(), usize, ()>) {
    let coroutine = Coroutine::with_stack(stack, |yielder, ()| {
        let local = 1u8;
        yielder.suspend(std::ptr::from_ref(black_box(&local)).addr());
    });
    let place = coroutine.resume(()).as_yield().expect("a place");
    (place, coroutine)
}

fn place_of(stack: Stack) -> usize {
    suspended_on(stack).0
}

#[test]
fn a_stack_has_the_requested_size_in_whole_pages() {
    let requests = [0, 1, PAGE, MIN_STACK_BYTES, MIN_STACK_BYTES + 1, 100_000, 1 << 20, 1 << 34];
    for bytes in requests {
        let stack = stack(bytes);
        assert_eq!(stack.size(), bytes.max(MIN_STACK_BYTES).next_multiple_of(PAGE));
        assert!(stack.guard_size() >= 64 * KIB);
        assert_eq!(stack.guard_size() % PAGE, 0);
        let (size, guard) = (stack.size(), stack.guard_size());
        let text = format!("Stack {{ size: {size}, guard_size: {guard}, .. }}");
        assert_eq!(format!("{stack:?}"), text);
    }
    assert_eq!(stack(DEFAULT_STACK_BYTES).size(), DEFAULT_STACK_BYTES);
}

#[test]
fn a_stack_can_be_used_to_its_end() {
    fn go_down(bytes: usize) -> usize {
        let filler = black_box([7u8; 256]);
        if bytes < 256 { filler[9].into() } else { black_box(go_down(bytes - 256)) }
    }
    for bytes in [MIN_STACK_BYTES, 64 * KIB, 1 << 20] {
        let used =
            Coroutine::<usize, (), usize>::with_stack(stack(bytes), |_, bytes| go_down(bytes));
        // A debug build's frames are three times as large as their contents.
        assert_eq!(used.resume(bytes / 4 - 2 * KIB), Resumed::Return(7));
        assert!(used.high_water() > bytes / 4 - 2 * KIB && used.high_water() <= bytes);
    }
}

#[test]
fn sizes_beyond_any_address_space_are_refused() {
    for bytes in [usize::MAX, usize::MAX / 2, (1 << 46) + 1] {
        let error = Stack::new(bytes).expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(&format!("a stack of {bytes} bytes is beyond")));
        assert_eq!(Pool::reserve(1, bytes).expect_err("too large").kind(), ErrorKind::InvalidInput);
        let spawned = leno::run(|| {
            leno::thread::Builder::new().stack_size(bytes).spawn(|| ()).map(|_| "spawned")
        });
        assert_eq!(spawned.expect_err("too large").kind(), ErrorKind::InvalidInput);
    }
}

#[inline(never)]
fn use_bytes<const BYTES: usize>() {
    let mut filler = [1u8; BYTES];
    black_box(&mut filler);
}

#[test]
fn high_water_follows_the_deepest_use() {
    with_a_fresh_pool(|| {
        assert_eq!(stack(512 * KIB).high_water(), 0);
        let coroutine = Coroutine::<(), (), ()>::with_stack(stack(512 * KIB), |yielder, ()| {
            yielder.suspend(());
            use_bytes::<{ 40 * KIB }>();
            yielder.suspend(());
            use_bytes::<{ 20 * KIB }>();
            yielder.suspend(());
            use_bytes::<{ 300 * KIB }>();
        });
        let mut measured = vec![];
        let start = coroutine.high_water();
        while coroutine.resume(()).as_yield().is_some() {
            measured.push(coroutine.high_water());
        }
        measured.push(coroutine.high_water());
        assert!(start < KIB && start > 0, "{start}");
        assert!(measured[0] < 2 * PAGE, "{measured:?}");
        for (index, used) in [(1, 40 * KIB), (3, 300 * KIB)] {
            let range = used..used + 2 * PAGE;
            assert!(range.contains(&measured[index]), "{measured:?} of {range:?}");
        }
        assert_eq!(measured[1], measured[2]);
    });
}

#[test]
fn high_water_is_reset_in_the_pool() {
    with_a_fresh_pool(|| {
        let deep = Coroutine::<(), (), ()>::with_stack(stack(512 * KIB), |_, ()| {
            use_bytes::<{ 200 * KIB }>();
        });
        deep.resume(());
        assert!(deep.high_water() > 200 * KIB);
        drop(deep);
        assert!(stack(512 * KIB).high_water() <= 16 * KIB);
        Pool::trim();
        assert!(stack(512 * KIB).high_water() <= PAGE);
    });
}

#[test]
fn a_deep_stack_returns_its_pages_in_the_pool() {
    with_a_fresh_pool(|| {
        for round in 0..3 {
            let coroutine =
                Coroutine::<(), usize, ()>::with_stack(stack(512 * KIB), |yielder, ()| {
                    let local = 1u8;
                    use_bytes::<{ 300 * KIB }>();
                    yielder.suspend(std::ptr::from_ref(black_box(&local)).addr());
                });
            let place = coroutine.resume(()).as_yield().expect("a place");
            let pages = || resident_pages(place.next_multiple_of(PAGE) - 512 * KIB, 512 * KIB);
            assert!(pages() >= 300 * KIB / PAGE, "{} pages in use", pages());
            drop(coroutine);
            assert!(pages() <= 16 * KIB / PAGE, "{} pages in round {round}", pages());
            Pool::trim();
            assert!(pages() <= 1, "{} pages trimmed", pages());
        }
    });
}

#[test]
fn a_shallow_coroutine_needs_at_most_two_pages() {
    with_a_fresh_pool(|| {
        for _ in 0..64 {
            let (place, coroutine) = suspended_on(stack(64 * KIB));
            let pages = resident_pages(place.next_multiple_of(PAGE) - 64 * KIB, 64 * KIB);
            // The frames of a debug build are large.
            assert!(pages <= if cfg!(debug_assertions) { 2 } else { 1 }, "{pages} pages");
            std::mem::forget(coroutine);
        }
    });
}

#[test]
fn the_pool_reuses_the_most_recent_stack_of_a_size() {
    with_a_fresh_pool(|| {
        let (small, large) = (20 * KIB, 200 * KIB);
        let (small_place, large_place) = (place_of(stack(small)), place_of(stack(large)));
        assert_eq!(place_of(stack(small)), small_place);
        assert_eq!(place_of(stack(large)), large_place);
        assert_eq!(place_of(stack(small - 1)), small_place);
        let (first, second) = (suspended_on(stack(small)), suspended_on(stack(small)));
        assert_eq!(first.0, small_place);
        assert_ne!(second.0, small_place);
        drop(first.1);
        drop(second.1);
        let again = [suspended_on(stack(small)), suspended_on(stack(small))];
        assert_eq!([again[0].0, again[1].0], [second.0, first.0]);
    });
}

#[test]
fn the_pool_counts_and_reserves_free_stacks() {
    with_a_fresh_pool(|| {
        assert_eq!(Pool::free(), 0);
        Pool::trim();
        Pool::reserve(0, 1).expect("nothing");
        Pool::reserve(40, 64 * KIB).expect("stacks");
        assert_eq!(Pool::free(), 40);
        Pool::reserve(30, 64 * KIB).expect("already reserved");
        assert_eq!(Pool::free(), 40);
        Pool::reserve(10, DEFAULT_STACK_BYTES).expect("stacks of another size");
        assert_eq!(Pool::free(), 50);
        let taken: Vec<Stack> = (0..40).map(|_| stack(64 * KIB)).collect();
        assert_eq!(Pool::free(), 10);
        Pool::trim();
        let coroutine = Coroutine::<(), (), ()>::new(|_, ()| ());
        assert_eq!(Pool::free(), 9);
        drop((taken, coroutine));
        assert_eq!(Pool::free(), 50);
        Pool::reserve(45, 64 * KIB).expect("five more stacks");
        assert_eq!(Pool::free(), 55);
    });
}

#[test]
fn trimmed_and_reserved_stacks_work() {
    with_a_fresh_pool(|| {
        for _ in 0..5 {
            Pool::reserve(20, 32 * KIB).expect("stacks");
            let all: Vec<_> = (0..20).map(|_| suspended_on(stack(32 * KIB))).collect();
            assert_eq!(all.iter().map(|(place, _)| place).collect::<HashSet<_>>().len(), 20);
            let finished = all.iter().filter(|it| it.1.resume(()) == Resumed::Return(())).count();
            assert_eq!(finished, 20);
            drop(all);
            Pool::trim();
        }
        assert_eq!(Pool::free(), 20);
    });
}

#[test]
fn neighbouring_stacks_start_on_different_cache_lines() {
    with_a_fresh_pool(|| {
        for bytes in [MIN_STACK_BYTES, DEFAULT_STACK_BYTES] {
            let all: Vec<_> = (0..48).map(|_| suspended_on(stack(bytes))).collect();
            let lines: Vec<usize> = all.iter().map(|(place, _)| place % PAGE / 64).collect();
            assert!(lines.windows(2).all(|pair| pair[0] != pair[1]), "{lines:?}");
            // Half a page has 32 lines.
            assert_eq!(lines.iter().collect::<HashSet<_>>().len(), 32, "{lines:?}");
        }
    });
}

#[test]
fn stacks_do_not_overlap() {
    with_a_fresh_pool(|| {
        let sizes = [MIN_STACK_BYTES, 48 * KIB, DEFAULT_STACK_BYTES];
        let mut places: Vec<(usize, usize)> = vec![];
        let mut alive = vec![];
        for n in 0..200 {
            let bytes = sizes[n % 3];
            let (place, coroutine) = suspended_on(stack(bytes));
            places.push((place, bytes));
            alive.push(coroutine);
        }
        places.sort_unstable();
        for pair in places.windows(2) {
            let [(below, _), (above, bytes)] = [pair[0], pair[1]];
            assert!(above - below >= bytes + 64 * KIB - 2 * PAGE, "{below:x} and {above:x}");
        }
    });
}
