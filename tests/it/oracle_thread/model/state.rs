//! The state of each green thread and scope in the model.

use std::collections::VecDeque;

use super::super::{Keep, Op};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wait {
    Unpark,
    Join(usize),
    Scope,
    AllEnded,
}

#[derive(Clone, Copy, Default, PartialEq)]
pub(super) enum State {
    #[default]
    Ready,
    Waiting(Wait),
    Finished,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Payload {
    Panic(u32),
    ScopePanicked,
    Unwound,
}

/// The first step of a green thread in its next turn.
#[derive(Clone, Copy, Default)]
pub(super) enum Pending {
    #[default]
    Nothing,
    Start(usize),
    Yielded,
    Parked,
    Joining(usize),
    /// The main thread has ended.
    Over,
}

pub(super) enum Kind {
    Body,
    Catch,
    Scope,
}

pub(super) struct Block<'p> {
    pub(super) kind: Kind,
    pub(super) operations: &'p [Op],
    pub(super) next: usize,
    pub(super) kept: VecDeque<(Keep, u32)>,
    /// The innermost scope around the block.
    pub(super) scope: Option<usize>,
}

#[derive(Default)]
pub(super) struct Scope {
    pub(super) running: usize,
    pub(super) waiter: Option<usize>,
    pub(super) unseen_panics: usize,
    pub(super) handles: Vec<usize>,
}

#[derive(Default)]
pub(super) struct Green<'p> {
    pub(super) state: State,
    pub(super) pending: Pending,
    pub(super) blocks: Vec<Block<'p>>,
    pub(super) unwinding: Option<Payload>,
    pub(super) result: Option<Result<u32, Payload>>,
    pub(super) token: bool,
    pub(super) detached: bool,
    pub(super) joiner: Option<usize>,
    pub(super) scope: Option<usize>,
    /// Whether the thread is unwound at its next cancellation point, unless it is
    /// already.
    pub(super) wanted: bool,
    pub(super) in_flight: bool,
}

impl<'p> Green<'p> {
    pub(super) fn new(operations: &'p [Op], pending: Pending, scope: Option<usize>) -> Green<'p> {
        Green {
            pending,
            blocks: vec![Block::new(Kind::Body, operations, None)],
            scope,
            ..Green::default()
        }
    }
}

impl<'p> Block<'p> {
    pub(super) fn new(kind: Kind, operations: &'p [Op], scope: Option<usize>) -> Block<'p> {
        Block { kind, operations, next: 0, kept: VecDeque::new(), scope }
    }
}
