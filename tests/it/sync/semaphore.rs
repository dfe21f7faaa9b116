//! Semaphores.

use std::rc::Rc;

use leno::sync::{AcquireError, AcquireTimeoutError, Semaphore, TryAcquireError};
use leno::thread::{self, JoinHandle};
use leno::time::{Duration, Instant, sleep};

use super::{Log, SECOND, assert_cancelled, run, settle};
use crate::support::panic_text;

/// Spawns a green thread that holds permits for three turns and writes when.
fn user(
    semaphore: &Rc<Semaphore>,
    log: &Log,
    name: &'static str,
    count: usize,
) -> JoinHandle<Result<(), AcquireError>> {
    let (semaphore, log) = (semaphore.clone(), log.clone());
    thread::spawn(move || {
        let permit = semaphore.acquire_many(count)?;
        assert_eq!(permit.count(), count);
        log.write(name);
        (0..3).for_each(|_| leno::yield_now());
        log.write(format!("/{name}"));
        Ok(())
    })
}

#[test]
fn waiters_get_permits_in_order_of_arrival() {
    run(|| {
        let (semaphore, log) = (Rc::new(Semaphore::new(2)), Log::default());
        let users = [("a", 1), ("b", 1), ("c", 2), ("d", 1), ("e", 1)];
        let all = users.map(|(name, count)| user(&semaphore, &log, name, count));
        all.into_iter().for_each(|one| one.join().unwrap().unwrap());
        assert_eq!(log.take(), "a b /a /b c /c d e /d /e");
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn a_small_request_waits_behind_a_large_one() {
    run(|| {
        let (semaphore, log) = (Rc::new(Semaphore::new(3)), Log::default());
        let one = semaphore.acquire().unwrap();
        let all = [("many", 3), ("few", 1)].map(|(name, n)| user(&semaphore, &log, name, n));
        settle();
        assert_eq!(log.take(), "");
        assert_eq!(semaphore.available_permits(), 2);
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
        drop(one);
        all.into_iter().for_each(|one| one.join().unwrap().unwrap());
        assert_eq!(log.take(), "many /many few /few");
    });
}

#[test]
fn a_first_waiter_that_stops_lets_the_others_through() {
    for cancel in [true, false] {
        run(|| {
            let (semaphore, log) = (Rc::new(Semaphore::new(2)), Log::default());
            let other = semaphore.clone();
            let head = thread::spawn(move || {
                let result = other.acquire_many_timeout(3, SECOND);
                assert_eq!(result.map(|_| ()), Err(AcquireTimeoutError::Timeout));
                thread::park();
            });
            leno::yield_now();
            let all = ["a", "b", "c"].map(|name| user(&semaphore, &log, name, 1));
            settle();
            assert_eq!(log.take(), "");
            if cancel {
                head.cancel();
            }
            sleep(2 * SECOND);
            assert_eq!(log.take(), "a b /a /b c /c");
            head.cancel();
            assert_cancelled(head);
            all.into_iter().for_each(|one| one.join().unwrap().unwrap());
            assert_eq!(semaphore.available_permits(), 2);
        });
    }
}

#[test]
fn a_cancelled_owner_returns_its_permits() {
    run(|| {
        let (semaphore, log) = (Rc::new(Semaphore::new(0)), Log::default());
        let one = user(&semaphore, &log, "one", 2);
        settle();
        semaphore.add_permits(2);
        assert_eq!(semaphore.available_permits(), 0);
        one.cancel();
        assert_cancelled(one);
        assert_eq!(log.take(), "one");
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn a_cancelled_waiter_gets_no_permits() {
    run(|| {
        let (semaphore, log) = (Rc::new(Semaphore::new(0)), Log::default());
        let [one, other] = ["one", "other"].map(|name| user(&semaphore, &log, name, 1));
        settle();
        one.cancel();
        semaphore.add_permits(1);
        other.join().unwrap().unwrap();
        assert_cancelled(one);
        assert_eq!(log.take(), "other /other");
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn closing_ends_all_waits_and_accepts_permits() {
    run(|| {
        let (semaphore, log) = (Rc::new(Semaphore::new(1)), Log::default());
        let permit = semaphore.acquire().unwrap();
        let all = [("a", 1), ("b", 0), ("c", 2)].map(|(name, n)| user(&semaphore, &log, name, n));
        settle();
        assert_eq!(log.take(), "b /b");
        semaphore.close();
        semaphore.close();
        drop(permit);
        let ends = all.map(|one| one.join().unwrap());
        assert_eq!(ends, [Err(AcquireError), Ok(()), Err(AcquireError)]);
        assert!(semaphore.is_closed());
        assert_eq!(semaphore.available_permits(), 1);
        assert_eq!(semaphore.acquire().unwrap_err(), AcquireError);
        assert_eq!(semaphore.acquire_many(0).unwrap_err(), AcquireError);
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
        let late = semaphore.acquire_timeout(SECOND).unwrap_err();
        assert_eq!(late, AcquireTimeoutError::Closed);
    });
}

#[test]
fn timed_acquires_end_at_their_deadlines() {
    run(|| {
        let semaphore = Rc::new(Semaphore::new(0));
        let start = Instant::now();
        let end = |time| semaphore.acquire_timeout(time).map(|_| ()).unwrap_err();
        assert_eq!(end(SECOND), AcquireTimeoutError::Timeout);
        assert_eq!(end(Duration::ZERO), AcquireTimeoutError::Timeout);
        assert_eq!(start.elapsed(), SECOND);
        let other = semaphore.clone();
        let adder = thread::spawn(move || {
            sleep(SECOND);
            other.add_permits(4);
        });
        let permit = semaphore.acquire_many_timeout(3, Duration::MAX).unwrap();
        assert_eq!(start.elapsed(), 2 * SECOND);
        permit.forget();
        assert_eq!(semaphore.available_permits(), 1);
        adder.join().unwrap();
    });
}

#[test]
fn acquiring_zero_permits_never_waits() {
    let semaphore = Semaphore::new(0);
    drop(semaphore.acquire_many(0).unwrap());
    drop(semaphore.try_acquire_many(0).unwrap());
    semaphore.add_permits(0);
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
    run(|| {
        // Zero permits are granted even before earlier waiters.
        let semaphore = Rc::new(Semaphore::new(0));
        let one = user(&semaphore, &Log::default(), "one", 1);
        settle();
        drop(semaphore.acquire_many(0).unwrap());
        semaphore.add_permits(1);
        one.join().unwrap().unwrap();
    });
}

#[test]
fn a_semaphore_needs_a_runtime_only_to_wait() {
    let semaphore = Semaphore::new(1);
    semaphore.set_name("desks");
    let permit = semaphore.acquire().unwrap();
    assert_eq!(format!("{permit:?}"), "SemaphorePermit { count: 1, .. }");
    let text = panic_text(|| drop(semaphore.acquire()));
    assert_eq!(text, "Semaphore::acquire needs a runtime: call it from inside leno::run");
    drop(permit);
    assert_eq!(format!("{semaphore:?}"), "Semaphore { permits: 1, closed: false, .. }");
    semaphore.add_permits(usize::MAX - 1);
    let text = panic_text(|| semaphore.add_permits(1));
    assert_eq!(text, "a semaphore cannot hold more than usize::MAX permits");
    assert_eq!(semaphore.available_permits(), usize::MAX);
    drop(semaphore.acquire_many(usize::MAX).unwrap());
}

/// Returning the permit would overflow, and a destructor must not panic.
#[test]
fn a_permit_beyond_the_maximum_is_dropped() {
    leno::run(|| {
        let semaphore = Semaphore::new(1);
        let permit = semaphore.acquire().unwrap();
        semaphore.add_permits(usize::MAX);
        drop(permit);
        assert_eq!(semaphore.available_permits(), usize::MAX);
    });
}
