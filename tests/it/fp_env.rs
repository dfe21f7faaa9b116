//! The floating-point control state, such as the rounding mode. With the feature
//! `fp-env` each context has its own; without it the OS thread has one.

use std::hint::black_box;
use std::panic;

use leno::coroutine::{self, Coroutine, Resumed, Yielder};

use crate::support::caught;
use environment::{DOWN, Environment, START, UP, ZERO};

#[cfg(target_arch = "x86_64")]
mod environment {
    use std::arch::asm;

    /// The control bits of MXCSR, and the x87 control word.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Environment(u32, u16);

    /// The state in which a process starts (System V ABI): round to nearest, no traps.
    pub const START: Environment = Environment(0x1f80, 0x037f);
    pub const DOWN: Environment = Environment(0x3f80, 0x077f);
    pub const UP: Environment = Environment(0x5f80, 0x0b7f);
    /// Rounds toward zero, with the x87 in single precision.
    pub const ZERO: Environment = Environment(0x7f80, 0x0c7f);

    impl Environment {
        #[inline(never)]
        pub fn now() -> Environment {
            let (mut mxcsr, mut control_word) = (0u32, 0u16);
            // SAFETY: the two instructions write only the two locals.
            unsafe {
                asm!("stmxcsr [{}]", in(reg) &mut mxcsr, options(nostack));
                asm!("fnstcw [{}]", in(reg) &mut control_word, options(nostack));
            }
            // The lower six bits are flags that arithmetic sets.
            Environment(mxcsr & !0x3f, control_word)
        }

        #[inline(never)]
        pub fn set(self) {
            // SAFETY: only rounding modes change, and the tests here expect that.
            unsafe {
                asm!("ldmxcsr [{}]", in(reg) &self.0, options(nostack));
                asm!("fldcw [{}]", in(reg) &self.1, options(nostack));
            }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod environment {
    use std::arch::asm;

    /// FPCR.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Environment(u64);

    /// The state in which a process starts: round to nearest, no traps.
    pub const START: Environment = Environment(0);
    pub const UP: Environment = Environment(1 << 22);
    pub const DOWN: Environment = Environment(2 << 22);
    pub const ZERO: Environment = Environment(3 << 22);

    impl Environment {
        #[inline(never)]
        pub fn now() -> Environment {
            let bits;
            // SAFETY: the instruction only reads a register.
            unsafe { asm!("mrs {}, fpcr", out(reg) bits, options(nomem, nostack)) };
            Environment(bits)
        }

        #[inline(never)]
        pub fn set(self) {
            // SAFETY: only rounding modes change, and the tests here expect that.
            unsafe { asm!("msr fpcr, {}", in(reg) self.0, options(nostack)) };
        }
    }
}

/// Restores the OS thread's state at the end of a test.
struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        START.set();
    }
}

/// Returns a coroutine that sets each state it receives and yields the states before
/// and after.
fn setter() -> Coroutine<Environment, [Environment; 2], ()> {
    Coroutine::new(|yielder: &Yielder<Environment, [Environment; 2]>, mut wanted: Environment| {
        loop {
            let before = Environment::now();
            wanted.set();
            wanted = yielder.suspend([before, Environment::now()]);
        }
    })
}

/// Divides. The tests call it through a pointer, so that the compiler cannot fold it.
fn quotient(one: f64, other: f64) -> f64 {
    one / other
}

#[test]
fn rounding_modes_change_results() {
    let _restore = Restore;
    let [nearest, up, down, zero] = [START, UP, DOWN, ZERO].map(|state| {
        state.set();
        assert_eq!(Environment::now(), state);
        black_box(quotient as fn(f64, f64) -> f64)(1.0, 10.0).to_bits()
    });
    assert_eq!((nearest, down), (up, zero));
    assert_eq!(up - down, 1);
}

#[cfg(feature = "fp-env")]
mod saved {
    use super::*;

    #[test]
    fn a_coroutine_keeps_its_own_state() {
        let _restore = Restore;
        let (one, two) = (setter(), setter());
        assert_eq!(one.resume(UP), Resumed::Yield([START, UP]));
        assert_eq!(Environment::now(), START);
        assert_eq!(two.resume(DOWN), Resumed::Yield([START, DOWN]));
        assert_eq!(one.resume(ZERO), Resumed::Yield([UP, ZERO]));
        assert_eq!(two.resume(START), Resumed::Yield([DOWN, START]));
        assert_eq!(one.resume(ZERO), Resumed::Yield([ZERO, ZERO]));
        assert_eq!(Environment::now(), START);
    }

