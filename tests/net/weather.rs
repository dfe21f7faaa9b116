//! Bad weather: peers that stop, break off or answer slowly; what is forgotten; systems that refuse.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::rc::Rc;

use leno::coroutine::Coroutine;
use leno::net::{TcpListener, TcpStream};
use leno::os::unix::net::UnixStream;
use leno::time::{Duration, timeout};

use crate::pairs::{ends, join, kind, run, run_by_system, tcp_pair};
use crate::seed::scaled;
use crate::support::child;

const SHORT: Duration = Duration::from_millis(20);

const REQUEST: &[u8; 10] = b"a question";
const ANSWER: &[u8; 9] = b"an answer";

/// Sends a reset to the peer. What was sent before may be lost.
fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Answers one request. Resets the connection after so many bytes of it or of the answer, if at all.
fn serve(mut stream: TcpStream, reset_after: Option<usize>) -> io::Result<()> {
    let cut = reset_after.unwrap_or(usize::MAX);
    let mut request = *REQUEST;
    let (wanted, sent) =
        (cut.min(REQUEST.len()), cut.saturating_sub(REQUEST.len()).min(ANSWER.len()));
    stream.read_exact(&mut request[..wanted])?;
    stream.write_all(&ANSWER[..sent])?;
    if reset_after.is_some() {
        reset(stream);
    }
    Ok(())
}

/// Makes one request. Resets the connection after so many bytes of it or of the answer, if at all.
fn request(mut stream: TcpStream, reset_after: Option<usize>) -> io::Result<()> {
    let cut = reset_after.unwrap_or(usize::MAX);
    let (sent, wanted) =
        (cut.min(REQUEST.len()), cut.saturating_sub(REQUEST.len()).min(ANSWER.len()));
    stream.write_all(&REQUEST[..sent])?;
    let mut answer = [0; ANSWER.len()];
    stream.read_exact(&mut answer[..wanted])?;
    if reset_after.is_some() {
        reset(stream);
        return Ok(());
    }
    assert_eq!(&answer, ANSWER);
    Ok(())
}

#[test]
fn a_reset_at_each_point_of_a_request_is_an_error() {
    run_by_system(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let exchange = |by_client: Option<usize>, by_server: Option<usize>| {
            let client = TcpStream::connect(address).unwrap();
            let (server, _) = listener.accept().unwrap();
            let serving = leno::spawn(move || serve(server, by_server));
            let requested = request(client, by_client);
            (requested, join(serving))
        };
        let is_broken = |result: &io::Result<()>| {
            let kinds =
                [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::UnexpectedEof];
            result.as_ref().is_err_and(|error| kinds.contains(&error.kind()))
        };
        for point in 0..REQUEST.len() + ANSWER.len() {
            let (requested, served) = exchange(None, Some(point));
            assert!(is_broken(&requested) && served.is_ok(), "{point}: {requested:?} {served:?}");
            let (requested, served) = exchange(Some(point), None);
            // The server may send its answer before it learns of a reset after the request.
            let may_fail = point <= REQUEST.len();
            let may_succeed = point >= REQUEST.len();
            let ended = may_fail && is_broken(&served) || may_succeed && served.is_ok();
            assert!(ended && requested.is_ok(), "{point}: {requested:?} {served:?}");
            let (requested, served) = exchange(None, None);
            assert!(requested.is_ok() && served.is_ok(), "{point}: {requested:?} {served:?}");
        }
    });
}

/// To close a connection with unread bytes resets it, and may discard what was written. To end writing,
/// and to read to the end, does not. The system's buffers have room for what neither side reads at first.
#[test]
fn an_answer_before_all_was_read_arrives_whole() {
    run_by_system(|| {
        for round in 0..20 {
            let (mut client, mut server) = tcp_pair();
            let answering = leno::spawn(move || {
                server.write_all(&[1; 100_000]).unwrap();
                server.shutdown(std::net::Shutdown::Write).unwrap();
                io::copy(&mut server, &mut io::sink()).unwrap()
            });
            let bytes = vec![0; 50_000 * round];
            client.write_all(&bytes).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            assert_eq!((answer.len(), join(answering)), (100_000, bytes.len() as u64));
        }
    });
}

