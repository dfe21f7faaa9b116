//! What reports say of threads that wait for sockets.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use leno::net::{TcpListener, UdpSocket};

use crate::pairs::{run, run_by_system, tcp_pair};

/// Returns the lines of a dump about green threads that wait.
fn dump() -> String {
    leno::debug::dump().to_string()
}

#[test]
fn a_dump_names_the_call_and_the_socket() {
    run_by_system(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut one, other) = tcp_pair();
        let expected = [
            format!("bytes from TcpStream {} (fd {})", one.peer_addr().unwrap(), one.as_raw_fd()),
            format!(
                "a connection to TcpListener {} (fd {})",
                listener.local_addr().unwrap(),
                listener.as_raw_fd()
            ),
            format!(
                "a datagram from UdpSocket {} (fd {})",
                socket.local_addr().unwrap(),
                socket.as_raw_fd()
            ),
        ];
        let waiting = [
            leno::spawn(move || drop(one.read(&mut [0]))),
            leno::spawn(move || drop(listener.accept())),
            leno::spawn(move || drop(socket.recv(&mut [0]))),
        ];
        leno::yield_now();
        let dump = dump();
        for line in expected {
            assert!(dump.contains(&line), "{line}\n{dump}");
        }
        assert!(dump.contains("reports.rs"), "{dump}");
        assert!(dump.contains(" green threads, which wait for sockets by "), "{dump}");
        for thread in waiting {
            thread.cancel();
        }
        drop(other);
    });
}

/// The line is the program's, and not that of a loop in std.
#[test]
fn a_report_has_the_line_of_a_call_that_waits_repeatedly() {
    run(|| {
        let (mut one, other) = tcp_pair();
        let mut clone = one.try_clone().unwrap();
        let waiting = [
            leno::spawn(move || drop(one.read_exact(&mut [0; 9]))),
            leno::spawn(move || drop(clone.write_all(&vec![0; 100_000_000]))),
        ];
        leno::sleep(Duration::from_millis(20));
        let report = leno::debug::stalled(Duration::ZERO).expect("two wait").to_string();
        for what in ["bytes from", "room in"] {
            let line = report.lines().find(|line| line.contains(what)).expect(&report);
            assert!(line.contains(" at tests/net/reports.rs:"), "{report}");
        }
        for thread in waiting {
            thread.cancel();
        }
        drop(other);
    });
}

#[test]
fn a_timeline_has_waits_for_sockets() {
    run(|| {
        let ((), timeline) = leno::debug::record(|| {
            let (mut one, other) = tcp_pair();
            let reader = leno::spawn(move || drop(one.read(&mut [0])));
            leno::yield_now();
            drop(other);
            reader.join().unwrap();
        });
        let text = timeline.to_string();
        assert!(text.contains("reads TcpStream 127.0.0.1:"), "{text}");
    });
}

#[test]
fn virtual_time_waits_for_sockets() {
    crate::pairs::ends(|| {
        leno::Builder::new().virtual_time().run(|| {
            let start = leno::time::Instant::now();
            let (mut one, other) = tcp_pair();
            let sleeper = leno::spawn(|| leno::sleep(Duration::from_secs(3_600)));
            let other = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(30));
                drop(other);
            });
            assert_eq!(one.read(&mut [0]).unwrap(), 0);
            assert_eq!(start.elapsed(), Duration::ZERO);
            sleeper.join().unwrap();
            assert_eq!(start.elapsed(), Duration::from_secs(3_600));
            other.join().unwrap();
        });
    });
}
