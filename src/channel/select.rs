//! Waiting for any of several channels.
//!
//! Each arm is a case on the frame of the [`select!`](crate::select!). The cases
//! enroll one inside the other, so that the node of each is on a frame above the
//! wait; the first that can go on ends the wait for all.

use crate::access::{Object, operation_on_all};
use crate::cancel::interrupted;
use crate::explore::{alternative, is_controlled, random_below};
use crate::kernel::{
    Listed, Need, Needs, Outcome, Resource, Scheduler, Wait, WaitFor, Want, scheduler,
    try_scheduler,
};
use std::array;
use std::cell::Cell;
use std::panic::Location;

use super::core::Deadline as Moment;
use super::deadline::Deadline;
use super::ends::{Flavor, Receiver, Sender};
use super::error::{RecvError, SendError, TryRecvError, TrySendError};

/// One arm.
pub trait Case {
    /// What it operates on.
    fn resource(&self) -> &Resource;

    /// Could it go on without waiting?
    fn is_ready(&self) -> bool;

    /// Goes on if that is possible without waiting.
    fn try_now(&self) -> bool;

    /// Enrolls, then has the others enroll and wait.
    fn enroll(&self, round: &Round<'_>, index: usize, listed: Option<&Listed<'_>>) -> Outcome;

    /// It was chosen: keeps the result, if that is not there yet.
    fn chosen(&self);
}

/// All arms of one select, while it waits.
pub struct Round<'a> {
    scheduler: &'a Scheduler,
    cases: &'a [&'a dyn Case],
    /// The case by whose node the wait was ended, once it was.
    chosen: Cell<Option<usize>>,
    /// The first deadline, and whether it is that of a case.
    deadline: Cell<Moment>,
    timer: Cell<bool>,
    at: &'static Location<'static>,
}

impl Round<'_> {
    fn go_on(&self, index: usize, listed: Option<&Listed<'_>>) -> Outcome {
        match self.cases.get(index) {
            Some(case) => case.enroll(self, index, listed),
            None => {
                let nothing = Listed { need: None, others: None };
                let needs = Needs::Listed(listed.unwrap_or(&nothing));
                let wait = Wait::at(WaitFor::Any(&needs), self.at);
                self.scheduler.block(&wait, self.deadline.get())
            }
        }
    }

    /// The wait is over, and was ended by the node of this case if `is_chosen`.
    fn ended(&self, index: usize, is_chosen: bool) {
        if is_chosen {
            self.chosen.set(Some(index));
        }
    }

    /// A case whose message comes at `moment`.
    fn add_timer(&self, moment: Moment) {
        if let Some(moment) = moment
            && self.deadline.get().is_none_or(|deadline| moment < deadline)
        {
            self.deadline.set(Some(moment));
            self.timer.set(true);
        }
    }
}

/// Lets one of the cases that can go on do so, any of them with the same
/// probability (with `biased`, the first). Waits until there is one; false at the
/// deadline.
#[inline]
#[track_caller]
pub fn select<const CASES: usize>(
    cases: &[&dyn Case; CASES],
    deadline: Deadline,
    biased: bool,
) -> bool {
    let mut order = array::from_fn::<usize, CASES, _>(|index| index);
    operate(cases);
    if try_all(cases, &mut order, biased) {
        return true;
    }
    if matches!(deadline, Deadline::Now) {
        return false;
    }
    let scheduler = scheduler("select!");
    let deadline = deadline.moment(scheduler);
    loop {
        match wait(scheduler, cases, deadline) {
            Ended::Chosen => return true,
            Ended::Deadline => return false,
            // Perhaps somebody else has taken its message; perhaps others can go
            // on by now.
            Ended::Timer => operate(cases),
        }
        if try_all(cases, &mut order, biased) {
            return true;
        }
    }
}

/// Whatever comes of it, it depends on the state of all.
#[inline(always)]
#[track_caller]
fn operate(cases: &[&dyn Case]) {
    operation_on_all(cases.iter().map(|case| Object::Resource(case.resource())), "select on");
}

