//! A client of HTTP and HTTPS: `ureq` on sockets of leno.
//!
//! ```text
//! cargo run --manifest-path examples/net/Cargo.toml --bin http_client
//! ```
//!
//! ureq makes connections by a `Connector`, and looks names up by a `Resolver`. Those below make a
//! green thread wait where those of ureq make the OS thread wait, and keep ureq's timeouts by
//! `leno::time::timeout`. All else is ureq's: TLS, redirects, bodies, and the pool of connections that
//! the green threads share.
//!
//! The pool has a lock of std, which ureq holds while it asks a transport whether it `is_open`. A
//! green thread that waited there would leave the lock to others, which wait for it with the OS
//! thread. A call on a socket that does not block never switches, so it may be made there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use leno::net::{TcpListener, TcpStream, ToSocketAddrs};
use leno::sync::Semaphore;
use leno::thread;
use leno::time::{Duration, Instant, timeout};
use leno_net_examples::{Example, Result, certificate, number};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector, Transport,
};
use ureq::{Agent, Error};

/// The most requests at once, each on a connection of its own.
const AT_ONCE: usize = 50;
/// The most addresses of a name that ureq takes.
const ADDRESSES: usize = 16;

/// Makes a call, for at most the time that ureq gives it.
fn within<T>(
    limit: NextTimeout,
    call: impl FnOnce() -> io::Result<T>,
) -> std::result::Result<T, Error> {
    let result = match limit.not_zero() {
        Some(time) => timeout(*time, call).map_err(|_| Error::Timeout(limit.reason))?,
        None => call(),
    };
    Ok(result?)
}

#[derive(Debug)]
struct LenoResolver;

impl Resolver for LenoResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        limit: NextTimeout,
    ) -> std::result::Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?.trim_matches(['[', ']']);
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let found = within(limit, || (host, port).to_socket_addrs())?;
        let mut addresses = self.empty();
        for address in config.ip_family().keep_wanted(found).take(ADDRESSES) {
            addresses.push(address);
        }
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

#[derive(Debug)]
struct LenoConnector;

impl Connector for LenoConnector {
    type Out = LenoTransport;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> std::result::Result<Option<LenoTransport>, Error> {
        let stream = within(details.timeout, || TcpStream::connect(&*details.addrs))?;
        stream.set_nodelay(details.config.no_delay())?;
        let (input, output) =
            (details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(LenoTransport { stream, buffers: LazyBuffers::new(input, output) }))
    }
}

#[derive(Debug)]
struct LenoTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Transport for LenoTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(
        &mut self,
        count: usize,
        limit: NextTimeout,
    ) -> std::result::Result<(), Error> {
        let bytes = &self.buffers.output()[..count];
        within(limit.for_write(), || self.stream.write_all(bytes))
    }

    fn await_input(&mut self, limit: NextTimeout) -> std::result::Result<bool, Error> {
        let buffer = self.buffers.input_append_buf();
        let count = within(limit.for_read(), || self.stream.read(buffer))?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        // An idle connection has nothing to read: not an answer without a request, and not the end.
        let _ = self.stream.set_nonblocking(true);
        let peeked = self.stream.peek(&mut [0]);
        let _ = self.stream.set_nonblocking(false);
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

/// Returns a client that trusts the certificates in a text of PEM.
fn agent(pem: &str, limit: Duration) -> Result<Agent> {
    let mut roots = Vec::new();
    for item in parse_pem(pem.as_bytes()) {
        if let PemItem::Certificate(certificate) = item? {
            roots.push(certificate);
        }
    }
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(certificate::provider())
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(limit))
        .http_status_as_error(false)
        .max_idle_connections(AT_ONCE)
        .max_idle_connections_per_host(AT_ONCE)
        .build();
    let connector = LenoConnector.chain(RustlsConnector::default());
    Ok(Agent::with_parts(config, connector, LenoResolver))
}

