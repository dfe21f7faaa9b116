//! Futures awaited by green threads.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread as os;

use leno::coroutine::Coroutine;
use leno::thread::{self, Cancelled, JoinHandle};
use leno::time::{Duration, Elapsed, timeout};
use leno::{Builder, block_on};

use crate::support::{Ledger, panic_text};

/// A future that is ready once it is open. It counts its polls and keeps the waker of
/// the last one.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<GateState>>);

#[derive(Default)]
struct GateState {
    open: bool,
    polls: usize,
    waker: Option<Waker>,
}

impl Gate {
    fn open(&self) {
        self.0.lock().unwrap().open = true;
    }

    fn wake(&self) {
        let waker = self.0.lock().unwrap().waker.take();
        waker.expect("the gate has been polled").wake();
    }

    fn is_waited_for(&self) -> bool {
        self.0.lock().unwrap().waker.is_some()
    }

    fn polls(&self) -> usize {
        self.0.lock().unwrap().polls
    }
}

impl Future for Gate {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        let mut state = self.0.lock().unwrap();
        state.polls += 1;
        state.waker = Some(context.waker().clone());
        if state.open { Poll::Ready(state.polls) } else { Poll::Pending }
    }
}

/// Returns a gate and a green thread that waits for it.
fn waiter() -> (Gate, JoinHandle<usize>) {
    let gate = Gate::default();
    let waits_for = gate.clone();
    let waiter = leno::spawn(move || block_on(waits_for));
    leno::yield_now();
    (gate, waiter)
}

/// Returns `Pending` once, and wakes the waker before that poll returns.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn a_ready_future_returns_without_a_switch() {
    leno::run(|| {
        let others = Rc::new(Cell::new(0));
        let other = {
            let others = others.clone();
            leno::spawn(move || others.set(1))
        };
        assert_eq!(block_on(ready("done")), "done");
        assert_eq!(block_on(async { 1 + 1 }), 2);
        assert_eq!(others.get(), 0);
        other.join().unwrap();
    });
}

#[test]
fn a_wake_during_the_poll_yields() {
    leno::run(|| {
        let log = Rc::new(RefCell::new(String::new()));
        let other = {
            let log = log.clone();
            leno::spawn(move || {
                for letter in ["x", "y"] {
                    log.borrow_mut().push_str(letter);
                    leno::yield_now();
                }
            })
        };
        block_on(async {
            for number in ["1", "2"] {
                log.borrow_mut().push_str(number);
                yield_once().await;
            }
        });
        assert_eq!(*log.borrow(), "1x2y");
        other.join().unwrap();
    });
}

#[test]
fn a_wake_by_the_polling_green_thread_counts() {
    leno::run(|| {
        let gate = Gate::default();
        let opens_itself = poll_fn(|context| {
            let polled = Pin::new(&mut gate.clone()).poll(context);
            if polled.is_pending() {
                gate.open();
                gate.wake();
            }
            polled
        });
        assert_eq!(block_on(opens_itself), 2);
    });
}

#[test]
fn another_green_thread_may_wake_a_future() {
    leno::run(|| {
        let (gate, waiter) = waiter();
        gate.open();
        leno::yield_now();
        assert!(!waiter.is_finished());
        gate.wake();
        assert_eq!(waiter.join().unwrap(), 2);
    });
}

#[test]
fn another_os_thread_may_wake_a_future() {
    for _ in 0..300 {
        leno::run(|| {
            let gate = Gate::default();
            let opener = {
                let gate = gate.clone();
                os::spawn(move || {
                    while !gate.is_waited_for() {
                        os::yield_now();
                    }
                    gate.open();
                    gate.wake();
                })
            };
            assert!(block_on(gate) >= 2);
            opener.join().unwrap();
        });
    }
}

#[test]
fn each_wake_causes_one_poll() {
    leno::run(|| {
        let (gate, waiter) = waiter();
        for polls in 2..5 {
            gate.wake();
            leno::yield_now();
            assert_eq!((gate.polls(), waiter.is_finished()), (polls, false));
        }
        gate.open();
        gate.wake();
        assert_eq!(waiter.join().unwrap(), 5);
    });
}

