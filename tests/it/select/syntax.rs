//! The syntax of `select!`, and control flow in its bodies.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leno::channel::{Receiver, RecvError, Sender, bounded, never, select, unbounded};
use leno::time::{Duration, Instant};

fn ready(number: u32) -> Receiver<u32> {
    let (sender, receiver) = bounded(1);
    sender.try_send(number).unwrap();
    receiver
}

#[test]
fn receivers_may_be_values_references_and_temporaries() {
    struct Holder {
        inner: Receiver<u32>,
    }
    leno::run(|| {
        let receiver = ready(1);
        assert_eq!(select! { recv(receiver) -> message => message }, Ok(1));
        let receiver = ready(2);
        assert_eq!(select! { recv(&receiver) -> message => message }, Ok(2));
        let reference = &&receiver;
        assert!(select! { recv(*reference) -> message => message.is_err() });
        let holder = Holder { inner: ready(3) };
        assert_eq!(select! { recv(holder.inner) -> message => message }, Ok(3));
        let boxed = Box::new(ready(4));
        assert_eq!(select! { recv(boxed) -> message => message }, Ok(4));
        let shared = Rc::new(ready(5));
        assert_eq!(select! { recv(*shared) -> message => message }, Ok(5));
        let list = [ready(6), ready(7)];
        assert_eq!(select! { recv(list[1]) -> message => message }, Ok(7));
        // Temporaries that live only as long as the select.
        assert_eq!(select! { recv(ready(8)) -> message => message }, Ok(8));
        assert_eq!(select! { recv(list.first().unwrap().clone()) -> got => got }, Ok(6));
        // The select does not move the receivers.
        assert!(receiver.is_empty() && boxed.is_empty() && shared.is_empty());
    });
}

#[test]
fn senders_and_messages_may_be_any_expression() {
    leno::run(|| {
        let (sender, receiver) = unbounded();
        let text = String::from("moved");
        select! { send(sender, text) -> result => result.unwrap() }
        select! { send(&sender, format!("{}", 1 + 1)) -> result => result.unwrap() }
        select! { send(sender.clone(), "clone".to_owned()) -> result => result.unwrap(), }
        let senders: [Option<Sender<String>>; 2] = [None, Some(sender)];
        select! {
            send(senders[1].as_ref().unwrap(), String::new()) -> result => result.unwrap(),
            default => unreachable!(),
        }
        let got: Vec<String> = receiver.try_iter().collect();
        assert_eq!(got, ["moved", "2", "clone", ""]);
    });
}

#[test]
fn expressions_are_evaluated_once_and_in_order() {
    leno::run(|| {
        let log = RefCell::new(Vec::new());
        let (sender, full) = bounded(1);
        sender.send(0).unwrap();
        let note = |what| log.borrow_mut().push(what);
        select! {
            recv({ note("receiver"); never::<u32>() }) -> _ => unreachable!(),
            send({ note("sender"); &sender }, { note("message"); 1 }) -> _ => unreachable!(),
            default({ note("timeout"); Duration::from_millis(1) }) => note("body"),
        }
        assert_eq!(log.into_inner(), ["receiver", "sender", "message", "timeout", "body"]);
        assert_eq!(full.len(), 1);
    });
}

#[test]
fn bodies_may_be_blocks_or_expressions() {
    leno::run(|| {
        let receiver = ready(1);
        let value = select! {
            recv(receiver) -> message => { message.unwrap() + 1 }
            recv(never::<u32>()) -> message => message.unwrap(),
            recv(never::<u32>()) -> _message => { 0 },
            send(unready(), 1) -> _ => 0,
            default => { 5 }
        };
        assert_eq!(value, 2);
        let value = select! { recv(receiver) -> message => if message.is_ok() { 1 } else { 2 } };
        assert_eq!(value, 2);
        let Some(value) = select!(recv(receiver) -> _ => Some(3), default => None) else {
            unreachable!()
        };
        assert_eq!(value, 3);
    });
}

fn unready() -> Sender<u32> {
    let (sender, receiver) = bounded(0);
    std::mem::forget(receiver);
    sender
}

#[test]
fn results_bind_to_patterns() {
    leno::run(|| {
        let (sender, receiver) = bounded(1);
        sender.send((1, "text")).unwrap();
        let sum = select! {
            recv(receiver) -> message => match message {
                Ok((number, text)) => number + text.len(),
                Err(RecvError) => 0,
            }
        };
        assert_eq!(sum, 5);
        sender.send((2, "")).unwrap();
        select! { recv(receiver) -> mut message => {
            message = message.map(|(number, text)| (number + 1, text));
            assert_eq!(message, Ok((3, "")));
        } }
        select! { send(sender, (0, "")) -> _ => () }
    });
}

