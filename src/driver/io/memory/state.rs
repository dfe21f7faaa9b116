//! The sockets of a network in memory, and what each call does to them.
//!
//! ```text
//!   Names      address -> socket
//!   Socket     a stream: two pipes; a listener: connections to be accepted; else datagrams
//!   Pipe       one direction of a stream: bytes, and whether either end is closed
//!   events     what has become ready, for the sources that watch
//! ```
//!
//! The errors are those of Linux. As with its edge-triggered reports, a change is reported once: that
//! bytes have arrived, whether or not there were some, and that there is room after a call has found none.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::os::unix::net::SocketAddr as UnixAddr;

use super::super::address::{Address, Kind};
use super::super::direction::{Direction, Drained};
use super::super::options::Choice;
use super::ids::{PipeId, SocketId};
use super::names::{Names, error};
use super::pipe::Pipe;
use crate::sys::poller::Event;
use crate::sys::socket::would_block;

/// A network.
pub(super) struct State {
    pub(super) sockets: BTreeMap<SocketId, Socket>,
    pipes: BTreeMap<PipeId, Pipe>,
    pub(super) names: Names,
    /// The last number that a socket or a pipe got.
    pub(super) last_id: u64,
    /// The number of bytes that a pipe has room for.
    capacity: usize,
    /// With the sockets that have changed.
    pub(super) events: VecDeque<(SocketId, Event)>,
}

/// A socket.
pub(super) struct Socket {
    pub(super) kind: Kind,
    pub(super) local: Option<Address>,
    pub(super) peer: Option<Address>,
    /// The address of a connection that has not been answered yet.
    connecting: Option<Address>,
    /// What a connected stream reads from and writes to.
    pipes: Option<[PipeId; 2]>,
    is_listening: bool,
    /// Connections to be accepted.
    connections: VecDeque<SocketId>,
    /// With their senders.
    pub(super) datagrams: VecDeque<(Vec<u8>, Option<Address>)>,
    /// The other socket of a pair of datagram sockets.
    pub(super) partner: Option<SocketId>,
    /// The sockets that have found no room here.
    pub(super) refused: BTreeSet<SocketId>,
    /// The number of an error that a later call is to return.
    pub(super) error: Option<i32>,
    options: BTreeMap<Choice, u32>,
    /// The token of the source that watches it.
    token: Option<u64>,
}

impl Socket {
    fn new(kind: Kind) -> Socket {
        Socket {
            kind,
            local: None,
            peer: None,
            connecting: None,
            pipes: None,
            is_listening: false,
            connections: VecDeque::new(),
            datagrams: VecDeque::new(),
            partner: None,
            refused: BTreeSet::new(),
            error: None,
            options: BTreeMap::new(),
            token: None,
        }
    }

    /// Takes the error that is to be returned.
    ///
    /// # Errors
    ///
    /// That error.
    pub(super) fn check(&mut self) -> io::Result<()> {
        self.error.take().map_or(Ok(()), |code| Err(error(code)))
    }
}