#[test]
fn a_peer_that_never_reads_is_given_up() {
    run(|| {
        let (one, _other) = tcp_pair();
        // No buffer is that large.
        let bytes = vec![1; 100_000_000];
        assert!(timeout(SHORT, || (&one).write_all(&bytes)).is_err());
        one.set_write_timeout(Some(SHORT)).unwrap();
        assert_eq!(kind((&one).write_all(&bytes)), ErrorKind::WouldBlock);
        one.set_write_timeout(None).unwrap();
        let clone = one.try_clone().unwrap();
        let writer = leno::spawn(move || (&clone).write_all(&bytes));
        leno::yield_now();
        writer.cancel();
        assert!(writer.join().is_err());
    });
}

/// As in std: there is nothing to wait for.
#[test]
fn an_empty_write_waits_for_no_room() {
    run(|| {
        let (tcp, _other) = tcp_pair();
        let (unix, _other) = UnixStream::pair().unwrap();
        assert!(timeout(SHORT, || (&tcp).write_all(&vec![1; 100_000_000])).is_err());
        assert!(timeout(SHORT, || (&unix).write_all(&vec![1; 100_000_000])).is_err());
        assert_eq!((&tcp).write(&[]).unwrap(), 0);
        assert_eq!((&unix).write(&[]).unwrap(), 0);
        assert_eq!((&unix).write_vectored(&[io::IoSlice::new(&[])]).unwrap(), 0);
    });
}

/// The stacks of its threads stay, with the sockets in them, and nothing of the process is disturbed.
#[test]
fn a_runtime_with_waiting_threads_can_be_forgotten() {
    ends(|| {
        let runtime = leno::Runtime::new();
        let (one, mut other) = tcp_pair();
        let one = Rc::new(one);
        for _ in 0..100 {
            let one = one.clone();
            let wait = move || (&*one).read(&mut [0; 9]);
            drop(leno::thread::Builder::new().spawn_on(&runtime, wait).unwrap());
        }
        assert!(runtime.run_until_stalled());
        std::mem::forget(runtime);
        // The bytes that the threads have waited for are read by another runtime.
        leno::run(|| {
            let reader = leno::spawn(move || (&*one).read(&mut [0; 9]).unwrap());
            leno::yield_now();
            other.write_all(b"abc").unwrap();
            assert_eq!(join(reader), 3);
        });
    });
}

/// Its stack has lent nothing to the system, so the bytes are there for the next call.
#[test]
fn a_coroutine_that_has_waited_can_be_forgotten() {
    run(|| {
        let (one, mut other) = tcp_pair();
        let one = Rc::new(one);
        let reading = one.clone();
        let coroutine = Coroutine::<(), usize, ()>::new(move |yielder, ()| {
            loop {
                let elapsed = timeout(SHORT, || (&*reading).read(&mut [0; 9]));
                yielder.suspend(elapsed.map_or(0, Result::unwrap));
            }
        });
        assert_eq!(coroutine.resume(()).as_yield(), Some(0));
        std::mem::forget(coroutine);
        other.write_all(b"abc").unwrap();
        assert_eq!((&*one).read(&mut [0; 9]).unwrap(), 3);
    });
}

/// In a process of its own, so that the system gives no other socket the number.
#[test]
fn one_descriptor_number_is_used_very_often() {
    child(|| {
        run_by_system(|| {
            let mut number = None;
            for round in 0..scaled(100_000) {
                let (mut one, mut other) = UnixStream::pair().unwrap();
                assert!(number.replace(one.as_raw_fd()).is_none_or(|it| it == one.as_raw_fd()));
                let byte = [round as u8];
                let reader = leno::spawn(move || {
                    let mut byte = [0];
                    one.read_exact(&mut byte).unwrap();
                    byte
                });
                // Every second reader waits, which makes the socket known to the engine.
                if round % 2 == 0 {
                    leno::yield_now();
                }
                other.write_all(&byte).unwrap();
                assert_eq!(join(reader), byte);
                if round == 0 {
                    // The engine has its descriptors now.
                    number = None;
                }
            }
        });
    })
    .assert_survived();
}
