//! A runtime in which every green thread waits for other OS threads: the report if nothing of them is
//! left, and the one that a program asks for.

use std::pin::Pin;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use leno::time::Duration;
use leno::{Builder, Handle, block_on, thread};

use crate::support::{child, panic_text};

/// A future that never ends, and leaves wakers where others find them.
#[derive(Clone, Default)]
struct Never(Arc<Mutex<Vec<Waker>>>);

impl Never {
    fn take(&self) -> Option<Waker> {
        self.0.lock().unwrap().pop()
    }
}

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clones = [context.waker().clone(), context.waker().clone()];
        self.0.lock().unwrap().extend(clones);
        Poll::Pending
    }
}

/// Runs `f` on another OS thread. Returns the text of its panic, and fails if it does not end.
#[track_caller]
fn ends_with(f: impl FnOnce() + Send + 'static) -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(panic_text(f)));
    receiver.recv_timeout(Duration::from_secs(120)).expect("the runtime sleeps for ever")
}

/// Runs `f` on another OS thread when the runtime sleeps, which takes far less time.
fn later(f: impl FnOnce() + Send + 'static) {
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_millis(50));
        f();
    });
}

#[test]
fn wakers_dropped_while_the_runtime_sleeps_leave_a_deadlock() {
    let text = ends_with(|| {
        leno::run(|| {
            let never = Never::default();
            let other = never.clone();
            later(move || while other.take().is_some() {});
            block_on(never);
        });
    });
    assert!(text.contains("deadlock") && text.contains("waits for a future"), "{text}");
}

#[test]
fn a_wake_elsewhere_is_not_the_end_of_the_wakers() {
    let text = ends_with(|| {
        leno::run(|| {
            let never = Never::default();
            let other = never.clone();
            later(move || {
                // Polled again, the future makes two more.
                other.take().unwrap().wake();
                later(move || while other.take().is_some() {});
            });
            block_on(never);
        });
    });
    assert!(text.contains("deadlock"), "{text}");
}

/// A join handle has a waker of the same wait, which is inside.
#[test]
fn wakers_kept_inside_do_not_count() {
    let text = ends_with(|| {
        leno::run(|| {
            let never = Never::default();
            let other = never.clone();
            let parked = leno::spawn(thread::park);
            later(move || while other.take().is_some() {});
            block_on(async {
                let mut parked = Box::pin(parked.into_future());
                let mut never = Box::pin(never);
                std::future::poll_fn(|context| {
                    let _ = parked.as_mut().poll(context);
                    never.as_mut().poll(context)
                })
                .await;
            });
        });
    });
    assert!(text.contains("deadlock") && text.contains("waits for unpark"), "{text}");
}

#[test]
fn a_silence_is_reported_if_asked_for() {
    for virtual_time in [false, true] {
        let ended = child(|| {
            let mut builder = Builder::new().report_silence(Duration::ZERO);
            if virtual_time {
                builder = builder.virtual_time();
            }
            builder.run(|| {
                let (handle, me) = (Handle::current(), thread::current().id());
                let never = Never::default();
                let wakers = never.clone();
                let waiter = leno::spawn(|| block_on(never));
                for _ in 0..2 {
                    let other = handle.clone();
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_secs(1));
                        other.unpark(me);
                    });
                    thread::park();
                }
                waiter.cancel();
                drop((waiter.join(), wakers));
            });
        });
        let text = ended.assert_survived().stderr();
        let reports = text.matches("leno: silence: no green thread could run for 0 s");
        assert_eq!(reports.count(), 2, "{text}");
        let made_at = format!("made at {}:", file!());
        for part in [
            "main  waits for unpark",
            "#2    waits for a future",
            "#2  2 wakers exist",
            "1 handle of the runtime exists",
            &made_at,
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}

