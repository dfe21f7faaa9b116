//! 13. A server and its clients, in one program and on one OS thread.
//!
//! Each connection has a green thread on either side, with code as if it were
//! alone. A read that finds nothing makes only its green thread wait. When all
//! wait, the OS thread sleeps until a socket is ready.
//!
//! ```text
//! cargo run --release --example 13_echo
//! cargo run --release --example 13_echo -- 1000 1_000_000
//! ```

#[path = "shared/arguments.rs"]
mod arguments;

use std::cell::Cell;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use leno::debug;
use leno::net::{TcpListener, TcpStream};
use leno::thread::{Builder, task_group};

const REQUEST: &[u8; 16] = b"hello from leno!";

/// Sends back what it receives, until the peer has no more to send.
fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes)? {
            0 => return Ok(()),
            count => stream.write_all(&bytes[..count])?,
        }
    }
}

/// Sends requests, each after the answer to the last one. Calls `answered` after each.
fn request(address: SocketAddr, count: usize, answered: impl Fn()) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    let mut answer = [0; REQUEST.len()];
    for _ in 0..count {
        stream.write_all(REQUEST)?;
        stream.read_exact(&mut answer)?;
        assert_eq!(&answer, REQUEST);
        answered();
    }
    Ok(())
}

/// Runs the server and its clients. Returns the time that the clients have taken.
fn run(connections: usize, requests: usize) -> io::Result<Duration> {
    let listener = &TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let left = Cell::new(requests);
    let answered = &|| {
        left.set(left.get() - 1);
        if left.get() == requests / 2 {
            show_waits();
        }
    };
    // The first error of a green thread ends all of them, and is returned.
    task_group(|group| {
        let server = named("server").spawn_task(group, move || -> io::Result<()> {
            loop {
                let (stream, _) = listener.accept()?;
                named("echo").spawn_task(group, move || echo(stream))?;
            }
        })?;
        let start = Instant::now();
        let mut clients = Vec::new();
        for number in 0..connections {
            // The first clients make the requests that are left over.
            let count = requests / connections + usize::from(number < requests % connections);
            let client = move || request(address, count, answered);
            clients.push(named("client").spawn_task(group, client)?);
        }
        for client in clients {
            client.join().expect("a client does not panic");
        }
        let time = start.elapsed();
        server.cancel();
        Ok(time)
    })
}

fn named(name: &str) -> Builder {
    Builder::new().name(name.to_owned())
}

/// Prints the first lines of a report of what the green threads wait for.
fn show_waits() {
    const LINES: usize = 9;
    let report = debug::stalled(Duration::ZERO).map(|report| report.to_string());
    let report = report.expect("the server waits for a connection");
    let mut lines = report.lines();
    println!("half-way:");
    lines.by_ref().take(LINES).for_each(|line| println!("{line}"));
    if let more @ 1.. = lines.count() {
        println!("  and {more} lines more");
    }
    println!();
}

const USAGE: &str = "cargo run --release --example 13_echo -- [CONNECTIONS [REQUESTS]]";

fn main() -> ExitCode {
    let about = "An echo server and its clients: 100 connections and 100,000 requests by default.";
    let (connections, requests) = match numbers(&arguments::arguments(about, USAGE)) {
        Ok(numbers) => numbers,
        Err(what) => {
            eprintln!("error: {what}\n next: {USAGE}");
            return ExitCode::from(2);
        }
    };
    match leno::run(|| run(connections, requests)) {
        Ok(time) => {
            let rate = requests as f64 / time.as_secs_f64();
            println!("{requests} requests over {connections} connections: {rate:.0} per second");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}\n next: fewer connections, or a higher limit by `ulimit -n`");
            ExitCode::from(1)
        }
    }
}

/// Returns the numbers of connections and requests.
fn numbers(arguments: &[OsString]) -> Result<(usize, usize), String> {
    // A connection takes one of 28,000 ports, unless the system is configured for more.
    let connections = |argument| number(argument, 28_000, "connections");
    let requests = |argument| number(argument, 1_000_000_000, "requests");
    match arguments {
        [] => Ok((100, 100_000)),
        [one] => Ok((connections(one)?, 100_000)),
        [one, other] => Ok((connections(one)?, requests(other)?)),
        _ => Err("two numbers are enough".to_owned()),
    }
}

fn number(argument: &OsString, most: usize, what: &str) -> Result<usize, String> {
    let digits = argument.to_string_lossy().replace(['_', ','], "");
    let number = digits.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("{argument:?} is not a number of {what} from 1 to {most}"))
}