/// Tries the cases in an order of which each is as likely as any other.
fn try_all(cases: &[&dyn Case], order: &mut [usize], biased: bool) -> bool {
    let scheduler = if biased { None } else { try_scheduler() };
    if let Some(scheduler) = scheduler.filter(|scheduler| is_controlled(scheduler)) {
        return try_directed(scheduler, cases);
    }
    for place in 0..order.len() {
        let left = order.len() - place;
        if let Some(scheduler) = scheduler
            && left > 1
        {
            order.swap(place, place + random_below(scheduler, left));
        }
        if cases[order[place]].try_now() {
            return true;
        }
    }
    false
}

/// As [`try_all`], where the director chooses, among those that can go on.
#[cold]
fn try_directed(scheduler: &Scheduler, cases: &[&dyn Case]) -> bool {
    let ready = || cases.iter().filter(|case| case.is_ready());
    let count = ready().count();
    let chosen = if count > 1 { alternative(scheduler, count) } else { 0 };
    ready().nth(chosen).is_some_and(|case| case.try_now())
}

/// How a wait of a select has ended.
enum Ended {
    Chosen,
    Deadline,
    /// The moment of a timer among the cases has come.
    Timer,
}

#[track_caller]
fn wait(scheduler: &Scheduler, cases: &[&dyn Case], deadline: Moment) -> Ended {
    let round = Round {
        scheduler,
        cases,
        chosen: Cell::new(None),
        deadline: Cell::new(deadline),
        timer: Cell::new(false),
        at: Location::caller(),
    };
    match round.go_on(0, None) {
        Outcome::Woken => {
            let chosen =
                round.chosen.get().expect("a wait of a select is ended by one of its nodes");
            cases[chosen].chosen();
            Ended::Chosen
        }
        Outcome::Elapsed if round.timer.get() => Ended::Timer,
        Outcome::Elapsed => Ended::Deadline,
        Outcome::Interrupted => interrupted(),
    }
}

/// `recv(receiver) -> result`
pub struct RecvCase<'a, T> {
    receiver: &'a Receiver<T>,
    result: Cell<Option<Result<T, RecvError>>>,
}

impl<'a, T> RecvCase<'a, T> {
    /// A case that receives.
    pub fn new(receiver: &'a Receiver<T>) -> Self {
        RecvCase { receiver, result: Cell::new(None) }
    }

    /// What was received, if it was this case.
    pub fn take(&self) -> Option<Result<T, RecvError>> {
        self.result.take()
    }
}

impl<T> Case for RecvCase<'_, T> {
    fn resource(&self) -> &Resource {
        self.receiver.resource()
    }

    fn is_ready(&self) -> bool {
        self.receiver.can_receive()
    }

    fn try_now(&self) -> bool {
        let result = match self.receiver.take() {
            Ok(value) => Ok(value),
            Err(TryRecvError::Disconnected) => Err(RecvError),
            Err(TryRecvError::Empty) => return false,
        };
        self.result.set(Some(result));
        true
    }

    fn enroll(&self, round: &Round<'_>, index: usize, others: Option<&Listed<'_>>) -> Outcome {
        match &self.receiver.flavor {
            Flavor::Channel(channel) => {
                channel.is_about_to_receive();
                let listed = Listed { need: Some(channel.message()), others };
                let waited = channel
                    .receiving
                    .enrolled(round.scheduler, None, || round.go_on(index + 1, Some(&listed)));
                self.result.set(waited.slot.map(Ok));
                round.ended(index, waited.is_chosen);
                waited.result
            }
            Flavor::Timer(timer) => {
                round.add_timer(timer.deadline());
                let need = Some(Need { what: Want::Itself, resource: &timer.resource });
                round.go_on(index + 1, Some(&Listed { need, others }))
            }
        }
    }

    fn chosen(&self) {
        let result = self.result.take();
        self.result.set(Some(result.unwrap_or_else(|| Err(self.receiver.disconnected()))));
    }
}

/// `send(sender, message) -> result`
pub struct SendCase<'a, T> {
    sender: &'a Sender<T>,
    message: Cell<Option<T>>,
    result: Cell<Option<Result<(), SendError<T>>>>,
}

