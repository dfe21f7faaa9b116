//! The `select!` macro: a wait for any of several channels.
//!
//! Each arm is a case on the frame of the [`select!`](crate::select!). The cases enroll one
//! inside the other, so that the node of each is on a frame above the wait. The first case
//! that can proceed ends the wait for all.

use std::array;
use std::cell::Cell;
use std::panic::Location;

use super::deadline::{Deadline, Moment};
use crate::access::{Begun, Part, object_of};
use crate::cancel::interrupted;
use crate::kernel::{
    Alternative, Alternatives, Listed, Outcome, Scheduler, Wait, WaitFor, Want, scheduler,
    try_scheduler,
};
use crate::runtime::random_below;
use crate::timer::refresh;

/// One arm.
pub trait Case {
    /// Returns what is waited for.
    fn alternative(&self) -> Alternative<'_>;

    /// Returns `true` if the operation would not wait.
    fn is_ready(&self, begun: Part<'_>) -> bool;

    /// Performs the operation if that is possible without waiting, or pairs with a `Select`.
    fn try_now(&self, begun: Part<'_>) -> Option<Tried>;

    /// Performs the operation with the `Select` that has paired with it. Returns `false` if that
    /// has given up its part.
    #[track_caller]
    fn perform_with_partner(&self) -> bool {
        false
    }

    /// Adds a node to the wait queue, and lets the cases after `place` enroll and wait.
    fn enroll(&self, round: &Round<'_>, place: usize, listed: Option<&Listed<'_>>) -> Outcome;

    /// Keeps the result of the case that was chosen, if the wait has not done so.
    fn chosen(&self);
}

/// What has become of an operation that can proceed.
pub enum Tried {
    Performed,
    /// It has paired with a `Select` at the other end, and has to wait for the part of that.
    Paired,
}

/// All arms of one select, while it waits.
pub struct Round<'a> {
    scheduler: &'a Scheduler,
    cases: &'a [&'a dyn Case],
    /// The order in which the cases enroll: of several at one end of a channel, the first is chosen.
    order: &'a [usize],
    begun: Begun,
    /// The place of the case that has ended the wait, by its node.
    chosen: Cell<Option<usize>>,
    /// The first of the deadlines.
    deadline: Cell<Moment>,
    /// The first deadline is the moment of a timer among the cases.
    timer: Cell<bool>,
    at: &'static Location<'static>,
}

impl Round<'_> {
    pub(crate) fn scheduler(&self) -> &Scheduler {
        self.scheduler
    }

    pub(crate) fn part(&self) -> Part<'_> {
        self.begun.part()
    }

    /// Adds nodes for the case at `place` and those after it, and waits.
    pub(crate) fn go_on(&self, place: usize, listed: Option<&Listed<'_>>) -> Outcome {
        match self.order.get(place) {
            Some(&index) => self.cases[index].enroll(self, place, listed),
            None => {
                let nothing = Listed { alternative: None, others: None };
                let all = Alternatives::Listed(listed.unwrap_or(&nothing));
                let wait = Wait::at(WaitFor::Any(&all), self.at);
                self.scheduler.block(&wait, self.deadline.get())
            }
        }
    }

    /// Records the case that has ended the wait. `is_chosen` says whether it is this one.
    pub(super) fn ended(&self, place: usize, is_chosen: bool) {
        if is_chosen {
            // mistake: first-case-chosen
            self.chosen.set(Some(place));
        }
    }

    /// Returns the case at `place` for a report.
    pub(crate) fn listed<'a>(
        &self,
        place: usize,
        alternative: Alternative<'a>,
        others: Option<&'a Listed<'a>>,
    ) -> Listed<'a> {
        Listed { alternative: Some((self.order[place], alternative)), others }
    }

    /// Adds the moment at which a timer among the cases has a message.
    pub(super) fn add_timer(&self, moment: Moment) {
        if let Some(moment) = moment
            // mistake: timer-after-deadline
            && self.deadline.get().is_none_or(|deadline| moment < deadline)
        {
            self.deadline.set(Some(moment));
            self.timer.set(true);
        }
    }
}

