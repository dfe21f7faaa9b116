//! Overflows of a green thread's stack, or of a coroutine's stack in a green thread.

use std::cell::Cell;

use leno::coroutine::Coroutine;
use leno::stack::Pool;
use leno::thread::{self, Builder};

use crate::harness::{BODY, DEFAULT, INNER, Owner, child, overflows};
use crate::recursion::{DeepDrop, deep, deep_and_large, large_frame, overflow, quiet_panics};

type Plain = Coroutine<(), (), ()>;

/// The first spawned green thread; the main one is number 1.
const SECOND: Owner = Owner::Thread { title: "#2", body: INNER };

fn named(title: &'static str) -> Owner {
    Owner::Thread { title, body: INNER }
}

#[test]
fn an_unnamed_green_thread_has_its_number() {
    overflows(SECOND, DEFAULT, || leno::run(|| drop(leno::spawn(|| deep(0)))));
}

#[test]
fn a_named_green_thread_has_its_name() {
    overflows(named("'parser'"), DEFAULT, || {
        leno::run(|| drop(Builder::new().name("parser".to_owned()).spawn(|| deep(0))));
    });
}

#[test]
fn a_name_is_printed_whatever_it_contains() {
    overflows(named("'naïve `线程`\t🧵 {}%s'"), DEFAULT, || {
        leno::run(|| {
            drop(Builder::new().name("naïve `线程`\t🧵 {}%s".to_owned()).spawn(|| deep(0)))
        });
    });
}

#[test]
fn an_empty_name_is_a_name() {
    overflows(named("''"), DEFAULT, || {
        leno::run(|| drop(Builder::new().name("".to_owned()).spawn(|| deep(0))));
    });
}

#[test]
fn a_very_long_name_is_printed_in_full() {
    const LETTERS: usize = 200_000;
    let title = format!("'{}'", "long ".repeat(LETTERS / 5)).leak();
    overflows(named(title), DEFAULT, || {
        let name = "long ".repeat(LETTERS / 5);
        leno::run(|| drop(Builder::new().name(name.to_owned()).spawn(|| deep(0))));
    });
}

#[test]
fn asking_for_its_handle_does_not_name_it() {
    overflows(SECOND, DEFAULT, || {
        leno::run(|| {
            let handle = leno::spawn(|| {
                drop(thread::current());
                deep(0)
            });
            drop(handle.thread().clone());
        });
    });
}

#[test]
fn the_first_frame_of_a_green_thread() {
    overflows(SECOND, DEFAULT, || {
        leno::run(|| drop(leno::spawn(|| large_frame::<{ 1 << 20 }>())));
    });
}

#[test]
fn frames_larger_than_the_guard_in_a_green_thread() {
    overflows(SECOND, DEFAULT, || {
        leno::run(|| drop(leno::spawn(|| deep_and_large::<100_000>(0))));
    });
}

#[test]
fn a_stack_of_another_size() {
    overflows(named("'small'"), 64 << 10, || {
        leno::run(|| {
            let small = Builder::new().name("small".to_owned()).stack_size(64 << 10);
            drop(small.spawn(|| deep(0)));
        });
    });
}

#[test]
fn a_scoped_green_thread() {
    let owner =
        Owner::Thread { title: "#2", body: "{here}::{{closure}}::{{closure}}::{{closure}}" };
    overflows(owner, DEFAULT, || {
        leno::run(|| {
            let total = Cell::new(0);
            leno::scope(|scope| drop(scope.spawn(|| total.set(deep(0)))));
        });
    });
}

#[test]
fn a_named_scoped_green_thread() {
    let owner =
        Owner::Thread { title: "'scoped'", body: "{here}::{{closure}}::{{closure}}::{{closure}}" };
    overflows(owner, DEFAULT, || {
        leno::run(|| {
            let total = Cell::new(0);
            leno::scope(|scope| {
                drop(
                    Builder::new()
                        .name("scoped".to_owned())
                        .spawn_scoped(scope, || total.set(deep(0))),
                );
            });
        });
    });
}

#[test]
fn the_running_one_of_many_green_threads_is_named() {
    overflows(Owner::Thread { title: "#501", body: INNER }, DEFAULT, || {
        leno::run(|| {
            for number in 2..=1_000 {
                drop(leno::spawn(move || {
                    thread::yield_now();
                    thread::yield_now();
                    if number == 501 {
                        overflow();
                    }
                }));
            }
        });
    });
}

#[test]
fn after_a_park() {
    overflows(SECOND, DEFAULT, || {
        leno::run(|| {
            let parked = leno::spawn(|| {
                thread::park();
                deep(0)
            });
            thread::yield_now();
            parked.thread().unpark();
        });
    });
}

