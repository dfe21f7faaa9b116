//! The report of a deadlock.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;

use leno::channel::{Receiver, Sender, bounded};
use leno::sync::{Mutex, MutexGuard, RwLock, RwLockWriteGuard};
use leno::thread::{self, Builder, JoinHandle};

use super::{TITLE, report_of};
use crate::support::{Ledger, Tracked, panic_text};

type Place = Cell<Option<&'static Location<'static>>>;

/// Parks, and stores the caller's place.
#[track_caller]
fn park_at(place: &Place) {
    place.set(Some(Location::caller()));
    thread::park();
}

#[track_caller]
fn join_at<T>(handle: JoinHandle<T>, place: &Place) -> thread::Result<T> {
    place.set(Some(Location::caller()));
    handle.join()
}

#[track_caller]
fn spawn_at<T: 'static>(
    name: &str,
    place: &Place,
    f: impl FnOnce() -> T + 'static,
) -> JoinHandle<T> {
    place.set(Some(Location::caller()));
    Builder::new().name(name.to_owned()).spawn(f).unwrap()
}

#[track_caller]
fn nameless_at<T: 'static>(place: &Place, f: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    place.set(Some(Location::caller()));
    leno::spawn(f)
}

/// A line of a report: the thread, the wait, the word before the place, and the
/// place.
type Row<'a> = (&'a str, &'a str, &'a str, &'a Place);

/// Returns a report with aligned columns.
fn report(rows: &[Row]) -> String {
    let width = |column: fn(&Row) -> usize| rows.iter().map(column).max().unwrap();
    let thread_width = width(|row| row.0.len());
    let what_width = width(|row| if row.2.is_empty() { 0 } else { row.1.len() });
    let word_width = width(|row| row.2.len());
    let mut text = TITLE.to_owned();
    for (thread, what, word, place) in rows {
        text += &format!("\n  {thread:thread_width$}  ");
        text += &match *word {
            "" => (*what).to_owned(),
            word => {
                let place = place.get().expect("the place is set");
                format!("{what:what_width$}  {word:>word_width$} {place}")
            }
        };
    }
    text
}

#[test]
fn the_report_has_the_place_of_a_park() {
    let line = line!() + 1;
    let text = panic_text(|| leno::run(|| thread::park()));
    let expected = format!("{TITLE}\n  main  waits for unpark  at {}:{line}:43", file!());
    assert_eq!(text, expected);
}

#[test]
fn the_report_shows_threads_waits_and_places() {
    let places: [Rc<Place>; 7] = Default::default();
    let [main, named, nameless, parser, at_reader, at_nameless, at_parser] = places.clone();
    let text = report_of(|| {
        let first = spawn_at("reader", &at_reader, move || park_at(&named));
        let second = nameless_at(&at_nameless, move || join_at(first, &nameless).unwrap());
        let parser = move || join_at(second, &parser).unwrap();
        let third = spawn_at("parser", &at_parser, parser);
        let _ended = leno::spawn(|| ());
        join_at(third, &main).unwrap();
    });
    let expected = report(&[
        ("main", "waits for the end of 'parser' (#4)", "at", &places[0]),
        ("'reader' (#2)", "waits for unpark", "at", &places[1]),
        ("", "spawned", "at", &places[4]),
        ("#3", "waits for the end of 'reader' (#2)", "at", &places[2]),
        (
            "",
            "spawned to run the_report_shows_threads_waits_and_places::{{closure}}",
            "at",
            &places[5],
        ),
        ("'parser' (#4)", "waits for the end of #3", "at", &places[3]),
        ("", "spawned", "at", &places[6]),
    ]);
    assert_eq!(text, expected);
}