/// Performs one of the cases that can proceed: any of them with the same probability, or
/// the first if `biased`. Waits until there is one. Returns `false` at the deadline.
#[inline]
#[track_caller]
pub fn select<const CASES: usize>(
    cases: &[&dyn Case; CASES],
    deadline: Deadline,
    biased: bool,
) -> bool {
    let mut order = array::from_fn::<usize, CASES, _>(|index| index);
    let Err(mut begun) = attempt(cases, &mut order, biased, begin(cases)) else { return true };
    if matches!(deadline, Deadline::Now) {
        return false;
    }
    let scheduler = scheduler("select!");
    let deadline = deadline.moment(scheduler);
    loop {
        if !biased && scheduler.is_controlled() {
            choose_order(scheduler, cases, &mut order);
        }
        match wait(scheduler, cases, &order, deadline, begun) {
            Ended::Chosen => return true,
            Ended::Deadline => return false,
            // Another thread may have taken the moment, or made another case ready.
            Ended::Changed => begun = begin(cases),
        }
        refresh(scheduler);
        match attempt(cases, &mut order, biased, begun) {
            Ok(()) => return true,
            Err(still_begun) => begun = still_begun,
        }
    }
}

/// Performs one of the cases that can proceed.
///
/// # Errors
///
/// Gives back what has begun if no case can proceed.
#[inline(always)]
#[track_caller]
fn attempt(
    cases: &[&dyn Case],
    order: &mut [usize],
    biased: bool,
    mut begun: Begun,
) -> Result<(), Begun> {
    loop {
        match try_all(cases, order, biased, begun.part()) {
            None => return Err(begun),
            Some((index, Tried::Paired)) => {
                if cases[index].perform_with_partner() {
                    return Ok(());
                }
                begun = begin(cases);
            }
            Some((_, Tried::Performed)) => return Ok(()),
        }
    }
}

/// Lets the controller choose which of several cases at one end of a channel enrolls first.
#[cold]
fn choose_order(scheduler: &Scheduler, cases: &[&dyn Case], order: &mut [usize]) {
    for (index, case) in cases.iter().enumerate() {
        let Some(need) = case.alternative().0.need() else { continue };
        // A timer has no wait queue.
        let is_same = |other: &dyn Case| {
            let other = other.alternative().0.need();
            need.what != Want::Itself && other.is_some_and(|other| need.is_same(other))
        };
        if cases[..index].iter().any(|&other| is_same(other)) {
            continue;
        }
        let same = (index..cases.len()).filter(|&other| is_same(cases[other]));
        let count = same.clone().count();
        if count > 1 {
            let first = { same }.nth(scheduler.alternative(count)).unwrap_or(index);
            // The others follow in any order: only the first can be chosen.
            let place = order.iter().position(|&other| other == first).unwrap_or(index);
            order.swap(index, place);
        }
    }
}

/// Begins the operation. Its result depends on the state of all channels.
#[inline(always)]
#[track_caller]
fn begin(cases: &[&dyn Case]) -> Begun {
    Begun::on_all(cases.iter().filter_map(|case| object_of(case.alternative().0)), "select on")
}

/// Tries the cases in a random order, all orders with the same probability.
fn try_all(
    cases: &[&dyn Case],
    order: &mut [usize],
    biased: bool,
    begun: Part<'_>,
) -> Option<(usize, Tried)> {
    let scheduler = if biased { None } else { try_scheduler() };
    if let Some(scheduler) = scheduler.filter(|scheduler| scheduler.is_controlled()) {
        return try_directed(scheduler, cases, begun);
    }
    for place in 0..order.len() {
        let left = order.len() - place;
        if let Some(scheduler) = scheduler
            && left > 1
        {
            order.swap(place, place + random_below(scheduler, left));
        }
        if let Some(tried) = cases[order[place]].try_now(begun) {
            return Some((order[place], tried));
        }
    }
    None
}

/// Tries the cases as [`try_all`], in a controlled run: the controller chooses one of the ready
/// cases.
#[cold]
fn try_directed(
    scheduler: &Scheduler,
    cases: &[&dyn Case],
    begun: Part<'_>,
) -> Option<(usize, Tried)> {
    let ready = || cases.iter().enumerate().filter(|(_, case)| case.is_ready(begun));
    let count = ready().count();
    let chosen = if count > 1 { scheduler.alternative(count) } else { 0 };
    let (index, case) = ready().nth(chosen)?;
    Some((index, case.try_now(begun)?))
}

/// How a wait of a select has ended.
enum Ended {
    Chosen,
    Deadline,
    /// The moment of a timer among the cases has come, or another OS thread has changed a channel.
    Changed,
}

