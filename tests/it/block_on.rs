//! Futures awaited by green threads, and join handles awaited by futures.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread as os;

use async_executor::LocalExecutor;
use futures_lite::{FutureExt, future};
use leno::coroutine::Coroutine;
use leno::thread::{self, Cancelled, JoinHandle};
use leno::time::{Duration, Elapsed, timeout};
use leno::{Builder, Runtime, block_on};

use crate::support::{Ledger, Tracked, caught, panic_text, text_of};

/// Is ready once it has been let go; says how often it was polled, and shows the
/// waker of the last poll.
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
        waker.expect("it has been polled").wake();
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

/// Pending once, and woken before the poll returns.
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
fn a_ready_future_gives_its_output_at_once() {
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
fn a_wake_before_the_poll_returns_lets_others_have_a_turn() {
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
fn a_wake_from_the_same_green_thread_while_it_polls_is_not_lost() {
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
fn a_wake_from_another_green_thread() {
    leno::run(|| {
        let gate = Gate::default();
        let waiter = {
            let gate = gate.clone();
            leno::spawn(move || block_on(gate))
        };
        leno::yield_now();
        gate.open();
        leno::yield_now();
        assert!(!waiter.is_finished());
        gate.wake();
        assert_eq!(waiter.join().unwrap(), 2);
    });
}

#[test]
fn a_wake_from_another_os_thread() {
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
fn a_wake_without_reason_has_it_polled_again() {
    leno::run(|| {
        let gate = Gate::default();
        let waiter = {
            let gate = gate.clone();
            leno::spawn(move || block_on(gate))
        };
        leno::yield_now();
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
fn two_wakes_are_one() {
    leno::run(|| {
        let gate = Gate::default();
        let waiter = {
            let gate = gate.clone();
            leno::spawn(move || block_on(gate))
        };
        leno::yield_now();
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
        // The waker is not used again while somebody has it.
        let other = Gate::default();
        let waiter = {
            let other = other.clone();
            leno::spawn(move || block_on(other))
        };
        leno::yield_now();
        late.wake_by_ref();
        os::spawn(move || late.wake()).join().unwrap();
        leno::yield_now();
        assert_eq!(other.polls(), 1);
        other.open();
        other.wake();
        waiter.join().unwrap();
        let ended = leno::spawn({
            let gate = gate.clone();
            move || block_on(gate)
        });
        ended.join().unwrap();
        gate.wake();
        block_on(gate.clone());
    });
    // And after the runtime has.
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
                // Waits for something else in the middle of a poll.
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
        // The wake has not been forgotten.
        assert_eq!(waiter.join().unwrap(), 2);
    });
}

#[test]
fn block_on_inside_a_future_inside_block_on() {
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
        // Not the one that it waits for now.
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
fn a_waker_begins_anew_with_each_future() {
    leno::run(|| {
        // Woken, and then ready without another look at that.
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
fn the_last_waker_of_a_join_handle_is_the_one_that_is_woken() {
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    leno::run(|| {
        let mut handle = leno::spawn(leno::yield_now);
        let counts = [(); 2].map(|()| Arc::new(Counts(AtomicUsize::new(0))));
        for count in [&counts[0], &counts[1], &counts[1]] {
            let waker = Waker::from(count.clone());
            assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        leno::yield_now();
        leno::yield_now();
        assert!(handle.is_finished());
        assert_eq!(counts.map(|count| count.0.load(Ordering::Relaxed)), [0, 1]);
    });
}

#[test]
fn a_coroutine_may_carry_it_to_another_runtime() {
    // The poll suspends the coroutine; what goes on elsewhere waits there.
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
fn one_that_yields_for_ever_can_be_cancelled() {
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
fn a_deadline_ends_it() {
    Builder::new().virtual_time().run(|| {
        let (gate, hour) = (Gate::default(), Duration::from_secs(3600));
        assert_eq!(timeout(hour, || block_on(gate.clone())), Err(Elapsed));
        gate.open();
        assert_eq!(timeout(hour, || block_on(gate.clone())), Ok(2));
    });
}

#[test]
fn a_future_that_nobody_can_wake_is_a_deadlock() {
    let line = line!() + 1;
    let text = panic_text(|| leno::run(|| block_on(pending::<()>())));
    assert!(text.starts_with("deadlock: every green thread waits"), "{text}");
    assert!(text.contains("waits for a future"), "{text}");
    assert!(text.contains(&format!("{}:{line}:", file!())), "{text}");
}

#[test]
fn a_waker_that_is_dropped_unused_lets_the_deadlock_come() {
    let text = panic_text(|| {
        leno::run(|| {
            let gate = Gate::default();
            let forgets = gate.clone();
            leno::spawn(move || drop(forgets.0.lock().unwrap().waker.take()));
            block_on(poll_fn(|context| {
                let polled = Pin::new(&mut gate.clone()).poll(context);
                leno::yield_now();
                polled
            }))
        })
    });
    assert!(text.starts_with("deadlock: every green thread waits"), "{text}");
}

#[test]
fn a_panic_of_the_future_goes_on() {
    leno::run(|| {
        let text = panic_text(|| block_on(async { panic!("in a poll") }));
        assert_eq!(text, "in a poll");
        assert_eq!(block_on(ready(1)), 1);
    });
}

#[test]
fn outside_a_runtime_it_says_what_it_needs() {
    let text = panic_text(|| block_on(ready(1)));
    assert_eq!(text, "leno::block_on needs a runtime: call it from inside leno::run");
    let text = panic_text(|| leno::unblock(|| 1));
    assert_eq!(text, "leno::unblock needs a runtime: call it from inside leno::run");
}

#[test]
fn anything_that_becomes_a_future() {
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

#[test]
fn an_async_channel_between_green_threads() {
    leno::run(|| {
        let (sender, receiver) = async_channel::bounded(2);
        let producer = leno::spawn(move || {
            for n in 0..100 {
                block_on(sender.send(n)).unwrap();
            }
        });
        let sum: i32 = std::iter::from_fn(|| block_on(receiver.recv()).ok()).sum();
        assert_eq!(sum, 4950);
        producer.join().unwrap();
    });
}

#[test]
fn an_async_channel_both_ways_with_another_os_thread() {
    leno::run(|| {
        let (requests, received) = async_channel::bounded::<i32>(1);
        let (replies, answered) = async_channel::bounded::<i32>(1);
        let other = os::spawn(move || {
            future::block_on(async {
                while let Ok(n) = received.recv().await {
                    replies.send(n * 2).await.unwrap();
                }
            });
        });
        for n in 0..200 {
            block_on(requests.send(n)).unwrap();
            assert_eq!(block_on(answered.recv()), Ok(n * 2));
        }
        drop(requests);
        other.join().unwrap();
    });
}

#[test]
fn an_async_timer_of_others_and_a_race() {
    leno::run(|| {
        let (_keep, silent) = async_channel::bounded::<()>(1);
        let raced = async {
            async_io::Timer::after(Duration::from_millis(2)).await;
            "the timer"
        }
        .or(async {
            let _ = silent.recv().await;
            "the channel"
        });
        assert_eq!(block_on(raced), "the timer");
    });
}

#[test]
fn join_handles_are_awaited_in_any_order() {
    leno::run(|| {
        let handles: Vec<_> = (0..4)
            .map(|n| {
                leno::spawn(move || {
                    (0..n).for_each(|_| leno::yield_now());
                    n
                })
            })
            .collect();
        let sum = block_on(async {
            let mut sum = 0;
            for handle in handles.into_iter().rev() {
                sum += handle.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 6);
    });
}

#[test]
fn a_scoped_join_handle_is_awaited() {
    leno::run(|| {
        let text = String::from("borrowed");
        let length = leno::scope(|scope| {
            let length = scope.spawn(|| text.len());
            block_on(length).unwrap()
        });
        assert_eq!(length, 8);
    });
}

#[test]
fn the_first_of_two_green_threads() {
    leno::run(|| {
        let slow = leno::spawn(|| {
            thread::park();
            "slow"
        });
        let slow_thread = slow.thread().clone();
        let fast = leno::spawn(|| "fast");
        let mut slow = slow;
        let first = block_on(future::or(&mut slow, fast));
        assert_eq!(first.unwrap(), "fast");
        slow_thread.unpark();
        // Polled before, and joined now.
        assert_eq!(slow.join().unwrap(), "slow");
    });
}

#[test]
fn the_panic_of_an_awaited_green_thread_is_an_error() {
    leno::run(|| {
        let handle = leno::spawn(|| panic!("awaited"));
        let result: thread::Result<()> = block_on(handle);
        assert_eq!(text_of(result.unwrap_err()), "awaited");
        let cancelled = leno::spawn(thread::park);
        leno::yield_now();
        cancelled.cancel();
        assert!(block_on(cancelled).unwrap_err().is::<Cancelled>());
    });
}

#[test]
fn a_join_handle_gives_its_result_once() {
    leno::run(|| {
        const AGAIN: &str =
            "the result of this JoinHandle has been awaited already: there is only one";
        let mut handle = leno::spawn(|| 1);
        assert_eq!(block_on(&mut handle).unwrap(), 1);
        // What else it can be asked is answered.
        assert!(handle.is_finished());
        handle.cancel();
        assert_eq!(handle.thread().name(), None);
        assert_eq!(panic_text(|| block_on(&mut handle)), AGAIN);
        let handle = std::panic::AssertUnwindSafe(handle);
        assert_eq!(text_of(caught(move || handle.0.join()).unwrap_err()), AGAIN);
    });
}

#[test]
fn a_foreign_executor_awaits_join_handles_inside_a_green_thread() {
    leno::run(|| {
        let executor = Rc::new(LocalExecutor::new());
        let log = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = [3, 1, 2]
            .map(|n| {
                let handle = leno::spawn(move || {
                    (0..n).for_each(|_| leno::yield_now());
                    n
                });
                let log = log.clone();
                executor.spawn(async move {
                    let n = handle.await.unwrap();
                    log.borrow_mut().push(n);
                })
            })
            .into();
        block_on(executor.run(async {
            for task in tasks {
                task.await;
            }
        }));
        assert_eq!(*log.borrow(), [1, 2, 3]);
    });
}

#[test]
fn a_foreign_executor_hosts_the_runtime() {
    let runtime = Rc::new(Runtime::new());
    let handle = leno::thread::Builder::new()
        .spawn_on(&runtime, || {
            leno::sleep(Duration::from_millis(2));
            leno::unblock(|| "hosted")
        })
        .unwrap();
    let executor = LocalExecutor::new();
    let result = future::block_on(executor.run(async {
        let host = executor.spawn({
            let runtime = runtime.clone();
            async move {
                let readable =
                    async_io::Async::new(runtime.as_fd().try_clone_to_owned().unwrap()).unwrap();
                while runtime.run_until_stalled() {
                    let work = async { readable.readable().await.unwrap() };
                    match runtime.next_deadline() {
                        None => work.await,
                        Some(after) => {
                            let timer = async {
                                async_io::Timer::after(after).await;
                            };
                            work.or(timer).await;
                        }
                    }
                }
            }
        });
        let result = handle.await.unwrap();
        host.await;
        result
    }));
    assert_eq!(result, "hosted");
}

#[test]
fn a_waker_may_drop_the_join_handle_when_it_is_woken() {
    thread_local! {
        static HANDLE: RefCell<Option<JoinHandle<Tracked>>> = const { RefCell::new(None) };
    }
    struct DropsIt;
    impl Wake for DropsIt {
        fn wake(self: Arc<Self>) {
            HANDLE.with_borrow_mut(Option::take);
        }
    }
    leno::run(|| {
        let ledger = Ledger::default();
        let value = ledger.value();
        let mut handle = leno::spawn(move || {
            leno::yield_now();
            value
        });
        let waker = Waker::from(Arc::new(DropsIt));
        assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
        HANDLE.set(Some(handle));
        leno::yield_now();
        leno::yield_now();
        assert!(HANDLE.with_borrow(Option::is_none));
        ledger.check();
    });
}
