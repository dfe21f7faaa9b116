//! The server of HTTP/1.1 that `14_http` and `17_workers` share: it keeps pages in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::rc::Rc;

use httparse::Status::{self, Complete, Partial};
use leno::channel::{Receiver, Sender, bounded};
use leno::net::{Shutdown, TcpListener, TcpStream};
use leno::sync::Semaphore;
use leno::thread;
use leno::time::{Duration, timeout};

/// The most bytes of a head, and of a line that begins a chunk.
const HEAD_BYTES: usize = 8 * 1024;
const FIELDS: usize = 64;
const BODY_BYTES: usize = 1024 * 1024;
const PAGES: usize = 100;
const CONNECTIONS: usize = 500;
/// How long a client may take to close the connection after the last answer, and how long a request may be
/// on the way when the server stops.
const LINGER: Duration = Duration::from_secs(1);

/// A status, with its words.
type Code = &'static str;

const OK: Code = "200 OK";
const BAD_REQUEST: Code = "400 Bad Request";
const NOT_FOUND: Code = "404 Not Found";
const CONTENT_TOO_LARGE: Code = "413 Content Too Large";
const HEAD_TOO_LARGE: Code = "431 Request Header Fields Too Large";

/// What the connections share.
pub struct Server {
    /// How long a connection waits for a request, and how long a request may take to arrive, and its
    /// answer to be taken.
    deadline: Duration,
    /// A permit for each connection that may be open.
    places: Semaphore,
    pages: RefCell<BTreeMap<String, Vec<u8>>>,
    /// The pages cannot be changed.
    is_fixed: bool,
    pub answered: Cell<usize>,
    /// Disconnected when the server stops.
    running: RefCell<Option<Sender<()>>>,
    stopping: Receiver<()>,
}

/// Accepts connections. Those for which there is no place wait in the operating system.
pub fn accept(listener: &TcpListener, server: &Rc<Server>) {
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

    /// Waits for the first bytes of a request. Returns `false` if none come.
    fn has_request(&mut self) -> bool {
        if !self.received.is_empty() {
            return true;
        }
        leno::select_biased! {
            readable(self.stream) => self.receive(),
            recv(self.server.stopping) -> _ => timeout(LINGER, || self.receive()) == Ok(true),
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
    /// Returns a server without pages, or with pages that cannot be changed.
    pub fn new(deadline: Duration, fixed: Option<BTreeMap<String, Vec<u8>>>) -> Server {
        let (sender, stopping) = bounded(0);
        let (places, running) = (Semaphore::new(CONNECTIONS), RefCell::new(Some(sender)));
        let (answered, is_fixed) = (Cell::default(), fixed.is_some());
        let pages = RefCell::new(fixed.unwrap_or_default());
        Server { deadline, places, pages, is_fixed, answered, running, stopping }
    }

    /// Makes each connection end after the request that has begun, or is on the way. Waits at most for
    /// `grace`. Returns the number of connections that are left.
    pub fn stop(&self, grace: Duration) -> usize {
        self.running.take();
        // Each connection gives its place back when it ends.
        let _ = timeout(grace, || self.places.acquire_many(CONNECTIONS).map(drop));
        CONNECTIONS - self.places.available_permits()
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
            "PUT" | "DELETE" if self.is_fixed => ("403 Forbidden", b""),
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

// The rest makes requests of bytes.

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
