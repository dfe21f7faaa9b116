//! The lines of a deadlock report about these primitives.

use std::mem;
use std::rc::Rc;

use leno::sync::{
    Barrier, Condvar, Event, LazyLock, Mutex, Once, OnceLock, RwLock, Semaphore, WaitGroup, mpsc,
};
use leno::thread;

use super::run;
use crate::support::panic_text;

/// Returns what each green thread but the main one waits for, and the holders.
fn waits(report: &str) -> Vec<String> {
    let squeezed = report.lines().map(|line| {
        let line = line.rsplit_once(" at ").map_or(line, |(before, _)| before);
        let line = line.split_once(" since ").map_or(line, |(before, _)| before);
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    let wanted = |line: &String| line.starts_with('#') || line.starts_with("held by");
    squeezed.filter(wanted).collect()
}

#[test]
fn the_report_names_each_primitive() {
    let report = panic_text(|| {
        run(|| {
            let (sender, receiver) = mpsc::sync_channel::<u8>(0);
            let (group, lock) = (WaitGroup::new(), Rc::new(RwLock::new(0)));
            let (member, other) = (group.clone(), lock.clone());
            let semaphore = Rc::new(Semaphore::new(0));
            semaphore.set_name("desks");
            let many = semaphore.clone();
            let (barrier, mutex) = (Barrier::new(2), Mutex::new(0));
            mutex.set_name("ledger");
            mem::forget(lock.write());
            mem::forget(mutex.lock());
            thread::spawn(move || drop(mutex.lock()));
            thread::spawn(|| drop(Condvar::new().wait(Mutex::new(0).lock().unwrap())));
            thread::spawn(move || drop(lock.read()));
            thread::spawn(move || drop(other.write()));
            thread::spawn(move || drop(semaphore.acquire()));
            thread::spawn(move || drop(many.acquire_many(3)));
            thread::spawn(move || barrier.wait());
            thread::spawn(|| Event::new().wait());
            thread::spawn(|| Once::new().wait());
            thread::spawn(|| OnceLock::<u8>::new().wait() == &0);
            thread::spawn(move || member.wait());
            thread::spawn(move || sender.send(1));
            thread::park();
            drop((group, receiver));
        })
    });
    let expected = [
        "#2 waits for mutex 'ledger'",
        "held by main",
        "#3 waits for a notification of a condvar",
        "#4 waits for a share of a read-write lock",
        "held by main",
        "#5 waits for a read-write lock",
        "held by main",
        "#6 waits for a permit of semaphore 'desks'",
        "#7 waits for permits of semaphore 'desks'",
        "#8 waits for the others at a barrier",
        "#9 waits for an event",
        "#10 waits for the completion of a once",
        "#11 waits for the completion of a once cell",
        "#12 waits for the end of a wait group",
        "#13 waits for a receiver of a channel",
    ];
    assert_eq!(waits(&report), expected, "{report}");
}

#[test]
fn the_report_shows_where_a_lock_was_requested() {
    let line = line!() + 6;
    let report = panic_text(|| {
        run(|| {
            let mutex = Rc::new(Mutex::new(0));
            let (guard, other) = (mutex.lock(), mutex.clone());
            thread::spawn(move || {
                let _guard = other.lock();
                thread::park();
            });
            thread::yield_now();
            drop(guard);
            drop(mutex.lock());
        })
    });
    assert!(report.contains("main  waits for a mutex"), "{report}");
    let held = report.lines().find(|line| line.contains("held by #2")).expect("the lock is held");
    assert!(held.contains(&format!("{}:{line}:", file!())), "{report}");
}

#[test]
fn waits_for_oneself_are_reported_as_cycles() {
    let report = panic_text(|| {
        run(|| {
            let mutex = Mutex::new(0);
            let _guard = mutex.lock();
            drop(mutex.lock());
        })
    });
    assert!(report.contains("cycle: main -> a mutex held by main"), "{report}");
    let report = panic_text(|| {
        run(|| {
            let cell = Rc::new(OnceLock::new());
            let (one, other) = (cell.clone(), cell.clone());
            cell.get_or_init(|| *one.get_or_init(|| 1) + *other.wait());
        })
    });
    assert!(
        report.contains("cycle: main -> the completion of a once cell held by main"),
        "{report}"
    );
    let report = panic_text(|| {
        run(|| {
            type Lazy = LazyLock<u8, Box<dyn FnOnce() -> u8>>;
            let lazy: Rc<OnceLock<Lazy>> = Rc::default();
            let inner = lazy.clone();
            let make: Box<dyn FnOnce() -> u8> = Box::new(move || **inner.wait() + 1);
            let value = lazy.get_or_init(|| LazyLock::new(make));
            assert_eq!(**value, 1);
        })
    });
    assert!(
        report.contains("cycle: main -> the completion of a lazy value held by main"),
        "{report}"
    );
}
