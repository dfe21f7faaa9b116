//! 15. A chat server, for nc(1) or telnet(1).
//!
//! ```text
//! cargo run --example 15_chat_server
//! nc 127.0.0.1 4000
//! ```
//!
//! Each client has two green threads. One receives its lines and passes them on to the queues of
//! all clients, and the other one sends what is in its queue. The room is a map of the queues. It
//! is plain data without a lock, because passing a line on never waits.
//!
//! A queue has a limit. A client that does not read fills its queue, and is dropped, so it costs
//! little memory and stops no others.

#[path = "shared/arguments.rs"]
mod arguments;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::ExitCode;
use std::rc::Rc;

use leno::channel::{Receiver, Sender, bounded};
use leno::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use leno::thread;
use leno::time::{Duration, timeout};

/// The most clients in the room.
const CLIENTS: usize = 500;
/// The most lines of a queue: many more than all clients say before each writer has a turn.
const QUEUE: usize = 4 * CLIENTS;
const LINE_BYTES: u64 = 1024;
const NAME_CHARS: usize = 20;
/// How long a client may take to say its name, and to receive anything.
const PATIENCE: Duration = Duration::from_secs(60);

type Line = Rc<str>;

struct Client {
    name: String,
    queue: Sender<Line>,
    stream: TcpStream,
}

#[derive(Default)]
struct Room(RefCell<BTreeMap<SocketAddr, Client>>);

impl Room {
    /// Passes a line on to all clients. Drops a client with a full queue.
    fn say(&self, text: &str) {
        let line: Line = format!("{text}\n").into();
        self.0.borrow_mut().retain(|_, client| {
            let is_slow = client.queue.try_send(line.clone()).is_err();
            if is_slow {
                println!("{} does not read", client.name);
                // Both of its green threads find the connection at its end.
                let _ = client.stream.shutdown(Shutdown::Both);
            }
            !is_slow
        });
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.0.borrow().values().map(|client| client.name.clone()).collect();
        names.sort();
        names
    }
}

/// A client's place in the room, which it leaves however its green thread ends.
struct Place<'a> {
    room: &'a Room,
    address: SocketAddr,
    name: &'a str,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.room.0.borrow_mut().remove(&self.address);
        self.room.say(&format!("* {} has left", self.name));
    }
}

/// Serves a client. A second green thread sends what is in the client's queue.
fn serve(room: &Room, stream: TcpStream, address: SocketAddr) -> io::Result<()> {
    let (queue, lines) = bounded(QUEUE);
    let writer = stream.try_clone()?;
    thread::spawn(move || send_lines(&writer, &lines));
    let tell = |text: &str| {
        let sent = queue.try_send(format!("{text}\n").into());
        sent.map_err(|_| io::Error::other("the client does not read"))
    };
    let mut reader = BufReader::new(stream.try_clone()?);

    tell("* what is your name?")?;
    let name = loop {
        let Ok(line) = timeout(PATIENCE, || receive_line(&mut reader)) else { return Ok(()) };
        let Some(name) = line? else { return Ok(()) };
        let names = room.names();
        if name.is_empty()
            || name.chars().count() > NAME_CHARS
            || !name.chars().all(char::is_alphanumeric)
        {
            tell("* a name has 1 to 20 letters and digits")?;
        } else if names.contains(&name) {
            tell("* this name is taken")?;
        } else if names.len() == CLIENTS {
            return tell("* the room is full");
        } else {
            break name;
        }
    };
    // No other green thread has run since the names were compared.
    let client = Client { name: name.clone(), queue: queue.clone(), stream };
    room.0.borrow_mut().insert(address, client);
    let _place = Place { room, address, name: &name };
    room.say(&format!("* {name} comes in"));

    while let Some(line) = receive_line(&mut reader)? {
        match &*line {
            "" => {}
            "/quit" => return tell("* bye"),
            "/who" => tell(&format!("* here: {}", room.names().join(", ")))?,
            line if line.starts_with('/') => tell("* there are /who and /quit")?,
            line => room.say(&format!("{name}: {line}")),
        }
        // Each writer has a turn, so a queue is empty unless its client does not read.
        thread::yield_now();
    }
    Ok(())
}

/// Receives a line, without what could control a terminal. Returns `None` at the end.
fn receive_line(reader: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    reader.take(LINE_BYTES).read_until(b'\n', &mut line)?;
    if line.len() as u64 == LINE_BYTES {
        return Err(io::Error::other("the line is too long"));
    }
    let text: String = String::from_utf8_lossy(&line).chars().filter(|c| !c.is_control()).collect();
    Ok((!line.is_empty()).then(|| text.trim().to_owned()))
}

/// Sends lines, all that there are at once, until no more can come.
fn send_lines(mut stream: &TcpStream, lines: &Receiver<Line>) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    while let Ok(line) = lines.recv() {
        let mut text = line.to_string();
        lines.try_iter().for_each(|line| text.push_str(&line));
        stream.write_all(text.as_bytes())?;
    }
    Ok(())
}

fn run(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    let room = Rc::new(Room::default());
    loop {
        match listener.accept() {
            Ok((stream, address)) => {
                let room = room.clone();
                thread::spawn(move || serve(&room, stream, address));
            }
            Err(error) => eprintln!("cannot accept a connection: {error}"),
        }
    }
}

const USAGE: &str = "cargo run --example 15_chat_server -- [ADDRESS:PORT]";

fn main() -> ExitCode {
    let arguments = arguments::arguments("A chat server, by default on 127.0.0.1:4000.", USAGE);
    let address = match &arguments[..] {
        [] => "127.0.0.1:4000".into(),
        [address] => address.to_string_lossy(),
        _ => {
            eprintln!("error: one address is enough\n next: {USAGE}");
            return ExitCode::from(2);
        }
    };
    let Err(error) = leno::run(|| run(&address)) else { return ExitCode::SUCCESS };
    eprintln!("error: {address}: {error}\n next: another address, or port 0 for a free one");
    ExitCode::from(1)
}
