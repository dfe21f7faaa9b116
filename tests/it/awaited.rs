//! Futures across libraries: green threads await channels and timers of async crates,
//! and async executors await join handles.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread as os;

use async_executor::LocalExecutor;
use futures_lite::{FutureExt, future};
use leno::block_on;
use leno::thread::{self, Cancelled, JoinHandle};
use leno::time::Duration;

use crate::support::{Ledger, Tracked, caught, panic_text, text_of};

#[test]
fn an_async_channel_connects_green_threads() {
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
fn async_channels_connect_to_another_os_thread() {
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

/// The waker of each wait is that of the thread before, and is used at the moment at which the wait
/// begins.
#[test]
fn a_wake_while_a_wait_begins_is_kept() {
    let waker = Arc::new(Mutex::new(None::<Waker>));
    let is_woken = Arc::new(AtomicBool::new(false));
    let is_over = Arc::new(AtomicBool::new(false));
    let other = {
        let (waker, is_woken, is_over) = (waker.clone(), is_woken.clone(), is_over.clone());
        os::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                let waker = waker.lock().unwrap().take();
                match waker {
                    Some(waker) => {
                        is_woken.store(true, Ordering::Release);
                        waker.wake();
                    }
                    None => os::yield_now(),
                }
            }
        })
    };
    leno::run(|| {
        for _ in 0..20_000 {
            let (waker, is_woken) = (waker.clone(), is_woken.clone());
            let waits = future::poll_fn(move |context| {
                if is_woken.swap(false, Ordering::Acquire) {
                    return Poll::Ready(());
                }
                *waker.lock().unwrap() = Some(context.waker().clone());
                Poll::Pending
            });
            leno::spawn(|| block_on(waits)).join().unwrap();
        }
    });
    is_over.store(true, Ordering::Relaxed);
    other.join().unwrap();
}

#[test]
fn a_foreign_timer_may_win_a_race() {
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
fn block_on_returns_the_first_of_two_join_handles() {
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
        // This handle was polled before and is joined now.
        assert_eq!(slow.join().unwrap(), "slow");
    });
}

#[test]
fn a_deadlock_of_awaited_green_threads_is_reported() {
    let text = panic_text(|| {
        leno::run(|| {
            let stuck = leno::spawn(thread::park);
            let other = leno::spawn(thread::park);
            // The first poll uses another waker.
            let mut both = Box::pin(future::zip(stuck, other));
            let polled = Waker::noop();
            assert!(both.as_mut().poll(&mut Context::from_waker(polled)).is_pending());
            let _ = block_on(both);
        })
    });
    assert!(text.starts_with("deadlock: every green thread waits"), "{text}");
    assert!(text.contains("waits for a future"), "{text}");
}

#[test]
fn a_waker_on_another_os_thread_prevents_a_deadlock_report() {
    leno::run(|| {
        let stuck = leno::spawn(thread::park);
        let stuck_thread = stuck.thread().clone();
        let (sender, receiver) = async_channel::bounded(1);
        let other = os::spawn(move || {
            os::sleep(Duration::from_millis(5));
            future::block_on(sender.send("rescue")).unwrap();
        });
        let rescued = async {
            // The yield makes the executor poll the join handle again.
            future::yield_now().await;
            receiver.recv().await.unwrap()
        };
        let ended = async {
            let _ = stuck.await;
            "the end"
        };
        // The race drops a join handle that has been polled.
        assert_eq!(block_on(ended.or(rescued)), "rescue");
        other.join().unwrap();
        stuck_thread.unpark();
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
fn a_join_handle_returns_its_result_once() {
    leno::run(|| {
        const AGAIN: &str =
            "the result of this JoinHandle has been awaited already: there is only one";
        let mut handle = leno::spawn(|| 1);
        assert_eq!(block_on(&mut handle).unwrap(), 1);
        // The other methods of the handle still work.
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

#[cfg(feature = "unblock")]
#[test]
fn a_foreign_executor_hosts_the_runtime() {
    use std::os::fd::AsFd;

    use leno::Runtime;

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
fn a_waker_may_drop_its_join_handle() {
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

#[test]
fn a_join_handle_wakes_only_its_last_waker() {
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