/// Makes a request. Returns the status of the answer, and the number of bytes in its body.
fn get(agent: &Agent, url: &str) -> std::result::Result<(u16, u64), Error> {
    let mut answer = agent.get(url).call()?;
    let bytes = io::copy(&mut answer.body_mut().as_reader(), &mut io::sink())?;
    Ok((answer.status().as_u16(), bytes))
}

/// Makes requests, each in its own green thread, and prints how many had the same result.
fn get_all(agent: &Agent, url: &str, count: usize) -> Result {
    let start = Instant::now();
    let places = Semaphore::new(AT_ONCE);
    let results = leno::scope(|scope| {
        let request = || {
            let _place = places.acquire();
            get(agent, url)
        };
        let requests: Vec<_> = (0..count).map(|_| scope.spawn(request)).collect();
        requests.into_iter().map(|request| request.join()).collect::<Vec<_>>()
    });
    let rate = count as f64 / start.elapsed().as_secs_f64();
    println!("{count} requests to {url}, at most {AT_ONCE} at once: {rate:.0} per second");
    let (mut counts, mut failed) = (BTreeMap::new(), 0);
    for result in results {
        let text = match result.map_err(|_| "a request has panicked")? {
            Ok((status, bytes)) => format!("status {status}, {bytes} bytes"),
            Err(error) => {
                failed += 1;
                format!("failed: {error}")
            }
        };
        *counts.entry(text).or_insert(0) += 1;
    }
    for (text, count) in counts {
        println!("{count:6} x {text}");
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of {count} requests failed").into()) }
}

/// Answers the requests of a connection of TLS. They have no body.
fn serve(stream: TcpStream, config: Arc<ServerConfig>) -> Result {
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config)?, stream));
    loop {
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")?;
    }
}

/// Starts a server in the same program. Returns its address, and the certificate to trust.
fn start_server() -> Result<(String, String)> {
    let certificate = certificate::make()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("https://localhost:{}/", listener.local_addr()?.port());
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let config = certificate.server.clone();
            // A connection ends with an error when the client does not say that it ends.
            thread::spawn(|| serve(stream, config).is_ok());
        }
    });
    Ok((url, certificate.pem))
}

struct Settings {
    url: Option<String>,
    requests: usize,
    limit: Duration,
    certificates: Option<String>,
}

fn settings(arguments: &[&str]) -> std::result::Result<Settings, String> {
    let mut settings =
        Settings { url: None, requests: 300, limit: Duration::from_secs(10), certificates: None };
    if arguments.len() > 4 {
        return Err("four arguments are enough".to_owned());
    }
    settings.url = arguments.first().map(|&url| url.to_owned());
    if let Some(text) = arguments.get(1) {
        settings.requests = number(text, 1_000_000, "requests")?;
    }
    if let Some(text) = arguments.get(2) {
        let limit = text.parse().ok().and_then(|it| Duration::try_from_secs_f64(it).ok());
        let limit = limit.filter(|limit| !limit.is_zero());
        settings.limit = limit.ok_or_else(|| format!("{text:?} is not a number of seconds"))?;
    }
    settings.certificates = arguments.get(3).map(|&path| path.to_owned());
    Ok(settings)
}

fn run(settings: Settings) -> Result {
    let (url, pem) = match (settings.url, settings.certificates) {
        (None, _) => start_server()?,
        (Some(url), None) => (url, String::new()),
        (Some(url), Some(path)) => {
            let pem = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            (url, pem)
        }
    };
    get_all(&agent(&pem, settings.limit)?, &url, settings.requests)
}

const EXAMPLE: Example = Example {
    about: "Requests of HTTP and HTTPS in green threads: by default 300, to a server of its own.",
    usage: "cargo run --manifest-path examples/net/Cargo.toml --bin http_client -- \
            [URL [REQUESTS [SECONDS [CERTIFICATES]]]]",
    advice: "for https, name a file with the certificates to trust, such as \
             /etc/ssl/certs/ca-certificates.crt",
};

fn main() -> ExitCode {
    let run = |settings| leno::Builder::new().cancel_rest().run(|| run(settings));
    EXAMPLE.start(settings, run)
}
