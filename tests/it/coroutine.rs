//! Coroutines: values in both directions, the states of a handle, invalid resumes, and
//! moves.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hint::black_box;
use std::rc::{Rc, Weak};

use leno::coroutine::{Coroutine, Generator, Resumed, Yielder};
use leno::stack::{MIN_STACK_BYTES, Stack};

use crate::support::{Ledger, Tracked, in_child, panic_text};

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
struct Line(u8);

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
struct LineOfNothing;

#[derive(Clone, Debug, PartialEq)]
#[repr(align(4096))]
struct Page([u16; 100]);

fn assert_aligned<T>(value: &T) {
    // `black_box`, since the compiler assumes that references are aligned.
    assert_eq!(black_box(std::ptr::from_ref(value)).addr() % align_of::<T>(), 0);
}

/// Sends `values` into a coroutine that yields, returns and captures them.
fn comes_back<T: Clone + Debug + PartialEq + 'static>(values: [T; 3]) {
    let [first, second, captured] = values.clone();
    // A debug build has dozens of copies of a large value in one frame.
    let stack = Stack::new(1 << 20).expect("a stack");
    let echo = Coroutine::with_stack(stack, move |yielder: &Yielder<T, T>, input: T| {
        assert_aligned(&captured);
        assert_aligned(&input);
        let again = yielder.suspend(input);
        assert_aligned(&again);
        let last = yielder.suspend(again);
        assert_eq!(last, captured);
        captured
    });
    assert_eq!(echo.resume(first.clone()), Resumed::Yield(first));
    assert_eq!(echo.resume(second.clone()), Resumed::Yield(second));
    let [_, _, last] = values;
    assert_eq!(echo.resume(last.clone()), Resumed::Return(last));
}

#[test]
fn values_of_every_shape_go_in_and_come_out() {
    comes_back([(), (), ()]);
    comes_back([[0u64; 0]; 3]);
    comes_back([LineOfNothing; 3]);
    comes_back([true, false, true]);
    comes_back([1u8, 2, u8::MAX]);
    comes_back([[1u8, 2, 3], [4, 5, 6], [7, 8, 9]]);
    comes_back([1u64, u64::MAX, 0]);
    comes_back([f64::MIN_POSITIVE, -0.0, f64::INFINITY]);
    comes_back([(1u8, 2u32), (3, 4), (5, 6)]);
    comes_back([Some(1u32), None, Some(u32::MAX)]);
    comes_back([1u128, u128::MAX, 1 << 64]);
    comes_back(["warp", "weft", ""]);
    comes_back([[1u8; 17], [2; 17], [3; 17]]);
    comes_back([[1u8; 4096], [2; 4096], [3; 4096]]);
    comes_back([Line(1), Line(2), Line(3)]);
    comes_back([1, 2, 3].map(|n| Page([n; 100])));
    comes_back([1, 2, 3].map(Box::new));
    comes_back(["a", "bc", ""].map(str::to_owned));
    comes_back([vec![1, 2], vec![], vec![3]]);
    comes_back([Some(Rc::new(1)), None, Some(Rc::new(2))]);
    comes_back([Ok("fine"), Err(String::from("bad")), Ok("")]);
}

#[test]
fn each_direction_may_have_a_type_of_its_own() {
    let body = |yielder: &Yielder<Page, ()>, first: Page| {
        let second = yielder.suspend(());
        [first.0[99], second.0[0]].map(|number| number.to_string())
    };
    let coroutine = Coroutine::new(body);
    assert_eq!(coroutine.resume(Page([7; 100])), Resumed::Yield(()));
    let texts = coroutine.resume(Page([9; 100])).as_return();
    assert_eq!(texts, Some(["7".to_owned(), "9".to_owned()]));
}

#[test]
fn captures_are_aligned_on_stacks_of_every_colour() {
    let coroutines: Vec<_> = (0..70)
        .map(|n: u16| {
            let (page, line) = (Page([n; 100]), Line(n as u8));
            Coroutine::<(), (), bool>::new(move |yielder, ()| {
                assert_aligned(&page);
                assert_aligned(&line);
                yielder.suspend(());
                page == Page([n; 100]) && line == Line(n as u8)
            })
        })
        .collect();
    assert!(coroutines.iter().all(|coroutine| coroutine.resume(()) == Resumed::Yield(())));
    assert!(coroutines.iter().all(|coroutine| coroutine.resume(()) == Resumed::Return(true)));
}

