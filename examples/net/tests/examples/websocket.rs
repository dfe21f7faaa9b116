//! WebSockets: both sides at once, and the server by the bytes of RFC 6455.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::process::{PATIENCE, Process};

#[test]
fn messages_come_back_while_more_are_sent() {
    // They are more than the buffers of both systems hold.
    let output = Process::example("websocket", &["2", "32", "1_048_576"]).succeeds();
    let beginning = "2 clients sent 32 messages of 1048576 bytes each: 64 came back, ";
    assert!(output.starts_with(beginning), "{output}");
    assert!(output.ends_with("\n64 pings answered in between\n"), "{output}");
}

#[test]
fn many_clients_run_at_once() {
    let output = Process::example("websocket", &[]).succeeds();
    assert!(output.contains(": 2000 came back, "), "{output}");
    assert!(output.ends_with("\n2000 pings answered in between\n"), "{output}");
}

/// The handshake is that of section 1.3 of RFC 6455, and "Hello" that of section 5.7.
#[test]
fn the_server_answers_the_bytes_of_the_standard() {
    let (mut server, address) = Process::listening("websocket", &["serve", "127.0.0.1:0"]);
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
                   Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");

    let mut expect = |sent: &[u8], received: &[u8]| {
        stream.write_all(sent).unwrap();
        let mut bytes = vec![0; received.len()];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, received);
    };
    const MASK: &[u8; 4] = b"\x37\xfa\x21\x3d";
    const HELLO: &[u8; 5] = b"\x7f\x9f\x4d\x51\x58";
    // A ping is answered with its own text.
    expect(&[b"\x89\x85", &MASK[..], HELLO].concat(), b"\x8a\x05Hello");
    // The server's ping, and the text.
    expect(&[b"\x81\x85", &MASK[..], HELLO].concat(), b"\x89\x0cstill there?\x81\x05Hello");
    // The same in two parts.
    expect(&[b"\x01\x83", &MASK[..], &HELLO[..3]].concat(), b"");
    expect(b"\x80\x82\0\0\0\0lo", b"\x89\x0cstill there?\x81\x05Hello");
    // A pong, and the end.
    expect(&[b"\x8a\x80", &MASK[..], b"\x88\x80", MASK].concat(), b"\x88\x00");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);

    let line = server.line_with("has left").unwrap_or_else(|ran| panic!("{}", ran.stderr));
    assert!(line.ends_with(", 1 pings answered\n"), "{line}");
    server.signal(libc::SIGINT);
    assert!(server.succeeds().ends_with("stopping\n"));
}
