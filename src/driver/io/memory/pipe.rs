//! One direction of a stream in memory.

use std::collections::VecDeque;
use std::io;

use super::super::direction::{Direction, Drained};
use super::ids::SocketId;
use crate::sys::socket::would_block;

/// One direction of a stream.
pub(super) struct Pipe {
    pub(super) bytes: VecDeque<u8>,
    /// The number of bytes that it has room for.
    capacity: usize,
    pub(super) reader: SocketId,
    pub(super) writer: SocketId,
    /// No byte comes after these: the writer has shut it down, or is closed.
    pub(super) is_ended: bool,
    /// Nothing will be read: the reader is closed.
    pub(super) is_unread: bool,
    /// The reader has shut it down, and finds the end after these bytes.
    pub(super) is_deaf: bool,
    /// A byte was written that will not be read.
    is_answered: bool,
    /// The connection was reset.
    is_reset: bool,
    /// A call has found too little room.
    is_refused: bool,
}

impl Pipe {
    pub(super) fn new(reader: SocketId, writer: SocketId, capacity: usize) -> Pipe {
        Pipe {
            bytes: VecDeque::new(),
            capacity,
            reader,
            writer,
            is_ended: false,
            is_unread: false,
            is_deaf: false,
            is_answered: false,
            is_reset: false,
            is_refused: false,
        }
    }

    /// Returns the number of bytes that there is room for.
    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }

    /// Returns `true` if the stream is closed in this direction.
    pub(super) fn is_closed(&self, direction: Direction) -> bool {
        self.is_reset
            || match direction {
                Direction::Read => self.is_ended || self.is_deaf,
                Direction::Write => self.is_unread || self.is_ended,
            }
    }

    /// Returns `true` if a call in this direction would not block.
    pub(super) fn is_ready(&self, direction: Direction) -> bool {
        let has_any = match direction {
            Direction::Read => !self.bytes.is_empty(),
            Direction::Write => self.room() > 0,
        };
        has_any || self.is_closed(direction)
    }

    /// Reads at most `most` bytes; takes them, or leaves them for the next call.
    pub(super) fn read(
        &mut self,
        bytes: &mut [u8],
        most: usize,
        takes: bool,
    ) -> io::Result<(usize, Drained)> {
        if bytes.is_empty() {
            return Ok((0, Drained::Unknown));
        }
        if self.bytes.is_empty() {
            let is_over = self.is_closed(Direction::Read);
            return if is_over { Ok((0, Drained::Unknown)) } else { Err(would_block()) };
        }
        let count = self.bytes.len().min(bytes.len()).min(most);
        for (place, byte) in bytes.iter_mut().zip(&self.bytes).take(count) {
            *place = *byte;
        }
        if takes {
            self.bytes.drain(..count);
        }
        let is_drained = self.bytes.is_empty();
        Ok((count, if is_drained { Drained::Short } else { Drained::Unknown }))
    }

    /// Returns `true` if there is room after a call has found too little, once.
    pub(super) fn has_room_again(&mut self) -> bool {
        self.is_refused && self.room() > 0 && std::mem::take(&mut self.is_refused)
    }

    /// Writes at most `most` bytes. The peer of a stream of TCP (`is_tcp`) answers the first bytes that it
    /// will not read by a reset, which the next call finds.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        most: usize,
        is_tcp: bool,
    ) -> io::Result<(usize, Drained)> {
        if self.is_unread && is_tcp && !std::mem::replace(&mut self.is_answered, true) {
            return Ok((bytes.len(), Drained::Unknown));
        }
        if self.is_closed(Direction::Write) {
            return Err(io::Error::from_raw_os_error(libc::EPIPE));
        }
        let (room, wanted) = (self.room(), bytes.len().min(most));
        if wanted > room {
            self.is_refused = true;
        }
        let count = wanted.min(room);
        if count == 0 && wanted > 0 {
            return Err(would_block());
        }
        self.bytes.extend(&bytes[..count]);
        Ok((count, if count < wanted { Drained::Short } else { Drained::Unknown }))
    }

    /// Resets the connection: what is under way is lost.
    pub(super) fn reset(&mut self) {
        self.bytes.clear();
        self.is_reset = true;
    }
}
