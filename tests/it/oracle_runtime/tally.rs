//! Counts of events, which show that the programs test what they are meant to test.

use super::programs::Tally;
use super::{Event, Failure, Fate, Lock, Outcome, What};

pub(super) fn add(tally: &mut Tally, trace: &[Event]) {
    trace.iter().filter_map(name_of).for_each(|name| tally.add(name, 1));
}

fn name_of(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Did { what, .. } => name_of_act(what)?,
        Event::Chose { .. } => "choice",
        Event::RunEnded(Outcome::Deadlock) => "deadlock",
        Event::RunEnded(_) | Event::Dropped { .. } => return None,
    })
}

fn name_of_act(what: &What) -> Option<&'static str> {
    Some(match *what {
        What::Started => "started",
        What::Slept => "slept",
        What::Sent { result: Ok(()), .. } => "sent",
        What::Received { result: Ok(_), .. } => "received",
        What::Sent { result: Err(failure), .. }
        | What::Received { result: Err(failure), .. }
        | What::Held { result: Err(failure), .. } => match failure {
            Failure::WouldBlock => "would block",
            Failure::Timeout => "timed out",
            Failure::Disconnected => "disconnected",
            Failure::Closed => "closed",
        },
        What::Chosen(Some(_)) => "case chosen",
        What::Chosen(None) => "default chosen",
        What::Moment { .. } => "timer",
        What::Held { result: Ok(true), .. } => "poisoned",
        What::Held { lock: Lock::Mutex(_) | Lock::Notification, .. } => "mutex",
        What::Held { lock: Lock::Read, .. } => "read lock",
        What::Held { lock: Lock::Write, .. } => "write lock",
        What::Held { lock: Lock::Permits(_), .. } => "permits",
        What::Notified { timed_out: false, .. } => "notified",
        What::Notified { timed_out: true, .. } => "timed out",
        What::InTime => "in time",
        What::Elapsed => "elapsed",
        What::Unshielded => "unshielded",
        What::Panicking { .. } => "panic",
        What::Caught(Outcome::Unwound, Fate::Kept | Fate::Forgotten) => "kept a payload",
        What::Caught(Outcome::Unwound, _) => "caught an unwinding",
        What::Joined(Outcome::Unwound) => "joined a cancelled thread",
        What::Dropping { .. } => "waited in a destructor",
        _ => return None,
    })
}

pub(super) fn check(tally: &Tally, programs: usize) {
    tally.check(programs / 8, &["slept", "sent", "received", "mutex", "elapsed"]);
    // The few programs of an emulated run need not contain these.
    if programs >= 10_000 {
        let channels =
            ["disconnected", "timed out", "would block", "case chosen", "default chosen"];
        let locks = ["read lock", "write lock", "permits", "closed", "notified", "poisoned"];
        let scopes = ["timer", "in time", "unshielded", "panic", "caught an unwinding"];
        let ends =
            ["kept a payload", "joined a cancelled thread", "waited in a destructor", "deadlock"];
        tally.check(programs / 200, &[&channels[..], &locks, &scopes, &ends].concat());
    }
    // A deadlock ends most of what a program is meant to test.
    assert!(tally.count("deadlock") < programs * 3 / 4, "{tally:?}");
}
