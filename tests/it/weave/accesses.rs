//! Partial-order reduction sees every access: a reduced exploration has the outcomes of the
//! full one, and finds its failures.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::rc::Rc;

use leno::Handle;
use leno::sync::atomic::{AtomicU32, Ordering::Relaxed};
use leno::sync::{
    Barrier, Condvar, Event, LazyLock, Mutex, Once, OnceLock, RwLock, Semaphore, WaitGroup,
};
use leno::thread::{self, Thread};
use leno::time::{self, Duration};
use leno::weave::{Explorer, Shared};

/// Explores `program` with and without reduction, checks that both have the same outcomes, and
/// returns them.
fn outcomes<T: Ord + Clone + Debug>(explorer: Explorer, program: fn() -> T) -> BTreeSet<T> {
    let full = explorer.explore(program);
    let reduced = explorer.reduced().explore(program);
    let of = |report: &leno::weave::Report<T>| -> BTreeSet<T> {
        report.outcomes().keys().cloned().collect()
    };
    assert!(full.is_complete() && reduced.is_complete());
    assert_eq!(of(&full), of(&reduced), "full, and reduced");
    of(&full)
}

/// Explores without and with preemption.
fn both<T: Ord + Clone + Debug>(program: fn() -> T) -> BTreeSet<T> {
    let all = outcomes(Explorer::new(), program);
    assert!(outcomes(Explorer::new().preemptive(), program).is_superset(&all));
    all
}

/// Returns whether a thread that awaits another was cancelled too late.
fn await_and_cancel() -> bool {
    let waiter: Rc<OnceCell<Thread>> = Rc::default();
    leno::scope(|scope| {
        let handle = scope.spawn(|| leno::block_on(thread::spawn(|| {})).is_ok());
        waiter.set(handle.thread().clone()).unwrap();
        scope.spawn(|| waiter.get().unwrap().cancel());
        handle.join().is_ok()
    })
}

#[test]
fn a_wake_of_a_future_races_with_a_cancellation() {
    assert_eq!(both(await_and_cancel).len(), 2);
}

#[test]
fn reduction_finds_a_failure_of_an_awaited_thread() {
    let fails = || assert!(!await_and_cancel(), "the waiter was not cancelled");
    assert!(Explorer::new().explore(fails).failure().is_some());
    assert!(Explorer::new().reduced().explore(fails).failure().is_some());
}

#[test]
fn a_wake_of_a_future_races_with_a_deadline() {
    let program = || {
        let child = thread::spawn(|| ());
        time::timeout(Duration::from_millis(1), || leno::block_on(child).is_ok()).is_ok()
    };
    assert_eq!(outcomes(Explorer::new().timed(), program).len(), 2);
    assert_eq!(outcomes(Explorer::new().preemptive().timed(), program).len(), 2);
}

/// Doubles a number when it is dropped.
struct Doubles(Rc<Shared<u32>>);

impl Drop for Doubles {
    fn drop(&mut self) {
        self.0.update(|number| *number *= 2);
    }
}

#[test]
fn dropping_a_join_handle_races_with_the_end_of_its_thread() {
    let program = || {
        let number = Rc::new(Shared::new(1));
        let result = Doubles(number.clone());
        let handle = thread::spawn(move || result);
        leno::yield_now();
        drop(handle);
        number.update(|number| *number += 1);
        leno::sleep(Duration::from_millis(1));
        number.get()
    };
    assert_eq!(both(program), BTreeSet::from([3, 4]));
}

#[test]
fn a_remote_join_handle_races_with_the_end_of_its_thread() {
    let program = || {
        let remote = Handle::current().spawn(|| ()).unwrap();
        leno::yield_now();
        let is_finished = remote.is_finished();
        remote.join().unwrap();
        is_finished
    };
    assert_eq!(both(program), BTreeSet::from([false, true]));
}

/// Runs `change` in one thread, and returns the text of `value` that another one reads.
fn text_during<T: Debug + 'static>(value: T, change: fn(&T)) -> String {
    let value = Rc::new(value);
    let other = value.clone();
    let changer = thread::spawn(move || change(&other));
    leno::yield_now();
    let text = format!("{value:?}");
    changer.join().unwrap();
    text
}

#[test]
fn a_debug_text_is_a_read() {
    let group = || {
        let group = WaitGroup::new();
        let member = group.clone();
        let leaver = thread::spawn(move || drop(member));
        leno::yield_now();
        let text = format!("{group:?}");
        leaver.join().unwrap();
        text
    };
    assert_eq!(both(group).len(), 2);
    assert_eq!(both(|| text_during(Semaphore::new(1), Semaphore::close)).len(), 2);
    assert_eq!(both(|| text_during(Event::new(), Event::set)).len(), 2);
    assert_eq!(both(|| text_during(OnceLock::new(), |cell| cell.set(1).unwrap())).len(), 2);
    let lazy = || text_during(LazyLock::new(|| 1), |value| _ = LazyLock::force(value));
    assert_eq!(both(lazy).len(), 2);
    assert_eq!(both(|| text_during(Shared::new(0), |shared| shared.set(1))).len(), 2);
    assert_eq!(both(|| text_during(AtomicU32::new(0), |it| it.store(1, Relaxed))).len(), 2);
    let remote = || {
        let remote = Handle::current().spawn(|| ()).unwrap();
        leno::yield_now();
        let text = format!("{remote:?}");
        remote.join().unwrap();
        text
    };
    assert_eq!(both(remote).len(), 2);
    let tasks = || {
        thread::task_group(|group| {
            group.spawn(|| Ok::<(), ()>(()));
            leno::yield_now();
            Ok(format!("{group:?}"))
        })
    };
    assert_eq!(both(tasks).len(), 2);
    assert_eq!(both(|| text_during(Mutex::new(0), |mutex| *mutex.lock().unwrap() = 1)).len(), 2);
    assert_eq!(both(|| text_during(RwLock::new(0), |lock| *lock.write().unwrap() = 1)).len(), 2);
}

#[test]
fn texts_without_state_are_no_reads() {
    assert_eq!(both(|| text_during(Once::new(), |once| once.call_once(|| ()))).len(), 1);
    assert_eq!(both(|| text_during(Condvar::new(), Condvar::notify_all)).len(), 1);
    assert_eq!(both(|| text_during(Barrier::new(1), |barrier| _ = barrier.wait())).len(), 1);
}
