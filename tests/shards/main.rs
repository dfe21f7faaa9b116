//! Runtimes on several OS threads, and channels between them.

#[cfg(feature = "net")]
use std::io::{Read, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread as os;

use leno::channel::{self, RecvError, Select};
use leno::shards::{Receiver, Sender, Shards, bounded, unbounded};
use leno::thread::{self, Cancelled};
use leno::time::{Duration, timeout};

/// A value that counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Returns the text of the panic that ends `f`.
fn panic_text<T>(f: impl FnOnce() -> T) -> String {
    let payload = panic::catch_unwind(AssertUnwindSafe(f)).err().expect("a panic");
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref().cloned()).expect("a panic with a text")
}

fn long() -> Duration {
    Duration::from_secs(600)
}

#[test]
fn ends_and_shards_can_be_sent_and_shared() {
    fn check<T: Send + Sync>() {}
    check::<Sender<std::cell::Cell<i32>>>();
    check::<Receiver<std::cell::Cell<i32>>>();
    check::<Shards>();
}

#[test]
fn messages_are_iterated_over() {
    let (sender, receiver) = unbounded();
    (1..=3).for_each(|it| sender.send(it).unwrap());
    assert_eq!(receiver.try_iter().take(1).collect::<Vec<_>>(), [1]);
    drop(sender);
    assert_eq!(receiver.into_iter().collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn each_shard_is_another_os_thread() {
    let shards = Shards::new(3);
    let ids: Vec<_> = (0..3).map(|shard| shards.spawn_on(shard, || os::current().id())).collect();
    let mut ids: Vec<_> = ids.into_iter().map(|id| id.join().unwrap()).collect();
    ids.push(os::current().id());
    for (place, id) in ids.iter().enumerate() {
        assert!(!ids[..place].contains(id));
    }
    shards.shutdown();
}

#[test]
fn results_of_map_come_in_order() {
    let shards = Shards::new(3);
    let squares: Vec<u64> = (0..1000).map(|n| n * n).collect();
    assert_eq!(shards.map(0..1000_u64, |n| n * n), squares);
    assert!(shards.map(Vec::<u8>::new(), |n| n).is_empty());
    assert_eq!(leno::run(|| shards.map(["a", "b"], str::len)), [1, 1]);
    shards.shutdown();
}

#[test]
fn map_runs_from_one_of_its_shards() {
    let shards = Arc::new(Shards::new(2));
    let inner = shards.clone();
    let sum = shards.spawn_on(0, move || inner.map(1..=10, |n| n).into_iter().sum::<i32>());
    assert_eq!(sum.join().unwrap(), 55);
}

#[test]
fn panic_in_map_reaches_the_caller() {
    let shards = Shards::new(2);
    assert_eq!(panic_text(|| shards.map(0..100, |n| assert!(n != 7, "seven"))), "seven");
    assert_eq!(shards.map([1], |n| n), [1]);
}

#[test]
fn settings_are_those_of_each_shard() {
    let shards = Shards::with(2, |shard| leno::Builder::new().max_threads(shard + 1)).unwrap();
    let spawned = |shard| {
        let count = move || {
            let spawned = || thread::Builder::new().spawn(thread::park).ok();
            let all: Vec<_> = std::iter::from_fn(spawned).take(10).collect();
            all.iter().for_each(|handle| handle.thread().unpark());
            all.len()
        };
        shards.spawn_on(shard, count).join().unwrap()
    };
    // One of them counts the others.
    assert_eq!([spawned(0), spawned(1)], [0, 1]);
}

#[test]
fn settings_that_panic_reach_the_caller() {
    let settings = |shard| {
        assert!(shard != 1, "no settings");
        leno::Builder::new()
    };
    assert_eq!(panic_text(|| Shards::with(3, settings)), "no settings");
}

#[test]
fn shutdown_waits_for_all_and_tells_deadlocks() {
    let done = Arc::new(AtomicUsize::new(0));
    let shards = Shards::new(2);
    for n in 0..20 {
        let done = done.clone();
        shards.spawn_on(n % 2, move || {
            leno::sleep(Duration::from_millis(1));
            leno::spawn(move || done.fetch_add(1, Ordering::SeqCst));
        });
    }
    shards.shutdown();
    assert_eq!(done.load(Ordering::SeqCst), 20);
    let shards = Shards::new(2);
    shards.spawn_on(1, thread::park);
    assert!(panic_text(|| shards.shutdown()).contains("deadlock"));
}

#[test]
fn dropping_cancels_what_is_left() {
    let drops = Arc::new(AtomicUsize::new(0));
    let shards = Shards::new(2);
    let handles: Vec<_> = (0..10)
        .map(|n| {
            let counted = Counted(drops.clone());
            shards.spawn_on(n % 2, move || {
                let _counted = counted;
                leno::sleep(long());
            })
        })
        .collect();
    leno::run(|| drop(shards));
    assert_eq!(drops.load(Ordering::SeqCst), 10);
    assert!(handles.into_iter().all(|handle| handle.join().unwrap_err().is::<Cancelled>()));
}

#[test]
fn shards_are_dropped_on_a_shard() {
    let shards = Arc::new(Shards::new(2));
    let (dropped, is_dropped) = mpsc::channel();
    let inner = shards.clone();
    let handle = shards.spawn_on(0, move || {
        while Arc::strong_count(&inner) > 1 {
            leno::yield_now();
        }
        drop(inner);
        dropped.send(()).unwrap();
    });
    drop(shards);
    is_dropped.recv().unwrap();
    let _ = handle.join();
}

#[test]
fn messages_of_several_senders_keep_their_order() {
    for capacity in [1, 2, 100] {
        let shards = Shards::new(3);
        let (sender, receiver) = bounded(capacity);
        for shard in 0..2 {
            for part in 0..3 {
                let sender = sender.clone();
                shards.spawn_on(shard, move || {
                    (0..500).for_each(|n| sender.send((shard * 3 + part, n)).unwrap());
                });
            }
        }
        drop(sender);
        let received = shards.spawn_on(2, move || receiver.iter().collect::<Vec<_>>());
        let received = received.join().unwrap();
        assert_eq!(received.len(), 3000);
        for sender in 0..6 {
            let own =
                received.iter().filter(|message| message.0 == sender).map(|message| message.1);
            assert!(own.eq(0..500));
        }
        shards.shutdown();
    }
}

#[test]
fn each_message_reaches_one_of_several_receivers() {
    let shards = Shards::new(3);
    let (sender, receiver) = bounded(3);
    let sums: Vec<_> = (0..6)
        .map(|n| {
            let receiver = receiver.clone();
            shards.spawn_on(n % 3, move || {
                let mut sum = 0;
                for message in &receiver {
                    sum += message;
                    leno::yield_now();
                }
                sum
            })
        })
        .collect();
    drop(receiver);
    // An OS thread without a runtime.
    (1..=3000).for_each(|n| sender.send(n).unwrap());
    drop(sender);
    let sum: i32 = sums.into_iter().map(|sum| sum.join().unwrap()).sum();
    assert_eq!(sum, 3000 * 3001 / 2);
}

#[test]
fn waits_end_with_the_other_side() {
    let shards = Shards::new(2);
    let (sender, receiver) = bounded::<u8>(1);
    let waiting = shards.spawn_on(0, move || receiver.recv());
    shards.spawn_on(1, move || {
        leno::sleep(Duration::from_millis(10));
        drop(sender);
    });
    assert_eq!(waiting.join().unwrap(), Err(RecvError));
    let (sender, receiver) = bounded(1);
    sender.send(Counted(Arc::default())).unwrap();
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = Counted(drops.clone());
    let waiting = shards.spawn_on(0, move || sender.send(counted).is_err());
    shards.spawn_on(1, move || {
        leno::sleep(Duration::from_millis(10));
        drop(receiver);
    });
    assert!(waiting.join().unwrap());
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    shards.shutdown();
}

#[test]
fn messages_left_are_dropped_with_the_receiver() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = unbounded();
    (0..5).for_each(|_| sender.send(Counted(drops.clone())).unwrap());
    drop(receiver);
    assert_eq!(drops.load(Ordering::SeqCst), 5);
    assert!(sender.send(Counted(drops.clone())).is_err());
    assert_eq!(drops.load(Ordering::SeqCst), 6);
}

#[test]
fn waiting_runtime_is_no_deadlock() {
    let (sender, receiver) = bounded(1);
    let other = os::spawn(move || {
        os::sleep(Duration::from_millis(20));
        sender.send(1).unwrap();
    });
    assert_eq!(leno::run(|| receiver.recv()), Ok(1));
    // The sender is gone, so this is one.
    let report = panic_text(|| leno::run(|| (receiver.recv(), thread::park())));
    assert!(report.contains("deadlock"), "{report}");
    other.join().unwrap();
}

#[test]
fn deadlines_end_waits_at_both_ends() {
    let (sender, receiver) = bounded(1);
    let short = Duration::from_millis(2);
    let check = || {
        assert!(receiver.recv_timeout(short).unwrap_err().is_timeout());
        assert!(receiver.recv_timeout(Duration::ZERO).unwrap_err().is_timeout());
        sender.send(1).unwrap();
        assert!(sender.send_timeout(2, short).unwrap_err().is_timeout());
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(1));
    };
    check();
    leno::run(check);
    leno::Builder::new().virtual_time().run(check);
    leno::run(|| assert!(timeout(short, || receiver.recv()).is_err()));
}

