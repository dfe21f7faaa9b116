//! A server without threads and tasks, as the limit: a loop around epoll(7). A descriptor is added
//! once, each change is reported once, and a short read shows that a stream is drained.

use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};

use crate::server::{ANY_PORT, Job, announce};
use crate::system::{Epoll, send_all, unless_blocked};

const LISTENER: u64 = u64::MAX;

/// The events after which nothing more comes.
const ENDS: i32 = libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR;

struct Connection {
    stream: TcpStream,
    received: usize,
}

pub fn serve(job: Job) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT)?;
    listener.set_nonblocking(true)?;
    announce(listener.local_addr()?);
    let mut epoll = Epoll::new()?;
    epoll.add(&listener, LISTENER, libc::EPOLLIN)?;

    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut buffer = job.buffer();
    loop {
        let mut can_accept = false;
        for event in epoll.wait()? {
            if event.u64 == LISTENER {
                can_accept = true;
                continue;
            }
            let index = event.u64 as usize;
            let connection = connections[index].as_mut().expect("a closed one has no events");
            let has_ended = event.events & ENDS as u32 != 0;
            if !matches!(answer(connection, job, &mut buffer, has_ended), Ok(true)) {
                connections[index] = None;
                free.push(index);
            }
        }
        if !can_accept {
            continue;
        }
        while let Some((stream, _)) = unless_blocked(listener.accept())? {
            if job == Job::Close {
                continue;
            }
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let index = free.pop().unwrap_or_else(|| {
                connections.push(None);
                connections.len() - 1
            });
            epoll.add(&stream, index as u64, libc::EPOLLIN | libc::EPOLLRDHUP)?;
            connections[index] = Some(Connection { stream, received: 0 });
        }
    }
}

/// Receives and answers until the stream is drained. Returns `false` at its end.
fn answer(
    connection: &mut Connection,
    job: Job,
    buffer: &mut [u8],
    has_ended: bool,
) -> io::Result<bool> {
    let Connection { stream, received } = connection;
    loop {
        let Some(count) = unless_blocked(stream.read(buffer))? else { return Ok(true) };
        if count == 0 {
            return Ok(false);
        }
        send_all(stream, job.answer(&buffer[..count], received))?;
        // What comes after a short read is reported, but not an end that has been reported already.
        if count < buffer.len() && !has_ended {
            return Ok(true);
        }
    }
}
