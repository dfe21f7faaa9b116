//! 14. A server of HTTP/1.1, which keeps pages in memory.
//!
//! ```text
//! cargo run --release --example 14_http
//! curl -T README.md http://127.0.0.1:8080/readme
//! curl http://127.0.0.1:8080/readme
//! ```
//!
//! Each connection is a green thread, and its code reads from top to bottom: wait for a request,
//! receive its head and its body, answer, begin again. The pages are plain data without a lock,
//! because green threads switch only where they wait.
//!
//! A client may be slow, stop in the middle, or send what is no request. Everything that a
//! connection keeps has a limit, and one deadline around all that receives a request unwinds it
//! wherever it waits.
//!
//! Ctrl-C or SIGTERM ends the server. Connections that wait for a request end at once. A request that has
//! begun is answered, if that takes no longer than a grace period; then it is cancelled, wherever it
//! waits. A second signal ends the process at once.

#[path = "shared/arguments.rs"]
mod arguments;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::rc::Rc;

use httparse::Status::{self, Complete, Partial};
use leno::channel::{Receiver, Sender, bounded};
use leno::net::{Shutdown, TcpListener, TcpStream};
use leno::signal::{Signal, Signals};
use leno::sync::Semaphore;
use leno::thread;
use leno::time::{Duration, timeout};

/// The most bytes of a head, and of a line that begins a chunk.
const HEAD_BYTES: usize = 8 * 1024;
const FIELDS: usize = 64;
const BODY_BYTES: usize = 1024 * 1024;
const PAGES: usize = 100;
const CONNECTIONS: usize = 500;
/// How long a client may take to close the connection after the last answer.
const LINGER: Duration = Duration::from_secs(1);

/// A status, with its words.
type Code = &'static str;

const OK: Code = "200 OK";
const BAD_REQUEST: Code = "400 Bad Request";
const NOT_FOUND: Code = "404 Not Found";
const CONTENT_TOO_LARGE: Code = "413 Content Too Large";
const HEAD_TOO_LARGE: Code = "431 Request Header Fields Too Large";

/// What the connections share.
struct Server {
    /// How long a connection waits for a request, and how long a request may take to arrive, and its
    /// answer to be taken.
    deadline: Duration,
    /// A permit for each connection that may be open.
    places: Semaphore,
    pages: RefCell<BTreeMap<String, Vec<u8>>>,
    answered: Cell<usize>,
    /// Disconnected when the server stops.
    running: RefCell<Option<Sender<()>>>,
    stopping: Receiver<()>,
}

/// Serves until a signal comes, and for at most `grace` after it. The connections that are left are for the
/// caller to cancel.
fn run(address: &str, grace: Duration, server: &Rc<Server>) -> io::Result<()> {
    let signals = Signals::new([Signal::INT, Signal::TERM])?;
    let listener = TcpListener::bind(address)?;
    println!("listening on http://{}", listener.local_addr()?);
    let acceptor = thread::spawn({
        let server = server.clone();
        move || accept(&listener, &server)
    });
    signals.recv()?;
    // From here on, they have their usual effect.
    drop(signals);
    println!("stopping");
    acceptor.cancel();
    // No connection begins after this.
    let _ = acceptor.join();
    server.running.take();
    // Each connection has given its place back when it has ended.
    if timeout(grace, || server.places.acquire_many(CONNECTIONS).map(drop)).is_err() {
        println!("cancelling {} connections", CONNECTIONS - server.places.available_permits());
    }
    Ok(())
}

/// Accepts connections. Those for which there is no place wait in the operating system.
fn accept(listener: &TcpListener, server: &Rc<Server>) {
    loop {
        let place = server.places.acquire().expect("it is never closed");
        match listener.accept() {
            Ok((stream, _)) => {
                let connection = Connection { server: server.clone(), stream, received: vec![] };
                // The connection gives it back.
                place.forget();
                thread::spawn(|| connection.serve());
            }
            Err(error) => eprintln!("cannot accept a connection: {error}"),
        }
    }
}

struct Connection {
    server: Rc<Server>,
    stream: TcpStream,
    /// What has been received, and not been used.
    received: Vec<u8>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.server.places.add_permits(1);
    }
}

impl Connection {
    /// Answers requests, one after the other.
    fn serve(mut self) {
        while self.has_request() && matches!(self.exchange(), Ok(true)) {}
    }

    /// Waits for the first bytes of a request. Returns `false` if none come, or the server stops.
    fn has_request(&mut self) -> bool {
        if !self.received.is_empty() {
            return true;
        }
        leno::select_biased! {
            readable(self.stream) => self.receive(),
            recv(self.server.stopping) -> _ => false,
            default(self.server.deadline) => false,
        }
    }

