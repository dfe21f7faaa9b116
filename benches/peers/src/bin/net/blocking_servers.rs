//! Servers with a thread for each connection: leno, may and std.

use std::io::{self, Read, Write};

use crate::server::{ANY_PORT, Job, announce};

/// Serves a connection.
fn serve(mut stream: impl Read + Write, job: Job) -> io::Result<()> {
    let (mut buffer, mut received) = (job.buffer(), 0);
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(job.answer(&buffer[..count], &mut received))?;
    }
}

pub fn leno(job: Job) -> io::Result<()> {
    leno::run(|| {
        let listener = leno::net::TcpListener::bind(ANY_PORT)?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept()?;
            leno::spawn(move || match job {
                Job::Close => Ok(()),
                _ => stream.set_nodelay(true).and_then(|()| serve(stream, job)),
            });
        }
    })
}

pub fn may(job: Job) -> io::Result<()> {
    may::config().set_workers(1);
    let listener = may::net::TcpListener::bind(ANY_PORT)?;
    announce(listener.local_addr()?);
    let accept = move || -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept()?;
            let serve = move || match job {
                Job::Close => Ok(()),
                _ => stream.set_nodelay(true).and_then(|()| serve(stream, job)),
            };
            // SAFETY: the closure uses no thread-local variable and little stack, as may requires.
            unsafe { may::coroutine::spawn(serve) };
        }
    };
    // SAFETY: as above.
    unsafe { may::coroutine::spawn(accept) }.join().expect("it does not panic")
}

pub fn std(job: Job) -> io::Result<()> {
    let listener = std::net::TcpListener::bind(ANY_PORT)?;
    announce(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept()?;
        std::thread::spawn(move || match job {
            Job::Close => Ok(()),
            _ => stream.set_nodelay(true).and_then(|()| serve(stream, job)),
        });
    }
}
