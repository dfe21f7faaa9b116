//! The record of C++ exceptions: with the feature `cxx` each context has its own.

use std::ffi::{c_int, c_uint};

use leno::coroutine::{Coroutine, Resumed, Yielder};

/// `__cxa_eh_globals` (Itanium C++ ABI: Exception Handling, section 2.2.2).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Record {
    caught: usize,
    uncaught: c_uint,
}

const NONE: Record = Record { caught: 0, uncaught: 0 };

unsafe extern "C" {
    safe fn __cxa_get_globals() -> *mut Record;
    // std::uncaught_exceptions()
    #[link_name = "_ZSt19uncaught_exceptionsv"]
    safe fn uncaught_exceptions() -> c_int;
}

fn record() -> Record {
    // SAFETY: the record is the OS thread's own.
    let record = unsafe { __cxa_get_globals().read() };
    assert_eq!(uncaught_exceptions(), record.uncaught as c_int);
    record
}

/// Sets the record to that of a context that handles an exception while others are thrown.
fn set(record: Record) {
    // SAFETY: the record is the OS thread's own. Nothing reads the exception until `NONE` is set.
    unsafe { __cxa_get_globals().write(record) };
}

#[test]
fn each_green_thread_has_its_own_exceptions() {
    leno::run(|| {
        let own = Record { caught: 8, uncaught: 1 };
        set(own);
        let threads: Vec<_> = (2..5)
            .map(|number| {
                leno::spawn(move || {
                    assert_eq!(record(), NONE, "at the begin");
                    let own = Record { caught: 8 * number, uncaught: number as c_uint };
                    set(own);
                    for _ in 0..number {
                        leno::yield_now();
                        assert_eq!(record(), own);
                    }
                    set(NONE);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
            assert_eq!(record(), own);
        }
        set(NONE);
    });
    assert_eq!(record(), NONE);
}

#[test]
fn each_coroutine_has_its_own_exceptions() {
    let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
        assert_eq!(record(), NONE, "at the begin");
        let own = Record { caught: 16, uncaught: 2 };
        set(own);
        for _ in 0..2 {
            yielder.suspend(());
            assert_eq!(record(), own);
        }
        set(NONE);
    });
    let own = Record { caught: 8, uncaught: 1 };
    set(own);
    for expected in [Resumed::Yield(()), Resumed::Yield(()), Resumed::Return(())] {
        assert_eq!(coroutine.resume(()), expected);
        assert_eq!(record(), own);
    }
    set(NONE);
}

/// A callback of `cxx.cpp` that waits.
type Wait<'a> = &'a mut dyn FnMut();

extern "C-unwind" fn wait(argument: &mut Wait<'_>) {
    argument();
}

// From `cxx.cpp`. Each throws `number`, and calls `wait` with `argument` before it is caught.
#[expect(improper_ctypes, reason = "C++ passes the argument on, and does not look at it")]
unsafe extern "C-unwind" {
    safe fn rethrown_after_wait(
        number: c_int,
        wait: extern "C-unwind" fn(&mut Wait<'_>),
        argument: &mut Wait<'_>,
    ) -> c_int;
    safe fn uncaught_after_wait(
        number: c_int,
        wait: extern "C-unwind" fn(&mut Wait<'_>),
        argument: &mut Wait<'_>,
    ) -> c_int;
    safe fn handles_exception() -> bool;
}

/// Handles the exceptions `numbers`, each thrown in the handler of the one before, and waits in each
/// handler. Asserts that each is rethrown by its own handler.
fn handle(numbers: &[c_int], pause: &dyn Fn()) {
    let Some((&number, rest)) = numbers.split_first() else { return };
    let mut body: Wait<'_> = &mut || {
        pause();
        assert!(handles_exception());
        handle(rest, pause);
        pause();
    };
    assert_eq!(rethrown_after_wait(number, wait, &mut body), number);
}

/// Waits in a destructor that an exception runs. Asserts that it is then the only one.
fn destroy(number: c_int, pause: &dyn Fn()) {
    let mut body: Wait<'_> = &mut || pause();
    assert_eq!(uncaught_after_wait(number, wait, &mut body), 1);
}

#[test]
fn green_threads_that_wait_in_handlers_rethrow_their_own_exceptions() {
    leno::run(|| {
        // The first to wait is the first to rethrow: the exceptions are not nested.
        let threads: Vec<_> = (1..=4)
            .map(|number| {
                leno::spawn(move || {
                    assert!(!handles_exception() && uncaught_exceptions() == 0);
                    handle(&[number, 10 * number, 100 * number], &leno::yield_now);
                    destroy(number, &leno::yield_now);
                    assert!(!handles_exception() && uncaught_exceptions() == 0);
                })
            })
            .collect();
        for thread in threads {
            assert!(!handles_exception() && uncaught_exceptions() == 0);
            thread.join().unwrap();
        }
    });
}

#[test]
fn coroutines_that_wait_in_handlers_rethrow_their_own_exceptions() {
    let coroutines: Vec<_> = (1..=4)
        .map(|number| {
            Coroutine::new(move |yielder: &Yielder<(), ()>, ()| {
                assert!(!handles_exception());
                handle(&[number, 10 * number, 100 * number], &|| yielder.suspend(()));
                destroy(number, &|| yielder.suspend(()));
            })
        })
        .collect();
    // The resumer handles an exception of its own as well.
    handle(&[1000], &|| {
        while coroutines.iter().any(|coroutine| !coroutine.is_done()) {
            for coroutine in coroutines.iter().filter(|coroutine| !coroutine.is_done()) {
                coroutine.resume(());
            }
        }
    });
    assert!(!handles_exception() && uncaught_exceptions() == 0);
}