#[test]
fn cancelled_receiver_passes_its_wake_on() {
    leno::run(|| {
        let (sender, receiver) = bounded(10);
        let other = receiver.clone();
        let first = leno::spawn(move || receiver.recv());
        let second = leno::spawn(move || other.recv());
        leno::yield_now();
        first.cancel();
        // The cancelled thread is still on the list, and is woken in vain.
        sender.send(7).unwrap();
        assert!(first.join().unwrap_err().is::<Cancelled>());
        assert_eq!(second.join().unwrap(), Ok(7));
    });
}

#[test]
fn cancelled_sender_passes_its_room_on() {
    leno::run(|| {
        let (sender, receiver) = bounded(1);
        sender.send(0).unwrap();
        let drops = Arc::new(AtomicUsize::new(0));
        let (other, counted) = (sender.clone(), Counted(drops.clone()));
        let first = leno::spawn(move || {
            let _counted = counted;
            sender.send(1)
        });
        let second = leno::spawn(move || other.send(2));
        leno::yield_now();
        first.cancel();
        assert_eq!(receiver.recv(), Ok(0));
        assert!(first.join().unwrap_err().is::<Cancelled>());
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        assert_eq!(receiver.recv(), Ok(2));
        second.join().unwrap().unwrap();
        assert!(receiver.recv().is_err());
    });
}