#[test]
fn captures_are_aligned_before_the_first_resume() {
    struct Witness(#[expect(dead_code, reason = "only its alignment matters")] Page, Tracked);
    impl Drop for Witness {
        fn drop(&mut self) {
            assert_aligned(self);
            assert_aligned(&self.1);
        }
    }
    let ledger = Ledger::default();
    let create = |n| {
        let witness = Witness(Page([n; 100]), ledger.value());
        Coroutine::<(), (), ()>::new(move |_, ()| drop(witness))
    };
    drop((0..70).map(create).collect::<Vec<_>>());
    assert_eq!(ledger.made(), 70);
    ledger.check();
}

#[test]
fn values_passed_through_a_coroutine_are_dropped_once() {
    let ledger = Ledger::default();
    let values = ledger.clone();
    let captured = ledger.value();
    let coroutine = Coroutine::new(move |yielder: &Yielder<Tracked, Tracked>, first: Tracked| {
        let second = yielder.suspend(first);
        drop(yielder.suspend(values.value()));
        drop(captured);
        [second, values.value()]
    });
    let first = coroutine.resume(ledger.value());
    assert_eq!((ledger.made(), ledger.alive()), (2, 2));
    drop(first);
    drop(coroutine.resume(ledger.value()).as_yield());
    assert_eq!((ledger.made(), ledger.alive()), (4, 2));
    let Resumed::Return(two) = coroutine.resume(ledger.value()) else { panic!("not done") };
    assert_eq!((ledger.made(), ledger.alive()), (6, 2));
    drop(two);
    ledger.check();
    drop(coroutine);
    ledger.check();
}

#[test]
fn resumed_tells_a_yield_from_a_return() {
    let (yielded, returned) = (Resumed::<u8, &str>::Yield(1), Resumed::<u8, &str>::Return("r"));
    assert_eq!((yielded.as_yield(), yielded.as_return()), (Some(1), None));
    assert_eq!((returned.as_yield(), returned.as_return()), (None, Some("r")));
    assert_eq!(format!("{yielded:?} {returned:?}"), "Yield(1) Return(\"r\")");
    assert_eq!(HashSet::from([yielded, yielded, returned]).len(), 2);
    assert_ne!(Resumed::Yield(1), Resumed::Return(1));
}

#[test]
fn is_started_and_is_done_follow_the_state() {
    let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| yielder.suspend(()));
    let state = || (coroutine.is_started(), coroutine.is_done());
    assert_eq!(state(), (false, false));
    coroutine.resume(());
    assert_eq!(state(), (true, false));
    coroutine.resume(());
    assert_eq!(state(), (true, true));

    let closed = Coroutine::<(), (), ()>::new(|_, ()| ());
    closed.close();
    assert_eq!((closed.is_started(), closed.is_done()), (true, true));
    let panicked = Coroutine::<(), (), ()>::new(|_, ()| panic!("over"));
    panic_text(|| panicked.resume(()));
    assert_eq!((panicked.is_started(), panicked.is_done()), (true, true));
}

#[test]
fn owners_share_a_coroutine_in_an_rc() {
    let counter = Rc::new(Coroutine::<(), u32, ()>::new(|yielder, ()| {
        (0..4).for_each(|n| yielder.suspend(n));
    }));
    let other = counter.clone();
    let third = counter.clone();
    let relay = Coroutine::<(), (), _>::new(move |_, ()| third.resume(()));
    assert_eq!(counter.resume(()), Resumed::Yield(0));
    assert_eq!(other.resume(()), Resumed::Yield(1));
    assert_eq!(relay.resume(()), Resumed::Return(Resumed::Yield(2)));
    drop(counter);
    assert_eq!(other.resume(()), Resumed::Yield(3));
    assert_eq!(other.resume(()), Resumed::Return(()));
}

