//! TLS: `rustls` on sockets of leno, both sides.
//!
//! ```text
//! cargo run --manifest-path examples/net/Cargo.toml --bin tls
//! ```
//!
//! `rustls::StreamOwned` takes any blocking stream, and is one. It writes what the protocol needs when
//! it reads, and the other way round, so reading and writing are calls of one green thread. Here a
//! line is written, then a line is read.
//!
//! The server sends each line back with its letters in the reverse order, as `openssl s_server -rev`
//! does, so the client talks to either:
//!
//! ```text
//! cargo run --manifest-path examples/net/Cargo.toml --bin tls -- serve 127.0.0.1:4433 server.pem
//! openssl s_client -connect 127.0.0.1:4433 -CAfile server.pem
//! ```

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use leno::net::{TcpListener, TcpStream};
use leno::thread;
use leno::time::{Duration, Instant, timeout};
use leno_net_examples::certificate::{self, Certificate};
use leno_net_examples::{Example, Result, wait_for_signal};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

const CLIENTS: usize = 20;
const LINES: [&str; 3] = ["leno", "a green thread for each connection", "the end"];
/// The most bytes of a line, and the most time that a client may take for one.
const LINE_BYTES: u64 = 4096;
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends lines back in reverse, until the client ends the connection. Returns their number.
fn serve(stream: TcpStream, config: Arc<ServerConfig>) -> Result<usize> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config)?, stream));
    let mut count = 0;
    loop {
        let mut line = String::new();
        // One deadline around all that it takes: the handshake, or many records of a byte.
        let received = timeout(PATIENCE, || stream.by_ref().take(LINE_BYTES).read_line(&mut line));
        if received?? == 0 {
            break;
        }
        let reversed: String = line.trim_end().chars().rev().collect();
        writeln!(stream.get_mut(), "{reversed}")?;
        count += 1;
    }
    let stream = stream.get_mut();
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(count)
}

/// Sends lines, and returns what comes back, after a line on how they were encrypted.
fn client(address: &str, config: Arc<ClientConfig>) -> Result<Vec<String>> {
    let (host, _) = address.rsplit_once(':').ok_or("an address has a port")?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let connection = ClientConnection::new(config, name)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let mut answers = Vec::new();
    for sent in LINES {
        writeln!(stream.get_mut(), "{sent}")?;
        let mut line = String::new();
        stream.read_line(&mut line)?;
        answers.push(format!("{sent} -> {}", line.trim_end()));
    }
    let tls = stream.get_mut();
    if let (Some(version), Some(suite)) =
        (tls.conn.protocol_version(), tls.conn.negotiated_cipher_suite())
    {
        answers.insert(0, format!("{version:?}, {:?}", suite.suite()));
    }
    tls.conn.send_close_notify();
    tls.flush()?;
    // Without the peer's own notice, this is an error: the connection could have been cut.
    match stream.read(&mut [0])? {
        0 => Ok(answers),
        _ => Err("the server says more than it was asked".into()),
    }
}

/// Runs a server and its clients. Each client has a connection, and prints the same.
fn run_both() -> Result {
    let certificate = &certificate::make()?;
    let config = certificate::client(&certificate.pem)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = &format!("localhost:{}", listener.local_addr()?.port());
    let start = Instant::now();
    let answers = leno::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| config.clone())
            .map(|config| scope.spawn(move || client(address, config)))
            .collect();
        for _ in 0..CLIENTS {
            let (stream, _) = listener.accept()?;
            scope.spawn(|| serve(stream, certificate.server.clone()).is_ok());
        }
        let answers = clients.into_iter().map(|it| it.join().map_err(|_| "a client panicked")?);
        answers.collect::<Result<Vec<_>>>()
    })?;
    println!("{}", answers[0].join("\n"));
    let same = answers.iter().filter(|answer| **answer == answers[0]).count();
    let time = start.elapsed().as_secs_f64() * 1e3;
    println!("the same for {same} of {CLIENTS} connections at once, in {time:.0} ms");
    Ok(())
}

/// Serves until a signal comes. Writes the certificate that clients are to trust to a file.
fn run_server(address: &str, path: &str) -> Result {
    let Certificate { pem, server } = certificate::make()?;
    fs::write(path, pem).map_err(|error| format!("{path}: {error}"))?;
    let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    println!("the certificate is in {path}, listening on {}", listener.local_addr()?);
    thread::spawn(move || {
        loop {
            let config = server.clone();
            match listener.accept() {
                Ok((stream, peer)) => drop(thread::spawn(move || match serve(stream, config) {
                    Ok(count) => println!("{peer} has left after {count} lines"),
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

/// Connects to a server, which may be another program.
fn run_client(address: &str, path: &str) -> Result {
    let pem = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let answers = client(address, certificate::client(&pem)?);
    let answers = answers.map_err(|error| format!("{address}: {error}"))?;
    println!("{}", answers.join("\n"));
    Ok(())
}

enum Settings {
    Both,
    Server { address: String, path: String },
    Client { address: String, path: String },
}

fn settings(arguments: &[&str]) -> std::result::Result<Settings, String> {
    match *arguments {
        [] => Ok(Settings::Both),
        ["serve", address, path] => {
            Ok(Settings::Server { address: address.to_owned(), path: path.to_owned() })
        }
        ["connect", address, path] => {
            Ok(Settings::Client { address: address.to_owned(), path: path.to_owned() })
        }
        _ => Err("serve or connect, an address and a file are what it takes".to_owned()),
    }
}

const EXAMPLE: Example = Example {
    about: "TLS on both sides: without arguments, a server and 20 clients in one program.",
    usage: "cargo run --manifest-path examples/net/Cargo.toml --bin tls -- \
            [serve ADDRESS:PORT FILE | connect HOST:PORT FILE]",
    advice: "the file is a certificate for the name of the host, which `serve` writes",
};

fn main() -> ExitCode {
    let run = |settings| match settings {
        Settings::Both => run_both(),
        Settings::Server { address, path } => run_server(&address, &path),
        Settings::Client { address, path } => run_client(&address, &path),
    };
    EXAMPLE.start(settings, |settings| leno::Builder::new().cancel_rest().run(|| run(settings)))
}
