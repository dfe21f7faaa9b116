//! What else the system does: signals, forks, hosts with a loop of their own, explorations.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::time::Duration;

use leno::net::{TcpListener, TcpStream};

use crate::pairs::{ends, join, kind, run, tcp_pair};
use crate::support::child;

/// A host has no runtime of leno that handles SIGPIPE, and neither has a program in C.
#[test]
fn a_write_to_a_closed_connection_sends_no_signal() {
    child(|| {
        // SAFETY: the default action is no handler.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        leno::run(|| {
            let (mut one, other) = tcp_pair();
            drop(other);
            let error = loop {
                if let Err(error) = one.write_all(b"x") {
                    break error;
                }
                leno::yield_now();
            };
            let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
            assert!(kinds.contains(&error.kind()), "{error}");
            let (mut one, other) = leno::os::unix::net::UnixStream::pair().unwrap();
            drop(other);
            assert_eq!(kind(one.write(b"x")), ErrorKind::BrokenPipe);
            let buffers = [std::io::IoSlice::new(b"x")];
            assert_eq!(kind(one.write_vectored(&buffers)), ErrorKind::BrokenPipe);
        });
    })
    .assert_survived();
}

extern "C" fn nothing(_signal: libc::c_int) {}

#[test]
fn signals_interrupt_no_call() {
    child(|| {
        // SAFETY: the handler does nothing; without SA_RESTART, system calls fail with EINTR. The
        // timer's value is a live struct.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            libc::sigaction(libc::SIGALRM, &action, ptr::null_mut());
            let every = libc::timeval { tv_sec: 0, tv_usec: 200 };
            let timer = libc::itimerval { it_interval: every, it_value: every };
            assert_eq!(libc::setitimer(libc::ITIMER_REAL, &timer, ptr::null_mut()), 0);
        }
        leno::run(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = leno::spawn(move || {
                for _ in 0..100 {
                    let (mut stream, _) = listener.accept().unwrap();
                    std::io::copy(&mut stream.try_clone().unwrap(), &mut stream).unwrap();
                }
            });
            for _ in 0..100 {
                let mut stream = TcpStream::connect(address).unwrap();
                for _ in 0..20 {
                    stream.write_all(b"hello").unwrap();
                    let mut bytes = [0; 5];
                    stream.read_exact(&mut bytes).unwrap();
                }
            }
            join(server);
        });
    })
    .assert_survived();
}

/// Parent and child go on with the connection that each of them uses.
#[test]
fn a_forked_child_has_an_engine_of_its_own() {
    child(|| {
        leno::run(|| {
            let (mut to_parent, mut from_child) = leno::os::unix::net::UnixStream::pair().unwrap();
            let (mut to_child, mut from_parent) = leno::os::unix::net::UnixStream::pair().unwrap();
            // The engine is in use, and knows the sockets.
            for socket in [&to_parent, &from_child, &to_child, &from_parent] {
                socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                assert!((&*socket).read(&mut [0]).is_err());
                socket.set_read_timeout(None).unwrap();
            }
            // SAFETY: the child uses nothing that another OS thread may have locked.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                drop((to_child, from_child));
                let echo = leno::spawn(move || {
                    let mut byte = [0];
                    while from_parent.read(&mut byte).unwrap() == 1 {
                        to_parent.write_all(&byte).unwrap();
                    }
                });
                let status = i32::from(echo.join().is_err());
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(status) };
            }
            drop((to_parent, from_parent));
            for number in 0..100 {
                to_child.write_all(&[number]).unwrap();
                let mut byte = [0];
                from_child.read_exact(&mut byte).unwrap();
                assert_eq!(byte, [number]);
            }
            drop(to_child);
            let mut status = 0;
            // SAFETY: `status` is a live integer.
            assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
            assert_eq!(status, 0);
        });
    })
    .assert_survived();
}

/// Waits until the descriptor of the runtime is readable.
fn wait_for(runtime: &leno::Runtime) {
    let descriptor = runtime.as_fd().as_raw_fd();
    let mut polled = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
    // SAFETY: `polled` is live.
    let ready = unsafe { libc::poll(&mut polled, 1, 60_000) };
    assert_eq!(ready, 1, "the descriptor is not readable");
}

#[test]
fn a_host_learns_of_sockets_by_one_descriptor() {
    ends(|| {
        let runtime = leno::Runtime::new();
        // Before and after the first wait, it is the same descriptor.
        let descriptor = runtime.as_fd().as_raw_fd();
        let (mut one, mut other) = tcp_pair();
        let reader = move || {
            let mut bytes = [0; 5];
            one.read_exact(&mut bytes).unwrap();
            bytes
        };
        let reader = leno::thread::Builder::new().spawn_on(&runtime, reader).unwrap();
        assert!(runtime.run_until_stalled());
        assert_eq!(runtime.as_fd().as_raw_fd(), descriptor);
        for byte in b"hello" {
            other.write_all(&[*byte]).unwrap();
            wait_for(&runtime);
            runtime.run_until_stalled();
        }
        assert_eq!(&reader.join().unwrap(), b"hello");
        // Other OS threads ring the same bell.
        let handle = runtime.handle();
        let spawner = std::thread::spawn(move || handle.spawn(|| 7).unwrap().join().unwrap());
        wait_for(&runtime);
        while !spawner.is_finished() {
            runtime.run_until_stalled();
        }
        assert_eq!(spawner.join().unwrap(), 7);
    });
}

#[test]
fn messages_and_sockets_wake_a_runtime() {
    run(|| {
        let (mut one, mut other) = tcp_pair();
        let reader = leno::spawn(move || one.read_exact(&mut [0; 100]).unwrap());
        for _ in 0..100 {
            // Each ends on another OS thread.
            leno::unblock(|| std::thread::sleep(Duration::from_micros(100)));
            other.write_all(b"x").unwrap();
        }
        join(reader);
    });
}

#[test]
fn an_exploration_refuses_sockets_with_words() {
    let (one, _other) = tcp_pair();
    let one = std::sync::Arc::new(one);
    let report = leno::weave::explore(move || {
        let read = (&*one).read(&mut [0]).unwrap_err();
        let connected = TcpStream::connect("localhost:1").unwrap_err();
        let bound = leno::net::UdpSocket::bind("127.0.0.1:0").unwrap_err();
        let pair = leno::os::unix::net::UnixStream::pair().unwrap_err();
        for error in [read, connected, bound, pair] {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("replace the socket"), "{error}");
        }
    });
    assert!(report.failure().is_none());
}

#[test]
fn a_socket_of_a_runtime_that_has_ended_is_used_by_the_next() {
    ends(|| {
        let (mut one, mut other) = tcp_pair();
        for _ in 0..100 {
            (one, other) = leno::run(move || {
                let reader = leno::spawn(move || {
                    one.read_exact(&mut [0]).unwrap();
                    one
                });
                leno::yield_now();
                other.write_all(b"x").unwrap();
                (join(reader), other)
            });
        }
    });
}