const DONE: &str = "this coroutine is done and cannot be resumed; ask is_done() first";
pub const RUNNING: &str = "this coroutine is running, here or further up the chain of resumes, and \
                       cannot be resumed until it suspends";

#[test]
fn resuming_a_finished_coroutine_panics_and_drops_the_input() {
    let ledger = Ledger::default();
    let coroutine = Coroutine::<Tracked, (), ()>::new(|_, _| ());
    coroutine.resume(ledger.value());
    for _ in 0..3 {
        assert_eq!(panic_text(|| coroutine.resume(ledger.value())), DONE);
        ledger.check();
    }
    coroutine.close();
    assert_eq!(ledger.made(), 4);
}

/// Returns a coroutine with a body that has a reference to the coroutine itself.
fn knows_itself<I: 'static, Y: 'static, R: 'static>(
    body: impl FnOnce(&Coroutine<I, Y, R>, &Yielder<I, Y>, I) -> R + 'static,
) -> Rc<Coroutine<I, Y, R>> {
    Rc::new_cyclic(|weak: &Weak<Coroutine<I, Y, R>>| {
        let weak = weak.clone();
        Coroutine::new(move |yielder, input| {
            let own = weak.upgrade().expect("the resumer owns the coroutine");
            body(&own, yielder, input)
        })
    })
}

#[test]
fn resuming_a_running_coroutine_panics_and_loses_nothing() {
    let ledger = Ledger::default();
    let inside = ledger.clone();
    let coroutine = knows_itself(move |own, yielder, input: Tracked| {
        let kept = input;
        assert_eq!(panic_text(|| own.resume(inside.value())), RUNNING);
        assert!(own.is_started() && !own.is_done());
        let second = yielder.suspend(1);
        assert_eq!(panic_text(|| own.resume(inside.value())), RUNNING);
        drop((kept, second));
        "the end"
    });
    assert_eq!(coroutine.resume(ledger.value()), Resumed::Yield(1));
    assert_eq!(ledger.alive(), 1);
    assert_eq!(coroutine.resume(ledger.value()), Resumed::Return("the end"));
    ledger.check();
}

#[test]
fn a_resumer_cannot_be_resumed_by_its_coroutine() {
    let outer = knows_itself(|own: &Coroutine<(), u32, u32>, yielder, ()| {
        let own = std::ptr::from_ref(own).expose_provenance();
        let inner = Coroutine::<(), (), String>::new(move |_, ()| {
            // SAFETY: `outer` is alive: its body waits for this coroutine.
            let outer =
                unsafe { &*std::ptr::with_exposed_provenance::<Coroutine<(), u32, u32>>(own) };
            panic_text(|| outer.resume(()))
        });
        assert_eq!(inner.resume(()), Resumed::Return(RUNNING.to_owned()));
        yielder.suspend(5);
        6
    });
    assert_eq!(outer.resume(()), Resumed::Yield(5));
    assert_eq!(outer.resume(()), Resumed::Return(6));
}

#[test]
fn closing_a_running_coroutine_panics_without_ending_it() {
    let coroutine = knows_itself(|own: &Coroutine<(), u32, u32>, yielder, ()| {
        let text = panic_text(|| own.close());
        assert_eq!(text, "this coroutine is running and cannot be closed");
        yielder.suspend(1);
        2
    });
    assert_eq!(coroutine.resume(()), Resumed::Yield(1));
    assert_eq!(coroutine.resume(()), Resumed::Return(2));
}

fn counter(from: u32) -> Coroutine<u32, u32, u32> {
    Coroutine::new(move |yielder, mut step| {
        let mut sum = from;
        while step != 0 {
            sum += step;
            step = yielder.suspend(sum);
        }
        sum
    })
}

