//! WebSockets: `tungstenite` on sockets of leno, a server and its clients in one program.
//!
//! ```text
//! cargo run --manifest-path examples/net/Cargo.toml --bin websocket
//! ```
//!
//! The server reads a message and sends it back, so one green thread for each connection is enough.
//!
//! **Reading and writing at once.** A client sends all its messages without waiting for answers. If it
//! read only after that, the buffers of both systems would soon be full, and neither side could go on.
//! So a green thread reads and another one writes. A `WebSocket` of tungstenite does both by one `&mut`,
//! so each of the two green threads has its own, on the same stream.
//!
//! The reader's socket would answer a ping by itself: in the middle of a message of the writer, or it
//! would wait for room, and read nothing meanwhile. So it is mute ([`Half`]): what it writes is
//! dropped. The reader passes the answer to the writer by a channel without a limit, and waits for
//! nothing but the peer.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use leno::channel::{Receiver, Sender, unbounded};
use leno::net::{TcpListener, TcpStream};
use leno::thread;
use leno::time::Instant;
use leno_net_examples::{Example, Result, number, wait_for_signal};
use tungstenite::protocol::Role;
use tungstenite::{Error, Message, WebSocket};

/// Sends messages back, until the client ends the connection. Before each, asks whether the client is
/// still there. Returns the number of its answers to that.
fn serve(stream: TcpStream) -> Result<usize> {
    stream.set_nodelay(true)?;
    let mut socket = tungstenite::accept(stream).map_err(|error| error.to_string())?;
    let mut pongs = 0;
    loop {
        match socket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                socket.send(Message::Ping("still there?".into()))?;
                socket.send(message)?;
            }
            Ok(Message::Pong(_)) => pongs += 1,
            // tungstenite answers these when it next reads or writes.
            Ok(Message::Ping(_) | Message::Close(_) | Message::Frame(_)) => {}
            Err(Error::ConnectionClosed) => return Ok(pongs),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The stream of a socket that reads. Once it is mute, what is written to it is dropped.
struct Half {
    stream: TcpStream,
    is_mute: bool,
}

impl Read for Half {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.read(bytes)
    }
}

impl Write for Half {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_mute { Ok(bytes.len()) } else { self.stream.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Connects to a server. Returns a socket that reads, and one that writes.
fn connect(address: &str) -> Result<(WebSocket<Half>, WebSocket<TcpStream>)> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let writer = WebSocket::from_raw_socket(stream.try_clone()?, Role::Client, None);
    let half = Half { stream, is_mute: false };
    let shaken = tungstenite::client(format!("ws://{address}/"), half);
    // This one may hold messages that came with the end of the handshake.
    let (mut reader, _) = shaken.map_err(|error| error.to_string())?;
    reader.get_mut().is_mute = true;
    Ok((reader, writer))
}

/// Sends messages and reads them again, both at once. Returns the number that came back.
fn client(address: &str, messages: usize, bytes: usize) -> Result<usize> {
    let (mut reader, mut writer) = connect(address)?;
    let message = |number: usize| Message::binary(vec![number as u8; bytes]);
    let (pongs, pongs_due) = unbounded();
    leno::scope(|scope| {
        let writer =
            scope.spawn(move || write(&mut writer, (0..messages).map(message), &pongs_due));
        let count = read(&mut reader, messages, message, pongs)?;
        writer.join().map_err(|_| "the writer has panicked")??;
        Ok(count)
    })
}

/// Sends messages, and the answers to pings in between. Ends the connection when no more can come.
fn write(
    socket: &mut WebSocket<TcpStream>,
    messages: impl Iterator<Item = Message>,
    pongs: &Receiver<Message>,
) -> tungstenite::Result<()> {
    for message in messages {
        pongs.try_iter().try_for_each(|pong| socket.send(pong))?;
        socket.send(message)?;
    }
    pongs.iter().try_for_each(|pong| socket.send(pong))?;
    socket.close(None)
}

/// Reads up to the end of the connection, and checks that the messages come back in their order.
fn read(
    socket: &mut WebSocket<Half>,
    messages: usize,
    message: impl Fn(usize) -> Message,
    pongs: Sender<Message>,
) -> Result<usize> {
    let mut count = 0;
    // The writer ends the connection when this is dropped.
    let mut pongs = Some(pongs);
    loop {
        match (socket.read(), &pongs) {
            (Ok(Message::Ping(text)), Some(pongs)) => {
                pongs.send(Message::Pong(text)).map_err(|_| "the writer has failed")?;
            }
            (Ok(back @ Message::Binary(_)), _) => {
                if back != message(count) {
                    return Err(format!("message {count} has not come back as it was sent").into());
                }
                count += 1;
                if count == messages {
                    pongs = None;
                }
            }
            (Ok(_), _) => {}
            (Err(Error::ConnectionClosed), _) => return Ok(count),
            (Err(error), _) => return Err(error.into()),
        }
    }
}

/// Runs a server and its clients.
fn run_both(clients: usize, messages: usize, bytes: usize) -> Result {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = &*listener.local_addr()?.to_string();
    let start = Instant::now();
    let (counts, pongs) = leno::scope(|scope| {
        let clients: Vec<_> =
            (0..clients).map(|_| scope.spawn(move || client(address, messages, bytes))).collect();
        let mut servers = Vec::new();
        for _ in 0..clients.len() {
            let (stream, _) = listener.accept()?;
            servers.push(scope.spawn(move || serve(stream)));
        }
        let sum = |threads: Vec<thread::ScopedJoinHandle<'_, Result<usize>>>| {
            let counts = threads.into_iter().map(|it| it.join().map_err(|_| "it has panicked")?);
            counts.sum::<Result<usize>>()
        };
        Result::Ok((sum(clients)?, sum(servers)?))
    })?;
    let rate = counts as f64 / start.elapsed().as_secs_f64();
    println!(
        "{clients} clients sent {messages} messages of {bytes} bytes each: {counts} came back, \
         {rate:.0} per second\n{pongs} pings answered in between"
    );
    Ok(())
}

