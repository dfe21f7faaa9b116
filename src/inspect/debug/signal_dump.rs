//! Snapshots that a signal asks for: it makes the runtime look, by its inbox.

use std::cell::OnceCell;
use std::io;

use super::snapshot::{Seen, snapshot};
use crate::inspect::with_room;
use crate::kernel::Scheduler;
use crate::kernel::features::SchedulerState;
use crate::remote::inbox::{Inbox, inbox};
use crate::sys::signal::{self, Notify, Receiver};

impl Notify for Inbox {
    /// Takes two atomic operations and a write(2).
    fn notify(&self) {
        Inbox::notify(self);
    }
}

/// A runtime that listens, and what it does with a snapshot.
struct Listening {
    receiver: Receiver<Inbox>,
    show: fn(&Scheduler, Vec<Seen>),
}

/// Set if a signal may ask for a snapshot.
#[derive(Default)]
pub(super) struct SignalDump(OnceCell<Listening>);

// SAFETY: no other type has slot 6, and every scheduler gets such a state.
unsafe impl SchedulerState for SignalDump {
    const SLOT: usize = 6;
}

/// Makes `scheduler` hand a snapshot of its green threads to `show` when the process gets SIGUSR1. The
/// handler stays when the runtime has ended.
pub(crate) fn listen_for_signal(
    scheduler: &Scheduler,
    show: fn(&Scheduler, Vec<Seen>),
) -> io::Result<()> {
    let SignalDump(listening) = scheduler.state();
    if listening.get().is_none() {
        signal::keep(libc::SIGUSR1)?;
        let receiver = Receiver::new(&[libc::SIGUSR1], inbox(scheduler).clone())?;
        listening.get_or_init(|| Listening { receiver, show });
    }
    Ok(())
}

/// Takes the snapshot that a signal has asked for.
pub(crate) fn poll(scheduler: &Scheduler) {
    if let Some(listening) = scheduler.state::<SignalDump>().0.get()
        && listening.receiver.is_pending()
    {
        answer(scheduler, listening);
    }
}

#[cold]
fn answer(scheduler: &Scheduler, listening: &Listening) {
    listening.receiver.take();
    // The stack is that of a thread that has come to wait, and may be small.
    with_room(|| (listening.show)(scheduler, snapshot(scheduler)));
}
