//! Counts of events, which show that the programs test what they are meant to test.

use super::{Event, Failure, Lock, Outcome, What};

/// The number of times that programs did what they are meant to test.
#[derive(Debug, Default)]
pub(super) struct Tally {
    events: usize,
    choices: usize,
    started: usize,
    slept: usize,
    sent: usize,
    received: usize,
    disconnected: usize,
    timed_out: usize,
    would_block: usize,
    chosen: usize,
    defaults: usize,
    moments: usize,
    mutexes: usize,
    reads: usize,
    writes: usize,
    permits: usize,
    closed: usize,
    notified: usize,
    poisoned: usize,
    in_time: usize,
    elapsed: usize,
    unshielded: usize,
    panics: usize,
    caught_unwinding: usize,
    joined_cancelled: usize,
    waited_in_destructors: usize,
    deadlocks: usize,
}

impl Tally {
    pub(super) fn add(&mut self, trace: &[Event]) {
        self.events += trace.len();
        for event in trace {
            match event {
                Event::Did { what, .. } => self.add_what(what),
                Event::Chose { .. } => self.choices += 1,
                Event::RunEnded(Outcome::Deadlock) => self.deadlocks += 1,
                Event::RunEnded(_) | Event::Dropped { .. } => {}
            }
        }
    }

    fn add_what(&mut self, what: &What) {
        match *what {
            What::Started => self.started += 1,
            What::Slept => self.slept += 1,
            What::Sent { result: Ok(()), .. } => self.sent += 1,
            What::Received { result: Ok(_), .. } => self.received += 1,
            What::Sent { result: Err(failure), .. }
            | What::Received { result: Err(failure), .. }
            | What::Held { result: Err(failure), .. } => match failure {
                Failure::WouldBlock => self.would_block += 1,
                Failure::Timeout => self.timed_out += 1,
                Failure::Disconnected => self.disconnected += 1,
                Failure::Closed => self.closed += 1,
            },
            What::Chosen(Some(_)) => self.chosen += 1,
            What::Chosen(None) => self.defaults += 1,
            What::Moment { .. } => self.moments += 1,
            What::Held { lock, result: Ok(poisoned) } => {
                self.poisoned += usize::from(poisoned);
                *match lock {
                    Lock::Mutex(_) | Lock::Notification => &mut self.mutexes,
                    Lock::Read => &mut self.reads,
                    Lock::Write => &mut self.writes,
                    Lock::Permits(_) => &mut self.permits,
                } += 1;
            }
            What::Notified { timed_out, .. } => {
                self.notified += usize::from(!timed_out);
                self.timed_out += usize::from(timed_out);
            }
            What::InTime => self.in_time += 1,
            What::Elapsed => self.elapsed += 1,
            What::Unshielded => self.unshielded += 1,
            What::Panicking { .. } => self.panics += 1,
            What::Caught(Outcome::Unwound) => self.caught_unwinding += 1,
            What::Joined(Outcome::Unwound) => self.joined_cancelled += 1,
            What::Dropping { .. } => self.waited_in_destructors += 1,
            _ => {}
        }
    }

    pub(super) fn check(&self, programs: usize) {
        let common = [self.slept, self.sent, self.received, self.mutexes, self.elapsed];
        assert!(common.iter().all(|&count| count > programs / 8), "{self:?}");
        let others = [
            self.disconnected,
            self.timed_out,
            self.would_block,
            self.chosen,
            self.defaults,
            self.moments,
            self.reads,
            self.writes,
            self.permits,
            self.closed,
            self.notified,
            self.poisoned,
            self.in_time,
            self.unshielded,
            self.panics,
            self.caught_unwinding,
            self.joined_cancelled,
            self.waited_in_destructors,
            self.deadlocks,
        ];
        // The few programs of an emulated run need not contain these.
        let few = programs < 10_000;
        assert!(few || others.iter().all(|&count| count > programs / 200), "{self:?}");
        // A deadlock ends most of what a program is meant to test.
        assert!(self.deadlocks < programs * 3 / 4, "{self:?}");
    }
}
