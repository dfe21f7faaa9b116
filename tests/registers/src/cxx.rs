//! The record of C++ exceptions: with the feature `cxx` each context has its own.

use std::ffi::{c_int, c_uint};

use leno::coroutine::{Coroutine, Resumed};

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
