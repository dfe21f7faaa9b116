//! The measured loops, each for leno and for corosensei in the same shape: with the same number of
//! operations in each iteration, and `black_box` around the same values.
//!
//! Each function runs `count` operations, or slightly more if its loop requires it, and returns their
//! time, scaled to `count`. The time excludes the set-up.

mod shapes;

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corosensei::stack::DefaultStack;
use corosensei::{
    Coroutine as PeerCoroutine, CoroutineResult, ScopedCoroutine as PeerScopedCoroutine,
    Yielder as PeerYielder,
};
use leno::coroutine::{Coroutine, Resumed, Yielder};

pub use shapes::*;

/// A function that runs a number of operations, and returns their time.
pub type Work = fn(u64) -> Duration;

/// Runs the operation eight times.
macro_rules! eight_times {
    ($operation:expr) => {
        $operation;
        $operation;
        $operation;
        $operation;
        $operation;
        $operation;
        $operation;
        $operation;
    };
}
use eight_times;

/// Returns the time of `done` operations, scaled to `count` operations.
fn scaled(start: Instant, done: u64, count: u64) -> Duration {
    start.elapsed().mul_f64(count as f64 / done.max(1) as f64)
}

/// Measures one resume in each iteration, at one call site, as criterion's `iter` would.
///
/// The loop's counter is live across the switch. Every register that could hold it belongs to the
/// other side during the switch, so the counter is written to the stack before the switch and read
/// back after it, whatever the switch does. This store and this load, each of which depends on the
/// one of the previous iteration, take about 8 to 9 cycles on current processors, and the processor
/// runs the rest of the switch in parallel. In this shape every good switch therefore takes the same
/// time, which is the time of the counter.
pub fn leno_resume(count: u64) -> Duration {
    let echo = leno_echo();
    let start = Instant::now();
    for turn in 0..count {
        black_box(echo.resume(black_box(turn)));
    }
    start.elapsed()
}

pub fn peer_resume(count: u64) -> Duration {
    let mut echo = peer_echo();
    let start = Instant::now();
    for turn in 0..count {
        black_box(echo.resume(black_box(turn)));
    }
    start.elapsed()
}

/// Measures eight resumes in each iteration, so that the counter has an eighth of the weight.
pub fn leno_resume_by_eight(count: u64) -> Duration {
    let echo = leno_echo();
    let start = Instant::now();
    for turn in 0..count.div_ceil(8) {
        eight_times!(black_box(echo.resume(black_box(turn))));
    }
    scaled(start, count.div_ceil(8) * 8, count)
}

pub fn peer_resume_by_eight(count: u64) -> Duration {
    let mut echo = peer_echo();
    let start = Instant::now();
    for turn in 0..count.div_ceil(8) {
        eight_times!(black_box(echo.resume(black_box(turn))));
    }
    scaled(start, count.div_ceil(8) * 8, count)
}

/// Measures a suspend in a function that the body calls, as in a walk through a tree or in a callback.
/// This shape depends on the instruction with which a switch leaves: a return is predicted from the
/// preceding calls, and the last call was not the resume.
pub fn leno_resume_inside(count: u64) -> Duration {
    #[inline(never)]
    fn inside(yielder: &Yielder<u64, u64>, value: u64) -> u64 {
        black_box(yielder.suspend(value))
    }
    let echo = Coroutine::<u64, u64, ()>::new(|yielder, first| {
        let mut value = first;
        while value != u64::MAX {
            value = inside(yielder, value);
        }
    });
    echo.resume(0);
    let start = Instant::now();
    for turn in 0..count {
        black_box(echo.resume(black_box(turn)));
    }
    start.elapsed()
}

pub fn peer_resume_inside(count: u64) -> Duration {
    #[inline(never)]
    fn inside(yielder: &PeerYielder<u64, u64>, value: u64) -> u64 {
        black_box(yielder.suspend(value))
    }
    let mut echo = PeerCoroutine::<u64, u64, ()>::new(|yielder, first| {
        let mut value = first;
        while value != u64::MAX {
            value = inside(yielder, value);
        }
    });
    echo.resume(0);
    let start = Instant::now();
    for turn in 0..count {
        black_box(echo.resume(black_box(turn)));
    }
    start.elapsed()
}