impl State {
    pub(super) fn new(capacity: usize) -> State {
        State {
            sockets: BTreeMap::new(),
            pipes: BTreeMap::new(),
            names: Names::default(),
            last_id: 0,
            capacity,
            events: VecDeque::new(),
        }
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Makes a socket.
    pub(super) fn socket(&mut self, kind: Kind) -> SocketId {
        let id = SocketId(self.new_id());
        self.sockets.insert(id, Socket::new(kind));
        id
    }

    /// Returns a socket.
    ///
    /// # Errors
    ///
    /// If the network has been restarted since the socket was made.
    pub(super) fn get(&mut self, id: SocketId) -> io::Result<&mut Socket> {
        self.sockets.get_mut(&id).ok_or_else(|| error(libc::EBADF))
    }

    /// Returns the pipe that a stream reads from or writes to.
    ///
    /// # Errors
    ///
    /// If it is not connected.
    pub(super) fn pipe(&mut self, id: SocketId, direction: Direction) -> io::Result<PipeId> {
        let pipes = self.get(id)?.pipes.ok_or_else(|| error(libc::ENOTCONN))?;
        Ok(pipes[direction as usize])
    }

    /// Reports that a socket has become ready in a direction.
    pub(super) fn changed(&mut self, id: SocketId, direction: Direction) {
        let Some(Socket { token: Some(token), pipes, .. }) = self.sockets.get(&id) else { return };
        let pipe = pipes.and_then(|pipes| self.pipes.get(&pipes[direction as usize]));
        let is_closed = pipe.is_some_and(|pipe| pipe.is_closed(direction));
        let event = Event { token: *token, ..Event::default() };
        let event = match direction {
            Direction::Read => Event { readable: true, read_closed: is_closed, ..event },
            Direction::Write => Event { writable: true, write_closed: is_closed, ..event },
        };
        self.events.push_back((id, event));
    }

    /// Begins to report the changes of a socket, with this token. What is ready now is reported at once.
    pub(super) fn watch(&mut self, id: SocketId, token: u64) -> io::Result<()> {
        self.get(id)?.token = Some(token);
        for direction in [Direction::Read, Direction::Write] {
            if self.is_ready(id, direction) {
                self.changed(id, direction);
            }
        }
        Ok(())
    }

    /// Reports the changes of a socket no more.
    pub(super) fn unwatch(&mut self, token: u64) {
        self.events.retain(|(_, event)| event.token != token);
        for socket in self.sockets.values_mut().filter(|socket| socket.token == Some(token)) {
            socket.token = None;
        }
    }

    /// Returns `true` if a call in this direction would not block.
    pub(super) fn is_ready(&self, id: SocketId, direction: Direction) -> bool {
        let Some(socket) = self.sockets.get(&id) else { return true };
        let pipe = socket.pipes.and_then(|pipes| self.pipes.get(&pipes[direction as usize]));
        match (pipe, direction) {
            (Some(pipe), _) => pipe.is_ready(direction),
            (None, Direction::Read) => {
                !socket.connections.is_empty() || !socket.datagrams.is_empty()
            }
            (None, Direction::Write) => socket.connecting.is_none(),
        }
    }

    /// Gives a socket its address. A listener then gets connections.
    pub(super) fn bind(&mut self, id: SocketId, address: &Address) -> io::Result<()> {
        let kind = self.get(id)?.kind;
        if self.get(id)?.local.is_some() {
            return Err(error(libc::EINVAL));
        }
        let address = self.names.take(kind, address, id)?;
        let socket = self.get(id)?;
        socket.local = Some(address);
        socket.is_listening = kind.is_listener();
        Ok(())
    }

    /// Gives a socket without an address one by which it can be answered.
    pub(super) fn bind_to_answer(&mut self, id: SocketId, peer: &Address) -> io::Result<()> {
        if self.get(id)?.local.is_some() {
            return Ok(());
        }
        let Address::Ip(peer) = peer else { return Ok(()) };
        let ip: IpAddr = match peer.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        self.bind(id, &Address::Ip(SocketAddr::new(ip, 0)))
    }

    /// Makes a connection, or sets the peer of a datagram socket.
    pub(super) fn connect(&mut self, id: SocketId, address: &Address) -> io::Result<()> {
        let kind = self.get(id)?.kind;
        let found = self.names.at(kind, address);
        let is_stream = kind.is_stream();
        let found = match found {
            Some(found) if !is_stream || self.get(found)?.is_listening => Some(found),
            None if kind == Kind::UdpSocket => None,
            _ => return Err(self.names.refusal(kind, address)),
        };
        if self.get(id)?.pipes.is_some() {
            return Err(error(libc::EISCONN));
        }
        self.bind_to_answer(id, address)?;
        if let Some(listener) = found.filter(|_| is_stream) {
            let accepted = self.socket(kind);
            self.join(id, accepted);
            let client = self.get(id)?.local.clone();
            let socket = self.get(accepted)?;
            (socket.local, socket.peer) = (Some(address.clone()), client);
            self.get(listener)?.connections.push_back(accepted);
            self.changed(listener, Direction::Read);
        }
        self.get(id)?.peer = Some(address.clone());
        Ok(())
    }

    /// Begins a connection, which is answered later or never.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`], as a rule.
    pub(super) fn begin_connection(&mut self, id: SocketId, address: &Address) -> io::Result<()> {
        self.get(id)?.connecting = Some(address.clone());
        Err(would_block())
    }

    /// Answers a connection that has begun, unless the socket has been closed.
    pub(super) fn answer(&mut self, id: SocketId) {
        let begun = self.get(id).ok().and_then(|socket| socket.connecting.take());
        if let Some(address) = begun {
            let answer = self.connect(id, &address);
            if let (Err(error), Ok(socket)) = (answer, self.get(id)) {
                socket.error = error.raw_os_error();
            }
            self.changed(id, Direction::Write);
        }
    }

    /// Connects two streams, or two datagram sockets, to each other.
    pub(super) fn join(&mut self, one: SocketId, other: SocketId) {
        let is_stream = self.sockets.get(&one).is_some_and(|socket| socket.kind.is_stream());
        let pipes = [self.new_id(), self.new_id()].map(PipeId);
        for (id, peer, [incoming, outgoing]) in
            [(one, other, pipes), (other, one, [pipes[1], pipes[0]])]
        {
            if is_stream {
                let pipe = Pipe::new(id, peer, self.capacity);
                self.pipes.insert(incoming, pipe);
            }
            if let Some(socket) = self.sockets.get_mut(&id) {
                socket.pipes = is_stream.then_some([incoming, outgoing]);
                socket.partner = (!is_stream).then_some(peer);
            }
        }
    }

    /// Accepts a connection.
    pub(super) fn accept(&mut self, id: SocketId) -> io::Result<(SocketId, Address)> {
        let listener = self.get(id)?;
        if !listener.is_listening {
            return Err(error(libc::EINVAL));
        }
        let accepted = listener.connections.pop_front().ok_or_else(would_block)?;
        let peer = self.get(accepted)?.peer.clone();
        Ok((accepted, peer.unwrap_or_else(unnamed)))
    }

    /// Resets the first of the connections to be accepted, and closes this end.
    pub(super) fn abort(&mut self, id: SocketId) -> io::Result<()> {
        let (connection, _) = self.accept(id)?;
        self.reset(connection);
        self.close(connection);
        Ok(())
    }

    /// Returns the number of bytes that a call on a stream could transfer.
    pub(super) fn transferable(&mut self, id: SocketId, direction: Direction) -> usize {
        let pipe = self.pipe(id, direction).ok().and_then(|pipe| self.pipes.get(&pipe));
        pipe.map_or(0, |pipe| match direction {
            Direction::Read => pipe.bytes.len(),
            Direction::Write => pipe.room(),
        })
    }

    /// Reads at most `most` bytes from a stream; takes them, or leaves them for the next call.
    pub(super) fn read(
        &mut self,
        id: SocketId,
        bytes: &mut [u8],
        most: usize,
        takes: bool,
    ) -> io::Result<(usize, Drained)> {
        let pipe = self.pipe(id, Direction::Read)?;
        self.get(id)?.check()?;
        let pipe = self.pipes.get_mut(&pipe).ok_or_else(|| error(libc::ENOTCONN))?;
        let answer = pipe.read(bytes, most, takes);
        if pipe.has_room_again() {
            let writer = pipe.writer;
            self.changed(writer, Direction::Write);
        }
        answer
    }

    /// Writes at most `most` bytes to a stream.
    pub(super) fn write(
        &mut self,
        id: SocketId,
        bytes: &[u8],
        most: usize,
    ) -> io::Result<(usize, Drained)> {
        let pipe = self.pipe(id, Direction::Write)?;
        let socket = self.get(id)?;
        let is_tcp = socket.kind == Kind::TcpStream;
        socket.check()?;
        let pipe = self.pipes.get_mut(&pipe).ok_or_else(|| error(libc::ENOTCONN))?;
        let answer = pipe.write(bytes, most, is_tcp)?;
        let reader = pipe.reader;
        self.changed(reader, Direction::Read);
        Ok(answer)
    }

    /// Resets a connection: both ends lose what is under way. The other end learns of it by an error.
    pub(super) fn reset(&mut self, id: SocketId) {
        let Some(Socket { pipes: Some(pipes), .. }) = self.sockets.get(&id) else { return };
        let pipes = *pipes;
        let mut peer = None;
        for pipe in pipes {
            if let Some(pipe) = self.pipes.get_mut(&pipe) {
                pipe.reset();
                peer = Some(if pipe.reader == id { pipe.writer } else { pipe.reader });
            }
        }
        if let Some(socket) = peer.and_then(|peer| self.sockets.get_mut(&peer)) {
            socket.error = Some(libc::ECONNRESET);
        }
        for id in [Some(id), peer].into_iter().flatten() {
            self.changed(id, Direction::Read);
            self.changed(id, Direction::Write);
        }
    }

    /// Ends one direction of a stream or both.
    pub(super) fn shutdown(&mut self, id: SocketId, how: Shutdown) -> io::Result<()> {
        let socket = self.get(id)?;
        let is_unix = socket.kind.is_unix();
        let Some([incoming, outgoing]) = socket.pipes else {
            let is_allowed = socket.peer.is_some() || socket.kind == Kind::UnixDatagram;
            return if is_allowed { Ok(()) } else { Err(error(libc::ENOTCONN)) };
        };
        if how != Shutdown::Write {
            if let Some(pipe) = self.pipes.get_mut(&incoming) {
                pipe.is_deaf = true;
            }
            if is_unix {
                self.leave(incoming);
            }
            self.changed(id, Direction::Read);
        }
        if how != Shutdown::Read {
            self.end(outgoing);
            self.changed(id, Direction::Write);
        }
        Ok(())
    }

    /// Notes that no more bytes come.
    fn end(&mut self, pipe: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(&pipe) {
            pipe.is_ended = true;
            let reader = pipe.reader;
            self.changed(reader, Direction::Read);
        }
    }

    /// Closes a socket. Connections that it has not accepted are reset, and so is that of a stream of TCP
    /// with unread bytes.
    pub(super) fn close(&mut self, id: SocketId) {
        self.has_room(id);
        let Some(Socket { kind, pipes, .. }) = self.sockets.get(&id) else { return };
        if let Some([incoming, outgoing]) = *pipes {
            if *kind == Kind::TcpStream && self.transferable(id, Direction::Read) > 0 {
                self.reset(id);
            }
            self.end(outgoing);
            self.leave(incoming);
        }
        let Some(Socket { kind, local, pipes, connections, .. }) = self.sockets.remove(&id) else {
            return;
        };
        for pipe in pipes.into_iter().flatten() {
            if self.pipes.get(&pipe).is_some_and(|pipe| pipe.is_unread && pipe.is_ended) {
                self.pipes.remove(&pipe);
            }
        }
        for connection in connections {
            self.reset(connection);
            self.close(connection);
        }
        if let Some(local) = local {
            self.names.leave(kind, &local, id);
        }
    }

    /// Notes that nothing will be read.
    fn leave(&mut self, pipe: PipeId) {
        let Some(left) = self.pipes.get_mut(&pipe) else { return };
        left.is_unread = true;
        let writer = left.writer;
        self.changed(writer, Direction::Write);
    }

    pub(super) fn take_error(&mut self, id: SocketId) -> io::Result<Option<io::Error>> {
        Ok(self.get(id)?.error.take().map(error))
    }

    pub(super) fn local_addr(&mut self, id: SocketId) -> io::Result<Address> {
        let socket = self.get(id)?;
        let any = if socket.kind.is_unix() {
            unnamed()
        } else {
            Address::Ip(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0))
        };
        Ok(socket.local.clone().unwrap_or(any))
    }

    pub(super) fn peer_addr(&mut self, id: SocketId) -> io::Result<Address> {
        let socket = self.get(id)?;
        let is_connected = socket.pipes.is_some() || socket.partner.is_some();
        let unnamed = (is_connected && socket.kind.is_unix()).then(unnamed);
        socket.peer.clone().or(unnamed).ok_or_else(|| error(libc::ENOTCONN))
    }

    pub(super) fn option(&mut self, id: SocketId, choice: Choice) -> io::Result<u32> {
        let default = match choice {
            Choice::Ttl => 64,
            Choice::MulticastLoopV4 | Choice::MulticastTtlV4 | Choice::MulticastLoopV6 => 1,
            _ => 0,
        };
        Ok(self.get(id)?.options.get(&choice).copied().unwrap_or(default))
    }

    pub(super) fn set_option(
        &mut self,
        id: SocketId,
        choice: Choice,
        value: u32,
    ) -> io::Result<()> {
        self.get(id)?.options.insert(choice, value);
        Ok(())
    }
}

/// Returns the address of a socket of the Unix domain without a name.
pub(super) fn unnamed() -> Address {
    Address::Unix(UnixAddr::from_pathname("").expect("the empty path is no name"))
}
