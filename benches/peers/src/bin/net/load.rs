//! The load: connections to a server, each with at most one message on its way.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::server::READ_UNIT_BYTES;
use crate::system::{self, Epoll, send_all, unless_blocked};

/// What has happened in a turn.
pub struct Turn {
    pub operations: u64,
    elapsed: Duration,
    /// The nanoseconds until each answer, in rising order; none if they tell nothing.
    latencies: Vec<u32>,
}

impl Turn {
    fn of(start: Instant, mut latencies: Vec<u32>) -> Turn {
        let (operations, elapsed) = (latencies.len() as u64, start.elapsed());
        latencies.sort_unstable();
        Turn { operations, elapsed, latencies }
    }

    pub fn per_second(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }

    /// Returns the median and the 99th percentile of the nanoseconds until an answer.
    pub fn latency(&self) -> Option<(f64, f64)> {
        let last = self.latencies.len().checked_sub(1)?;
        let quantile = |percent| f64::from(self.latencies[last * percent / 100]);
        Some((quantile(50), quantile(99)))
    }
}

struct Connection {
    stream: TcpStream,
    asked: Instant,
    /// The bytes that are still to be received or sent.
    left: usize,
}

/// Connections to one server.
pub struct Load {
    address: SocketAddr,
    epoll: Epoll,
    connections: Vec<Connection>,
    message: Vec<u8>,
    buffer: Vec<u8>,
}

impl Load {
    pub fn new(address: SocketAddr, message_bytes: usize) -> Load {
        Load {
            address,
            epoll: Epoll::new().expect("a descriptor is free"),
            connections: Vec::new(),
            message: vec![b'x'; message_bytes],
            buffer: vec![0; message_bytes],
        }
    }

    /// Adds connections. A server that echoes has served each once: its backlog stays short, and what it
    /// allocates for the first message is there.
    pub fn add(&mut self, count: usize, echoes: bool) {
        for _ in 0..count {
            let mut stream = connect(self.address);
            stream.set_nodelay(true).expect("an option of a socket");
            if echoes {
                stream.write_all(&self.message).expect("the server receives");
                stream.read_exact(&mut self.buffer).expect("the server answers");
            }
            stream.set_nonblocking(true).expect("a mode of a socket");
            let token = self.connections.len() as u64;
            let flags = libc::EPOLLIN | libc::EPOLLOUT;
            self.epoll.add(&stream, token, flags).expect("epoll takes a socket");
            self.connections.push(Connection { stream, asked: Instant::now(), left: 0 });
        }
    }

    /// Sends a message on each connection, and for a time another after each answer.
    pub fn echo(&mut self, time: Duration) -> Turn {
        let Load { epoll, connections, message, buffer, .. } = self;
        let ask = |connection: &mut Connection, now| {
            (connection.asked, connection.left) = (now, message.len());
            send_all(&connection.stream, message).expect("the server receives");
        };
        let (start, mut latencies) = (Instant::now(), Vec::new());
        connections.iter_mut().for_each(|connection| ask(connection, start));
        let mut unanswered = connections.len();
        while unanswered > 0 {
            for event in epoll.wait_with_patience().expect("the server answers") {
                let connection = &mut connections[event.u64 as usize];
                let Some(count) = receive(&connection.stream, buffer) else { continue };
                connection.left -= count;
                if connection.left > 0 {
                    continue;
                }
                let now = Instant::now();
                latencies.push((now - connection.asked).as_nanos() as u32);
                if now - start < time {
                    ask(connection, now);
                } else {
                    unanswered -= 1;
                }
            }
        }
        Turn::of(start, latencies)
    }

    /// Sends messages on the only connection, by calls that block.
    pub fn echo_blocking(&mut self, time: Duration) -> Turn {
        let stream = &mut self.connections[0].stream;
        stream.set_nonblocking(false).expect("a mode of a socket");
        let (start, mut latencies) = (Instant::now(), Vec::new());
        let mut asked = start;
        while asked - start < time {
            stream.write_all(&self.message).expect("the server receives");
            stream.read_exact(&mut self.buffer).expect("the server answers");
            let now = Instant::now();
            latencies.push((now - asked).as_nanos() as u32);
            asked = now;
        }
        Turn::of(start, latencies)
    }

    /// Sends on each connection, for a time, units of [`READ_UNIT_BYTES`], which the server answers
    /// with a byte. An operation is a message.
    pub fn send(&mut self, time: Duration) -> Turn {
        let Load { epoll, connections, message, buffer, .. } = self;
        let push = |connection: &mut Connection| {
            while connection.left > 0 {
                let bytes = &message[..message.len().min(connection.left)];
                let sent = unless_blocked((&connection.stream).write(bytes));
                let Some(count) = sent.expect("the server receives") else { break };
                connection.left -= count;
            }
        };
        let (start, mut units) = (Instant::now(), 0);
        for connection in &mut *connections {
            connection.left = READ_UNIT_BYTES;
            push(connection);
        }
        let mut unanswered = connections.len();
        while unanswered > 0 {
            for event in epoll.wait_with_patience().expect("the server receives") {
                let connection = &mut connections[event.u64 as usize];
                if connection.left == 0 && receive(&connection.stream, buffer).is_some() {
                    units += 1;
                    if start.elapsed() > time {
                        unanswered -= 1;
                        continue;
                    }
                    connection.left = READ_UNIT_BYTES;
                }
                push(connection);
            }
        }
        let operations = units * READ_UNIT_BYTES as u64 / message.len() as u64;
        Turn { operations, ..Turn::of(start, Vec::new()) }
    }

    /// Connects, for a time, `count` times at once, and waits for the server to close each.
    pub fn connect(&mut self, time: Duration, count: usize) -> Turn {
        let (start, mut operations) = (Instant::now(), 0);
        let mut open: VecDeque<_> = (0..count).map(|_| connect(self.address)).collect();
        while let Some(mut stream) = open.pop_front() {
            assert_eq!(
                stream.read(&mut self.buffer).expect("the end"),
                0,
                "the server says nothing"
            );
            operations += 1;
            drop(stream);
            if start.elapsed() < time {
                open.push_back(connect(self.address));
            }
        }
        Turn { operations, ..Turn::of(start, Vec::new()) }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    system::reset_at_close(&stream);
    stream
}

/// Returns the number of received bytes, if there are any.
fn receive(mut stream: &TcpStream, buffer: &mut [u8]) -> Option<usize> {
    let count = unless_blocked(stream.read(buffer)).expect("the server answers")?;
    assert_ne!(count, 0, "the server closes no connection");
    Some(count)
}