#[test]
fn a_suspended_coroutine_moves_with_its_handle() {
    let mut counters = Vec::new();
    for number in 0..100 {
        // The vector grows, which moves the suspended coroutines.
        counters.push(counter(number * 1_000));
        assert_eq!(counters[number as usize].resume(1), Resumed::Yield(number * 1_000 + 1));
    }
    counters.reverse();
    let (left, right) = counters.split_at_mut(50);
    left.swap_with_slice(right);
    let mut boxed: Vec<Option<Box<_>>> =
        counters.into_iter().map(|it| Some(Box::new(it))).collect();
    boxed.rotate_left(50);
    for (index, place) in boxed.iter_mut().enumerate() {
        let number = 99 - index as u32;
        let mut moved = *place.take().expect("each is taken once");
        assert_eq!(moved.resume(2), Resumed::Yield(number * 1_000 + 3));
        // A second coroutine is suspended and swapped with the moved one.
        let mut other = counter(7);
        other.resume(1);
        std::mem::swap(&mut moved, &mut other);
        assert_eq!(moved.resume(1), Resumed::Yield(9));
        assert_eq!(other.resume(0), Resumed::Return(number * 1_000 + 3));
        assert!(other.is_done() && !moved.is_done());
        drop(std::mem::replace(&mut moved, counter(0)));
        assert!(!moved.is_started());
    }
}

#[test]
fn a_coroutine_returns_to_resumers_at_any_depth() {
    #[inline(never)]
    fn resume_from(depth: u32, counter: &Coroutine<u32, u32, u32>) -> Resumed<u32, u32> {
        let frame = black_box([depth; 16]);
        let resumed = if depth == 0 { counter.resume(1) } else { resume_from(depth - 1, counter) };
        assert_eq!(black_box(frame), [depth; 16], "the frame was overwritten");
        resumed
    }
    let counter = counter(0);
    for turn in 1..1_000 {
        assert_eq!(resume_from(turn * 7 % 13, &counter), Resumed::Yield(turn));
    }
}

#[test]
fn a_million_resumes_lose_no_value() {
    let sum = Coroutine::<u64, u64, u64>::new(|yielder, first| {
        let mut sum = first;
        loop {
            let next = yielder.suspend(sum);
            if next == 0 {
                return sum;
            }
            sum = sum.wrapping_mul(31).wrapping_add(next);
        }
    });
    let mut expected = 1u64;
    assert_eq!(sum.resume(1), Resumed::Yield(1));
    for n in 2..=1_000_000 {
        expected = expected.wrapping_mul(31).wrapping_add(n);
        assert_eq!(sum.resume(n), Resumed::Yield(expected));
    }
    assert_eq!(sum.resume(0), Resumed::Return(expected));
}