#[test]
fn a_cycle_of_joins_is_reported() {
    let places: [Rc<Place>; 5] = Default::default();
    let [main, first, second, at_a, at_b] = places.clone();
    let text = report_of(|| {
        let handles: Rc<RefCell<Vec<JoinHandle<()>>>> = Rc::default();
        let of_first = handles.clone();
        let joins_second = move || {
            let second = of_first.borrow_mut().pop().unwrap();
            join_at(second, &first).unwrap();
        };
        let a = spawn_at("a", &at_a, joins_second);
        let b = spawn_at("b", &at_b, move || join_at(a, &second).unwrap());
        handles.borrow_mut().push(b);
        park_at(&main);
    });
    let expected = report(&[
        ("main", "waits for unpark", "at", &places[0]),
        ("'a' (#2)", "waits for the end of 'b' (#3)", "at", &places[1]),
        ("", "spawned", "at", &places[3]),
        ("'b' (#3)", "waits for the end of 'a' (#2)", "at", &places[2]),
        ("", "spawned", "at", &places[4]),
    ]);
    assert_eq!(text, expected + "\n  cycle: 'a' (#2) -> 'b' (#3) -> 'a' (#2)");
}

#[test]
fn a_green_thread_that_joins_itself_is_reported() {
    let (place, at_me): (Rc<Place>, Rc<Place>) = Default::default();
    let (inner, spawned) = (place.clone(), at_me.clone());
    let ledger = Ledger::default();
    let (value, result) = (ledger.value(), ledger.clone());
    let run_at: Rc<Place> = Rc::default();
    let text = panic_text(|| {
        let own: Rc<RefCell<Option<JoinHandle<Tracked>>>> = Rc::default();
        let own_handle = own.clone();
        run_here(&run_at, || {
            let joins_itself = move || {
                let _value = value;
                let handle = own_handle.borrow_mut().take().unwrap();
                let _ = join_at(handle, &inner);
                result.value()
            };
            *own.borrow_mut() = Some(spawn_at("me", &spawned, joins_itself));
        })
    });
    let expected = report(&[
        ("main", "waits for the end of all green threads", "at", &run_at),
        ("'me' (#2)", "waits for the end of 'me' (#2)", "at", &place),
        ("", "spawned", "at", &at_me),
    ]);
    assert_eq!(text, expected + "\n  cycle: 'me' (#2) -> 'me' (#2)");
    ledger.check();
}

#[track_caller]
fn run_here<T>(place: &Place, f: impl FnOnce() -> T) -> T {
    place.set(Some(Location::caller()));
    leno::run(f)
}

#[track_caller]
fn lock_at<'a>(mutex: &'a Mutex<()>, place: &Place) -> MutexGuard<'a, ()> {
    place.set(Some(Location::caller()));
    mutex.lock().unwrap()
}

#[track_caller]
fn mutex_at(place: &Place) -> Rc<Mutex<()>> {
    place.set(Some(Location::caller()));
    Rc::new(Mutex::new(()))
}

#[test]
fn a_cycle_of_locks_is_reported() {
    let places: [Rc<Place>; 8] = Default::default();
    let (at_end, made): (Rc<Place>, Rc<Place>) = Default::default();
    let inner = places.clone();
    let text = panic_text(|| {
        run_here(&at_end, || {
            let [a_holds, a_waits, b_holds, b_waits, at_a, at_b, ..] = inner;
            let (left, right) = (mutex_at(&Place::default()), mutex_at(&made));
            left.set_name("left");
            let (other_left, other_right) = (left.clone(), right.clone());
            drop(spawn_at("a", &at_a, move || {
                let _held = lock_at(&left, &a_holds);
                leno::yield_now();
                let _both = lock_at(&right, &a_waits);
            }));
            drop(spawn_at("b", &at_b, move || {
                let _held = lock_at(&other_right, &b_holds);
                leno::yield_now();
                let _both = lock_at(&other_left, &b_waits);
            }));
        })
    });
    let [a_holds, a_waits, b_holds, b_waits, at_a, at_b, ..] = &places;
    let expected = report(&[
        ("main", "waits for the end of all green threads", "at", &at_end),
        ("'a' (#2)", "waits for a mutex", "at", a_waits),
        ("", "which was made", "at", &made),
        ("", "held by 'b' (#3)", "since", b_holds),
        ("", "spawned", "at", at_a),
        ("'b' (#3)", "waits for mutex 'left'", "at", b_waits),
        ("", "held by 'a' (#2)", "since", a_holds),
        ("", "spawned", "at", at_b),
    ]);
    let cycle = "\n  cycle: 'a' (#2) -> a mutex held by 'b' (#3) -> mutex 'left' held by 'a' (#2)";
    assert_eq!(text, expected + cycle);
}

