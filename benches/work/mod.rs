//! The loops that are measured, each for leno and for corosensei in the same
//! shape: the same number of operations in each turn of the loop, and
//! `black_box` around the same values.
//!
//! Each does `count` operations, or the next few more that it can do, and gives
//! the time that they took, scaled to `count`. Setting up is not counted.

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

/// Does so many operations, and says how long they took.
pub type Work = fn(u64) -> Duration;

/// Does the operation eight times.
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

/// The time of `done` operations, scaled to `count` of them.
fn scaled(start: Instant, done: u64, count: u64) -> Duration {
    start.elapsed().mul_f64(count as f64 / done.max(1) as f64)
}

/// What criterion's `iter` would run: one resume in each turn of the loop, at one call site.
///
/// A loop has a counter, and the counter has to live across the switch. Every
/// register that could hold it belongs to the other side in the meantime, so it
/// is written to the stack before the switch and read back after it, whatever
/// the switch itself does. That store and load, one feeding the next turn's, take
/// some 8 to 9 cycles on current processors, in which the processor does the rest
/// of the switch on the side. So in this shape every good switch takes the same
/// time, and it is the time of the counter.
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

/// The same with eight resumes in each turn, so that the counter counts for an
/// eighth.
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

/// The same with the suspend in a function that the body calls, as in a walk
/// through a tree or in a callback. Here it shows how a switch leaves: a return
/// is predicted from the calls before it, and the last call was another one.
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

/// A loop over what a loop yields, and a sum: nothing is opaque to the compiler
/// but the switch.
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

/// Create, run to the end with one resume, drop. The stack comes from the pool
/// and goes back to it.
pub fn leno_create(count: u64) -> Duration {
    // The pool has a stack after this.
    drop(leno_echo());
    let start = Instant::now();
    for turn in 0..count {
        let call = Coroutine::<u64, (), u64>::new(|_, input| input);
        black_box(call.resume(black_box(turn)));
    }
    start.elapsed()
}

/// The peer has no pool. The nearest to one that it can do, and the cheapest, is
/// to borrow the same stack each time.
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

/// `THREADS` green threads, the main one among them, yield in turn.
pub fn leno_yield<const THREADS: u64>(count: u64) -> Duration {
    leno::run(|| {
        let turns = count.div_ceil(THREADS);
        let others: Vec<_> = (1..THREADS).map(|_| leno::spawn(move || yield_loop(turns))).collect();
        // They start at the first yield, which is not counted.
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

/// Spawn an empty green thread and join it. The stack comes from the pool.
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

/// The same, a hundred at a time: how programs spawn, and without the wait for
/// the one that was just spawned.
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
