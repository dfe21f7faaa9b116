//! The server of HTTP on all cores: replaced while it serves, and its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use super::listening::{Listening, receive, send};
use super::{refuse, runner};

const NAME: &str = "17_workers";

/// Makes a request on a connection of its own, and returns the answer.
fn ask(server: &Listening, request: &str) -> String {
    let stream = server.connect();
    send(&stream, request);
    stream.shutdown(Shutdown::Write).expect("it is connected");
    receive(&stream)
}

/// Makes a request on a connection that is kept. Returns the head of the answer, and its body.
fn next(stream: &mut BufReader<TcpStream>) -> (String, String) {
    stream
        .get_mut()
        .write_all(b"GET /worker HTTP/1.1\r\nHost: h\r\n\r\n")
        .expect("it is connected");
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).expect("an answer") > 0, "{head}");
    }
    let length = head.rsplit_once("content-length: ").expect("a length").1.trim_end();
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).expect("a body");
    (head, String::from_utf8(body).expect("text"))
}

#[test]
fn workers_serve_while_they_are_replaced() {
    if runner().is_some() {
        // The example starts itself, which an emulator does not do: see tests/workers.
        return;
    }
    let server = Listening::start(NAME, &["127.0.0.1:0", "2"]);
    let page = "GET /worker HTTP/1.0\r\n\r\n";
    assert!(ask(&server, page).contains("\r\n\r\nworker "));
    assert!(ask(&server, "DELETE /worker HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 403 "));
    // Requests on a connection that is kept, until its worker is replaced.
    let mut kept = BufReader::new(server.connect());
    let (_, first) = next(&mut kept);
    server.signal(libc::SIGHUP);
    loop {
        let (head, body) = next(&mut kept);
        assert_eq!(body, first);
        if head.contains("connection: close") {
            break;
        }
    }
    assert_ne!(ask(&server, page).split("\r\n\r\n").nth(1), Some(&*first));
    server.signal(libc::SIGTERM);
    let ran = server.end();
    assert_eq!((ran.status, &*ran.stderr), (0, ""));
    assert!(ran.stdout.contains("master stops the workers (SIGTERM)"), "{}", ran.stdout);
}

#[test]
fn invalid_arguments_of_workers_are_refused() {
    for count in ["0", "x", "1001"] {
        refuse(NAME, &["127.0.0.1:0", count], "a number of workers");
    }
}
