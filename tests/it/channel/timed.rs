//! Channels and time: deadlines of sends and receives, `after`, `at`, `tick`, `never`.

use leno::channel::{
    RecvTimeoutError, SendTimeoutError, TryRecvError, after, at, bounded, never, tick, unbounded,
};
use leno::thread;
use leno::time::{Duration, Instant, sleep};

use crate::support::{Ledger, SECOND, in_virtual_time, panic_text};

#[test]
fn a_receive_ends_at_its_deadline() {
    in_virtual_time(|| {
        let (sender, receiver) = bounded::<u32>(1);
        let start = Instant::now();
        assert_eq!(receiver.recv_timeout(SECOND), Err(RecvTimeoutError::Timeout));
        assert_eq!(start.elapsed(), SECOND);
        assert_eq!(receiver.recv_deadline(start + 3 * SECOND), Err(RecvTimeoutError::Timeout));
        assert_eq!(start.elapsed(), 3 * SECOND);
        assert_eq!(receiver.recv_deadline(start), Err(RecvTimeoutError::Timeout));
        assert_eq!(start.elapsed(), 3 * SECOND, "a past deadline takes no time");
        leno::spawn(move || {
            sleep(SECOND);
            sender.send(1)
        });
        assert_eq!(receiver.recv_timeout(2 * SECOND), Ok(1));
        assert_eq!(start.elapsed(), 4 * SECOND);
        assert_eq!(receiver.recv_timeout(SECOND), Err(RecvTimeoutError::Disconnected));
        assert_eq!(start.elapsed(), 4 * SECOND);
    });
}

#[test]
fn a_send_gives_the_value_back_at_its_deadline() {
    in_virtual_time(|| {
        let (sender, receiver) = bounded(1);
        sender.send_timeout(0, Duration::ZERO).unwrap();
        let start = Instant::now();
        assert_eq!(sender.send_timeout(1, SECOND), Err(SendTimeoutError::Timeout(1)));
        assert_eq!(start.elapsed(), SECOND);
        let late = sender.send_deadline(2, start + 2 * SECOND);
        assert_eq!((late, start.elapsed()), (Err(SendTimeoutError::Timeout(2)), 2 * SECOND));
        assert_eq!(sender.send_deadline(3, start), Err(SendTimeoutError::Timeout(3)));
        let receives = leno::spawn(move || {
            sleep(SECOND);
            let first = receiver.recv();
            sleep(SECOND);
            (first, receiver.try_recv())
        });
        assert_eq!(sender.send_timeout(4, 2 * SECOND), Ok(()));
        assert_eq!(start.elapsed(), 3 * SECOND);
        assert_eq!(receives.join().unwrap(), (Ok(0), Ok(4)));
        assert_eq!(sender.send_timeout(5, SECOND), Err(SendTimeoutError::Disconnected(5)));
    });
}

#[test]
fn an_elapsed_wait_leaves_no_waiter() {
    in_virtual_time(|| {
        let ledger = Ledger::default();
        let (sender, receiver) = bounded(0);
        for _ in 0..3 {
            drop(sender.send_timeout(ledger.value(), SECOND));
            assert_eq!(receiver.recv_timeout(SECOND).err(), Some(RecvTimeoutError::Timeout));
        }
        assert_eq!(ledger.alive(), 0);
        assert!(sender.try_send(ledger.value()).is_err(), "no receiver waits");
        assert!(receiver.try_recv().is_err());
        let (sends, value) = (sender.clone(), ledger.value());
        leno::spawn(move || sends.send(value));
        assert!(receiver.recv().is_ok());
        ledger.check();
    });
}

#[test]
fn a_send_at_the_receivers_deadline_loses_nothing() {
    // Either the sender's timer is started first or the receiver's.
    for sender_first in [true, false] {
        in_virtual_time(|| {
            let (sender, receiver) = bounded(0);
            let sends = move || {
                sleep(SECOND);
                sender.send_timeout("message", Duration::ZERO)
            };
            let receives = move || (receiver.recv_timeout(SECOND), receiver.try_recv());
            let (sent, received) = if sender_first {
                let handle = leno::spawn(sends);
                leno::yield_now();
                (handle, leno::spawn(receives))
            } else {
                let handle = leno::spawn(receives);
                leno::yield_now();
                (leno::spawn(sends), handle)
            };
            let (sent, (received, again)) = (sent.join().unwrap(), received.join().unwrap());
            let got = received.is_ok() || again.is_ok();
            assert_eq!(sent.is_ok(), got, "{sent:?} {received:?} {again:?}");
        });
    }
}

#[test]
fn a_zero_timeout_yields_and_a_huge_one_never_ends() {
    in_virtual_time(|| {
        let (sender, receiver) = bounded(1);
        leno::spawn(move || sender.send(1));
        // A loop of waits with a timeout of zero must not starve the sender.
        let got = (0..).find_map(|_| receiver.recv_timeout(Duration::ZERO).ok());
        assert_eq!(got, Some(1));
        for endless in [Duration::MAX, Duration::from_secs(u64::MAX / 10)] {
            let (sender, receiver) = bounded(0);
            leno::spawn(move || {
                sleep(1_000_000 * SECOND);
                sender.send_timeout(2, endless)
            });
            assert_eq!(receiver.recv_timeout(endless), Ok(2));
        }
    });
    let text = panic_text(|| {
        in_virtual_time(|| {
            let (_sender, receiver) = bounded::<()>(0);
            receiver.recv_timeout(Duration::MAX)
        })
    });
    assert!(text.contains("deadlock"), "{text}");
}

