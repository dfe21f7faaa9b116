//! Deadlocks: what the report says, that everybody is unwound, once, and what
//! happens to those who will not have it.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::Rc;

use leno::stack::Pool;
use leno::thread::{self, Builder, JoinHandle, Thread};

use crate::support::{Ledger, Tracked, caught, hook_runs, in_child, panic_text, text_of};

const TITLE: &str = "deadlock: every green thread waits, and nothing is left that could wake one";

type Place = Cell<Option<&'static Location<'static>>>;

/// Parks, and says where that is: at the caller's line.
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

fn type_name_of<T>(_: &T) -> &'static str {
    std::any::type_name::<T>()
}

/// The lines of a report, their columns aligned.
fn report(lines: &[(&str, &str, &Place)]) -> String {
    let width = |column: fn(&(&str, &str, &Place)) -> usize| lines.iter().map(column).max();
    let (who_width, what_width) =
        (width(|line| line.0.len()).unwrap(), width(|line| line.1.len()).unwrap());
    let mut text = TITLE.to_owned();
    for (who, what, place) in lines {
        let place = place.get().expect("it has waited");
        let what = format!("waits for {what:what_width$}");
        text += &format!("\n  {who:who_width$}  {what}  at {place}");
    }
    text
}

#[test]
fn the_report_names_the_line_and_column_of_a_park() {
    let line = line!() + 1;
    let text = panic_text(|| leno::run(|| thread::park()));
    let expected = format!("{TITLE}\n  main  waits for unpark  at {}:{line}:43", file!());
    assert_eq!(text, expected);
}

#[test]
fn the_report_says_who_waits_for_what_since_where() {
    let places: [Rc<Place>; 4] = Default::default();
    let [main, named, nameless, parser] = places.clone();
    let title = Cell::new("");
    let text = panic_text(|| {
        leno::run(|| {
            let first = Builder::new().name("reader").spawn(move || park_at(&named)).unwrap();
            let waits = move || join_at(first, &nameless).unwrap();
            title.set(type_name_of(&waits));
            let second = leno::spawn(waits);
            let parser = move || join_at(second, &parser).unwrap();
            let third = Builder::new().name("parser").spawn(parser).unwrap();
            let _ended = leno::spawn(|| ());
            join_at(third, &main).unwrap();
        })
    });
    let expected = report(&[
        ("main", "the end of 'parser' (#4)", &places[0]),
        ("'reader' (#2)", "unpark", &places[1]),
        (&format!("#3 {}", title.get()), "the end of 'reader' (#2)", &places[2]),
        ("'parser' (#4)", "the end of #3", &places[3]),
    ]);
    assert_eq!(text, expected);
}

#[test]
fn a_cycle_of_joins_is_reported() {
    let places: [Rc<Place>; 3] = Default::default();
    let [main, first, second] = places.clone();
    let text = panic_text(|| {
        leno::run(|| {
            let handles: Rc<RefCell<Vec<JoinHandle<()>>>> = Rc::default();
            let of_first = handles.clone();
            let joins_second = move || {
                let second = of_first.borrow_mut().pop().unwrap();
                join_at(second, &first).unwrap();
            };
            let a = Builder::new().name("a").spawn(joins_second).unwrap();
            let joins_first = move || join_at(a, &second).unwrap();
            let b = Builder::new().name("b").spawn(joins_first).unwrap();
            handles.borrow_mut().push(b);
            park_at(&main);
        })
    });
    let expected = report(&[
        ("main", "unpark", &places[0]),
        ("'a' (#2)", "the end of 'b' (#3)", &places[1]),
        ("'b' (#3)", "the end of 'a' (#2)", &places[2]),
    ]);
    assert_eq!(text, expected);
}

#[test]
fn a_green_thread_that_joins_itself_is_reported() {
    let place: Rc<Place> = Rc::default();
    let inner = place.clone();
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
            *own.borrow_mut() = Some(Builder::new().name("me").spawn(joins_itself).unwrap());
        })
    });
    let expected = report(&[
        ("main", "the end of all green threads", &run_at),
        ("'me' (#2)", "the end of 'me' (#2)", &place),
    ]);
    assert_eq!(text, expected);
    ledger.check();
}