#[test]
fn message_that_comes_before_a_cancellation_is_returned() {
    leno::run(|| {
        let (sender, receiver) = bounded(10);
        let waiting = leno::spawn(move || receiver.recv());
        leno::yield_now();
        sender.send(7).unwrap();
        waiting.cancel();
        assert_eq!(waiting.join().unwrap(), Ok(7));
    });
}

#[test]
fn select_takes_messages_of_other_runtimes() {
    let shards = Shards::new(2);
    let (sender, receiver) = bounded(1);
    let (back, answers) = bounded(1);
    let echo = shards.spawn_on(0, move || {
        let (_local, never) = channel::bounded::<()>(0);
        loop {
            let message = leno::select! {
                recv(receiver) -> message => message,
                recv(never) -> _ => unreachable!(),
            };
            let Ok(message) = message else { break };
            leno::select! {
                send(back, message) -> sent => sent.unwrap(),
                recv(never) -> _ => unreachable!(),
            }
        }
    });
    let sent = shards.spawn_on(1, move || (0..1000).for_each(|n| sender.send(n).unwrap()));
    assert!(answers.iter().eq(0..1000));
    sent.join().unwrap();
    echo.join().unwrap();
}

#[test]
fn select_on_both_ends_pairs_runtimes() {
    let shards = Shards::new(2);
    let (there, here) = (bounded(1), bounded(1));
    let exchange = |(to, from): (Sender<u32>, Receiver<u32>)| {
        move || {
            let (mut sent, mut sum) = (0, 0);
            let mut received = 0;
            while sent < 500 || received < 500 {
                if sent < 500 {
                    leno::select! {
                        send(to, sent) -> result => { result.unwrap(); sent += 1; }
                        recv(from) -> message => { sum += message.unwrap(); received += 1; }
                    }
                } else {
                    sum += from.recv().unwrap();
                    received += 1;
                }
            }
            sum
        }
    };
    let first = shards.spawn_on(0, exchange((there.0, here.1)));
    let second = shards.spawn_on(1, exchange((here.0, there.1)));
    let sum = 499 * 500 / 2;
    assert_eq!([first.join().unwrap(), second.join().unwrap()], [sum, sum]);
}