#[test]
fn several_wakes_cause_one_poll() {
    leno::run(|| {
        let (gate, waiter) = waiter();
        let waker = gate.0.lock().unwrap().waker.clone().unwrap();
        waker.wake_by_ref();
        waker.wake_by_ref();
        os::spawn(move || waker.wake()).join().unwrap();
        leno::yield_now();
        leno::sleep(Duration::from_nanos(1));
        assert_eq!(gate.polls(), 2);
        gate.open();
        gate.wake();
        assert_eq!(waiter.join().unwrap(), 3);
    });
}

#[test]
fn a_wake_after_the_end_has_no_effect() {
    let gate = Gate::default();
    gate.open();
    leno::run(|| {
        block_on(gate.clone());
        let late = gate.0.lock().unwrap().waker.clone().unwrap();
        // The waker is not reused as long as a clone of it exists.
        let (other, waiter) = waiter();
        late.wake_by_ref();
        os::spawn(move || late.wake()).join().unwrap();
        leno::yield_now();
        assert_eq!(other.polls(), 1);
        other.open();
        other.wake();
        waiter.join().unwrap();
        let polls = gate.clone();
        leno::spawn(move || block_on(polls)).join().unwrap();
        gate.wake();
        block_on(gate.clone());
    });
    // Nor does a wake after the end of the runtime.
    gate.wake();
}

#[test]
fn a_wake_does_not_end_other_waits() {
    leno::run(|| {
        let gate = Gate::default();
        let (sender, receiver) = leno::channel::bounded::<i32>(0);
        let waiter = {
            let gate = gate.clone();
            leno::spawn(move || {
                let mut gate = gate;
                // The poll itself waits for a message.
                block_on(poll_fn(|context| {
                    let polled = Pin::new(&mut gate).poll(context);
                    if polled.is_pending() {
                        receiver.recv().unwrap();
                    }
                    polled
                }))
            })
        };
        leno::yield_now();
        gate.open();
        gate.wake();
        leno::yield_now();
        assert!(!waiter.is_finished());
        sender.send(1).unwrap();
        // The wake is remembered.
        assert_eq!(waiter.join().unwrap(), 2);
    });
}

#[test]
fn block_on_may_be_nested() {
    leno::run(|| {
        let (outer, inner) = (Gate::default(), Gate::default());
        let waiter = {
            let (mut outer, inner) = (outer.clone(), inner.clone());
            leno::spawn(move || {
                block_on(poll_fn(|context| {
                    let polled = Pin::new(&mut outer).poll(context);
                    if outer.polls() == 2 {
                        block_on(inner.clone());
                    }
                    polled
                }))
            })
        };
        leno::yield_now();
        outer.wake();
        leno::yield_now();
        // This gate is not the one that the waiter waits for now.
        outer.open();
        outer.wake();
        leno::yield_now();
        assert_eq!((inner.polls(), waiter.is_finished()), (1, false));
        inner.open();
        inner.wake();
        assert_eq!(waiter.join().unwrap(), 3);
    });
}

#[test]
fn a_wake_does_not_carry_over_to_the_next_future() {
    leno::run(|| {
        // This future is woken and is ready in the same poll.
        let woken = poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::Ready(())
        });
        let gate = Gate::default();
        let waiter = {
            let gate = gate.clone();
            leno::spawn(move || {
                block_on(woken);
                block_on(gate)
            })
        };
        leno::yield_now();
        leno::yield_now();
        assert_eq!(gate.polls(), 1);
        gate.open();
        gate.wake();
        assert_eq!(waiter.join().unwrap(), 2);
    });
}

#[test]
fn a_coroutine_may_carry_block_on_to_another_runtime() {
    // The poll suspends the coroutine, which then waits in the second runtime.
    let gate = Gate::default();
    let woken = gate.clone();
    let coroutine = Coroutine::new(move |yielder, ()| {
        let mut gate = gate;
        block_on(poll_fn(|context| {
            let polled = Pin::new(&mut gate).poll(context);
            if gate.polls() == 1 {
                yielder.suspend(());
            }
            polled
        }))
    });
    leno::run(|| assert!(coroutine.resume(()).as_yield().is_some()));
    leno::run(|| {
        let opener = leno::spawn(move || {
            woken.open();
            woken.wake();
        });
        assert_eq!(coroutine.resume(()).as_return(), Some(3));
        opener.join().unwrap();
    });
}