    /// Receives a request and answers it. Returns `false` if that was the last one.
    fn exchange(&mut self) -> io::Result<bool> {
        let deadline = self.server.deadline;
        let request = timeout(deadline, || self.request());
        let request = request.unwrap_or(Err("408 Request Timeout"));
        // A request that cannot be read is the last one: the next one might begin anywhere.
        let is_last = request.as_ref().map_or(true, |it| !it.keeps_alive);
        let is_last = is_last || self.server.running.borrow().is_none();
        let answer = match request {
            Ok(request) => self.server.answer(request, is_last),
            Err(code) => answer(code, b"", false, is_last),
        };
        timeout(deadline, || self.stream.write_all(&answer))??;
        self.server.answered.update(|count| count + 1);
        if is_last {
            // A connection that is closed with bytes that have not been read is reset, and the client
            // might lose the answer.
            self.stream.shutdown(Shutdown::Write)?;
            let _ = timeout(LINGER, || io::copy(&mut self.stream, &mut io::sink()));
        }
        Ok(!is_last)
    }

    /// Receives a request.
    fn request(&mut self) -> Result<Request, Code> {
        let mut request = self.take(parse_head)?;
        if request.expects_continue {
            let written = self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
            written.map_err(|_| BAD_REQUEST)?;
        }
        request.body = match request.body_bytes {
            Some(count) => self.take_bytes(count)?,
            None => self.take_chunks()?,
        };
        Ok(request)
    }

    /// Takes a body that comes in chunks.
    fn take_chunks(&mut self) -> Result<Vec<u8>, Code> {
        let mut body = Vec::new();
        loop {
            let size = self.take(parse_chunk_size)?;
            if size > (BODY_BYTES - body.len()) as u64 {
                return Err(CONTENT_TOO_LARGE);
            }
            if size == 0 {
                self.take(parse_trailer)?;
                return Ok(body);
            }
            body.extend(self.take_bytes(size as usize)?);
            if self.take_bytes(2)? != b"\r\n" {
                return Err(BAD_REQUEST);
            }
        }
    }

    /// Takes what `parse` finds in front of the received bytes. Receives more until it is complete.
    fn take<T>(&mut self, parse: fn(&[u8]) -> Parsed<T>) -> Result<T, Code> {
        loop {
            let part = &self.received[..self.received.len().min(HEAD_BYTES)];
            match parse(part)? {
                Complete((count, value)) => {
                    self.received.drain(..count);
                    return Ok(value);
                }
                Partial if part.len() == HEAD_BYTES => return Err(HEAD_TOO_LARGE),
                Partial => self.receive_more()?,
            }
        }
    }

    /// Takes a number of bytes. Receives more until they are there.
    fn take_bytes(&mut self, count: usize) -> Result<Vec<u8>, Code> {
        while self.received.len() < count {
            self.receive_more()?;
        }
        Ok(self.received.drain(..count).collect())
    }

    /// Receives more of a request. A client that sends no more may still read the answer.
    fn receive_more(&mut self) -> Result<(), Code> {
        if self.receive() { Ok(()) } else { Err(BAD_REQUEST) }
    }

    /// Receives bytes. Returns `false` at the end.
    fn receive(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self.stream.read(&mut bytes).unwrap_or(0);
        self.received.extend(&bytes[..count]);
        count > 0
    }
}

impl Server {
    fn new(deadline: Duration) -> Server {
        let (pages, answered) = Default::default();
        let (sender, stopping) = bounded(0);
        let (places, running) = (Semaphore::new(CONNECTIONS), RefCell::new(Some(sender)));
        Server { deadline, places, pages, answered, running, stopping }
    }

    /// Returns the answer to a request.
    fn answer(&self, request: Request, is_last: bool) -> Vec<u8> {
        let pages = &mut *self.pages.borrow_mut();
        let Request { method, path, .. } = request;
        let list: String;
        let (code, body): (_, &[u8]) = match &*method {
            "GET" | "HEAD" => match pages.get(&path) {
                Some(page) => (OK, page),
                None if path == "/" => {
                    list = pages.keys().map(|path| format!("{path}\n")).collect();
                    (OK, list.as_bytes())
                }
                None => (NOT_FOUND, b""),
            },
            "PUT" if pages.len() < PAGES || pages.contains_key(&path) => {
                let old = pages.insert(path, request.body);
                (old.map_or("201 Created", |_| OK), b"")
            }
            "PUT" => ("507 Insufficient Storage", b""),
            "DELETE" => (pages.remove(&path).map_or(NOT_FOUND, |_| OK), b""),
            _ => ("405 Method Not Allowed", b""),
        };
        answer(code, body, method == "HEAD", is_last)
    }
}

/// Returns an answer in the form in which it is sent.
fn answer(code: Code, body: &[u8], is_head: bool, is_last: bool) -> Vec<u8> {
    let connection = if is_last { "close" } else { "keep-alive" };
    let allow = if code.starts_with("405") { "allow: GET, HEAD, PUT, DELETE\r\n" } else { "" };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {code}\r\nconnection: {connection}\r\n{allow}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), if is_head { b"" } else { body }].concat()
}

// The demonstration ends here. The rest makes requests of bytes, and reads the arguments.