/// Serves until a signal comes. Connections that are left are cancelled.
fn run_server(address: &str) -> Result {
    let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    println!("listening on ws://{}", listener.local_addr()?);
    thread::spawn(move || {
        loop {
            match listener.accept() {
                Ok((stream, peer)) => drop(thread::spawn(move || match serve(stream) {
                    Ok(pongs) => println!("{peer} has left, {pongs} pings answered"),
                    Err(error) => println!("{peer}: {error}"),
                })),
                Err(error) => eprintln!("cannot accept a connection: {error}"),
            }
        }
    });
    wait_for_signal()?;
    println!("stopping");
    Ok(())
}

enum Settings {
    Both { clients: usize, messages: usize, bytes: usize },
    Server { address: String },
}

fn settings(arguments: &[&str]) -> std::result::Result<Settings, String> {
    let (clients, messages, bytes) = match arguments {
        ["serve", address] => return Ok(Settings::Server { address: (*address).to_owned() }),
        [] => ("20", "100", "4096"),
        [clients] => (*clients, "100", "4096"),
        [clients, messages] => (*clients, *messages, "4096"),
        [clients, messages, bytes] => (*clients, *messages, *bytes),
        _ => return Err("three numbers are enough".to_owned()),
    };
    Ok(Settings::Both {
        clients: number(clients, 10_000, "clients")?,
        messages: number(messages, 1_000_000, "messages")?,
        bytes: number(bytes, 16 << 20, "bytes")?,
    })
}

const EXAMPLE: Example = Example {
    about: "A server and clients of WebSockets: by default 20 clients, 100 messages, 4,096 bytes.",
    usage: "cargo run --manifest-path examples/net/Cargo.toml --bin websocket -- \
            [CLIENTS [MESSAGES [BYTES]] | serve ADDRESS:PORT]",
    advice: "another address, or fewer clients",
};

fn main() -> ExitCode {
    let run = |settings| match settings {
        Settings::Both { clients, messages, bytes } => run_both(clients, messages, bytes),
        Settings::Server { address } => run_server(&address),
    };
    EXAMPLE.start(settings, |settings| leno::Builder::new().cancel_rest().run(|| run(settings)))
}