#[test]
fn select_of_any_number_waits_for_runtimes() {
    let shards = Shards::new(2);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| bounded(1)).unzip();
    for (n, sender) in senders.into_iter().enumerate() {
        shards.spawn_on(n % 2, move || (0..100).for_each(|_| sender.send(n).unwrap()));
    }
    let sum = leno::run(|| {
        let mut select = Select::new();
        for receiver in &receivers {
            select.receivable(receiver);
        }
        let (mut sum, mut open) = (0, 4);
        while open > 0 {
            let ready = select.ready();
            match receivers[ready].try_recv() {
                Ok(n) => sum += n,
                Err(error) if error.is_disconnected() => {
                    select.remove(ready);
                    open -= 1;
                }
                Err(_) => {}
            }
        }
        sum
    });
    assert_eq!(sum, 100 * (1 + 2 + 3));
}

#[test]
fn select_that_ends_otherwise_takes_nothing() {
    leno::run(|| {
        let (sender, receiver) = bounded(1);
        let (local, told) = channel::bounded(1);
        let waiting = leno::spawn({
            let receiver = receiver.clone();
            move || {
                leno::select! {
                    recv(receiver) -> message => message.unwrap(),
                    recv(told) -> message => message.unwrap(),
                }
            }
        });
        let other = leno::spawn(move || receiver.recv());
        leno::yield_now();
        local.send(1).unwrap();
        sender.send(2).unwrap();
        assert_eq!(waiting.join().unwrap(), 1);
        assert_eq!(other.join().unwrap(), Ok(2));
    });
}

#[test]
fn reports_name_the_channel() {
    let (sender, receiver) = bounded::<u8>(1);
    sender.set_name("orders");
    leno::run(|| {
        let waiting = leno::spawn(move || receiver.recv());
        leno::yield_now();
        #[cfg(feature = "debug")]
        {
            let report = leno::debug::dump().to_string();
            let name = "a message from channel between runtimes 'orders'";
            assert!(report.contains(name), "{report}");
        }
        drop(sender);
        assert!(waiting.join().unwrap().is_err());
    });
}

#[cfg(feature = "weave")]
#[test]
fn exploration_refuses_channels_between_runtimes() {
    let report = leno::weave::explore(|| {
        let _ = unbounded().0.send(1);
    });
    assert!(report.to_string().contains("cannot control other OS threads"), "{report}");
}

#[cfg(feature = "net")]
#[test]
fn shards_share_a_listener() {
    use leno::net::{TcpListener, TcpStream};

    let listener = leno::run(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let shards = Shards::new(2);
    for shard in [0, 1] {
        let listener = listener.try_clone().unwrap();
        shards.spawn_on(shard, move || {
            loop {
                let (mut stream, _) = listener.accept().unwrap();
                leno::spawn(move || {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    stream.write_all(&byte).unwrap();
                });
            }
        });
    }
    leno::run(|| {
        for byte in 0..50_u8 {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&[byte]).unwrap();
            let mut answer = [0];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [byte]);
        }
    });
    drop(shards);
}
