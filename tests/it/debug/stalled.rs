//! The report on green threads that have waited for long.

use std::cell::RefCell;
use std::rc::Rc;

use leno::channel::bounded;
use leno::debug;
use leno::sync::Mutex;
use leno::thread::{self, Builder, JoinHandle};
use leno::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Returns the lines without the places at their ends.
fn lines(report: &str) -> Vec<&str> {
    let cut = |line: &'_ str| {
        let end = [" at ", " since "].into_iter().filter_map(|word| line.rfind(word)).max();
        end.map_or(line, |end| &line[..end]).trim_end().len()
    };
    report.lines().map(|line| &line[..cut(line)]).collect()
}

#[test]
fn long_waits_are_listed() {
    leno::Builder::new().virtual_time().run(|| {
        let (sender, receiver) = bounded::<u8>(0);
        receiver.set_name("orders");
        let old = Builder::new().name("old".to_owned()).spawn(move || receiver.recv()).unwrap();
        leno::sleep(5 * SECOND);
        let young = Builder::new().name("young".to_owned()).spawn(thread::park).unwrap();
        let _sleeps = leno::spawn(|| leno::sleep(100 * SECOND));
        leno::sleep(7 * SECOND);
        assert!(debug::stalled(12 * SECOND).is_none());

        let report = debug::stalled(7 * SECOND).unwrap().to_string();
        let expected = [
            "stalled: 1 of 4 green threads has waited for more than 7.0 s",
            "  'old' (#2)  has waited 12 s for a message from channel 'orders'",
            "              spawned",
        ];
        assert_eq!(lines(&report), expected);

        let report = debug::stalled(7 * SECOND - Duration::from_nanos(1)).unwrap().to_string();
        let expected = [
            "stalled: 2 of 4 green threads have waited for more than 6.9 s",
            "  'old' (#2)    has waited 12 s for a message from channel 'orders'",
            "                spawned",
            "  'young' (#3)  has waited 7.0 s for unpark",
            "                spawned",
        ];
        assert_eq!(lines(&report), expected);

        // A woken thread does not wait, though it has not run yet.
        young.thread().unpark();
        sender.try_send(1).unwrap();
        assert!(debug::stalled(Duration::ZERO).is_none());
        old.join().unwrap().unwrap();
    });
}

#[test]
fn a_partial_deadlock_is_reported_with_its_cycle() {
    leno::Builder::new().virtual_time().run(|| {
        let forks = Rc::new([Mutex::new(()), Mutex::new(())]);
        for (fork, name) in forks.iter().zip(["left", "right"]) {
            fork.set_name(name);
        }
        let philosophers = [("ann", 0), ("bob", 1)].map(|(name, first)| {
            let forks = forks.clone();
            let eats = move || {
                let _one = forks[first].lock().unwrap();
                leno::sleep(SECOND);
                let _other = forks[1 - first].lock().unwrap();
            };
            Builder::new().name(name.to_owned()).spawn(eats).unwrap()
        });
        leno::sleep(20 * SECOND);
        let report = debug::stalled(10 * SECOND).unwrap().to_string();
        let expected = [
            "stalled: 2 of 3 green threads have waited for more than 10 s",
            "  'ann' (#2)  has waited 19 s for mutex 'right'",
            "              held by 'bob' (#3)",
            "              spawned",
            "  'bob' (#3)  has waited 19 s for mutex 'left'",
            "              held by 'ann' (#2)",
            "              spawned",
            "  cycle: 'ann' (#2) -> mutex 'right' held by 'bob' (#3) -> mutex 'left' held by 'ann' \
             (#2)",
        ];
        assert_eq!(lines(&report), expected);
        philosophers.iter().for_each(JoinHandle::cancel);
        for philosopher in philosophers {
            assert!(philosopher.join().is_err());
        }
    });
}

#[test]
fn a_recent_cycle_is_left_out() {
    leno::Builder::new().virtual_time().run(|| {
        let _parked = Builder::new().name("parked".to_owned()).spawn(thread::park).unwrap();
        leno::sleep(5 * SECOND);
        let handles: Rc<RefCell<Vec<JoinHandle<()>>>> = Rc::default();
        let inner = handles.clone();
        let first = leno::spawn(move || {
            let second = inner.borrow_mut().pop().unwrap();
            let _ = second.join();
        });
        let canceller = first.thread().clone();
        handles.borrow_mut().push(leno::spawn(move || drop(first.join())));
        leno::sleep(SECOND);
        let report = debug::stalled(3 * SECOND).unwrap().to_string();
        assert!(report.contains("'parked'") && !report.contains("cycle"), "{report}");
        let report = debug::stalled(Duration::ZERO).unwrap().to_string();
        assert!(report.ends_with("\n  cycle: #3 -> #4 -> #3"), "{report}");
        let handle = leno::Handle::current();
        handle.cancel(canceller.id());
        handle.unpark(_parked.thread().id());
    });
}