#[test]
fn in_a_destructor_of_a_green_thread_that_panics() {
    overflows(SECOND, DEFAULT, || {
        quiet_panics();
        leno::run(|| {
            drop(leno::spawn(|| {
                let _deep = DeepDrop;
                panic!("unwinds through the destructor");
            }));
        });
    });
}

#[test]
fn in_a_destructor_that_a_deadlock_runs() {
    overflows(SECOND, DEFAULT, || {
        leno::run(|| {
            drop(leno::spawn(|| {
                let _deep = DeepDrop;
                thread::park();
            }));
        });
    });
}

#[test]
fn in_the_destructor_of_an_untaken_result() {
    overflows(SECOND, DEFAULT, || leno::run(|| drop(leno::spawn(|| DeepDrop))));
}

#[test]
fn an_unnamed_green_thread_on_a_reused_stack() {
    overflows(Owner::Thread { title: "#3", body: INNER }, DEFAULT, || {
        leno::run(|| {
            let before =
                Builder::new().name("gone".to_owned()).spawn(|| ()).expect("there is room");
            before.join().expect("the green thread returns");
            let free = Pool::free();
            drop(leno::spawn(|| deep(0)));
            assert_eq!(Pool::free() + 1, free, "the stack comes from the pool");
        });
    });
}

#[test]
fn a_coroutine_in_a_green_thread() {
    let owner = Owner::Coroutine { body: "{here}::{{closure}}::{{closure}}::{{closure}}" };
    overflows(owner, DEFAULT, || {
        leno::run(|| {
            let named = Builder::new().name("outside".to_owned());
            drop(named.spawn(|| Plain::new(|_, ()| overflow()).resume(())));
        });
    });
}

#[test]
fn a_green_thread_after_a_coroutine_in_it() {
    overflows(SECOND, DEFAULT, || {
        leno::run(|| {
            drop(leno::spawn(|| {
                let inside = Plain::new(|yielder, ()| yielder.suspend(()));
                inside.resume(());
                deep(0)
            }));
        });
    });
}

#[test]
fn a_coroutine_after_a_switch_of_its_green_thread() {
    let owner = Owner::Coroutine { body: "{here}::{{closure}}::{{closure}}::{{closure}}" };
    overflows(owner, DEFAULT, || {
        leno::run(|| {
            drop(leno::spawn(|| {
                let inside = Plain::new(|_, ()| {
                    thread::yield_now();
                    overflow();
                });
                inside.resume(());
            }));
            drop(leno::spawn(thread::yield_now));
        });
    });
}

#[test]
fn a_coroutine_begun_by_another_green_thread() {
    let owner = Owner::Coroutine { body: INNER };
    overflows(owner, DEFAULT, || {
        leno::run(|| {
            let travels = Plain::new(|yielder, ()| {
                yielder.suspend(());
                overflow();
            });
            travels.resume(());
            drop(leno::spawn(move || travels.resume(())));
        });
    });
}

#[test]
fn a_runtime_in_a_coroutine() {
    let owner =
        Owner::Thread { title: "#2", body: "{here}::{{closure}}::{{closure}}::{{closure}}" };
    overflows(owner, DEFAULT, || {
        let outside = Plain::new(|_, ()| leno::run(|| drop(leno::spawn(|| deep(0)))));
        outside.resume(());
    });
}

#[test]
fn the_main_green_thread_of_a_runtime_in_a_coroutine() {
    // The main green thread runs on the coroutine's stack.
    overflows(Owner::Coroutine { body: BODY }, DEFAULT, || {
        Plain::new(|_, ()| leno::run(overflow)).resume(());
    });
}

#[test]
fn the_main_green_thread_is_reported_by_leno_and_std() {
    let outcome = child(|| {
        leno::run(|| {
            leno::spawn(thread::yield_now).join().expect("the green thread returns");
            overflow();
        });
    });
    outcome.is_main_overflow("overflow_thread::the_main_green_thread_is_reported_by_leno_and_std");
}

#[test]
fn a_main_green_thread_that_spawned_no_other() {
    let outcome = child(|| leno::run(overflow));
    outcome.is_main_overflow("overflow_thread::a_main_green_thread_that_spawned_no_other");
}

#[test]
fn frames_larger_than_the_guard_in_the_main_green_thread() {
    let outcome = child(|| {
        let other = std::thread::Builder::new().name("host".into());
        let other = other.spawn(|| leno::run(|| deep_and_large::<100_000>(0)));
        drop(other.expect("the OS thread starts").join());
    });
    outcome.is_main_overflow("host");
}

#[test]
fn the_main_green_thread_of_a_second_runtime() {
    let outcome = child(|| {
        leno::run(thread::yield_now);
        leno::Runtime::new().run(|| {
            drop(leno::spawn(thread::yield_now));
            thread::yield_now();
            overflow();
        });
    });
    outcome.is_main_overflow("overflow_thread::the_main_green_thread_of_a_second_runtime");
}
