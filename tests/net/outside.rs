//! Outside a runtime: calls block the OS thread, as those of std.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use leno::net::{TcpListener, TcpStream, UdpSocket};

use crate::pairs::{ends, kind, tcp_pair};

#[test]
fn calls_block_the_os_thread() {
    ends(|| {
        let listener = TcpListener::bind("localhost:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            let mut stream = TcpStream::connect(address).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            stream.write_all(&vec![1; 5_000_000]).unwrap();
        });
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), 5_000_000);
        client.join().unwrap();
    });
}

#[test]
fn timeouts_hold() {
    ends(|| {
        let (mut one, _other) = tcp_pair();
        one.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        assert_eq!(kind(one.read(&mut [0])), ErrorKind::WouldBlock);
        one.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        assert_eq!(kind(one.write_all(&vec![0; 100_000_000])), ErrorKind::WouldBlock);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        assert_eq!(kind(socket.recv(&mut [0])), ErrorKind::WouldBlock);
    });
}