#[test]
fn a_cycle_of_scope_and_lock_is_reported() {
    let text = report_of(|| {
        let lock = Mutex::new(());
        lock.set_name("around");
        let _held = lock.lock().unwrap();
        leno::scope(|scope| {
            scope.spawn(|| ());
            scope.spawn(|| drop(lock.lock()));
        });
    });
    assert!(text.ends_with("\n  cycle: main -> #3 -> mutex 'around' held by main"), "{text}");
}

#[test]
fn cycles_exclude_threads_that_only_wait() {
    let text = report_of(|| {
        let pair = || {
            let handles: Rc<RefCell<Vec<JoinHandle<()>>>> = Rc::default();
            let inner = handles.clone();
            let first = leno::spawn(move || {
                let second = inner.borrow_mut().pop().unwrap();
                second.join().unwrap();
            });
            handles.borrow_mut().push(leno::spawn(move || first.join().unwrap()));
            leno::yield_now();
        };
        pair();
        pair();
        let waits = leno::spawn(thread::park);
        leno::spawn(move || waits.join().unwrap());
    });
    let cycles: Vec<&str> = text.lines().filter(|line| line.starts_with("  cycle")).collect();
    assert_eq!(cycles, ["  cycle: #2 -> #3 -> #2", "  cycle: #4 -> #5 -> #4"], "{text}");
}

#[track_caller]
fn choose_at(numbers: &Sender<u32>, words: &Receiver<String>, place: &Place) {
    place.set(Some(Location::caller()));
    leno::select! {
        send(numbers, 2) -> _ => (),
        recv(words) -> _ => (),
    }
}

#[test]
fn all_alternatives_of_a_select_are_reported() {
    let places: [Rc<Place>; 5] = Default::default();
    let [end, first, second, waits, spawned] = places.clone();
    let text = panic_text(|| {
        run_here(&end, || {
            let (numbers, _receive_number) = bounded_at::<u32>(1, &first);
            let (_words, receive_word) = bounded_at::<String>(0, &second);
            receive_word.set_name("words");
            numbers.send(1).unwrap();
            drop(spawn_at("chooser", &spawned, move || {
                let _both = (&_receive_number, &_words);
                choose_at(&numbers, &receive_word, &waits);
            }));
        })
    });
    let expected = report(&[
        ("main", "waits for the end of all green threads", "at", &places[0]),
        ("'chooser' (#2)", "waits for any of these", "at", &places[3]),
        ("", "- room in a channel", "made at", &places[1]),
        ("", "- a message from channel 'words'", "", &places[1]),
        ("", "spawned", "at", &places[4]),
    ]);
    assert_eq!(text, expected);
}

#[track_caller]
fn bounded_at<T>(capacity: usize, place: &Place) -> (Sender<T>, Receiver<T>) {
    place.set(Some(Location::caller()));
    bounded(capacity)
}

#[test]
fn a_lock_without_a_living_holder_is_reported() {
    let text = report_of(|| {
        let lock = Rc::new(Mutex::new(()));
        let inner = lock.clone();
        leno::spawn(move || std::mem::forget(inner.lock())).join().unwrap();
        drop(lock.lock());
    });
    assert!(text.contains("\n        held by #2, which has ended,  since tests/it/"), "{text}");

    let lock = Mutex::new(());
    let _held = lock.lock();
    let text = panic_text(|| leno::run(|| drop(lock.lock())));
    assert!(text.contains("held by somebody outside the runtime  since tests/it/"), "{text}");
}