impl<'a, T> SendCase<'a, T> {
    /// A case that sends.
    pub fn new(sender: &'a Sender<T>, message: T) -> Self {
        SendCase { sender, message: Cell::new(Some(message)), result: Cell::new(None) }
    }

    /// How the sending went, if it was this case.
    pub fn take(&self) -> Option<Result<(), SendError<T>>> {
        self.result.take()
    }
}

impl<T> Case for SendCase<'_, T> {
    fn resource(&self) -> &Resource {
        &self.sender.channel.resource
    }

    fn is_ready(&self) -> bool {
        self.sender.channel.can_send()
    }

    fn try_now(&self) -> bool {
        let Some(message) = self.message.take() else { return false };
        let result = match self.sender.channel.try_send(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Disconnected(message)) => Err(SendError(message)),
            Err(TrySendError::Full(message)) => {
                self.message.set(Some(message));
                return false;
            }
        };
        self.result.set(Some(result));
        true
    }

    fn enroll(&self, round: &Round<'_>, index: usize, others: Option<&Listed<'_>>) -> Outcome {
        let channel = &self.sender.channel;
        channel.is_about_to_send();
        let listed = Listed { need: Some(channel.room()), others };
        let waited = channel.sending.enrolled(round.scheduler, self.message.take(), || {
            round.go_on(index + 1, Some(&listed))
        });
        self.message.set(waited.slot);
        round.ended(index, waited.is_chosen);
        waited.result
    }

    fn chosen(&self) {
        self.result
            .set(Some(self.message.take().map_or(Ok(()), |message| Err(SendError(message)))));
    }
}

/// Waits until one of several channel operations can go on, and runs its arm.
///
/// ```text
/// select! {
///     recv(receiver) -> result => body,          result: Result<T, RecvError>
///     send(sender, message) -> result => body,   result: Result<(), SendError<T>>
///     default => body,                           if none can go on at once
///     default(timeout) => body,                  a Duration or an Instant
/// }
/// ```
///
/// Any number of `recv` and `send`, at most one `default`, which comes last. (If the
/// number is known only when the program runs, there is
/// [`Select`](crate::channel::Select).) If
/// several can go on, any of them does, each with the same probability; a channel
/// that is disconnected can go on, with an error. The message of a `send` is
/// computed whether it is sent or not, and dropped if it is not.
///
/// It is a cancellation point as a whole: if the green thread is cancelled while
/// it waits, no message is received or sent.
///
/// # Panics
///
/// If it has to wait outside a runtime.
///
/// # Examples
///
/// ```
/// use leno::channel::bounded;
/// use leno::time::Duration;
///
/// leno::run(|| {
///     let (numbers, receive_number) = bounded(1);
///     let (_words, receive_word) = bounded::<&str>(1);
///     leno::spawn(move || numbers.send(7));
///     let got = leno::select! {
///         recv(receive_number) -> number => number.unwrap().to_string(),
///         recv(receive_word) -> word => word.unwrap().to_owned(),
///         default(Duration::from_secs(1)) => "nothing".to_owned(),
///     };
///     assert_eq!(got, "7");
/// });
/// ```
#[macro_export]
macro_rules! select {
    () => {
        ::core::compile_error!("a select needs at least one arm: without one it could never end")
    };
    ($($arms:tt)+) => {
        $crate::__select_arms!(false; [] $($arms)+)
    };
}

/// As [`select!`](crate::select!), but if several operations can go on, the first
/// of them does.
#[macro_export]
macro_rules! select_biased {
    () => {
        $crate::select! {}
    };
    ($($arms:tt)+) => {
        $crate::__select_arms!(true; [] $($arms)+)
    };
}

