//! The two halves of a channel: clones, sizes, iterators and error texts.

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;

use leno::channel::{
    Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError, after, bounded, never, tick, unbounded,
};
use leno::time::{Duration, Instant};

use crate::support::panic_text;

#[test]
fn len_and_capacity_agree_at_both_ends() {
    let (sender, receiver) = bounded(2);
    let all = |sender: &Sender<u32>, receiver: &Receiver<u32>| {
        let numbers = (sender.len(), sender.is_empty(), sender.is_full(), sender.capacity());
        let same = (receiver.len(), receiver.is_empty(), receiver.is_full(), receiver.capacity());
        assert_eq!(numbers, same);
        numbers
    };
    assert_eq!(all(&sender, &receiver), (0, true, false, Some(2)));
    sender.try_send(1).unwrap();
    assert_eq!(all(&sender, &receiver), (1, false, false, Some(2)));
    sender.try_send(2).unwrap();
    assert_eq!(all(&sender, &receiver), (2, false, true, Some(2)));
    let (sender, receiver) = unbounded();
    assert_eq!(all(&sender, &receiver), (0, true, false, None));
    (0..1_000).for_each(|number| sender.try_send(number).unwrap());
    assert_eq!(all(&sender, &receiver), (1_000, false, false, None));
}

#[test]
fn a_huge_capacity_costs_nothing_until_it_is_used() {
    let (sender, receiver) = bounded(usize::MAX);
    sender.try_send(1).unwrap();
    assert_eq!((sender.capacity(), sender.is_full()), (Some(usize::MAX), false));
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn clones_are_ends_of_the_same_channel() {
    let (sender, receiver) = unbounded::<u32>();
    let (other_sender, other_receiver) = unbounded::<u32>();
    assert!(sender.same_channel(&sender.clone()) && receiver.same_channel(&receiver.clone()));
    assert!(!sender.same_channel(&other_sender) && !receiver.same_channel(&other_receiver));
    let timers: [Receiver<()>; 2] = [never(), never()];
    assert!(timers[0].same_channel(&timers[0].clone()) && timers[0].same_channel(&timers[1]));
    let timers = [(); 2].map(|()| after(Duration::from_secs(1)));
    assert!(timers[0].same_channel(&timers[0].clone()) && !timers[0].same_channel(&timers[1]));
    let (_, receiver) = bounded::<()>(0);
    assert!(!receiver.same_channel(&never()));
}

#[test]
fn a_channel_lives_as_long_as_any_clone() {
    leno::run(|| {
        let (sender, receiver) = unbounded();
        let senders: Vec<_> = (0..10).map(|_| sender.clone()).collect();
        drop(sender);
        for (number, sender) in senders.into_iter().enumerate() {
            sender.send(number).unwrap();
        }
        let last = receiver.clone();
        drop(receiver);
        assert!(last.into_iter().eq(0..10));
    });
}

#[test]
fn iter_waits_for_messages_and_try_iter_does_not() {
    leno::run(|| {
        let (sender, receiver) = unbounded();
        (0..3).for_each(|number| sender.send(number).unwrap());
        assert!(receiver.try_iter().eq(0..3));
        assert_eq!(receiver.try_iter().next(), None);
        let sends = leno::spawn(move || {
            for number in 3..6 {
                leno::yield_now();
                sender.send(number).unwrap();
            }
        });
        let mut more = receiver.iter();
        assert_eq!(more.next(), Some(3));
        assert_eq!((&receiver).into_iter().next(), Some(4));
        assert_eq!(more.next(), Some(5));
        assert_eq!((more.next(), more.next()), (None, None));
        assert_eq!(receiver.into_iter().next(), None);
        sends.join().unwrap();
    });
}

#[test]
fn errors_have_texts_and_give_the_value_back() {
    // The errors require no `Debug` of the value.
    struct Mute;
    let texts: [(&dyn Error, &str, &str); 8] = [
        (&SendError(()), "SendError(..)", "sending on a channel without receivers"),
        (&TrySendError::Full(()), "Full(..)", "sending on a full channel"),
        (
            &TrySendError::Disconnected(()),
            "Disconnected(..)",
            "sending on a channel without receivers",
        ),
        (
            &SendTimeoutError::Disconnected(()),
            "Disconnected(..)",
            "sending on a channel without receivers",
        ),
        (&RecvError, "RecvError", "receiving on an empty channel without senders"),
        (&TryRecvError::Empty, "Empty", "receiving on an empty channel"),
        (
            &TryRecvError::Disconnected,
            "Disconnected",
            "receiving on an empty channel without senders",
        ),
        (
            &RecvTimeoutError::Disconnected,
            "Disconnected",
            "receiving on an empty channel without senders",
        ),
    ];
    for (error, debug, display) in texts {
        assert_eq!((format!("{error:?}").as_str(), error.to_string().as_str()), (debug, display));
    }
    assert!(!SendTimeoutError::Timeout(()).to_string().is_empty());
    assert!(!RecvTimeoutError::Timeout.to_string().is_empty());
    let (full, gone) = (TrySendError::Full(1), TrySendError::Disconnected(2));
    assert!(full.is_full() && !full.is_disconnected() && gone.is_disconnected() && !gone.is_full());
    assert_eq!((full.into_inner(), gone.into_inner()), (1, 2));
    let (late, gone) = (SendTimeoutError::Timeout(1), SendTimeoutError::Disconnected(2));
    assert!(late.is_timeout() && !late.is_disconnected() && gone.is_disconnected());
    assert_eq!((late.into_inner(), gone.into_inner()), (1, 2));
    assert!(TryRecvError::Empty.is_empty() && TryRecvError::Disconnected.is_disconnected());
    assert!(RecvTimeoutError::Timeout.is_timeout() && !RecvTimeoutError::Timeout.is_disconnected());
    let (sender, _) = bounded(0);
    let Mute = sender.try_send(Mute).unwrap_err().into_inner();
    assert_eq!(panic_text(|| sender.try_send(Mute).unwrap()), {
        "called `Result::unwrap()` on an `Err` value: Disconnected(..)"
    });
}

#[test]
fn errors_convert_as_in_crossbeam() {
    assert_eq!(TrySendError::from(SendError(1)), TrySendError::Disconnected(1));
    assert_eq!(SendTimeoutError::from(SendError(1)), SendTimeoutError::Disconnected(1));
    assert_eq!(TryRecvError::from(RecvError), TryRecvError::Disconnected);
    assert_eq!(RecvTimeoutError::from(RecvError), RecvTimeoutError::Disconnected);
}

#[test]
fn ends_are_printable_for_any_message() {
    struct Mute;
    let (sender, receiver) = bounded::<Mute>(1);
    assert_eq!(format!("{sender:?} {receiver:?}"), "Sender { .. } Receiver { .. }");
    assert!(format!("{:?}", receiver.iter()).starts_with("Iter"));
    assert!(format!("{:?}", receiver.try_iter()).starts_with("TryIter"));
    assert!(format!("{:?}", receiver.into_iter()).starts_with("IntoIter"));
}

#[test]
fn a_ticker_without_a_period_always_ticks() {
    leno::Builder::new().virtual_time().run(|| {
        let ticks = tick(Duration::ZERO);
        let start = Instant::now();
        assert_eq!([(); 3].map(|()| ticks.recv()), [Ok(start); 3]);
        assert_eq!((ticks.len(), ticks.is_full(), ticks.capacity()), (1, true, Some(1)));
        leno::select! {
            recv(ticks) -> tick => assert_eq!(tick, Ok(start)),
            default => unreachable!("there is always a message"),
        }
        leno::sleep(Duration::from_secs(1));
        assert_eq!(ticks.try_recv().map(|_| ()), Ok(()));
    });
}

#[test]
fn all_receivers_that_never_receive_are_one() {
    let far = Duration::MAX;
    let (late, soon) = (after(far), after(Duration::ZERO));
    for receiver in [never(), late, tick(far)] {
        assert_eq!(receiver.capacity(), Some(0));
        assert_eq!((receiver.len(), receiver.is_empty(), receiver.is_full()), (0, true, true));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert!(receiver.same_channel(&never()) && never().same_channel(&receiver));
        assert!(!receiver.same_channel(&soon) && !soon.same_channel(&receiver));
    }
    // A timer without its message is another one.
    assert!(soon.try_recv().is_ok());
    assert_eq!(
        (soon.capacity(), soon.is_full(), soon.same_channel(&never())),
        (Some(1), false, false)
    );
}

/// A message with a destructor that panics, and notes that it ran.
struct Panics(Rc<Cell<u32>>);

impl Drop for Panics {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        panic!("destructor {}", self.0.get());
    }
}

#[test]
fn messages_with_panicking_destructors_are_all_dropped() {
    let dropped = Rc::new(Cell::new(0));
    type Ends = (leno::channel::Sender<Panics>, Receiver<Panics>);
    let channels: [fn() -> Ends; 2] = [unbounded, || bounded(3)];
    for channel in channels {
        dropped.set(0);
        let (sender, receiver) = channel();
        let clone = receiver.clone();
        for _ in 0..3 {
            sender.send(Panics(dropped.clone())).unwrap();
        }
        drop(receiver);
        assert_eq!(dropped.get(), 0);
        let text = panic_text(|| drop(clone));
        assert_eq!((&*text, dropped.get()), ("destructor 1", 3));
        assert!(sender.try_send(Panics(dropped.clone())).is_err_and(|error| {
            std::mem::forget(error);
            true
        }));
    }
}
