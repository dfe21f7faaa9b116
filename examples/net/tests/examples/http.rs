//! The client of HTTP: many requests at once, reused connections, timeouts, a server of OpenSSL.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::process::{Folder, Process, tool};
use super::tls::make_certificate;

/// The number of requests that the example makes at once.
const AT_ONCE: usize = 50;
/// A body that takes many reads.
const BODY_BYTES: usize = 256 * 1024;

/// A server that runs in OS threads, one for each connection.
struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn start(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let connections = Arc::new(AtomicUsize::new(0));
        let server = Server { url, connections: connections.clone() };
        thread::spawn(move || {
            for stream in listener.incoming() {
                connections.fetch_add(1, Ordering::Relaxed);
                let (serve, stream) = (serve.clone(), stream.unwrap());
                thread::spawn(move || serve(stream));
            }
        });
        server
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Receives a request. Returns `false` at the end of the connection.
fn receive(reader: &mut impl BufRead) -> bool {
    let mut lines = reader.lines();
    loop {
        match lines.next() {
            Some(Ok(line)) if line.is_empty() => return true,
            Some(Ok(_)) => {}
            _ => return false,
        }
    }
}

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn requests_are_made_at_once_on_reused_connections() {
    // No request is answered before as many are there as the example makes at once.
    let all = Arc::new(Barrier::new(AT_ONCE));
    let answer = Arc::new(answer(&"x".repeat(BODY_BYTES)));
    let server = Server::start(move |mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while receive(&mut reader) {
            all.wait();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let output = Process::example("http_client", &[&server.url, "300", "600"]).succeeds();
    assert!(output.ends_with(&format!("\n   300 x status 200, {BODY_BYTES} bytes\n")), "{output}");
    assert_eq!(server.connections(), AT_ONCE);
}

#[test]
fn a_connection_at_its_end_is_not_used_again() {
    let server = Server::start(|mut stream| {
        assert!(receive(&mut BufReader::new(&stream)));
        // The answer and the end of the connection leave together.
        let one: libc::c_int = 1;
        // SAFETY: the option is a number, which is there during the call.
        let set = unsafe {
            let value = (&raw const one).cast();
            let size = size_of_val(&one) as libc::socklen_t;
            libc::setsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_CORK, value, size)
        };
        assert_eq!(set, 0);
        stream.write_all(answer("hello").as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert!(!receive(&mut BufReader::new(&stream)));
    });
    let output = Process::example("http_client", &[&server.url, "200", "600"]).succeeds();
    assert!(output.ends_with("\n   200 x status 200, 5 bytes\n"), "{output}");
    assert_eq!(server.connections(), 200);
}

#[test]
fn a_server_without_an_answer_is_given_up() {
    let server = Server::start(|stream| {
        assert!(receive(&mut BufReader::new(&stream)));
        assert!(!receive(&mut BufReader::new(&stream)));
    });
    let ran = Process::example("http_client", &[&server.url, "3", "0.05"]).end();
    assert_eq!(ran.status, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.ends_with("\n     3 x failed: timeout: global\n"), "{}", ran.stdout);
    assert!(ran.stderr.starts_with("error: 3 of 3 requests failed\n"), "{}", ran.stderr);
}

#[test]
fn a_name_that_is_not_found_is_an_error() {
    let ran = Process::example("http_client", &["http://nothing.invalid/", "2"]).end();
    assert_eq!(ran.status, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("     2 x failed: "), "{}", ran.stdout);
}

#[test]
fn its_own_server_answers_every_request() {
    let output = Process::example("http_client", &[]).succeeds();
    assert!(output.starts_with("300 requests to https://localhost:"), "{output}");
    assert!(output.ends_with("\n   300 x status 200, 5 bytes\n"), "{output}");
}

#[test]
fn a_server_of_openssl_is_trusted_by_its_certificate() {
    let folder = Folder::new("https");
    let [certificate, key] = make_certificate(&folder);
    fs::write(folder.path("page"), "x".repeat(BODY_BYTES)).unwrap();
    let mut command = tool("openssl", "openssl");
    command.args(["s_server", "-WWW", "-accept", "127.0.0.1:0", "-cert", &certificate]);
    command.args(["-key", &key]).current_dir(&folder.0);
    let mut server = Process::start(command);
    let line = server.line_with("ACCEPT 127.0.0.1:").unwrap_or_else(|ran| panic!("{}", ran.stderr));
    let url = format!("https://localhost:{}/page", line.trim_end().rsplit(':').next().unwrap());

    let output = Process::example("http_client", &[&url, "10", "600", &certificate]).succeeds();
    assert!(output.ends_with(&format!("\n    10 x status 200, {BODY_BYTES} bytes\n")), "{output}");
    let ran = Process::example("http_client", &[&url, "1"]).end();
    assert!(ran.stdout.contains("UnknownIssuer"), "{}{}", ran.stdout, ran.stderr);
}
