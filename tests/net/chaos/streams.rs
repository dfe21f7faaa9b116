//! Streams: what both ends do, and what the model knows.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::LazyLock;

use leno::net::TcpStream;
use leno::os::unix::net::UnixStream;
use leno::time::Duration;
use proptest::collection::vec;
use proptest::prelude::*;

use super::persist::{Interruption, Progress, persist, stopped};
use super::proxy::{Way, proxy};
use super::run_cases;
use crate::pairs::{join, tcp_pair};

/// The most bytes of one direction.
const MOST_BYTES: usize = 300_000;

/// Bytes of which no part is found at another place. The second direction begins later.
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 1_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..MOST_BYTES + 1_000).map(|_| next()).collect()
});

pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

macro_rules! on_each {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self {
            Stream::Tcp($stream) => $call,
            Stream::Unix($stream) => $call,
        }
    };
}

impl Stream {
    /// Returns two streams that are connected to each other, with small buffers.
    pub fn pair(is_unix: bool) -> (Stream, Stream) {
        if is_unix {
            let (one, other) = UnixStream::pair().unwrap();
            for end in [&one, &other] {
                socket2::SockRef::from(end).set_send_buffer_size(8_192).unwrap();
            }
            (Stream::Unix(one), Stream::Unix(other))
        } else {
            let (one, other) = tcp_pair();
            for end in [&one, &other] {
                end.set_nodelay(true).unwrap();
                socket2::SockRef::from(end).set_send_buffer_size(65_536).unwrap();
            }
            (Stream::Tcp(one), Stream::Tcp(other))
        }
    }

    pub fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        on_each!(self, stream => (&*stream).read(bytes))
    }

    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        on_each!(self, stream => (&*stream).write(bytes))
    }

    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        on_each!(self, stream => stream.shutdown(how))
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) {
        on_each!(self, stream => stream.set_read_timeout(timeout)).unwrap();
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) {
        on_each!(self, stream => stream.set_write_timeout(timeout)).unwrap();
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        on_each!(self, stream => stream.as_fd())
    }
}

/// One direction, as the model knows it.
pub struct Flow {
    /// All bytes that are to be sent.
    bytes: &'static [u8],
    sent: Cell<usize>,
    received: Cell<usize>,
    /// What the readers have met: the end, or an error.
    end: Cell<Option<Result<(), ErrorKind>>>,
    write_error: Cell<Option<ErrorKind>>,
}

impl Flow {
    pub fn new(bytes: usize, is_second: bool) -> Rc<Flow> {
        let start = if is_second { 1_000 } else { 0 };
        Rc::new(Flow {
            bytes: &BYTES[start..start + bytes.min(MOST_BYTES)],
            sent: Cell::default(),
            received: Cell::default(),
            end: Cell::default(),
            write_error: Cell::default(),
        })
    }

    /// Writes by single calls until all is sent, and then ends the direction.
    fn write(&self, stream: &Stream, sizes: &Sizes, is_cut: bool) -> Progress {
        while self.sent.get() < self.bytes.len() {
            let rest = &self.bytes[self.sent.get()..];
            match stream.write(&rest[..rest.len().min(sizes.next())]) {
                Ok(count) => {
                    assert!(count > 0, "a write of some bytes returns 0");
                    self.sent.set(self.sent.get() + count);
                }
                Err(error) if is_cut && error.kind() != ErrorKind::WouldBlock => {
                    assert!(is_of_a_reset(&error), "{error:?}");
                    self.write_error.set(Some(error.kind()));
                    return Progress::Done;
                }
                Err(error) => return stopped(error),
            }
        }
        // Fails if the connection was reset meanwhile.
        let ended = stream.shutdown(Shutdown::Write);
        assert!(ended.is_ok() || is_cut, "{ended:?}");
        Progress::Done
    }

    /// Reads by single calls until the end, and compares.
    fn read(&self, stream: &Stream, sizes: &Sizes, is_cut: bool) -> Progress {
        let mut buffer = vec![0; sizes.largest()];
        while self.end.get().is_none() {
            let size = sizes.next();
            match stream.read(&mut buffer[..size]) {
                Ok(0) => self.end.set(self.end.get().or(Some(Ok(())))),
                Ok(count) => {
                    let from = self.received.get();
                    let expected = self.bytes.get(from..from + count);
                    assert!(expected == Some(&buffer[..count]), "other bytes at {from}");
                    assert!(from + count <= self.sent.get(), "bytes that were not sent");
                    self.received.set(from + count);
                }
                Err(error) if is_cut && error.kind() != ErrorKind::WouldBlock => {
                    assert!(is_of_a_reset(&error), "{error:?}");
                    self.end.set(self.end.get().or(Some(Err(error.kind()))));
                }
                Err(error) => return stopped(error),
            }
        }
        Progress::Done
    }
}

fn is_of_a_reset(error: &io::Error) -> bool {
    let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::NotConnected];
    kinds.contains(&error.kind())
}

impl Flow {
    /// Checks that all was sent and received. Returns the number of bytes.
    pub fn check(&self) -> usize {
        let (all, sent, received) = (self.bytes.len(), self.sent.get(), self.received.get());
        assert_eq!((sent, received, self.end.get()), (all, all, Some(Ok(()))));
        all
    }
}

