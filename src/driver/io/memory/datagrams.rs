//! Datagrams on a network in memory: each arrives whole, in order, or not at all.

use std::io;

use super::super::address::{Address, Kind};
use super::super::direction::Direction;
use super::ids::SocketId;
use super::names::error;
use super::state::{State, unnamed};
use crate::sys::socket::would_block;

/// The longest datagram of UDP, in bytes.
const LONGEST_DATAGRAM: usize = 65_507;

/// The number of datagrams that a socket has room for. More are lost by UDP, and wait in the Unix domain.
const MOST_DATAGRAMS: usize = 256;

impl State {
    /// Sends a datagram to an address, or to the peer.
    pub(super) fn send(
        &mut self,
        id: SocketId,
        bytes: &[u8],
        to: Option<&Address>,
    ) -> io::Result<usize> {
        let socket = self.get(id)?;
        socket.check()?;
        let (kind, peer, partner) = (socket.kind, socket.peer.clone(), socket.partner);
        if kind == Kind::UdpSocket && bytes.len() > LONGEST_DATAGRAM {
            return Err(error(libc::EMSGSIZE));
        }
        let is_connected = to.is_none() && kind == Kind::UdpSocket;
        let receiver = match to.or(peer.as_ref()) {
            Some(address) => {
                self.bind_to_answer(id, address)?;
                match self.names.at(kind, address) {
                    None if kind.is_unix() => return Err(self.names.refusal(kind, address)),
                    found => found,
                }
            }
            None if partner.is_some() => {
                let partner = partner.filter(|partner| self.sockets.contains_key(partner));
                Some(partner.ok_or_else(|| error(libc::ECONNREFUSED))?)
            }
            None if kind.is_unix() => return Err(error(libc::ENOTCONN)),
            None => return Err(error(libc::EDESTADDRREQ)),
        };
        let Some(receiver) = receiver else {
            // The answer is told to a later call.
            self.get(id)?.error = is_connected.then_some(libc::ECONNREFUSED);
            self.changed(id, Direction::Read);
            return Ok(bytes.len());
        };
        let sender = self.get(id)?.local.clone();
        let socket = self.get(receiver)?;
        let is_wanted = match (&socket.peer, &sender) {
            (Some(peer), Some(sender)) => peer.is_same(sender),
            (Some(_), None) => false,
            (None, _) => true,
        };
        if !is_wanted {
            return if kind.is_unix() { Err(error(libc::EPERM)) } else { Ok(bytes.len()) };
        }
        if socket.datagrams.len() >= MOST_DATAGRAMS {
            if !kind.is_unix() {
                return Ok(bytes.len());
            }
            socket.refused.insert(id);
            return Err(would_block());
        }
        socket.datagrams.push_back((bytes.to_vec(), sender));
        self.changed(receiver, Direction::Read);
        Ok(bytes.len())
    }

    /// Receives a datagram; takes it, or leaves it for the next call.
    pub(super) fn receive(
        &mut self,
        id: SocketId,
        bytes: &mut [u8],
        takes: bool,
    ) -> io::Result<(usize, Address)> {
        let socket = self.get(id)?;
        socket.check()?;
        let (datagram, sender) = socket.datagrams.front().ok_or_else(would_block)?;
        let count = datagram.len().min(bytes.len());
        bytes[..count].copy_from_slice(&datagram[..count]);
        let sender = sender.clone().unwrap_or_else(unnamed);
        if takes {
            socket.datagrams.pop_front();
            self.has_room(id);
        }
        Ok((count, sender))
    }

    /// Reports room for datagrams to the sockets that have found none.
    pub(super) fn has_room(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        for sender in std::mem::take(&mut socket.refused) {
            self.changed(sender, Direction::Write);
        }
    }
}