/// Takes one arm after the other: makes its case, and keeps it with what is to be
/// done if it is chosen.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_arms {
    // recv
    ($biased:expr; [$($done:tt)*] recv($receiver:expr) -> $result:pat => $body:block, $($rest:tt)*) => {
        match (match &$receiver { end => $crate::channel::__select::RecvCase::new(end) }) {
            case => $crate::__select_arms!($biased; [$($done)* (case, $result, $body)] $($rest)*),
        }
    };
    ($biased:expr; [$($done:tt)*] recv($receiver:expr) -> $result:pat => $body:block $($rest:tt)*) => {
        $crate::__select_arms!($biased; [$($done)*] recv($receiver) -> $result => $body, $($rest)*)
    };
    ($biased:expr; [$($done:tt)*] recv($receiver:expr) -> $result:pat => $body:expr, $($rest:tt)*) => {
        $crate::__select_arms!($biased; [$($done)*] recv($receiver) -> $result => { $body }, $($rest)*)
    };
    ($biased:expr; [$($done:tt)*] recv($receiver:expr) -> $result:pat => $body:expr) => {
        $crate::__select_arms!($biased; [$($done)*] recv($receiver) -> $result => { $body },)
    };
    // send
    ($biased:expr; [$($done:tt)*] send($sender:expr, $message:expr) -> $result:pat => $body:block, $($rest:tt)*) => {
        match (match &$sender { end => $crate::channel::__select::SendCase::new(end, $message) }) {
            case => $crate::__select_arms!($biased; [$($done)* (case, $result, $body)] $($rest)*),
        }
    };
    ($biased:expr; [$($done:tt)*] send($sender:expr, $message:expr) -> $result:pat => $body:block $($rest:tt)*) => {
        $crate::__select_arms!($biased; [$($done)*] send($sender, $message) -> $result => $body, $($rest)*)
    };
    ($biased:expr; [$($done:tt)*] send($sender:expr, $message:expr) -> $result:pat => $body:expr, $($rest:tt)*) => {
        $crate::__select_arms!($biased; [$($done)*] send($sender, $message) -> $result => { $body }, $($rest)*)
    };
    ($biased:expr; [$($done:tt)*] send($sender:expr, $message:expr) -> $result:pat => $body:expr) => {
        $crate::__select_arms!($biased; [$($done)*] send($sender, $message) -> $result => { $body },)
    };
    // default
    ($biased:expr; [$($done:tt)*] default => $body:block $(,)?) => {
        $crate::__select_run!($biased, $crate::channel::__select::Deadline::Now, $body; $($done)*)
    };
    ($biased:expr; [$($done:tt)*] default => $body:expr $(,)?) => {
        $crate::__select_arms!($biased; [$($done)*] default => { $body })
    };
    ($biased:expr; [$($done:tt)*] default($timeout:expr) => $body:block $(,)?) => {
        $crate::__select_run!(
            $biased,
            $crate::channel::__select::IntoDeadline::into_deadline($timeout),
            $body;
            $($done)*
        )
    };
    ($biased:expr; [$($done:tt)*] default($timeout:expr) => $body:expr $(,)?) => {
        $crate::__select_arms!($biased; [$($done)*] default($timeout) => { $body })
    };
    ($biased:expr; [$($done:tt)*] default $($rest:tt)*) => {
        ::core::compile_error!("`default` must be the last arm: `default => body` or `default(timeout) => body`")
    };
    // the end
    ($biased:expr; [$($done:tt)+]) => {
        $crate::__select_run!(
            $biased,
            $crate::channel::__select::Deadline::Never,
            { ::core::unreachable!("a select without a deadline ends with one of its cases") };
            $($done)*
        )
    };
    ($biased:expr; [$($done:tt)*] $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "expected `recv(receiver) -> result => body`, `send(sender, message) -> result => body`, ",
            "`default => body` or `default(timeout) => body`, found: ",
            ::core::stringify!($($rest)*)
        ))
    };
}

/// Waits, and runs the body of the case that was chosen.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_run {
    ($biased:expr, $deadline:expr, $default:block; $(($case:ident, $result:pat, $body:block))*) => {{
        $crate::channel::__select::select(
            &[$(&$case as &dyn $crate::channel::__select::Case),*],
            $deadline,
            $biased,
        );
        $crate::__select_bodies!($default; $(($case, $result, $body))*)
    }};
}

/// The body of the case that was chosen.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_bodies {
    ($default:block;) => { $default };
    ($default:block; ($case:ident, $result:pat, $body:block) $($rest:tt)*) => {
        match $case.take() {
            ::core::option::Option::Some(result) => {
                let $result = result;
                $body
            }
            ::core::option::Option::None => $crate::__select_bodies!($default; $($rest)*),
        }
    };
}
