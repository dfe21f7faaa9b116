//! The search of a select for an operation that can proceed.

use std::panic::Location;

use super::deadline::{Deadline, Moment};
use super::readiness::{Choice, Watcher, Watching};
use super::selected::SelectedOperation;
use crate::access::{Begun, Part, object_of};
use crate::cancel::interrupted;
use crate::kernel::{
    Alternative, Alternatives, Outcome, Wait, WaitFor, WaitQueue, scheduler, try_scheduler,
};
use crate::timer::refresh;

/// An operation with its number.
pub(super) type Numbered<'a> = (usize, Choice<'a>);

/// A search for an operation that can proceed.
pub(super) struct Search {
    /// The public function that searches.
    pub(super) function: &'static str,
    pub(super) deadline: Deadline,
    /// The caller is going to complete the operation.
    pub(super) commits: bool,
    /// Of several operations the first is chosen.
    pub(super) is_biased: bool,
}

/// How a wait has ended.
enum Ended {
    /// Another select has paired with the operation at this place.
    Paired(usize),
    /// The operation at this place cannot be waited for.
    Refused(usize),
    /// A channel has changed, or the moment of a timer has come.
    Changed,
    Deadline,
    Interrupted,
}

impl Search {
    /// Waits until an operation can proceed, and selects it. Returns `None` at the deadline.
    #[track_caller]
    pub(super) fn select<'a>(&self, all: &[Numbered<'a>]) -> Option<SelectedOperation<'a>> {
        self.find(all).map(|((index, operation), is_paired)| SelectedOperation {
            index,
            operation,
            is_paired,
        })
    }

    /// Waits until an operation can proceed. Returns it, and whether it has paired with that of
    /// another select. Returns `None` at the deadline.
    #[track_caller]
    pub(super) fn find<'a>(&self, all: &[Numbered<'a>]) -> Option<(Numbered<'a>, bool)> {
        if let Deadline::Never = self.deadline {
            assert!(!all.is_empty(), "no operations have been added to the select");
        }
        let mut begun = begin(all);
        if let Some(found) = self.look(all, begun.part()) {
            return Some(found);
        }
        if let Deadline::Now = self.deadline {
            return None;
        }
        let scheduler = scheduler(self.function);
        let deadline = self.deadline.moment(scheduler);
        loop {
            match self.watch(all, deadline, begun) {
                Ended::Paired(place) => return Some((all[place].clone(), true)),
                Ended::Refused(place) => return Some((all[place].clone(), false)),
                Ended::Deadline => return None,
                Ended::Interrupted => interrupted(),
                Ended::Changed => begun = begin(all),
            }
            refresh(scheduler);
            if let Some(found) = self.look(all, begun.part()) {
                return Some(found);
            }
        }
    }

    /// Chooses one of the operations that can proceed, and pairs with another select if it has to.
    fn look<'a>(&self, all: &[Numbered<'a>], begun: Part<'_>) -> Option<(Numbered<'a>, bool)> {
        all.iter().for_each(|(_, operation)| operation.look());
        let found = || all.iter().filter(|(_, operation)| operation.can_go_on(begun));
        let place = match try_scheduler() {
            Some(scheduler) if !self.is_biased => match found().count() {
                0 | 1 => 0,
                count => scheduler.alternative(count),
            },
            _ => 0,
        };
        let (index, operation) = found().nth(place)?;
        let is_paired = self.commits && !operation.is_ready(begun);
        if is_paired {
            operation.pair(begun);
        }
        Some(((*index, operation.clone()), is_paired))
    }

    /// Waits until another thread has changed a channel, or until the deadline.
    #[track_caller]
    fn watch(&self, all: &[Numbered<'_>], deadline: Moment, begun: Begun) -> Ended {
        let scheduler = scheduler(self.function);
        let (mut queues, mut events) = (Vec::new(), Vec::new());
        let (mut first_timer, mut refused) = (None, None);
        for (place, (_, operation)) in all.iter().enumerate() {
            if self.commits {
                operation.is_about_to_watch(begun.part());
            }
            match operation.watching(scheduler, begun.part()) {
                Watching::Channel(queue) => queues.push((place, queue)),
                Watching::Event(queue) => events.push((place, queue)),
                Watching::Timer(moment) => {
                    first_timer = first_timer.into_iter().chain(moment).min();
                }
                Watching::Remote => {}
                Watching::Refused => refused = Some(Ended::Refused(place)),
            }
        }
        // Not in a closure, which would be the caller in reports.
        let ended = match refused {
            Some(ended) => ended,
            None => self.wait(all, &queues, &events, (deadline, first_timer)),
        };
        all.iter().for_each(|(_, operation)| operation.has_watched(scheduler));
        ended
    }

    /// Waits in these queues of channels and of events, until the deadline or the moment of a timer.
    #[track_caller]
    fn wait(
        &self,
        all: &[Numbered<'_>],
        queues: &[(usize, &WaitQueue<Watcher>)],
        events: &[(usize, &WaitQueue<()>)],
        (deadline, first_timer): (Moment, Moment),
    ) -> Ended {
        let scheduler = scheduler(self.function);
        let alternatives: Vec<Alternative<'_>> =
            all.iter().map(|(_, operation)| Alternative(operation.wait_for())).collect();
        let ends_by_timer = first_timer.is_some_and(|first| deadline.is_none_or(|end| first < end));
        let deadline = if ends_by_timer { first_timer } else { deadline };
        let alternatives = Alternatives::All(&alternatives);
        let wait = Wait::at(WaitFor::Any(&alternatives), Location::caller());
        let watcher = if self.commits { Watcher::Commits } else { Watcher::Looks };
        let block = || scheduler.block(&wait, deadline);
        let block = || WaitQueue::enrolled_in_all(scheduler, events, (), block);
        let ((outcome, event), paired) =
            WaitQueue::enrolled_in_all(scheduler, queues, watcher, block);
        if let Some((place, ())) = event {
            // All operations are looked at again in any case.
            let _ = all[place].1.has_woken(scheduler);
        }
        match (outcome, paired) {
            (Outcome::Woken, Some((place, Watcher::Paired))) => Ended::Paired(place),
            (Outcome::Woken, _) => Ended::Changed,
            (Outcome::Elapsed, _) if ends_by_timer => Ended::Changed,
            (Outcome::Elapsed, _) => Ended::Deadline,
            (Outcome::Interrupted, _) => Ended::Interrupted,
        }
    }
}

/// Begins the operation. Its result depends on the state of all channels.
#[track_caller]
fn begin(all: &[Numbered<'_>]) -> Begun {
    Begun::on_all(all.iter().filter_map(|(_, it)| object_of(it.wait_for())), "select on")
}
