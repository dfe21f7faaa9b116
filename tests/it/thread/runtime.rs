//! The begin and the end of a runtime, runtimes inside and beside others, and their
//! capacity.

use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;

use leno::coroutine::{Coroutine, Generator, Resumed};
use leno::thread::{self, Builder};

use super::Log;
use crate::oracle_coroutine::scaled;
use crate::support::{Ledger, caught, in_child, panic_text, text_of};

#[test]
fn run_returns_the_value_and_may_be_repeated() {
    let borrowed = [1, 2, 3];
    for _ in 0..100 {
        assert_eq!(leno::run(|| borrowed.iter().sum::<i32>()), 6);
    }
}

#[test]
fn a_panic_in_the_main_green_thread_waits_for_the_others() {
    let done = Rc::new(Cell::new(false));
    let inner = done.clone();
    let payload = caught(|| {
        leno::run(|| {
            drop(leno::spawn(move || {
                (0..5).for_each(|_| leno::yield_now());
                inner.set(true);
            }));
            panic!("main has ended");
        })
    });
    assert_eq!((text_of(payload.unwrap_err()), done.get()), ("main has ended".to_owned(), true));
    assert_eq!(leno::run(|| leno::spawn(|| 1).join().unwrap()), 1);
}

#[test]
fn a_run_inside_a_run_panics() {
    leno::run(|| {
        let text = panic_text(|| leno::run(|| ()));
        assert!(text.starts_with("leno::run was called inside leno::run"), "{text}");
        assert!(text.contains("leno::spawn or leno::scope"), "{text}");
        let text = leno::spawn(|| panic_text(|| leno::run(|| ()))).join().unwrap();
        assert!(text.starts_with("leno::run was called inside leno::run"), "{text}");
        // The outer runtime goes on.
        assert_eq!(leno::spawn(|| 3).join().unwrap(), 3);
    });
}

#[test]
fn functions_outside_a_runtime_name_leno_run() {
    let calls: [(&str, fn()); 6] = [
        ("leno::spawn", || drop(leno::spawn(|| ()))),
        ("leno::spawn", || drop(thread::spawn(|| ()))),
        ("leno::yield_now", leno::yield_now),
        ("leno::thread::park", thread::park),
        ("leno::scope", || leno::scope(|_| ())),
        ("leno::thread::Builder::spawn", || drop(Builder::new().spawn(|| ()))),
    ];
    let check = || {
        for (name, call) in calls {
            let expected = format!("{name} needs a runtime: call it from inside leno::run");
            assert_eq!(panic_text(call), expected);
        }
    };
    check();
    leno::run(|| ());
    check();
    let _ = caught(|| leno::run(|| panic!("ended")));
    check();
}

#[test]
fn ids_are_unique_across_os_threads() {
    let ids: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    leno::run(|| {
                        let id = || {
                            leno::yield_now();
                            thread::current().id()
                        };
                        let handles: Vec<_> = (0..500).map(|_| leno::spawn(id)).collect();
                        let mut ids = vec![thread::current().id()];
                        ids.extend(handles.into_iter().map(|handle| handle.join().unwrap()));
                        ids
                    })
                })
            })
            .collect();
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4 * 501);
}

#[test]
fn a_runtime_may_suspend_the_coroutine_around_it() {
    let coroutine = Coroutine::new(|yielder, first: u32| {
        leno::run(|| {
            let handle = leno::spawn(move || {
                leno::yield_now();
                first + 1
            });
            let second = yielder.suspend(handle.join().unwrap());
            leno::spawn(move || second + 1).join().unwrap()
        })
    });
    assert_eq!(coroutine.resume(10), Resumed::Yield(11));
    assert_eq!(coroutine.resume(20), Resumed::Return(21));
    let ledger = Ledger::default();
    let value = ledger.value();
    let dropped = Coroutine::<(), (), ()>::new(move |yielder, ()| {
        leno::run(|| {
            let handle = leno::spawn(move || {
                let _value = value;
                leno::yield_now();
            });
            leno::yield_now();
            yielder.suspend(());
            handle.join().unwrap();
        });
    });
    dropped.resume(());
    drop(dropped);
    ledger.check();
    leno::run(|| ());
}

#[test]
fn a_coroutine_may_move_to_another_green_thread() {
    let log = Log::default();
    leno::run(|| {
        let numbers = |log: Log, name: &'static str| {
            Generator::new(move |yielder| {
                for step in 0..2 {
                    log.write(name);
                    leno::yield_now();
                    yielder.suspend(step);
                }
            })
        };
        let handles = ["a", "b"].map(|name| {
            let mut generator = numbers(log.clone(), name);
            leno::spawn(move || {
                assert_eq!(generator.next(), Some(0));
                generator
            })
        });
        let [first, second] = handles.map(|handle| handle.join().unwrap());
        // Each generator continues in another green thread than the one that began it.
        let next = leno::spawn(move || [first, second].map(|generator| generator.sum::<i32>()));
        assert_eq!(next.join().unwrap(), [1, 1]);
    });
    assert_eq!(log.take(), "abab");
}

#[test]
fn spawns_nest_thousands_deep() {
    fn nest(depth: u32) -> u32 {
        if depth == 0 { 0 } else { 1 + leno::spawn(move || nest(depth - 1)).join().unwrap() }
    }
    assert_eq!(leno::run(|| nest(2_000)), 2_000);
}

#[test]
fn a_hundred_thousand_green_threads_are_alive_at_once() {
    in_child("thread::runtime::a_hundred_thousand_green_threads_are_alive_at_once", &[], || {
        let wanted = scaled(100_000);
        let woken = Rc::new(Cell::new(0));
        let counted = woken.clone();
        let alive = leno::run(|| {
            let mut handles = Vec::new();
            for _ in 0..wanted {
                let woken = woken.clone();
                let body = move || {
                    thread::park();
                    woken.set(woken.get() + 1);
                };
                match Builder::new().spawn(body) {
                    Ok(handle) => handles.push(handle),
                    // The limit is reached where each guard page takes a map entry.
                    Err(error) => {
                        assert!(error.to_string().contains("vm.max_map_count"), "{error}");
                        break;
                    }
                }
            }
            leno::yield_now();
            assert!(handles.iter().all(|handle| !handle.is_finished()));
            handles.iter().for_each(|handle| handle.thread().unpark());
            handles.len() as u32
        });
        assert!(alive == counted.get() && alive >= wanted.min(20_000), "{alive}");
    })
    .assert_survived();
}