#[test]
fn generators_are_iterators() {
    let squares = || Generator::new(|yielder| (1..=5).for_each(|n| yielder.suspend(n * n)));
    assert_eq!(squares().collect::<Vec<i32>>(), [1, 4, 9, 16, 25]);
    assert_eq!(squares().skip(1).step_by(2).sum::<i32>(), 4 + 16);
    let mut pairs = squares().zip(squares().skip(1));
    assert_eq!(pairs.next(), Some((1, 4)));
    let mut ended = squares();
    assert_eq!(ended.by_ref().last(), Some(25));
    assert_eq!([ended.next(), ended.next()], [None, None]);
    assert_eq!(Generator::<u8>::new(|_| ()).next(), None);
    let for_ever = Generator::new(|yielder| {
        for n in 0u64.. {
            yielder.suspend(n);
        }
    });
    assert_eq!(for_ever.take(3).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn dropping_a_generator_early_drops_its_values() {
    let ledger = Ledger::default();
    let values = ledger.clone();
    let mut generator = Generator::new(move |yielder| {
        let _held = values.value();
        (0..10).for_each(|_| yielder.suspend(values.value()));
    });
    drop(generator.by_ref().take(3).collect::<Vec<_>>());
    assert_eq!((ledger.made(), ledger.alive()), (4, 1));
    drop(generator);
    ledger.check();
}

#[test]
fn a_panicked_generator_is_at_its_end() {
    let mut generator = Generator::<u8>::new(|yielder| {
        yielder.suspend(1);
        panic!("out of thread");
    });
    assert_eq!(generator.next(), Some(1));
    assert_eq!(panic_text(|| generator.next()), "out of thread");
    assert_eq!([generator.next(), generator.next()], [None, None]);
}

#[test]
fn debug_output_names_the_body_and_the_state() {
    let coroutine = knows_itself(|own: &Coroutine<(), String, ()>, yielder, ()| {
        yielder.suspend(format!("{own:?} {yielder:?}"));
    });
    let new = format!("{coroutine:?}");
    assert!(new.starts_with("Coroutine { body: \"it::coroutine::knows_itself<"), "{new}");
    assert!(new.ends_with(", state: \"new\" }"), "{new}");
    let running = coroutine.resume(()).as_yield().expect("the coroutine yields first");
    assert!(running.ends_with(", state: \"running\" } Yielder { .. }"), "{running}");
    assert!(format!("{coroutine:?}").ends_with(", state: \"suspended\" }"));
    coroutine.close();
    assert!(format!("{coroutine:?}").ends_with(", state: \"done\" }"));
    assert!(format!("{:?}", Generator::<u8>::new(|_| ())).starts_with("Generator(Coroutine {"));
}

#[test]
fn a_closure_too_large_for_its_stack_is_refused() {
    let ledger = Ledger::default();
    let create = |captured: Tracked| {
        let stack = Stack::new(MIN_STACK_BYTES).expect("a stack");
        let large = [1u8; MIN_STACK_BYTES];
        Coroutine::<(), (), u8>::with_stack(stack, move |_, ()| {
            let _held = captured;
            black_box(large)[3]
        })
    };
    let text = panic_text(|| create(ledger.value()));
    assert!(text.starts_with("the closure takes 32"), "{text}");
    assert!(text.contains("more than half of the coroutine's stack of 32768 bytes"), "{text}");
    assert!(text.contains("give it a larger one, or box what the closure captures"), "{text}");
    ledger.check();

    let stack = Stack::new(MIN_STACK_BYTES).expect("a stack");
    let fits = [2u8; 1024];
    let coroutine = Coroutine::<(), (), u8>::with_stack(stack, move |_, ()| black_box(&fits)[3]);
    assert_eq!(coroutine.resume(()), Resumed::Return(2));
}

/// Creates 100,000 coroutines, or as many as vm.max_map_count allows where a guard page
/// costs a map entry.
fn many_coroutines() -> Vec<Coroutine<usize, usize, usize>> {
    let mut all = vec![];
    for n in 0..100_000 {
        let stack = match Stack::new(MIN_STACK_BYTES) {
            Ok(stack) => stack,
            Err(error) if error.to_string().contains("vm.max_map_count") => break,
            Err(error) => panic!("{error}"),
        };
        all.push(Coroutine::with_stack(stack, move |yielder: &Yielder<usize, usize>, first| {
            let second = yielder.suspend(first + n);
            first + second * n
        }));
    }
    println!("{} coroutines", all.len());
    assert!(all.len() > 20_000);
    all
}

#[test]
fn a_hundred_thousand_coroutines_are_alive_at_once() {
    const NAME: &str = "coroutine::a_hundred_thousand_coroutines_are_alive_at_once";
    let child = in_child(NAME, &[], || {
        let all = many_coroutines();
        for (n, coroutine) in all.iter().enumerate() {
            assert_eq!(coroutine.resume(7), Resumed::Yield(7 + n));
        }
        for (n, coroutine) in all.iter().enumerate().rev().filter(|(n, _)| n % 3 != 0) {
            assert_eq!(coroutine.resume(n), Resumed::Return(7 + n * n));
        }
        drop(all);
    });
    println!("{}", child.assert_survived().stdout());
}

// Compile-time checks: a coroutine is contravariant in its input and covariant in its
// output; its yielder is the reverse.
fn _a_longer_input(it: Coroutine<&str, (), ()>) -> Coroutine<&'static str, (), ()> {
    it
}
fn _a_shorter_output<'a>(
    it: Coroutine<(), &'static str, &'static str>,
) -> Coroutine<(), &'a str, &'a str> {
    it
}
fn _a_shorter_input<'y, 'a>(it: &'y Yielder<&'static str, ()>) -> &'y Yielder<&'a str, ()> {
    it
}
fn _a_longer_output<'y>(it: &'y Yielder<(), &str>) -> &'y Yielder<(), &'static str> {
    it
}
fn _a_shorter_item<'a>(it: Generator<&'static str>) -> Generator<&'a str> {
    it
}
