//! The reasons why an execution returns no value.

/// The first thing that went wrong in an execution.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// The message of the panic, or the deadlock report.
    pub(super) message: String,
    /// The file and the line of the panic.
    pub(super) place: Option<(String, u32)>,
    /// The number of the green thread that panicked.
    pub(super) thread: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    Panic,
    Deadlock,
}

/// The reason why the controller has ended an execution early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Abort {
    /// The execution has more steps than the limit.
    Endless,
    /// The program does not repeat itself: after this number of choices, the enabled set or the
    /// chosen green thread differs from the earlier execution.
    Differs { after: usize },
    /// The program returned another value under the same schedule.
    OtherValue,
    /// The schedule does not fit the program; the text says why.
    Misfit(String),
    /// More green threads in all than a reduced exploration can tell apart.
    TooMany,
    /// More green threads at once than the limit.
    TooManyAtOnce,
    /// The execution is equivalent to an explored one.
    Redundant,
}

impl Abort {
    /// Returns `true` if no further execution can be run.
    pub(super) fn ends_exploration(&self) -> bool {
        !matches!(self, Abort::Endless | Abort::Redundant)
    }
}
