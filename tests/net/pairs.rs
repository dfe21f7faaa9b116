//! Helpers: a runtime that may not hang, and connected pairs.

use std::io::{self, Read, Write};
use std::sync::mpsc;
use std::time::Duration;

use leno::net::{Engine, MemoryNetwork, TcpListener, TcpStream};
use leno::os::unix::net::UnixStream;

/// Runs `f` in a runtime on another OS thread. Panics as it does, and if it does not end.
#[track_caller]
pub fn run<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    ends(move || builder().run(f))
}

/// The variable with which the suite is run on a network in memory.
pub const NETWORK: &str = "LENO_TEST_NETWORK";

/// Returns a builder of runtimes with the engine that is tested.
pub fn builder() -> leno::Builder {
    let builder = leno::Builder::new();
    if in_memory() { builder.engine(Engine::Memory(MemoryNetwork::new())) } else { builder }
}

/// Returns `true` if the suite is run on a network in memory.
pub fn in_memory() -> bool {
    std::env::var_os(NETWORK).is_some()
}

/// Runs `f` as [`run`] does, with sockets of the operating system: it is about these.
#[track_caller]
pub fn run_by_system<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    ends(move || leno::run(f))
}

/// Runs `f` on another OS thread. Panics as it does, and if it does not end within two minutes, or
/// `LENO_TEST_LIMIT` seconds.
#[track_caller]
pub fn ends<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let value = f();
        let _ = sender.send(());
        value
    });
    let limit = std::env::var("LENO_TEST_LIMIT").map_or(120, |text| text.parse().unwrap());
    match receiver.recv_timeout(Duration::from_secs(limit)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end"),
        _ => thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload)),
    }
}

/// Returns both ends of a connection by TCP.
pub fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// Returns when the runtime has looked at its engine, after the threads that are ready have run. A sleep
/// would not do: after its time has passed, it only gives others a turn.
pub fn look_at_engine() {
    let (mut one, mut other) = UnixStream::pair().unwrap();
    leno::spawn(move || other.write_all(b"x").unwrap());
    one.read_exact(&mut [0]).unwrap();
}

/// Returns the kind of the error.
#[track_caller]
pub fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
    result.expect_err("it should fail").kind()
}

/// Runs a green thread to its end.
#[track_caller]
pub fn join<T: 'static>(handle: leno::thread::JoinHandle<T>) -> T {
    handle.join().unwrap()
}