/// Waits with a node for each case until one of the cases is chosen or the deadline has passed.
#[track_caller]
fn wait(
    scheduler: &Scheduler,
    cases: &[&dyn Case],
    order: &[usize],
    deadline: Moment,
    begun: Begun,
) -> Ended {
    let round = Round {
        scheduler,
        cases,
        order,
        begun,
        chosen: Cell::new(None),
        deadline: Cell::new(deadline),
        timer: Cell::new(false),
        at: Location::caller(),
    };
    match round.go_on(0, None) {
        Outcome::Woken => match round.chosen.get() {
            Some(chosen) => {
                cases[order[chosen]].chosen();
                Ended::Chosen
            }
            None => Ended::Changed,
        },
        Outcome::Elapsed if round.timer.get() => Ended::Changed,
        Outcome::Elapsed => Ended::Deadline,
        Outcome::Interrupted => interrupted(),
    }
}

/// Waits until one of several channel operations can proceed, or one of several events has come, and
/// runs its arm.
///
/// ```text
/// select! {
///     recv(receiver) -> result => body,          result: Result<T, RecvError>
///     send(sender, message) -> result => body,   result: Result<(), SendError<T>>
///     join(handle) -> result => body,            as `handle.join()`; `handle` is a variable
///     join(handle) => body,                      its green thread has ended
///     readable(socket) => body,                  a read, accept or receive would not wait
///     writable(socket) => body,                  a write would not wait
///     default => body,                           if none can proceed at once
///     default(timeout) => body,                  a Duration or an Instant
/// }
/// ```
///
/// Any number of arms, at most one `default`. (For a number
/// that is known only at run time, there is [`Select`](crate::channel::Select).) If several
/// operations can proceed, one of them does, each with the same probability. The operation on
/// a disconnected channel can proceed, with an error. The message of a `send` is computed
/// whether it is sent or not, and dropped if it is not. A select allocates nothing.
///
/// A [`Select`](crate::channel::Select) that waits at the other end of a channel without a buffer
/// counts as ready. If it is to send, the `select!` waits until its thread has completed the send.
///
/// `join` takes the handle only if its arm is chosen, and borrows it else. `readable` and `writable`
/// take a socket of `leno::net` or `leno::os::unix::net`, or a `leno::io::Watched`; `leno::channel::Ready`
/// has an example. They only tell that a call would not wait: the call is in the body, and waits if
/// another thread was faster. What is in the socket stays there if another arm is chosen. Where the
/// system refuses to report the descriptor, and in an exploration without a network, the arm can proceed: the call tells
/// the error. Each select looks at the descriptor, with a system call.
///
/// # Panics
///
/// If it has to wait outside a runtime.
///
/// # Cancellation
///
/// A cancellation point. If the thread is unwound here, no message has been received or
/// sent, and no handle has been joined.
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
///
/// A wait for a green thread that another one may stop:
///
/// ```
/// use leno::channel::bounded;
///
/// leno::run(|| {
///     let worker = leno::spawn(|| (1..=10).sum::<i32>());
///     let (_stop, stopped) = bounded::<()>(0);
///     let sum = leno::select! {
///         join(worker) -> result => result.unwrap(),
///         recv(stopped) -> _ => 0, // detaches the worker
///     };
///     assert_eq!(sum, 55);
/// });
/// ```
#[macro_export]
macro_rules! select {
    () => {
        ::core::compile_error!("a select needs at least one arm: without one it could never end")
    };
    ($($arms:tt)+) => {
        $crate::__select_arms!(false; [] [] $($arms)+)
    };
}

/// As [`select!`](crate::select!), but if several operations can proceed, the first of them
/// does.
///
/// # Examples
///
/// ```
/// use leno::channel::unbounded;
///
/// let ((urgent, urgent_jobs), (normal, normal_jobs)) = (unbounded(), unbounded());
/// normal.send("tidy up").unwrap();
/// urgent.send("put out the fire").unwrap();
/// let job = leno::select_biased! {
///     recv(urgent_jobs) -> job => job,
///     recv(normal_jobs) -> job => job,
/// };
/// assert_eq!(job, Ok("put out the fire"));
/// ```
#[macro_export]
macro_rules! select_biased {
    () => {
        $crate::select! {}
    };
    ($($arms:tt)+) => {
        $crate::__select_arms!(true; [] [] $($arms)+)
    };
}