#[test]
fn after_and_at_send_one_message() {
    in_virtual_time(|| {
        let start = Instant::now();
        let (timer, other) = (after(2 * SECOND), at(start + SECOND));
        assert_eq!((timer.len(), timer.is_empty(), timer.capacity()), (0, true, Some(1)));
        assert_eq!(timer.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(other.recv(), Ok(start + SECOND));
        assert_eq!(timer.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
        assert_eq!(timer.recv_deadline(start + 5 * SECOND), Ok(start + 2 * SECOND));
        assert_eq!(start.elapsed(), 2 * SECOND);
        // No second message follows.
        assert_eq!(timer.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(timer.recv_timeout(SECOND), Err(RecvTimeoutError::Timeout));
        let (late, now, past) = (after(SECOND), after(Duration::ZERO), at(start));
        assert_eq!(now.try_recv(), Ok(start + 3 * SECOND));
        assert_eq!(past.try_recv(), Ok(start), "the instant for which the timer was set");
        sleep(10 * SECOND);
        assert_eq!((late.len(), late.is_full()), (1, true));
        assert_eq!(late.recv(), Ok(start + 4 * SECOND));
        assert_eq!((late.len(), late.is_full()), (0, false));
    });
}

#[test]
fn clones_of_a_timer_share_one_message() {
    in_virtual_time(|| {
        let timer = after(SECOND);
        let waits: Vec<_> = (0..3)
            .map(|_| timer.clone())
            .map(|timer| leno::spawn(move || timer.recv_timeout(5 * SECOND).is_ok()))
            .collect();
        let received: u32 = waits.into_iter().map(|wait| u32::from(wait.join().unwrap())).sum();
        assert_eq!(received, 1);
    });
}

#[test]
fn a_ticker_sends_one_message_for_all_missed_ticks() {
    in_virtual_time(|| {
        let start = Instant::now();
        let ticker = tick(SECOND);
        assert_eq!(ticker.try_recv(), Err(TryRecvError::Empty), "not at once");
        for tick in 1..=3 {
            assert_eq!(ticker.recv(), Ok(start + tick * SECOND));
        }
        sleep(Duration::from_millis(3_500));
        // Three ticks are missed: one message for them, and a period from then on.
        assert_eq!(ticker.len(), 1);
        assert_eq!(ticker.try_recv(), Ok(start + 4 * SECOND));
        assert_eq!(ticker.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(ticker.recv(), Ok(start + Duration::from_millis(7_500)));
        assert_eq!(ticker.iter().take(2).count(), 2);
        assert_eq!(start.elapsed(), Duration::from_millis(9_500));
        assert_eq!(tick(Duration::MAX).recv_timeout(SECOND), Err(RecvTimeoutError::Timeout));
    });
}

#[test]
fn never_stays_empty_and_connected() {
    in_virtual_time(|| {
        let nothing = never::<u32>();
        assert_eq!(nothing.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(nothing.recv_timeout(SECOND), Err(RecvTimeoutError::Timeout));
        assert_eq!((nothing.len(), nothing.try_iter().count()), (0, 0));
    });
    let text = panic_text(|| in_virtual_time(|| never::<u32>().recv()));
    assert!(text.contains("deadlock"), "{text}");
}

#[test]
fn the_earlier_of_scope_and_receive_deadline_ends_a_wait() {
    in_virtual_time(|| {
        let (_sender, receiver) = unbounded::<()>();
        let inner = leno::time::timeout(2 * SECOND, || receiver.recv_timeout(SECOND));
        assert_eq!(inner, Ok(Err(RecvTimeoutError::Timeout)));
        let outer = leno::time::timeout(SECOND, || receiver.recv_timeout(2 * SECOND));
        assert_eq!(outer, Err(leno::time::Elapsed));
        // With equal deadlines, the one set first ends the wait.
        let same = leno::time::timeout(SECOND, || receiver.recv_timeout(SECOND));
        assert_eq!(same, Err(leno::time::Elapsed));
    });
}

#[test]
fn cancelling_a_waiter_loses_no_message() {
    in_virtual_time(|| {
        let ledger = Ledger::default();
        let (sender, receiver) = bounded(0);
        for _ in 0..3 {
            let waits = receiver.clone();
            let waits = leno::spawn(move || waits.recv().map(drop));
            let (sends, value) = (sender.clone(), ledger.value());
            leno::yield_now();
            waits.cancel();
            // The cancelled receiver no longer counts as waiting.
            assert!(sends.try_send(value).is_err());
            assert!(waits.join().unwrap_err().is::<thread::Cancelled>());
        }
        let (sends, value) = (sender.clone(), ledger.value());
        let sends = leno::spawn(move || sends.send(value).is_ok());
        leno::yield_now();
        sends.cancel();
        assert!(receiver.try_recv().is_err(), "a cancelled send leaves no message");
        assert!(sends.join().is_err());
        assert_eq!(ledger.alive(), 0);
    });
}
