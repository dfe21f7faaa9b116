//! Poison: a green thread that panics while it holds a lock poisons it, and no other
//! does.

use std::panic::{self, RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use leno::sync::{Condvar, Mutex, Once, OnceLock, RwLock, TryLockError};
use leno::thread;
use leno::time::timeout;

use super::{OnDrop, SECOND, assert_cancelled, run, settle};
use crate::support::caught;

/// Panics without running the panic hook.
fn fail() -> ! {
    panic::resume_unwind(Box::new("expected"))
}

/// A test that holds of std's locks and of leno's.
macro_rules! as_documented {
    ($name:ident, $($library:ident)::+) => {
        #[test]
        fn $name() {
            use $($library)::+::{Mutex, RwLock, TryLockError};
            let mut mutex = Mutex::new(1);
            let broken = caught(|| {
                let mut guard = mutex.lock().unwrap();
                *guard = 2;
                fail()
            });
            assert!(broken.is_err() && mutex.is_poisoned());
            assert_eq!(*mutex.lock().unwrap_err().into_inner(), 2);
            assert!(matches!(mutex.try_lock(), Err(TryLockError::Poisoned(_))));
            assert_eq!(**mutex.get_mut().as_mut().unwrap_err().get_ref(), 2);
            assert!(format!("{mutex:?}").contains("data: 2, poisoned: true"));
            mutex.clear_poison();
            assert_eq!(*mutex.lock().unwrap(), 2);
            let broken = caught(|| {
                let _guard = mutex.lock();
                fail()
            });
            assert!(broken.is_err());
            assert_eq!(mutex.into_inner().unwrap_err().into_inner(), 2);

            let lock = RwLock::new(1);
            let read = caught(|| {
                let _guard = lock.read().unwrap();
                fail()
            });
            assert!(read.is_err() && !lock.is_poisoned());
            let written = caught(|| {
                let _guard = lock.write().unwrap();
                fail()
            });
            assert!(written.is_err() && lock.is_poisoned());
            assert!(lock.read().is_err() && lock.try_write().is_err());
            lock.clear_poison();
            assert!(lock.read().is_ok());
        }
    };
}

as_documented!(a_panic_poisons_what_is_held_as_in_std, leno::sync);
as_documented!(a_panic_poisons_what_is_held_in_std, std::sync);

/// A lock that a destructor takes and releases during a panic.
#[test]
fn a_lock_taken_during_a_panic_is_not_poisoned() {
    run(|| {
        let (mutex, lock) = (Mutex::new(0), RwLock::new(0));
        let broken = caught(|| {
            let _guard = OnDrop(|| {
                *mutex.lock().unwrap() += 1;
                *lock.write().unwrap() += 1;
                leno::yield_now();
                *mutex.lock().unwrap() += 1;
            });
            fail()
        });
        assert!(broken.is_err());
        assert_eq!((*mutex.lock().unwrap(), *lock.read().unwrap()), (2, 1));
    });
}

#[test]
fn a_suspended_panic_does_not_poison_locks_of_others() {
    run(|| {
        let (mutex, lock) = (Rc::new(Mutex::new(0)), Rc::new(RwLock::new(0)));
        // Locks taken before the panic and released while it is suspended.
        let before = (mutex.clone(), lock.clone());
        let early = thread::spawn(move || {
            let mut guards = (before.0.lock().unwrap(), before.1.write().unwrap());
            (0..3).for_each(|_| leno::yield_now());
            *guards.0 += 1;
            *guards.1 += 1;
        });
        let panics = thread::spawn(|| {
            let _parks = OnDrop(thread::park);
            fail()
        });
        leno::yield_now();
        assert!(std::thread::panicking(), "std counts the other green thread's panic");
        early.join().unwrap();
        *mutex.lock().unwrap() += 1;
        *lock.write().unwrap() += 1;
        assert_eq!((*mutex.lock().unwrap(), *lock.read().unwrap()), (2, 2));
        panics.thread().unpark();
        assert!(panics.join().is_err());
        assert!(!mutex.is_poisoned() && !lock.is_poisoned());
    });
}

#[test]
fn a_panic_after_a_suspended_panic_poisons() {
    run(|| {
        let panics = thread::spawn(|| {
            let _parks = OnDrop(thread::park);
            fail()
        });
        leno::yield_now();
        panics.thread().unpark();
        assert!(panics.join().is_err());
        let mutex = Mutex::new(0);
        let broken = caught(|| {
            let _guard = mutex.lock().unwrap();
            fail()
        });
        assert!(broken.is_err() && mutex.is_poisoned());
    });
}

#[test]
fn a_cancellation_poisons_held_locks() {
    run(|| {
        for shared in [true, false] {
            let suspended = thread::spawn(move || {
                // A cancellation poisons even while another green thread is suspended
                // in a panic.
                let _parks = OnDrop(move || {
                    if shared {
                        thread::park();
                    }
                });
                fail()
            });
            leno::yield_now();
            let mutex = Rc::new(Mutex::new(0));
            let other = mutex.clone();
            let victim = thread::spawn(move || {
                let _guard = other.lock().unwrap();
                thread::park();
            });
            leno::yield_now();
            victim.cancel();
            assert!(mutex.lock().is_err());
            assert_cancelled(victim);
            suspended.thread().unpark();
            assert!(suspended.join().is_err());
        }
        let mutex = Mutex::new(0);
        let late = timeout(SECOND, || {
            let _guard = mutex.lock().unwrap();
            thread::park();
        });
        assert!(late.is_err() && mutex.is_poisoned());
    });
}

#[test]
fn a_waiter_gets_the_poison_with_the_lock() {
    run(|| {
        let (mutex, changed) = (Rc::new(Mutex::new(0)), Rc::new(Condvar::new()));
        let (other, word) = (mutex.clone(), changed.clone());
        let waiter = thread::spawn(move || {
            let guard = word.wait(other.lock().unwrap());
            assert!(other.try_lock().is_err(), "the waiter holds the poisoned lock");
            guard.is_err()
        });
        let (other, word) = (mutex.clone(), changed.clone());
        let timed = thread::spawn(move || {
            let waited = word.wait_timeout(other.lock().unwrap(), SECOND);
            waited.is_err_and(|error| !error.into_inner().1.timed_out())
        });
        settle();
        let broken = caught(|| {
            let _guard = mutex.lock().unwrap();
            changed.notify_all();
            fail()
        });
        assert!(broken.is_err());
        assert!(waiter.join().unwrap());
        assert!(timed.join().unwrap());
        let poisoned = matches!(mutex.lock_timeout(SECOND), Err(TryLockError::Poisoned(_)));
        assert!(poisoned);
    });
}

/// The unwinding releases the lock after a wait in a destructor.
#[test]
fn a_wait_during_a_panic_does_not_prevent_poisoning() {
    run(|| {
        let mutex = Rc::new(Mutex::new(0));
        let other = mutex.clone();
        let broken = thread::spawn(move || {
            let _guard = other.lock().unwrap();
            let _waits = OnDrop(|| leno::yield_now());
            fail()
        });
        settle();
        assert!(broken.join().is_err());
        assert!(mutex.is_poisoned());
    });
}

#[test]
fn primitives_are_unwind_safe_as_in_std() {
    use leno::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard, mpsc};
    use leno::{channel, sync};
    use std::cell::Cell;

    fn may<T: UnwindSafe + RefUnwindSafe>() {}
    may::<(Mutex<Cell<u8>>, MutexGuard<'_, Cell<u8>>)>();
    may::<(RwLock<Cell<u8>>, RwLockReadGuard<'_, u8>, RwLockWriteGuard<'_, Cell<u8>>)>();
    may::<(Condvar, Once, OnceLock<u8>, sync::LazyLock<u8>, sync::Barrier)>();
    may::<(mpsc::Sender<Cell<u8>>, mpsc::SyncSender<Cell<u8>>, mpsc::Receiver<Cell<u8>>)>();
    may::<(channel::Sender<Cell<u8>>, channel::Receiver<Cell<u8>>)>();
    may::<(sync::Semaphore, sync::SemaphorePermit<'_>, sync::Event, sync::WaitGroup)>();
    may::<(leno::thread::Thread, leno::thread::ThreadId)>();
    let mutex = Rc::new(Mutex::new(1));
    let other = mutex.clone();
    assert_eq!(panic::catch_unwind(move || *other.lock().unwrap()).unwrap(), 1);
}
