//! The cases of a `select!`: receives and sends.

use std::cell::Cell;

use super::error::{RecvError, SendError, TryRecvError, TrySendError};
use super::readiness::Operation;
use super::receiver::{Flavor, Receiver};
use super::select_macro::{Case, Round, Tried};
use super::sender::Sender;
use crate::access::Part;
use crate::kernel::{Alternative, Listed, Outcome};

/// `recv(receiver) -> result`
pub struct RecvCase<'a, T> {
    receiver: &'a Receiver<T>,
    result: Cell<Option<Result<T, RecvError>>>,
}

// Methods, so that `select!` finds those of channels between runtimes in the same way.
impl<T> Receiver<T> {
    #[doc(hidden)]
    pub fn __select_case(&self) -> RecvCase<'_, T> {
        RecvCase { receiver: self, result: Cell::new(None) }
    }
}

impl<T> Sender<T> {
    #[doc(hidden)]
    pub fn __select_case(&self, message: T) -> SendCase<'_, T> {
        SendCase { sender: self, message: Cell::new(Some(message)), result: Cell::new(None) }
    }
}

impl<T> RecvCase<'_, T> {
    /// Returns what was received, if this case was chosen.
    pub fn take(&self) -> Option<Result<T, RecvError>> {
        self.result.take()
    }
}

impl<T> Case for RecvCase<'_, T> {
    fn alternative(&self) -> Alternative<'_> {
        Alternative(self.receiver.wait_for())
    }

    fn is_ready(&self, begun: Part<'_>) -> bool {
        let operation: &dyn Operation = self.receiver;
        operation.can_go_on(begun)
    }

    fn try_now(&self, begun: Part<'_>) -> Option<Tried> {
        let result = match self.receiver.try_recv_within(begun) {
            Ok(value) => Ok(value),
            Err(TryRecvError::Disconnected) => Err(RecvError),
            Err(TryRecvError::Empty) if self.receiver.meets_sender(begun) => {
                return Some(Tried::Paired);
            }
            Err(TryRecvError::Empty) => return None,
        };
        self.result.set(Some(result));
        Some(Tried::Performed)
    }

    fn perform_with_partner(&self) -> bool {
        let message = self.receiver.recv_from_partner().ok();
        let is_performed = message.is_some();
        self.result.set(message.map(Ok));
        is_performed
    }

    fn enroll(&self, round: &Round<'_>, place: usize, others: Option<&Listed<'_>>) -> Outcome {
        let listed = round.listed(place, self.alternative(), others);
        match &self.receiver.flavor {
            Flavor::Channel(channel) => {
                let state = channel.within(round.part());
                state.is_about_to_receive();
                let go_on = || round.go_on(place + 1, Some(&listed));
                let waited =
                    state.enrolled(|state| &state.receiving, round.scheduler(), None, go_on);
                self.result.set(waited.slot.map(Ok));
                round.ended(place, waited.is_chosen);
                waited.result
            }
            Flavor::Timer(timer) => {
                round.add_timer(timer.within(round.part()).next());
                round.go_on(place + 1, Some(&listed))
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

impl<T> SendCase<'_, T> {
    /// Returns the result of the send, if this case was chosen.
    pub fn take(&self) -> Option<Result<(), SendError<T>>> {
        self.result.take()
    }
}

impl<T> Case for SendCase<'_, T> {
    fn alternative(&self) -> Alternative<'_> {
        Alternative(self.sender.wait_for())
    }

    fn is_ready(&self, begun: Part<'_>) -> bool {
        let operation: &dyn Operation = self.sender;
        operation.can_go_on(begun)
    }

    fn try_now(&self, begun: Part<'_>) -> Option<Tried> {
        let message = self.message.take()?;
        let state = self.sender.channel.within(begun);
        let result = match state.try_send(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Disconnected(message)) => Err(SendError(message)),
            Err(TrySendError::Full(message)) => match state.hand_over(message) {
                Ok(()) => Ok(()),
                Err(message) => {
                    self.message.set(Some(message));
                    return None;
                }
            },
        };
        self.result.set(Some(result));
        Some(Tried::Performed)
    }

    fn enroll(&self, round: &Round<'_>, place: usize, others: Option<&Listed<'_>>) -> Outcome {
        let state = self.sender.channel.within(round.part());
        state.is_about_to_send();
        let listed = round.listed(place, self.alternative(), others);
        let go_on = || round.go_on(place + 1, Some(&listed));
        let message = self.message.take();
        let waited = state.enrolled(|state| &state.sending, round.scheduler(), message, go_on);
        // mistake: unsent-counts-as-sent
        self.message.set(waited.slot);
        round.ended(place, waited.is_chosen);
        waited.result
    }

    fn chosen(&self) {
        self.result
            .set(Some(self.message.take().map_or(Ok(()), |message| Err(SendError(message)))));
    }
}
