//! Rows of generator: coroutines.

use std::hint::black_box;
use std::time::Duration;

use generator::{Gn, Scope};

use crate::time;

pub fn resume(count: u64) -> Duration {
    let mut echo = Gn::<u64>::new_scoped(|mut scope: Scope<'_, 'static, u64, u64>| {
        let mut value = 0;
        while value != u64::MAX {
            value = scope.yield_(value).unwrap_or(u64::MAX);
        }
        0
    });
    echo.resume();
    time(count, |turn| {
        black_box(echo.send(black_box(turn)));
    })
}

pub fn resume_inside(count: u64) -> Duration {
    #[inline(never)]
    fn suspend(scope: &mut Scope<'_, 'static, u64, u64>, value: u64) -> u64 {
        black_box(scope.yield_(value).unwrap_or(u64::MAX))
    }
    let mut echo = Gn::<u64>::new_scoped(|mut scope: Scope<'_, 'static, u64, u64>| {
        let mut value = 0;
        while value != u64::MAX {
            value = suspend(&mut scope, value);
        }
        0
    });
    echo.resume();
    time(count, |turn| {
        black_box(echo.send(black_box(turn)));
    })
}

pub fn create(count: u64) -> Duration {
    time(count, |turn| {
        let turn = black_box(turn);
        let mut call = Gn::<()>::new_scoped(move |_| turn);
        black_box(call.resume());
    })
}