/// Sizes of calls, over and over.
pub struct Sizes {
    sizes: Vec<usize>,
    at: Cell<usize>,
}

impl Sizes {
    pub fn new(sizes: Vec<usize>) -> Sizes {
        Sizes { sizes, at: Cell::new(0) }
    }

    fn next(&self) -> usize {
        let at = self.at.get();
        self.at.set((at + 1) % self.sizes.len());
        self.sizes[at]
    }

    fn largest(&self) -> usize {
        *self.sizes.iter().max().unwrap()
    }
}

/// What one end does.
#[derive(Clone, Debug)]
pub struct End {
    pub bytes: usize,
    pub writes: Vec<usize>,
    pub reads: Vec<usize>,
    /// The number of threads that read at the same time.
    pub readers: usize,
    pub writing: Vec<Interruption>,
    pub reading: Vec<Interruption>,
}

/// Runs one end: it writes to the one flow, and reads the other. Returns the number of interruptions.
pub fn run_end(plan: &End, stream: Stream, out: &Rc<Flow>, into: &Rc<Flow>, is_cut: bool) -> u64 {
    let stream = Rc::new(stream);
    let writer = leno::spawn({
        let (stream, out, sizes) = (stream.clone(), out.clone(), Sizes::new(plan.writes.clone()));
        let mut interruptions = plan.writing.clone().into_iter();
        let limited = stream.clone();
        move || {
            let limit = |timeout| limited.set_write_timeout(timeout);
            persist(1, || interruptions.next(), limit, move || out.write(&stream, &sizes, is_cut))
        }
    });
    let (sizes, reading, into) = (Sizes::new(plan.reads.clone()), stream.clone(), into.clone());
    let mut interruptions = plan.reading.clone().into_iter();
    let limit = |timeout| stream.set_read_timeout(timeout);
    let calls = move || into.read(&reading, &sizes, is_cut);
    let interrupted = persist(plan.readers, || interruptions.next(), limit, calls);
    interrupted + join(writer)
}

/// What happens on one connection.
#[derive(Clone, Debug)]
struct Plan {
    is_unix: bool,
    ends: [End; 2],
    ways: [Way; 2],
}

/// Returns sizes with a bias to small ones.
pub fn size(most: usize) -> impl Strategy<Value = usize> {
    (0.0..(most as f64).ln()).prop_map(|logarithm: f64| logarithm.exp() as usize)
}

fn plan() -> impl Strategy<Value = Plan> {
    let end = || {
        let sizes = || vec(size(30_000), 1..20);
        let interruptions = || vec(Interruption::any(), 0..60);
        (size(MOST_BYTES), sizes(), sizes(), 1..4usize, interruptions(), interruptions()).prop_map(
            |(bytes, writes, reads, readers, writing, reading)| {
                // Some directions have no bytes.
                End { bytes: bytes - 1, writes, reads, readers, writing, reading }
            },
        )
    };
    let ends = [end(), end()];
    (any::<bool>(), ends, [Way::any(), Way::any()]).prop_map(|(is_unix, ends, ways)| Plan {
        is_unix,
        ends,
        ways,
    })
}

/// Runs one connection through the proxy.
fn connection(plan: &Plan) -> u64 {
    let is_cut = plan.ways.iter().any(|way| way.cut_after.is_some());
    let (client, near) = Stream::pair(plan.is_unix);
    let (far, server) = Stream::pair(plan.is_unix);
    let ways = plan.ways.clone();
    let weather = std::thread::spawn(move || leno::run(|| proxy([near, far], &ways)));
    let flows = [false, true]
        .map(|is_second| Flow::new(plan.ends[usize::from(is_second)].bytes, is_second));
    let serving = leno::spawn({
        let (plan, flows) = (plan.ends[1].clone(), flows.clone());
        move || run_end(&plan, server, &flows[1], &flows[0], is_cut)
    });
    let interrupted = run_end(&plan.ends[0], client, &flows[0], &flows[1], is_cut) + join(serving);
    let was_cut = leno::unblock(move || weather.join().unwrap());
    assert!(is_cut || !was_cut, "the proxy has met an error");
    for (flow, back) in [(&flows[0], &flows[1]), (&flows[1], &flows[0])] {
        let (sent, received) = (flow.sent.get(), flow.received.get());
        let (end, all) = (flow.end.get(), flow.bytes.len());
        if !was_cut {
            flow.check();
        }
        assert!(received <= sent, "{received} of {sent} bytes");
        // An error of a connection by TCP is told to one call. A stream of the Unix domain that is
        // closed with nothing unread just ends.
        let is_told = back.write_error.get().is_some();
        let may_end = received == all || plan.is_unix || is_told;
        assert!(end != Some(Ok(())) || may_end, "an end after {received} of {all} bytes");
    }
    interrupted
}

#[test]
fn random_streams_lose_no_byte() {
    let interruptions = run_cases("random_streams_lose_no_byte", 50, plan(), connection);
    assert!(interruptions > 0, "nothing was interrupted");
}
