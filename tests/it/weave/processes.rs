//! Texts on standard error, aborts, and panic hooks of explorations, in child
//! processes.

use std::panic;

use leno::weave::{Explorer, explore};

use super::{losing_fails, lost_update};
use crate::support::{OnDrop, child};

#[test]
fn a_panic_in_a_destructor_is_a_failure() {
    let report = explore(|| drop(OnDrop(|| panic!("in a destructor"))));
    assert_eq!(report.failure().unwrap().message(), "in a destructor");
    let report = explore(|| leno::spawn(|| drop(OnDrop(|| panic!("in another")))).join().is_err());
    assert_eq!(report.failure().unwrap().message(), "in another");
}

#[test]
fn a_panic_during_a_panic_aborts_with_the_schedule() {
    let ended = child(|| {
        explore(|| {
            leno::spawn(leno::yield_now);
            leno::spawn(leno::yield_now);
            leno::yield_now();
            let _panics = OnDrop(|| panic!("the second"));
            panic!("the first");
        });
    });
    ended.assert_aborted("leno: to see it again: leno::weave::replay(\"A1 B1 main1\", program)");
    let stderr = ended.stderr();
    let line = "leno: the program that is explored ends the process by a panic in a destructor \
                during cleanup: the second, at tests/it/weave/processes.rs:";
    assert!(stderr.lines().any(|other| other.starts_with(line)), "{stderr}");
}

#[test]
fn a_panic_while_an_execution_is_abandoned_aborts() {
    let ended = child(|| {
        explore(|| {
            let _panics = OnDrop(|| panic!("while all are unwound"));
            leno::thread::park();
        });
    });
    ended.assert_aborted("leno: to see it again: leno::weave::replay(\"\", program)");
    assert!(ended.stderr().contains(": while all are unwound, at "), "{}", ended.stderr());
}

#[test]
fn panics_of_the_program_are_not_printed() {
    let ended = child(|| {
        assert_eq!(explore(losing_fails).failure().unwrap().count(), 4);
        explore(|| panic::catch_unwind(|| panic!("caught")).is_err());
    });
    assert_eq!(ended.assert_survived().stderr(), "the child has reached its end\n");
}

#[test]
fn panics_of_other_os_threads_are_printed() {
    let ended = child(|| {
        explore(|| std::thread::spawn(|| panic!("elsewhere")).join().is_err());
    });
    let stderr = ended.assert_survived().stderr();
    assert!(stderr.contains("elsewhere"), "{stderr}");
}

#[test]
fn an_earlier_hook_is_called_for_other_panics() {
    let ended = child(|| {
        panic::set_hook(Box::new(|info| {
            eprintln!("hook: {}", info.payload().downcast_ref::<&str>().unwrap())
        }));
        assert!(panic::catch_unwind(|| panic!("before")).is_err());
        assert_eq!(explore(losing_fails).failure().unwrap().count(), 4);
        assert!(panic::catch_unwind(|| panic!("after")).is_err());
        let report = Explorer::new().workers(2).explore(losing_fails);
        assert_eq!(report.failure().unwrap().count(), 4);
    });
    let expected = "hook: before\nhook: after\nthe child has reached its end\n";
    assert_eq!(ended.assert_survived().stderr(), expected);
}

#[test]
fn a_later_hook_is_called_and_hides_the_place() {
    let ended = child(|| {
        explore(|| 1);
        panic::set_hook(Box::new(|_| eprintln!("hook")));
        let report = explore(losing_fails);
        let failure = report.failure().unwrap();
        assert_eq!(failure.count(), 4);
        assert!(failure.message().contains("an update was lost"));
        assert!(failure.to_string().starts_with("main: panic: assertion"), "{failure}");
        // A hook that calls the previous hook hides nothing.
        let _ = panic::take_hook();
        explore(|| 1);
    });
    let expected = "hook\n".repeat(4) + "the child has reached its end\n";
    assert_eq!(ended.assert_survived().stderr(), expected);
}

#[test]
fn a_destructor_may_explore_during_a_panic() {
    let ended = child(|| {
        let explores = || {
            let _explores = OnDrop(|| assert_eq!(explore(lost_update).executions(), 6));
            panic!("on purpose");
        };
        assert!(panic::catch_unwind(explores).is_err());
    });
    ended.assert_survived();
}

#[cfg(feature = "debug")]
#[test]
fn a_watchdog_names_a_thread_that_never_switches() {
    use std::time::Duration;

    let ended = child(|| {
        let report = Explorer::new().max_executions(1).explore(|| {
            let watchdog = leno::debug::watch_hogs(Duration::from_millis(20)).unwrap();
            let hog = leno::thread::Builder::new().name("hog".to_owned());
            let hog = hog.spawn(|| std::thread::sleep(Duration::from_secs(1))).unwrap();
            hog.join().unwrap();
            drop(watchdog);
        });
        assert_eq!(report.executions(), 1);
    });
    let stderr = ended.assert_survived().stderr();
    assert!(stderr.contains("'hog' (#2)"), "{stderr}");
}