#[test]
fn cancellation_drops_the_future() {
    leno::run(|| {
        let ledger = Ledger::default();
        let value = ledger.value();
        let gate = Gate::default();
        let waiter = {
            let gate = gate.clone();
            leno::spawn(move || {
                block_on(async {
                    let _value = value;
                    gate.await
                })
            })
        };
        leno::yield_now();
        waiter.cancel();
        assert!(waiter.join().unwrap_err().is::<Cancelled>());
        ledger.check();
        gate.wake();
    });
}

#[test]
fn a_cancelled_green_thread_does_not_begin_to_poll() {
    leno::run(|| {
        let gate = Gate::default();
        gate.open();
        let waiter = {
            let gate = gate.clone();
            leno::spawn(move || {
                thread::shield(leno::yield_now);
                block_on(gate)
            })
        };
        leno::yield_now();
        waiter.cancel();
        assert!(waiter.join().unwrap_err().is::<Cancelled>());
        assert_eq!(gate.polls(), 0);
    });
}

#[test]
fn a_future_that_always_yields_can_be_cancelled() {
    leno::run(|| {
        let busy = leno::spawn(|| {
            block_on(async {
                loop {
                    yield_once().await;
                }
            })
        });
        leno::yield_now();
        busy.cancel();
        let result: thread::Result<()> = busy.join();
        assert!(result.unwrap_err().is::<Cancelled>());
    });
}

#[test]
fn a_deadline_ends_block_on() {
    Builder::new().virtual_time().run(|| {
        let (gate, hour) = (Gate::default(), Duration::from_secs(3600));
        assert_eq!(timeout(hour, || block_on(gate.clone())), Err(Elapsed));
        gate.open();
        assert_eq!(timeout(hour, || block_on(gate.clone())), Ok(2));
    });
}

#[test]
fn a_future_without_a_waker_is_a_deadlock() {
    let line = line!() + 1;
    let text = panic_text(|| leno::run(|| block_on(pending::<()>())));
    assert!(text.starts_with("deadlock: every green thread waits"), "{text}");
    assert!(text.contains("waits for a future"), "{text}");
    assert!(text.contains(&format!("{}:{line}:", file!())), "{text}");
}

#[test]
fn dropping_the_last_waker_is_a_deadlock() {
    // The waker is dropped before the wait, or during it.
    for is_early in [true, false] {
        let text = panic_text(|| {
            leno::run(|| {
                let gate = Gate::default();
                let forgets = gate.clone();
                leno::spawn(move || drop(forgets.0.lock().unwrap().waker.take()));
                block_on(poll_fn(|context| {
                    let polled = Pin::new(&mut gate.clone()).poll(context);
                    if is_early {
                        leno::yield_now();
                    }
                    polled
                }))
            })
        });
        assert!(text.starts_with("deadlock: every green thread waits"), "{text}");
    }
}

#[test]
fn a_panic_of_the_future_leaves_block_on() {
    leno::run(|| {
        let text = panic_text(|| block_on(async { panic!("in a poll") }));
        assert_eq!(text, "in a poll");
        assert_eq!(block_on(ready(1)), 1);
    });
}

#[test]
fn block_on_and_unblock_need_a_runtime() {
    let text = panic_text(|| block_on(ready(1)));
    assert_eq!(text, "leno::block_on needs a runtime: call it from inside leno::run");
}

#[test]
fn block_on_accepts_into_future() {
    struct Later(i32);
    impl IntoFuture for Later {
        type Output = i32;
        type IntoFuture = std::future::Ready<i32>;
        fn into_future(self) -> Self::IntoFuture {
            ready(self.0)
        }
    }
    leno::run(|| assert_eq!(block_on(Later(4)), 4));
}