#[test]
fn a_scope_that_never_ends_is_reported() {
    #[track_caller]
    fn scope_at(place: &Place, f: impl FnOnce(&Cell<u32>)) {
        place.set(Some(Location::caller()));
        let parked = Rc::new(Place::default());
        leno::scope(|scope| {
            let count = Cell::new(0);
            f(&count);
            Builder::new()
                .name("child".to_owned())
                .spawn_scoped(scope, move || park_at(&parked))
                .unwrap();
        });
    }
    let place = Place::default();
    let text = panic_text(|| leno::run(|| scope_at(&place, |count| count.set(1))));
    let place = place.get().unwrap();
    let line =
        format!("\n  main          waits for the end of its scope's green threads  at {place}\n");
    assert!(text.contains(&line), "{text}");
    assert!(text.contains("\n  'child' (#2)  waits for unpark "), "{text}");
}

#[test]
fn main_is_reported_after_its_closure_has_ended() {
    let (run_at, parked): (Rc<Place>, Rc<Place>) = Default::default();
    let inner = parked.clone();
    let ledger = Ledger::default();
    let value = ledger.value();
    let spawned = Place::default();
    let text = panic_text(|| {
        run_here(&run_at, || {
            spawn_at("stuck", &spawned, move || park_at(&inner));
            // The result is dropped, since `run` panics.
            value
        })
    });
    let expected = report(&[
        ("main", "waits for the end of all green threads", "at", &run_at),
        ("'stuck' (#2)", "waits for unpark", "at", &parked),
        ("", "spawned", "at", &spawned),
    ]);
    assert_eq!(text, expected);
    ledger.check();
}

#[test]
fn the_report_names_the_readers_of_a_lock() {
    let line = line!() + 5;
    let text = report_of(|| {
        let lock = Rc::new(RwLock::new(0));
        lock.set_name("config");
        let shared = lock.clone();
        let _reader = lock.read().unwrap();
        let _writer =
            Builder::new().name("writer".to_owned()).spawn(move || drop(shared.write())).unwrap();
        thread::yield_now();
        drop(lock.read());
    });
    let since = format!("since {}:{line}:", file!());
    let held = |line: &&str| line.contains("held by main ") && line.contains(&since);
    assert_eq!(text.lines().filter(held).count(), 2, "{text}");
    for words in [
        "waits for a share of read-write lock 'config'",
        "behind a thread that waits to write",
        "\n  cycle: main -> a share of read-write lock 'config' held by main",
    ] {
        assert_eq!(text.matches(words).count(), 1, "{text}");
    }
}

#[test]
fn a_reader_that_wants_to_write_waits_for_itself() {
    let text = report_of(|| {
        let lock = RwLock::new(0);
        let _reader = RwLockWriteGuard::downgrade(lock.write().unwrap());
        drop(lock.write());
    });
    assert!(text.ends_with("\n  cycle: main -> a read-write lock held by main"), "{text}");
}

#[test]
fn the_report_names_three_readers_and_counts_the_rest() {
    let text = report_of(|| {
        let lock = Rc::new(RwLock::new(0));
        drop(lock.read());
        for _ in 0..5 {
            let shared = lock.clone();
            leno::spawn(move || {
                let _reader = shared.read().unwrap();
                thread::park();
            });
        }
        thread::yield_now();
        drop(lock.write());
    });
    for words in ["held by #2 ", "held by #3 ", "held by #4 ", "and 2 more"] {
        assert_eq!(text.matches(words).count(), 1, "{words}: {text}");
    }
    assert!(!text.contains("cycle"), "{text}");
}