#[test]
fn a_run_without_silence_reports_none() {
    let ended = child(|| {
        Builder::new().report_silence(Duration::from_secs(3_600)).run(|| {
            let (handle, me) = (Handle::current(), thread::current().id());
            later(move || handle.unpark(me));
            thread::park();
            leno::sleep(Duration::from_millis(1));
        });
        // A silence with a deadline is none.
        Builder::new().report_silence(Duration::ZERO).run(|| {
            let _handle = Handle::current();
            thread::park_timeout(Duration::from_millis(1));
        });
    });
    let text = ended.assert_survived().stderr();
    assert!(!text.contains("silence"), "{text}");
}

/// Returns the report in the text.
#[track_caller]
fn report(text: &str) -> &str {
    let (_, rest) = text.split_once("leno: silence: no green thread could run for ").expect(text);
    assert!(!rest.contains("leno: silence"), "{text}");
    rest
}

#[test]
fn a_silence_in_a_hosts_loop_is_reported_once() {
    let ended = child(|| {
        let runtime = Builder::new().report_silence(Duration::ZERO).build();
        assert!(!runtime.run_until_stalled(), "without green threads there is no silence");
        assert_eq!(runtime.next_deadline(), None);
        let name = |name: &str| thread::Builder::new().name(name.to_owned());
        let _handle = runtime.handle();
        let never = Never::default();
        let _wakers = never.clone();
        let waiter = name("waiter").spawn_on(&runtime, || block_on(never)).unwrap();
        for _ in 0..3 {
            assert!(runtime.run_until_stalled());
            assert_eq!(runtime.next_deadline(), None);
        }
        drop(waiter);
    });
    let text = ended.assert_survived().stderr();
    let made_at = format!("made at {}:", file!());
    for part in [
        "0 s, and only the host or another OS thread can wake one\n  'waiter' (#2)  waits for a future",
        "no deadlock, since something outside may still come:\n  #2  2 wakers exist",
        "1 handle of the runtime exists",
        &made_at,
    ] {
        assert!(report(&text).contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("main"), "the host does not wait\n{text}");
}

#[test]
fn a_host_that_alone_can_wake_a_thread_is_told_so() {
    let ended = child(|| {
        let runtime = Builder::new().report_silence(Duration::ZERO).build();
        drop(thread::Builder::new().spawn_on(&runtime, thread::park));
        runtime.run_until_stalled();
    });
    let text = ended.assert_survived().stderr();
    assert!(
        report(&text).starts_with("0 s, and only the host can wake one\n  #2  waits for unpark")
    );
    assert!(report(&text).contains("\nno deadlock, since the host may still wake one\n"), "{text}");
}

#[test]
fn a_host_sleeps_until_a_silence_is_to_be_reported() {
    let ended = child(|| {
        let hour = Duration::from_secs(3_600);
        let builder = Builder::new().report_silence(hour);
        let runtime = builder.virtual_time().build();
        let parked = thread::Builder::new().spawn_on(&runtime, thread::park).unwrap();
        runtime.run_until_stalled();
        let first = runtime.next_deadline().unwrap();
        assert!(first <= hour && first > hour / 2, "{first:?}");
        // What the host does in between is no work of a green thread.
        std::thread::sleep(Duration::from_millis(2));
        runtime.run_until_stalled();
        let second = runtime.next_deadline().unwrap();
        assert!(second <= first - Duration::from_millis(2), "{second:?}");
        // This is.
        let other = thread::Builder::new().spawn_on(&runtime, || ()).unwrap();
        runtime.run_until_stalled();
        assert!(other.is_finished() && runtime.next_deadline().unwrap() > second);
        // A deadline comes first.
        drop(thread::Builder::new().spawn_on(&runtime, || leno::sleep(Duration::from_secs(1))));
        runtime.run_until_stalled();
        assert_eq!(runtime.next_deadline(), Some(Duration::ZERO));
        runtime.run_until_stalled();
        parked.thread().unpark();
        assert!(!runtime.run_until_stalled());
        assert_eq!(runtime.next_deadline(), None);
    });
    let text = ended.assert_survived().stderr();
    assert!(!text.contains("silence"), "{text}");
}
