//! Green threads: results, handles, panics, scopes and parking as std documents them
//! for threads; the order of turns and the limits of a runtime as leno defines them.

mod outside;
mod runtime;
mod scope;
mod slice;

use std::cell::{Cell, RefCell};
use std::panic;
use std::rc::Rc;

use leno::thread::{self, Builder, JoinHandle, ThreadId};

use crate::support::{Ledger, OnDrop, caught, hook_runs, panic_text, text_of};

/// A text that several green threads write.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<String>>);

impl Log {
    fn write(&self, text: &str) {
        self.0.borrow_mut().push_str(text);
    }

    fn take(&self) -> String {
        self.0.take()
    }
}

#[test]
fn two_green_threads_alternate_at_their_yields() {
    let log = Log::default();
    let spawn = |steps: [&'static str; 2]| {
        let log = log.clone();
        leno::spawn(move || {
            log.write(steps[0]);
            leno::yield_now();
            log.write(steps[1]);
        })
    };
    leno::run(|| {
        let handles = [spawn(["12", "3"]), spawn(["xy", "z"])];
        handles.into_iter().for_each(|handle| handle.join().unwrap());
    });
    assert_eq!(log.take(), "12xy3z");
}

#[test]
fn the_run_queue_is_first_in_first_out() {
    let log = Log::default();
    let (outer, inner) = (log.clone(), log.clone());
    leno::run(|| {
        leno::spawn(move || {
            outer.write("a");
            // The child goes to the back of the run queue, behind `b`.
            let nested = outer.clone();
            leno::spawn(move || nested.write("c"));
            outer.write("A");
            leno::yield_now();
            outer.write("d");
        });
        leno::spawn(move || inner.write("b"));
        log.write("m");
        leno::yield_now();
        log.write("M");
        leno::yield_now();
        log.write("n");
    });
    assert_eq!(log.take(), "maAbMcdn");
}

#[test]
fn a_woken_green_thread_goes_to_the_back() {
    let log = Log::default();
    leno::run(|| {
        let (first, second) = (log.clone(), log.clone());
        let parked = leno::spawn(move || {
            first.write("p");
            thread::park();
            first.write("P");
        });
        leno::yield_now();
        leno::spawn(move || second.write("s"));
        parked.thread().unpark();
        log.write("m");
        parked.join().unwrap();
        log.write("j");
    });
    assert_eq!(log.take(), "pmsPj");
}

#[test]
fn joining_a_finished_green_thread_does_not_switch() {
    let log = Log::default();
    leno::run(|| {
        let finished = leno::spawn(|| 1);
        leno::yield_now();
        assert!(finished.is_finished());
        let other = log.clone();
        leno::spawn(move || other.write("other"));
        assert_eq!(finished.join().unwrap(), 1);
        log.write("joined ");
    });
    assert_eq!(log.take(), "joined other");
}

#[test]
fn join_returns_the_value_or_the_panic_payload() {
    leno::run(|| {
        assert_eq!(leno::spawn(|| "value".to_owned()).join().unwrap(), "value");
        let payload = caught(|| leno::spawn(|| panic!("number {}", 7)).join()).unwrap();
        assert_eq!(text_of(payload.unwrap_err()), "number 7");
        let payload = leno::spawn(|| panic::resume_unwind(Box::new(12u8))).join().unwrap_err();
        assert_eq!(*payload.downcast::<u8>().unwrap(), 12);
    });
}

#[test]
fn a_panic_in_a_green_thread_runs_the_hook_once() {
    let runs = hook_runs(|| {
        leno::run(|| {
            let bad = leno::spawn(|| caught(|| panic!("told")).unwrap_err());
            let good = leno::spawn(|| {
                leno::yield_now();
                "fine"
            });
            assert_eq!(text_of(bad.join().unwrap()), "told");
            assert_eq!(good.join().unwrap(), "fine");
        });
    });
    assert_eq!(runs, 1);
}

#[test]
fn run_waits_for_detached_green_threads() {
    let done = Rc::new(Cell::new(0));
    let counted = done.clone();
    let value = leno::run(|| {
        for _ in 0..10 {
            let done = done.clone();
            drop(leno::spawn(move || {
                for _ in 0..5 {
                    leno::yield_now();
                }
                done.set(done.get() + 1);
            }));
        }
        "returned"
    });
    assert_eq!((value, counted.get()), ("returned", 10));
}

#[test]
fn is_finished_is_true_after_the_end() {
    leno::run(|| {
        let handle = leno::spawn(leno::yield_now);
        assert!(!handle.is_finished());
        leno::yield_now();
        assert!(!handle.is_finished());
        leno::yield_now();
        assert!(handle.is_finished());
        handle.join().unwrap();
    });
}

