//! What ran when, and who woke whom.

#![forbid(unsafe_code)]

use super::control::Control;
use super::scheduler::Scheduler;

#[derive(Default)]
pub(super) struct Trace {}

impl Scheduler {
    /// `control` has become ready, by what the current green thread does.
    pub(super) fn trace_ready(&self, _control: &Control) {}

    /// `control` is about to run.
    pub(super) fn trace_run(&self, _control: &Control) {}

    /// Looks at what signal handlers and other OS threads ask to be shown.
    pub(super) fn poll_requests(&self) {}
}
