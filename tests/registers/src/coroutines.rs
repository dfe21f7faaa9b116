//! The registers across coroutine switches, through the public interface.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use leno::coroutine::{Coroutine, Generator, Resumed, Yielder};

use super::canaries::{assert_aligned, canaries, hold};
use super::{isa, trace};

#[test]
fn canaries_hold_while_a_coroutine_is_resumed_and_suspends() {
    let coroutine = Coroutine::new(|yielder: &Yielder<u64, u64>, mut input: u64| {
        for round in 0..100 {
            assert_aligned();
            input = hold(1_000 + round, || yielder.suspend(input + 1));
        }
        assert_aligned();
        "over"
    });
    for round in 0..100 {
        assert_eq!(hold(round, || coroutine.resume(round)), Resumed::Yield(round + 1));
    }
    assert_eq!(hold(2_000, || coroutine.resume(0)), Resumed::Return("over"));
}

#[test]
fn canaries_hold_when_a_coroutine_is_entered_once_and_left() {
    for seed in 0..20 {
        let coroutine = hold(seed, || {
            Coroutine::<u64, (), u64>::new(|_, input| {
                assert_aligned();
                hold(500, || input * 3)
            })
        });
        assert_eq!(hold(seed, || coroutine.resume(seed)), Resumed::Return(seed * 3));
        hold(seed, || drop(coroutine));
    }
}

fn nested(depth: u64, seed: u64, outermost: Option<&Yielder<u64, u64>>, own: &Yielder<u64, u64>) {
    assert_aligned();
    if depth == 0 {
        // One suspension of this coroutine, then one of the outermost, which leaves all
        // of them at once.
        hold(seed, || own.suspend(1));
        if let Some(outermost) = outermost {
            hold(seed + 1, || outermost.suspend(2));
        }
        return;
    }
    leno::coroutine::scope(|scope| {
        let inner = scope.coroutine(|yielder: &Yielder<u64, u64>, _: u64| {
            nested(depth - 1, seed + 100, Some(outermost.unwrap_or(own)), yielder);
        });
        while let Resumed::Yield(value) = hold(seed + 2, || inner.resume(depth)) {
            hold(seed + 3, || own.suspend(value));
            assert_aligned();
        }
    });
}

#[test]
fn canaries_hold_in_nested_coroutines() {
    let coroutine =
        Coroutine::new(|yielder: &Yielder<u64, u64>, _| nested(6, 10_000, None, yielder));
    let mut yields = Vec::new();
    while let Resumed::Yield(value) = hold(1, || coroutine.resume(0)) {
        yields.push(value);
    }
    assert_eq!(yields, [1, 2]);
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(256))]
struct Large([u64; 100]);

#[test]
fn canaries_hold_while_large_values_are_passed() {
    let coroutine = Coroutine::new(|yielder: &Yielder<Large, [u8; 1000]>, mut input: Large| {
        for round in 0..20 {
            let value = [input.0[99] as u8; 1000];
            input = hold(3_000 + round, || yielder.suspend(value));
            assert_eq!(std::hint::black_box(&input) as *const Large as usize % 256, 0);
        }
        input
    });
    for round in 0..20 {
        let value = hold(round, || coroutine.resume(Large([round; 100])));
        assert_eq!(value, Resumed::Yield([round as u8; 1000]));
    }
    assert_eq!(hold(77, || coroutine.resume(Large([9; 100]))), Resumed::Return(Large([9; 100])));
}

#[test]
fn canaries_hold_across_generator_steps() {
    let mut generator = Generator::new(|yielder| {
        for number in 0..50 {
            hold(number, || yielder.suspend(number));
        }
    });
    for number in 0..50 {
        assert_eq!(hold(100 + number, || generator.next()), Some(number));
    }
    assert_eq!(hold(200, || generator.next()), None);
}

#[test]
fn canaries_hold_when_a_suspended_coroutine_is_closed() {
    struct Count(Rc<Cell<u32>>);
    impl Drop for Count {
        fn drop(&mut self) {
            assert_aligned();
            self.0.set(self.0.get() + 1);
        }
    }
    let drops = Rc::new(Cell::new(0));
    let counted = drops.clone();
    let coroutine = Coroutine::<(), (), ()>::new(move |yielder, ()| {
        let _count = Count(counted);
        hold(5, || yielder.suspend(()));
    });
    hold(6, || coroutine.resume(()));
    hold(7, || drop(coroutine));
    assert_eq!(drops.get(), 1);
}

#[test]
fn canaries_hold_when_a_resumed_coroutine_panics() {
    let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
        hold(8, || yielder.suspend(()));
        std::panic::resume_unwind(Box::new("thrown"));
    });
    hold(9, || coroutine.resume(()));
    let caught = hold(10, || catch_unwind(AssertUnwindSafe(|| coroutine.resume(()))));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"thrown"));
    assert!(coroutine.is_done());
}

#[test]
fn a_backtrace_continues_with_each_resumers_registers() {
    let inner = Coroutine::<(), (), Vec<trace::Frame>>::new(|_, ()| hold(21, trace::trace));
    let outer = Coroutine::<(), (), _>::new(move |_, ()| {
        hold(22, || inner.resume(())).as_return().expect("the coroutine returns")
    });
    let frames = hold(23, || outer.resume(())).as_return().expect("the coroutine returns");
    let holders: Vec<&trace::Frame> =
        frames.iter().filter(|frame| frame.function == isa::hold as *const () as usize).collect();
    assert_eq!(holders.len(), 3, "{frames:#x?}");
    for (holder, seed) in holders.iter().zip(21..) {
        assert_eq!(&holder.registers[..], &canaries(seed)[..holder.registers.len()], "{seed}");
    }
    assert_eq!(frames.iter().filter(|frame| frame.exact).count(), 2, "two roots");
}