#[test]
fn bodies_may_break_continue_and_return() {
    fn find(receiver: &Receiver<u32>) -> Result<Option<u32>, RecvError> {
        loop {
            select! {
                recv(receiver) -> message => {
                    let number = message?;
                    if number == 0 {
                        continue;
                    }
                    if number > 10 {
                        return Ok(Some(number));
                    }
                    if number == 7 {
                        break;
                    }
                }
            }
        }
        Ok(None)
    }
    leno::run(|| {
        let (sender, receiver) = unbounded();
        [0, 3, 12, 0, 7, 5].iter().for_each(|&number| sender.send(number).unwrap());
        drop(sender);
        assert_eq!(find(&receiver), Ok(Some(12)));
        assert_eq!(find(&receiver), Ok(None));
        assert_eq!(find(&receiver), Err(RecvError));
        let mut rounds = 0;
        let labelled = 'outer: loop {
            for _ in 0..2 {
                rounds += 1;
                select! {
                    recv(receiver) -> _ => if rounds == 3 { break 'outer rounds },
                    default => unreachable!("the channel is disconnected"),
                }
            }
        };
        assert_eq!(labelled, 3);
    });
}

#[test]
fn bodies_share_borrows_and_may_move() {
    leno::run(|| {
        let (mut count, text) = (0, String::from("moved by one arm"));
        let receiver = ready(1);
        let moved = select! {
            recv(receiver) -> _ => { count += 1; text }
            recv(never::<()>()) -> _ => { count += 2; text }
            default => { count += 3; drop(text); String::new() }
        };
        assert_eq!((count, &*moved), (1, "moved by one arm"));
    });
}

#[test]
fn a_body_may_use_the_channels_and_select() {
    leno::run(|| {
        let (sender, receiver) = unbounded();
        sender.send(1).unwrap();
        let got = select! {
            recv(receiver) -> first => {
                sender.send(2).unwrap();
                let second = select! { recv(receiver) -> inner => inner, default => Err(RecvError) };
                (first, second, receiver.try_recv().is_err())
            }
            send(unready(), 0) -> _ => unreachable!(),
        };
        assert_eq!(got, (Ok(1), Ok(2), true));
    });
}

#[test]
fn the_expansion_is_hygienic() {
    leno::run(|| {
        let (case, result, scheduler) = (1, 2, 3);
        let receiver = ready(4);
        let sum = select! {
            recv(never::<()>()) -> _ => 0,
            recv(receiver) -> message => case + result + scheduler + message.unwrap(),
        };
        assert_eq!(sum, 10);
    });
}

#[test]
fn selects_work_in_closures_and_generic_code() {
    fn drain<const LIMIT: usize>(receiver: &Receiver<u32>) -> Vec<u32> {
        let next = || select! { recv(receiver) -> message => message.ok(), default => None };
        std::iter::from_fn(next).take(LIMIT).collect()
    }
    leno::run(|| {
        let (sender, receiver) = unbounded();
        (0..5).for_each(|number| sender.send(number).unwrap());
        assert_eq!(drain::<3>(&receiver), [0, 1, 2]);
        assert_eq!(drain::<9>(&receiver), [3, 4]);
    });
}

#[test]
fn a_deadline_is_a_duration_or_an_instant() {
    leno::Builder::new().virtual_time().run(|| {
        let (start, fired) = (Instant::now(), Cell::new(0));
        let second = Duration::from_secs(1);
        let mut deadline = start + second;
        while fired.get() < 3 {
            select! {
                recv(never::<()>()) -> _ => (),
                default(deadline) => { fired.set(fired.get() + 1); deadline += second; }
            }
        }
        assert_eq!(start.elapsed(), 3 * second);
    });
}

#[test]
fn parentheses_and_commas_are_as_in_calls() {
    leno::run(|| {
        let (sender, receiver) = bounded(1);
        let mut log = Vec::new();
        for _ in 0..3 {
            let step = select! {
                send(sender, log.len(),) -> sent => { sent.unwrap(); "sent" },
                recv(never::<()>(),) -> _ => unreachable!(),
                default() => "full",
            };
            log.push(step);
        }
        assert_eq!(log, ["sent", "full", "full"]);
        assert_eq!(
            select! { recv(receiver,) -> got => got, default(Duration::ZERO,) => Ok(9) },
            Ok(0)
        );
        assert_eq!(leno::select_biased! { default() => 1 }, 1);
    });
}

#[test]
fn the_default_may_be_any_arm() {
    leno::run(|| {
        let number = |receiver: &Receiver<u32>| {
            select! {
                default => 0,
                recv(receiver) -> got => got.unwrap(),
            }
        };
        assert_eq!((number(&ready(7)), number(&never())), (7, 0));
        let number = |receiver: &Receiver<u32>| {
            leno::select_biased! {
                recv(never::<()>()) -> _ => unreachable!(),
                default(Duration::from_micros(1)) => { 0 }
                recv(receiver) -> got => got.unwrap(),
            }
        };
        assert_eq!((number(&ready(7)), number(&never())), (7, 0));
    });
}