#[test]
fn green_threads_have_names_ids_and_handles() {
    let (first, second) = leno::run(|| {
        let main = thread::current();
        assert_eq!(main.name(), Some("main"));
        assert_eq!((format!("{:?}", main.id()), main.id().to_string()), (id_debug(1), "#1".into()));
        let handle = Builder::new().name("worker".to_owned()).spawn(thread::current).unwrap();
        let of_handle = handle.thread().clone();
        let own = handle.join().unwrap();
        assert_eq!((own.name(), own.id()), (Some("worker"), of_handle.id()));
        let nameless = leno::spawn(|| thread::current().name().map(str::to_owned));
        assert_eq!(format!("{:?}", nameless.thread().id()), id_debug(3));
        assert_eq!(nameless.join().unwrap(), None);
        (main.id(), own.id())
    });
    let again = leno::run(|| thread::current().id());
    assert!(first < second && first != again && second != again);
}

fn id_debug(number: u32) -> String {
    format!("ThreadId({number})")
}

#[test]
fn an_id_outlives_its_runtime() {
    #[inline(never)]
    fn spawn_two() -> (ThreadId, [JoinHandle<()>; 2]) {
        leno::run(|| (thread::current().id(), [leno::spawn(|| ()), leno::spawn(|| ())]))
    }
    #[inline(never)]
    fn overwrite_where_the_runtime_was() {
        std::hint::black_box([0xa5u8; 16 << 10]);
    }
    let (main, handles) = spawn_two();
    overwrite_where_the_runtime_was();
    let ids = handles.each_ref().map(|handle| handle.thread().id());
    let later = leno::run(|| thread::current().id());
    assert!(main < ids[0] && ids[0] < ids[1] && ids[1] < later);
}