struct Request {
    method: String,
    path: String,
    /// The length of the body. `None` if it comes in chunks.
    body_bytes: Option<usize>,
    body: Vec<u8>,
    expects_continue: bool,
    keeps_alive: bool,
}

/// What stands in front of some bytes: the number of its bytes, and its value.
type Parsed<T> = Result<Status<(usize, T)>, Code>;

fn parse_head(bytes: &[u8]) -> Parsed<Request> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let count = match head.parse(bytes) {
        Ok(Complete(count)) => count,
        Ok(Partial) => return Ok(Partial),
        Err(httparse::Error::TooManyHeaders) => return Err(HEAD_TOO_LARGE),
        Err(httparse::Error::Version) => return Err("505 HTTP Version Not Supported"),
        Err(_) => return Err(BAD_REQUEST),
    };
    let values = |name: &str| -> Vec<&[u8]> {
        let named = head.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect()
    };
    let is_new = head.version == Some(1);
    if is_new && values("host").len() != 1 {
        return Err(BAD_REQUEST);
    }
    // Where the body ends is said once, or two readers could find two ends.
    let body_bytes = match (&*values("transfer-encoding"), &*values("content-length")) {
        ([], []) => Some(0),
        ([], [digits]) => Some(parse_length(digits)?),
        ([coding], []) if is_new && coding.eq_ignore_ascii_case(b"chunked") => None,
        ([_], []) if is_new => return Err("501 Not Implemented"),
        _ => return Err(BAD_REQUEST),
    };
    let expects = values("expect").iter().any(|it| it.eq_ignore_ascii_case(b"100-continue"));
    let options = values("connection").join(&b',').to_ascii_lowercase();
    let has = |option: &[u8]| options.split(|&c| c == b',').any(|it| it.trim_ascii() == option);
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        path: head.path.unwrap_or_default().to_owned(),
        body_bytes,
        body: Vec::new(),
        expects_continue: is_new && expects && body_bytes != Some(0),
        keeps_alive: !has(b"close") && (is_new || has(b"keep-alive")),
    };
    Ok(Complete((count, request)))
}

fn parse_length(digits: &[u8]) -> Result<usize, Code> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(BAD_REQUEST);
    }
    let length = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    length.filter(|&length| length <= BODY_BYTES).ok_or(CONTENT_TOO_LARGE)
}

fn parse_chunk_size(bytes: &[u8]) -> Parsed<u64> {
    let parsed = httparse::parse_chunk_size(bytes).map_err(|_| BAD_REQUEST)?;
    // httparse accepts a line without digits, and an extension of several lines.
    let is_odd = |line: &[u8]| !line[0].is_ascii_hexdigit() || line.contains(&b'\n');
    match parsed {
        Complete((count, _)) if is_odd(&bytes[..count - 1]) => Err(BAD_REQUEST),
        parsed => Ok(parsed),
    }
}

/// Parses the fields behind the last chunk, which this server does not use.
fn parse_trailer(bytes: &[u8]) -> Parsed<()> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    match httparse::parse_headers(bytes, &mut fields).map_err(|_| BAD_REQUEST)? {
        Complete((count, _)) => Ok(Complete((count, ()))),
        Partial => Ok(Partial),
    }
}

const ABOUT: &str = "A server of HTTP/1.1, by default on 127.0.0.1:8080, with a deadline of 10 s, and \
                     of 5 s after Ctrl-C.";
const USAGE: &str = "cargo run --release --example 14_http -- [ADDRESS:PORT [SECONDS [GRACE]]]";

fn main() -> ExitCode {
    let (address, deadline, grace) = match settings() {
        Ok(settings) => settings,
        Err(what) => {
            eprintln!("error: {what}\n next: {USAGE}");
            return ExitCode::from(2);
        }
    };
    let server = Rc::new(Server::new(deadline));
    // When `run` returns, the connections that are left are cancelled, and waited for.
    if let Err(error) = leno::Builder::new().cancel_rest().run(|| run(&address, grace, &server)) {
        eprintln!("error: {address}: {error}\n next: another address, or port 0 for a free one");
        return ExitCode::from(1);
    }
    println!("{} requests answered", server.answered.get());
    ExitCode::SUCCESS
}

/// Returns the address, the deadline of a request, and the grace period.
fn settings() -> Result<(String, Duration, Duration), String> {
    let arguments = arguments::arguments(ABOUT, USAGE);
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    if texts.len() > 3 {
        return Err("an address and two numbers of seconds are enough".to_owned());
    }
    let text = |index: usize, default| texts.get(index).map_or(default, |text| &**text);
    let seconds = |text: &str| {
        let time = text.parse().ok().and_then(|it| Duration::try_from_secs_f64(it).ok());
        let time = time.filter(|time| !time.is_zero());
        time.ok_or_else(|| format!("{text:?} is not a number of seconds"))
    };
    Ok((text(0, "127.0.0.1:8080").to_owned(), seconds(text(1, "10"))?, seconds(text(2, "5"))?))
}