    #[test]
    fn a_new_coroutine_starts_with_the_state_of_a_process() {
        let _restore = Restore;
        UP.set();
        let coroutine = setter();
        assert_eq!(coroutine.resume(ZERO), Resumed::Yield([START, ZERO]));
        assert_eq!(Environment::now(), UP);
        // A second coroutine on the same stack starts with the same state.
        drop(coroutine);
        assert_eq!(setter().resume(DOWN), Resumed::Yield([START, DOWN]));
        assert_eq!(Environment::now(), UP);
    }

    #[test]
    fn the_resumer_keeps_its_state_however_the_coroutine_ends() {
        let _restore = Restore;
        DOWN.set();
        let returns = Coroutine::<(), (), ()>::new(|_, ()| UP.set());
        assert_eq!(returns.resume(()), Resumed::Return(()));
        assert_eq!(Environment::now(), DOWN);
        let panics = Coroutine::<(), (), ()>::new(|_, ()| {
            ZERO.set();
            panic::resume_unwind(Box::new(()));
        });
        assert!(caught(|| panics.resume(())).is_err());
        assert_eq!(Environment::now(), DOWN);
        let dropped = setter();
        dropped.resume(UP);
        drop(dropped);
        assert_eq!(Environment::now(), DOWN);
    }

    #[test]
    fn a_suspend_over_several_coroutines_restores_each() {
        let outer = Coroutine::<(), Environment, ()>::new(|outer, ()| {
            UP.set();
            coroutine::scope(|scope| {
                let inner = scope.coroutine(|_: &Yielder<(), ()>, ()| {
                    DOWN.set();
                    outer.suspend(Environment::now());
                    outer.suspend(Environment::now());
                });
                inner.resume(());
            });
            outer.suspend(Environment::now());
        });
        for expected in [DOWN, DOWN, UP] {
            assert_eq!(outer.resume(()), Resumed::Yield(expected));
            assert_eq!(Environment::now(), START);
        }
    }

    #[test]
    fn each_green_thread_has_its_own_state() {
        let _restore = Restore;
        ZERO.set();
        leno::run(|| {
            let threads = [UP, DOWN, START].map(|state| {
                leno::spawn(move || {
                    assert_eq!(Environment::now(), START);
                    state.set();
                    for _ in 0..10 {
                        leno::yield_now();
                        assert_eq!(Environment::now(), state);
                    }
                })
            });
            leno::yield_now();
            assert_eq!(Environment::now(), ZERO);
            for thread in threads {
                thread.join().expect("no panic");
            }
            assert_eq!(Environment::now(), ZERO);
        });
        assert_eq!(Environment::now(), ZERO);
    }
}

#[cfg(not(feature = "fp-env"))]
mod shared {
    use super::*;

    #[test]
    fn a_switch_leaves_the_state_of_the_os_thread() {
        let _restore = Restore;
        let (one, two) = (setter(), setter());
        assert_eq!(one.resume(UP), Resumed::Yield([START, UP]));
        assert_eq!(Environment::now(), UP);
        assert_eq!(two.resume(DOWN), Resumed::Yield([UP, DOWN]));
        ZERO.set();
        assert_eq!(one.resume(UP), Resumed::Yield([ZERO, UP]));
        drop((one, two));
        assert_eq!(Environment::now(), UP);
        let panics = Coroutine::<(), (), ()>::new(|_, ()| panic::resume_unwind(Box::new(())));
        assert!(caught(|| panics.resume(())).is_err());
        assert_eq!(Environment::now(), UP);
    }

    #[test]
    fn green_threads_share_the_state() {
        let _restore = Restore;
        leno::run(|| {
            let setter = leno::spawn(|| {
                DOWN.set();
                leno::yield_now();
                Environment::now()
            });
            leno::yield_now();
            assert_eq!(Environment::now(), DOWN);
            UP.set();
            assert_eq!(setter.join().expect("no panic"), UP);
        });
        let nested = coroutine::scope(|scope| {
            let inner = scope.coroutine(|_: &Yielder<(), ()>, ()| Environment::now());
            inner.resume(()).as_return()
        });
        assert_eq!(nested, Some(UP));
    }
}
