//! Events, as all queues report them.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
pub(super) type Raw = libc::epoll_event;
#[cfg(not(target_os = "linux"))]
pub(super) type Raw = libc::kevent;

/// What has become of a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The number that the descriptor was added with.
    pub(crate) token: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// After what can be read, nothing more will come.
    pub(crate) read_closed: bool,
    pub(crate) write_closed: bool,
    /// Nothing more is reported of the descriptor unless it is added again.
    pub(crate) is_last: bool,
}

/// The events of one look. It is in the heap, since a look is on the stack of the green thread that
/// waits.
#[derive(Default)]
pub(crate) struct Events {
    /// The events as the system returns them.
    pub(super) raw: Vec<Raw>,
    pub(super) events: Vec<Event>,
}

/// The most events that one look returns. More are returned by the next.
pub(super) const MOST_EVENTS: usize = 1024;

impl Events {
    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> {
        self.events.iter().copied()
    }
}