#[test]
fn a_builder_sets_the_stack_size() {
    fn dive(depth: u32) -> u32 {
        let frame = std::hint::black_box([depth; 64]);
        if depth == 0 { 0 } else { dive(depth - 1) + frame[0] - frame[63] + 1 }
    }
    leno::run(|| {
        let handle = Builder::new().stack_size(32 << 20).spawn(|| dive(20_000)).unwrap();
        assert_eq!(handle.join().unwrap(), 20_000);
        let error = Builder::new().stack_size(usize::MAX).spawn(|| ()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    });
}

#[test]
fn a_closure_too_large_for_its_stack_is_refused() {
    let load = [7u8; 200 << 10];
    let text = leno::run(|| panic_text(|| leno::spawn(move || load[0])));
    assert!(text.contains("leno::thread::Builder::stack_size"), "{text}");
    let roomy = Builder::new().stack_size(1 << 20);
    assert_eq!(leno::run(|| roomy.spawn(move || load[9]).unwrap().join().unwrap()), 7);
}

#[test]
fn large_and_over_aligned_closures_and_results_arrive_whole() {
    #[derive(Clone, Debug, PartialEq)]
    #[repr(align(1024))]
    struct Bulky([u64; 1000]);
    leno::run(|| {
        for number in 0..50 {
            let sent = Bulky([number; 1000]);
            let expected = Bulky([number + 1; 1000]);
            let handle = leno::spawn(move || {
                assert!((&raw const sent).addr().is_multiple_of(1024));
                leno::yield_now();
                let mut answer = sent;
                answer.0.iter_mut().for_each(|word| *word += 1);
                answer
            });
            assert_eq!(handle.join().unwrap(), expected);
        }
        #[derive(Debug, PartialEq)]
        #[repr(align(64))]
        struct Nothing;
        assert_eq!(leno::spawn(|| Nothing).join().unwrap(), Nothing);
    });
}

/// The time and the way in which the handle is consumed.
#[derive(Clone, Copy, Debug)]
enum Handle {
    Joined,
    DroppedBefore,
    DroppedWhile,
    DroppedAfter,
    JoinedAfterRun,
    DroppedAfterRun,
}

#[test]
fn closures_and_results_are_dropped_exactly_once() {
    use Handle::*;
    for fate in [Joined, DroppedBefore, DroppedWhile, DroppedAfter, JoinedAfterRun, DroppedAfterRun]
    {
        for panics in [false, true] {
            let ledger = Ledger::default();
            let captured = ledger.value();
            let made = ledger.clone();
            let left: Option<JoinHandle<_>> = leno::run(|| {
                let handle = leno::spawn(move || {
                    let _captured = captured;
                    leno::yield_now();
                    let result = made.value();
                    if panics {
                        let _result = result;
                        panic::resume_unwind(Box::new("ended"));
                    }
                    result
                });
                let turns = match fate {
                    DroppedWhile => 1,
                    DroppedAfter => 3,
                    _ => 0,
                };
                (0..turns).for_each(|_| leno::yield_now());
                match fate {
                    Joined => assert_eq!(handle.join().is_err(), panics),
                    DroppedBefore | DroppedWhile | DroppedAfter => drop(handle),
                    JoinedAfterRun | DroppedAfterRun => return Some(handle),
                }
                None
            });
            if let Some(handle) = left {
                assert!(handle.is_finished());
                assert_eq!(ledger.alive(), usize::from(!panics));
                match fate {
                    JoinedAfterRun => assert_eq!(handle.join().is_err(), panics),
                    _ => drop(handle),
                }
            }
            assert_eq!(ledger.made(), 2, "{fate:?} {panics}");
            ledger.check();
        }
    }
}

#[test]
fn a_join_handle_may_move_to_another_green_thread() {
    leno::run(|| {
        let value = leno::spawn(|| {
            leno::yield_now();
            5
        });
        let squared = leno::spawn(move || value.join().unwrap() * 5);
        let text = leno::spawn(move || squared.join().unwrap().to_string());
        assert_eq!(text.join().unwrap(), "25");
    });
}

#[test]
fn unpark_before_park_is_remembered_once() {
    let log = Log::default();
    leno::run(|| {
        let inner = log.clone();
        let handle = leno::spawn(move || {
            thread::park();
            inner.write("first ");
            thread::park();
            inner.write("second ");
        });
        handle.thread().unpark();
        handle.thread().unpark();
        leno::yield_now();
        log.write("main ");
        assert!(!handle.is_finished());
        handle.thread().unpark();
        handle.join().unwrap();
    });
    assert_eq!(log.take(), "first main second ");
}

#[test]
fn unpark_does_not_end_a_join_or_a_yield() {
    let log = Log::default();
    leno::run(|| {
        let inner = log.clone();
        let slow = leno::spawn(|| (0..3).for_each(|_| leno::yield_now()));
        let joiner = leno::spawn(move || {
            slow.join().unwrap();
            inner.write("joined ");
            thread::park();
            inner.write("parked");
        });
        leno::yield_now();
        joiner.thread().unpark();
        leno::yield_now();
        assert_eq!(*log.0.borrow(), "");
        joiner.join().unwrap();
    });
    assert_eq!(log.take(), "joined parked");
}

#[test]
fn a_thread_handle_outlives_its_green_thread_and_its_runtime() {
    let (finished, main, joined) = leno::run(|| {
        let handle = Builder::new().name("gone".to_owned()).spawn(|| ()).unwrap();
        let thread = handle.thread().clone();
        handle.join().unwrap();
        thread.unpark();
        let unjoined = leno::spawn(|| ());
        (thread, thread::current(), unjoined)
    });
    finished.unpark();
    main.unpark();
    joined.thread().unpark();
    assert_eq!((finished.name(), main.name()), (Some("gone"), Some("main")));
    leno::run(|| {
        // Handles of the first runtime have no effect in the second.
        finished.unpark();
        main.unpark();
        joined.thread().unpark();
        let me = thread::current();
        leno::spawn(move || me.unpark());
        thread::park();
    });
    joined.join().unwrap();
}

#[test]
fn destructors_may_spawn_yield_and_join() {
    let log = Log::default();
    leno::run(|| {
        let inner = log.clone();
        let handle = leno::spawn(move || {
            let _guard = OnDrop(|| {
                let spawned = inner.clone();
                inner.write("drop ");
                let child = leno::spawn(move || spawned.write("child "));
                leno::yield_now();
                child.join().unwrap();
                inner.write("dropped ");
            });
            panic::resume_unwind(Box::new(()));
        });
        assert!(handle.join().is_err());
        log.write("joined");
    });
    assert_eq!(log.take(), "drop child dropped joined");
}

#[test]
fn an_untaken_result_may_yield_in_its_destructor() {
    let log = Log::default();
    leno::run(|| {
        let (inner, other) = (log.clone(), log.clone());
        drop(leno::spawn(move || {
            OnDrop(move || {
                inner.write("1");
                leno::yield_now();
                inner.write("3");
            })
        }));
        leno::spawn(move || other.write("2"));
    });
    assert_eq!(log.take(), "123");
}

/// Programs for std threads ask for this figure to size their pools.
#[test]
fn available_parallelism_is_one() {
    assert_eq!(thread::available_parallelism().unwrap().get(), 1);
}
