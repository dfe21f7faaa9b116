//! Completing an operation together with the select that has paired with it.

use super::error::{RecvError, TryRecvError};
use super::pairs::Promise;
use super::readiness::Operation;
use super::state::Channel;
use crate::cancel::interrupted;
use crate::kernel::{Outcome, Want, scheduler};

impl<T> Channel<T> {
    /// Keeps a promise to send. Returns the message if the partner has broken its promise.
    #[track_caller]
    pub(super) fn send_to_partner(&self, promise: Promise<'_>, message: T) -> Result<(), T> {
        let left = match self.complete().pairs.receiving.give(message) {
            Ok(()) => None,
            Err(message) => self.wait_to_send_to_partner(message),
        };
        promise.end();
        left.map_or(Ok(()), Err)
    }

    /// Waits until the partner has taken the message, or has broken its promise.
    #[track_caller]
    fn wait_to_send_to_partner(&self, message: T) -> Option<T> {
        let state = self.begin_with_partner("send to");
        let message = state.pairs.receiving.give(message).err()?;
        if state.pairs.misses_receiver() {
            return Some(message);
        }
        let scheduler = scheduler("SelectedOperation::send");
        let (outcome, left) = state.wait(
            |state| &state.pairs.sending,
            Want::Receiver,
            scheduler,
            Some(message),
            None,
        );
        if left.is_some() && outcome == Outcome::Interrupted {
            drop(left);
            interrupted();
        }
        left
    }

    /// Keeps a promise to receive. Returns an error if the partner has broken its promise.
    #[track_caller]
    pub(super) fn recv_from_partner(&self, promise: Promise<'_>) -> Result<T, RecvError> {
        let message = match self.complete().pairs.take() {
            Some(message) => Some(message),
            None => self.wait_to_receive_from_partner(),
        };
        promise.end();
        message.ok_or(RecvError)
    }

    /// Receives from a `Select` that has just paired with this `end`, which did not want to wait.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(super) fn recv_from_select(&self, end: &dyn Operation) -> Result<T, TryRecvError> {
        match self.recv_from_partner(Promise(end)) {
            Ok(message) => Ok(message),
            Err(RecvError) => self.complete().try_recv(),
        }
    }

    /// Waits until the partner has sent, or has broken its promise.
    #[track_caller]
    fn wait_to_receive_from_partner(&self) -> Option<T> {
        let state = self.begin_with_partner("receive from");
        if let Some(message) = state.pairs.take() {
            return Some(message);
        }
        if state.pairs.misses_sender() {
            return None;
        }
        let scheduler = scheduler("SelectedOperation::recv");
        let (outcome, message) =
            state.wait(|state| &state.pairs.receiving, Want::Message, scheduler, None, None);
        if message.is_none() && outcome == Outcome::Interrupted {
            interrupted();
        }
        message
    }
}