/// Measures a loop that sums the values that another loop yields. Only the switch is opaque to the
/// compiler.
pub fn leno_generate(count: u64) -> Duration {
    let numbers = Coroutine::<(), u64, ()>::new(move |yielder, ()| {
        for number in 0..count {
            yielder.suspend(number);
        }
    });
    let start = Instant::now();
    let mut sum = 0u64;
    while let Resumed::Yield(number) = numbers.resume(()) {
        sum = sum.wrapping_add(number);
    }
    black_box(sum);
    start.elapsed()
}

pub fn peer_generate(count: u64) -> Duration {
    let mut numbers = PeerCoroutine::<(), u64, ()>::new(move |yielder, ()| {
        for number in 0..count {
            yielder.suspend(number);
        }
    });
    let start = Instant::now();
    let mut sum = 0u64;
    while let CoroutineResult::Yield(number) = numbers.resume(()) {
        sum = sum.wrapping_add(number);
    }
    black_box(sum);
    start.elapsed()
}

fn leno_echo() -> Coroutine<u64, u64, ()> {
    let echo = Coroutine::new(|yielder, first| {
        let mut value = first;
        while value != u64::MAX {
            value = yielder.suspend(value);
        }
    });
    echo.resume(0);
    echo
}

fn peer_echo() -> PeerCoroutine<u64, u64, ()> {
    let mut echo = PeerCoroutine::new(|yielder, first| {
        let mut value = first;
        while value != u64::MAX {
            value = yielder.suspend(value);
        }
    });
    echo.resume(0);
    echo
}

/// Measures a coroutine's creation, its run to the end with one resume, and its drop. The stack comes
/// from the pool and returns to it.
pub fn leno_create(count: u64) -> Duration {
    // Fills the pool with a stack.
    drop(leno_echo());
    let start = Instant::now();
    for turn in 0..count {
        let call = Coroutine::<u64, (), u64>::new(|_, input| input);
        black_box(call.resume(black_box(turn)));
    }
    start.elapsed()
}

/// Measures the same with corosensei, which has no pool. The cheapest equivalent is to borrow the same
/// stack each time.
pub fn peer_create(count: u64) -> Duration {
    let mut stack = DefaultStack::default();
    let start = Instant::now();
    for turn in 0..count {
        let call = PeerScopedCoroutine::<u64, (), u64, _>::with_stack(&mut stack, |_, input| input);
        call.scope(|mut call| {
            black_box(call.resume(black_box(turn)));
        });
    }
    start.elapsed()
}

/// Measures a yield among `THREADS` green threads, including the main green thread.
pub fn leno_yield<const THREADS: u64>(count: u64) -> Duration {
    leno::run(|| {
        let turns = count.div_ceil(THREADS);
        let others: Vec<_> = (1..THREADS).map(|_| leno::spawn(move || yield_loop(turns))).collect();
        // The green threads start at the first yield, which is not measured.
        let elapsed = yield_loop(turns);
        for other in others {
            other.join().expect("a loop of yields does not panic");
        }
        elapsed.mul_f64(count as f64 / (turns * THREADS).max(1) as f64)
    })
}

fn yield_loop(turns: u64) -> Duration {
    leno::yield_now();
    let start = Instant::now();
    for _ in 0..turns {
        leno::yield_now();
    }
    start.elapsed()
}

/// Measures the spawn and the join of an empty green thread. The stack comes from the pool.
pub fn leno_spawn(count: u64) -> Duration {
    leno::run(|| {
        leno::spawn(|| ()).join().expect("an empty closure does not panic");
        let start = Instant::now();
        for _ in 0..count {
            black_box(leno::spawn(|| ()).join().is_ok());
        }
        start.elapsed()
    })
}

/// Measures spawns and joins of a hundred green threads at a time, as programs do, without a wait for
/// the green thread that was just spawned.
pub fn leno_spawn_by_hundred(count: u64) -> Duration {
    leno::run(|| {
        let rounds = count.div_ceil(100);
        let ran = Rc::new(Cell::new(0));
        let mut handles = Vec::with_capacity(100);
        let mut round = || {
            for _ in 0..100 {
                let ran = ran.clone();
                handles.push(leno::spawn(move || ran.set(ran.get() + 1)));
            }
            for handle in handles.drain(..) {
                handle.join().expect("a counter does not panic");
            }
        };
        round();
        let start = Instant::now();
        for _ in 0..rounds {
            round();
        }
        let elapsed = scaled(start, rounds * 100, count);
        assert_eq!(ran.get(), (rounds + 1) * 100);
        elapsed
    })
}