#[track_caller]
fn run_here<T>(place: &Place, f: impl FnOnce() -> T) -> T {
    place.set(Some(Location::caller()));
    leno::run(f)
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
            Builder::new().name("child").spawn_scoped(scope, move || park_at(&parked)).unwrap();
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
fn main_is_reported_when_its_closure_has_ended_and_others_are_stuck() {
    let (run_at, parked): (Rc<Place>, Rc<Place>) = Default::default();
    let inner = parked.clone();
    let ledger = Ledger::default();
    let value = ledger.value();
    let text = panic_text(|| {
        run_here(&run_at, || {
            Builder::new().name("stuck").spawn(move || park_at(&inner)).unwrap();
            // What the closure returns has nowhere to go.
            value
        })
    });
    let expected = report(&[
        ("main", "the end of all green threads", &run_at),
        ("'stuck' (#2)", "unpark", &parked),
    ]);
    assert_eq!(text, expected);
    ledger.check();
}

/// Parks several calls down, each with something to drop.
fn park_below(ledger: &Ledger, depth: u32) {
    let _value = ledger.value();
    if depth == 0 { thread::park() } else { park_below(ledger, depth - 1) }
}

#[test]
fn everybody_is_unwound_once_without_the_hook_and_the_stacks_come_back() {
    Pool::reserve(120, leno::stack::DEFAULT_STACK_BYTES).unwrap();
    let free = Pool::free();
    for _ in 0..20 {
        let ledger = Ledger::default();
        let runs = hook_runs(|| {
            let text = panic_text(|| {
                leno::run(|| {
                    for depth in 0..100 {
                        let (captured, inner) = (ledger.value(), ledger.clone());
                        leno::spawn(move || {
                            let _captured = captured;
                            park_below(&inner, depth);
                        });
                    }
                    park_below(&ledger, 7);
                })
            });
            assert_eq!(text.lines().count(), 1 + 101);
        });
        assert_eq!(runs, 1, "only the panic of run itself");
        assert_eq!(ledger.made(), 8 + 100 + (1..=100).sum::<usize>());
        ledger.check();
        assert_eq!(Pool::free(), free);
    }
    assert_eq!(leno::run(|| leno::spawn(|| 1).join().unwrap()), 1);
}

#[test]
fn one_who_catches_the_unwinding_and_waits_again_is_unwound_again() {
    let attempts = Rc::new(Cell::new(0));
    let ledger = Ledger::default();
    let (counted, inner) = (attempts.clone(), ledger.clone());
    let text = panic_text(|| {
        leno::run(|| {
            leno::spawn(move || {
                for _ in 0..100 {
                    let _outside = inner.value();
                    let caught = panic::catch_unwind(AssertUnwindSafe(|| park_below(&inner, 3)));
                    assert!(caught.is_err());
                    counted.set(counted.get() + 1);
                }
                // Yielding and joining are no way out, either.
                assert!(panic::catch_unwind(leno::yield_now).is_err());
                let child = leno::spawn(|| ());
                assert!(panic::catch_unwind(AssertUnwindSafe(|| child.join())).is_err());
            });
        })
    });
    assert!(text.starts_with(TITLE));
    assert_eq!(attempts.get(), 100);
    ledger.check();
}

#[test]
fn destructors_may_wait_while_they_are_unwound() {
    struct Joins(Option<JoinHandle<u32>>, Rc<Cell<u32>>);
    impl Drop for Joins {
        fn drop(&mut self) {
            leno::yield_now();
            let child = leno::spawn(|| {
                (0..3).for_each(|_| leno::yield_now());
                30
            });
            let sum = self.0.take().unwrap().join().unwrap() + child.join().unwrap();
            self.1.set(self.1.get() + sum);
        }
    }
    let total = Rc::new(Cell::new(0));
    let inner = total.clone();
    let text = panic_text(|| {
        leno::run(|| {
            // It is unwound, too; but it answers with a value.
            let stubborn = leno::spawn(|| {
                let unwound = panic::catch_unwind(thread::park).is_err();
                if unwound { 12 } else { 0 }
            });
            let guard = Joins(Some(stubborn), inner);
            leno::spawn(move || {
                let _guard = guard;
                thread::park();
            });
        })
    });
    assert!(text.starts_with(TITLE));
    assert_eq!(total.get(), 42);
}

#[test]
fn one_deadlock_may_follow_another_while_destructors_run() {
    struct SpawnsParked(Ledger);
    impl Drop for SpawnsParked {
        fn drop(&mut self) {
            let ledger = self.0.clone();
            leno::spawn(move || park_below(&ledger, 2));
        }
    }
    let ledger = Ledger::default();
    let inner = ledger.clone();
    let text = panic_text(|| {
        leno::run(|| {
            leno::spawn(move || {
                let _spawns = SpawnsParked(inner);
                thread::park();
            });
        })
    });
    // The first report is the one that is told.
    assert_eq!(text.lines().count(), 3, "{text}");
    assert_eq!(ledger.made(), 3);
    ledger.check();
}

#[test]
fn those_who_joined_the_unwound_are_told_and_a_scope_counts_no_panic() {
    let outcome = Cell::new(None);
    let text = panic_text(|| {
        leno::run(|| {
            leno::scope(|scope| {
                let parked = scope.spawn(|| thread::park());
                assert!(panic::catch_unwind(thread::park).is_err());
                outcome.set(Some(parked.join().is_err()));
            });
        })
    });
    assert!(text.starts_with(TITLE), "{text}");
    assert_eq!(outcome.get(), Some(true));
}

#[test]
fn the_last_to_end_may_have_been_detached_with_a_large_result() {
    let text = panic_text(|| {
        leno::run(|| {
            let large = || {
                leno::yield_now();
                [1u8; 100 << 10]
            };
            Builder::new().stack_size(8 << 20).spawn(large).unwrap();
            thread::park();
        })
    });
    assert!(text.starts_with(TITLE));
}

#[test]
fn after_a_deadlock_old_handles_are_harmless() {
    type Handles = Vec<(JoinHandle<()>, Thread)>;
    let kept: Rc<RefCell<Handles>> = Rc::default();
    let inner = kept.clone();
    let text = panic_text(|| {
        leno::run(|| {
            for _ in 0..3 {
                let handle = leno::spawn(thread::park);
                let thread = handle.thread().clone();
                inner.borrow_mut().push((handle, thread));
            }
            thread::park();
        })
    });
    assert_eq!(text.lines().count(), 5);
    for (handle, thread) in kept.take() {
        thread.unpark();
        assert!(handle.is_finished());
        assert!(handle.join().is_err());
        thread.unpark();
    }
}

#[test]
fn mains_own_panic_wins_and_the_report_is_printed() {
    in_child("deadlock::mains_own_panic_wins_and_the_report_is_printed", &[], || {
        let result = caught(|| {
            leno::run(|| {
                leno::spawn(thread::park);
                panic!("main has a say");
            })
        });
        assert_eq!(text_of(result.unwrap_err()), "main has a say");
    })
    .assert_survived()
    .stderr()
    .find(&format!("leno: {TITLE}\n  main "))
    .expect("the report is on standard error");
}

#[test]
fn those_who_wait_for_each_other_in_destructors_abort_with_the_report() {
    struct ParksForEver;
    impl Drop for ParksForEver {
        fn drop(&mut self) {
            thread::park();
        }
    }
    let ended = in_child(
        "deadlock::those_who_wait_for_each_other_in_destructors_abort_with_the_report",
        &[],
        || {
            leno::run(|| {
                leno::spawn(|| {
                    let _guard = ParksForEver;
                    thread::park();
                });
            });
        },
    );
    ended.assert_aborted(&format!("leno: {TITLE}"));
    ended.assert_aborted("leno: this is while they are unwound");
}

#[test]
fn one_who_catches_the_unwinding_for_ever_aborts_with_a_message() {
    in_child("deadlock::one_who_catches_the_unwinding_for_ever_aborts_with_a_message", &[], || {
        leno::run(|| while panic::catch_unwind(thread::park).is_err() {})
    })
    .assert_aborted(
        "leno: a green thread that is being unwound has caught the unwinding and waited again \
         1000 times; a loop around catch_unwind must end when it catches a payload that it does \
         not know",
    );
}

#[test]
fn a_deadlock_in_a_destructor_that_panics_is_not_hushed_up() {
    struct ParksForEver;
    impl Drop for ParksForEver {
        fn drop(&mut self) {
            thread::park();
        }
    }
    let ended =
        in_child("deadlock::a_deadlock_in_a_destructor_that_panics_is_not_hushed_up", &[], || {
            leno::run(|| {
                let _guard = ParksForEver;
                panic!("and then the destructor parks");
            });
        });
    // Rust ends a process in which a destructor panics during a panic.
    ended.assert_aborted(&format!("leno: {TITLE}"));
}
