//! Rows of corosensei: coroutines.

use std::hint::black_box;
use std::time::Duration;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, ScopedCoroutine, Yielder};

use crate::time;

pub fn resume(count: u64) -> Duration {
    let mut echo = Coroutine::<u64, u64, ()>::new(|yielder, first| {
        let mut value = first;
        while value != u64::MAX {
            value = yielder.suspend(value);
        }
    });
    time(count, |turn| {
        black_box(echo.resume(black_box(turn)));
    })
}

pub fn resume_inside(count: u64) -> Duration {
    #[inline(never)]
    fn suspend(yielder: &Yielder<u64, u64>, value: u64) -> u64 {
        black_box(yielder.suspend(value))
    }
    let mut echo = Coroutine::<u64, u64, ()>::new(|yielder, first| {
        let mut value = first;
        while value != u64::MAX {
            value = suspend(yielder, value);
        }
    });
    time(count, |turn| {
        black_box(echo.resume(black_box(turn)));
    })
}

/// Measures a creation with a new stack each time, which is corosensei's default.
pub fn create(count: u64) -> Duration {
    time(count, |turn| {
        let mut call = Coroutine::<u64, (), u64>::new(|_, input| input);
        black_box(call.resume(black_box(turn)));
    })
}

pub fn create_on_one_stack(count: u64) -> Duration {
    let mut stack = DefaultStack::default();
    time(count, |turn| {
        let call = ScopedCoroutine::<u64, (), u64, _>::with_stack(&mut stack, |_, input| input);
        call.scope(|mut call| {
            black_box(call.resume(black_box(turn)));
        });
    })
}
