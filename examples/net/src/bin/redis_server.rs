//! A server with the protocol of Redis: PING, GET, SET and INCR.
//!
//! ```text
//! cargo run --release --manifest-path examples/net/Cargo.toml --bin redis_server
//! redis-benchmark -p 6380 -t ping,set,get,incr -P 16 -q
//! ```
//!
//! A client may send commands without waiting for replies. Replies are kept until no more commands have
//! been received, and then leave in one write: a `BufReader` asks its stream for more only then, and
//! [`Stream`] sends what it has before it reads. The loop of a connection knows nothing of this.
//!
//! The values are plain data without a lock, because a command does not wait. Ctrl-C ends the server.
//! A connection that waits for a command is cancelled; commands that have been received are carried
//! out and answered.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::process::ExitCode;
use std::rc::Rc;

use leno::net::{TcpListener, TcpStream};
use leno::thread;
use leno_net_examples::resp::Value;
use leno_net_examples::{Example, Result, wait_for_signal};

type Store = RefCell<HashMap<Vec<u8>, Vec<u8>>>;

/// A stream that sends its replies before it waits for more commands.
struct Stream {
    stream: TcpStream,
    replies: Vec<u8>,
}

impl Stream {
    fn send_replies(&mut self) -> io::Result<()> {
        // A cancellation between two commands would lose the replies of those that are done.
        thread::shield(|| self.stream.write_all(&self.replies))?;
        self.replies.clear();
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.send_replies()?;
        self.stream.read(bytes)
    }
}

/// Carries out commands, until the client ends the connection.
fn serve(stream: TcpStream, store: &Store) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(Stream { stream, replies: Vec::new() });
    loop {
        match Value::read(&mut reader) {
            Ok(Some(command)) => {
                let reply = carry_out(command, store);
                reply.write(&mut reader.get_mut().replies)?;
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                // The next command might begin anywhere, so this is the end.
                let reply = Value::Error(format!("ERR {error}"));
                reply.write(&mut reader.get_mut().replies)?;
                return reader.get_mut().send_replies();
            }
        }
    }
}

/// Carries out a command, and returns the reply.
fn carry_out(command: Value, store: &Store) -> Value {
    let Value::Array(words) = command else { return error("ERR a command is an array") };
    let mut strings = Vec::new();
    for word in words {
        let Value::String(word) = word else { return error("ERR a word is a string") };
        strings.push(word);
    }
    let Some(name) = strings.first_mut() else { return error("ERR an empty command") };
    name.make_ascii_uppercase();
    let mut store = store.borrow_mut();
    match &mut strings[..] {
        [name] if name == b"PING" => Value::Simple("PONG".to_owned()),
        [name, text] if name == b"PING" => Value::String(text.clone()),
        [name, key] if name == b"GET" => store.get(key).cloned().map_or(Value::Nil, Value::String),
        [name, key, value] if name == b"SET" => {
            store.insert(std::mem::take(key), std::mem::take(value));
            Value::Simple("OK".to_owned())
        }
        [name, key] if name == b"INCR" => {
            let number = store.get(key).map_or(Some(0), |digits| {
                str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok())
            });
            match number.and_then(|number| number.checked_add(1)) {
                Some(number) => {
                    store.insert(std::mem::take(key), number.to_string().into());
                    Value::Integer(number)
                }
                None => error("ERR value is not an integer or out of range"),
            }
        }
        _ => error("ERR this example has PING, GET, SET and INCR"),
    }
}

fn error(text: &str) -> Value {
    Value::Error(text.to_owned())
}

/// Serves until a signal comes.
fn run(address: &str) -> Result {
    let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    println!("listening on {}", listener.local_addr()?);
    thread::spawn(move || {
        let store = Rc::new(Store::default());
        loop {
            let store = store.clone();
            match listener.accept() {
                // An error is the client's end.
                Ok((stream, _)) => drop(thread::spawn(move || serve(stream, &store).is_ok())),
                Err(error) => eprintln!("cannot accept a connection: {error}"),
            }
        }
    });
    wait_for_signal()?;
    println!("stopping");
    Ok(())
}

fn settings(arguments: &[&str]) -> std::result::Result<String, String> {
    match *arguments {
        [] => Ok("127.0.0.1:6380".to_owned()),
        [address] => Ok(address.to_owned()),
        _ => Err("an address is enough".to_owned()),
    }
}

const EXAMPLE: Example = Example {
    about: "A server with four commands of Redis, by default on 127.0.0.1:6380.",
    usage: "cargo run --release --manifest-path examples/net/Cargo.toml --bin redis_server -- \
            [ADDRESS:PORT]",
    advice: "another address, or port 0 for a free one",
};

fn main() -> ExitCode {
    EXAMPLE.start(settings, |address| leno::Builder::new().cancel_rest().run(|| run(&address)))
}
