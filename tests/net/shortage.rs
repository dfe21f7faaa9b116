//! Shortage of descriptors.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::time::Duration;

use leno::net::{TcpListener, TcpStream};

use crate::support::child;

/// Opens files until this process may open no more.
pub fn use_up_descriptors() -> Vec<File> {
    let limit = libc::rlimit { rlim_cur: 200, rlim_max: 200 };
    // SAFETY: the limit is a live struct.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn accepting_without_a_descriptor_fails_and_spins_not() {
    child(|| {
        leno::run(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let mut clients = vec![TcpStream::connect(address).unwrap()];
            drop(listener.accept().unwrap());
            let (one, _other) = leno::os::unix::net::UnixStream::pair().unwrap();
            // The engine is made.
            one.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            let _ = std::io::Read::read(&mut &one, &mut [0]);
            clients.push(TcpStream::connect(address).unwrap());
            let _files = use_up_descriptors();
            let turns = std::rc::Rc::new(std::cell::Cell::new(0));
            let other = leno::spawn({
                let turns = turns.clone();
                move || {
                    for _ in 0..10 {
                        turns.set(turns.get() + 1);
                        leno::sleep(Duration::from_millis(1));
                    }
                }
            });
            let error = listener.accept().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            assert_eq!(turns.get(), 10, "others have not run");
            other.join().unwrap();
            // A descriptor that is closed meanwhile is enough.
            let closer = leno::spawn(move || {
                leno::sleep(Duration::from_millis(20));
                drop(clients.remove(0));
                clients
            });
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"x").unwrap();
            closer.join().unwrap();
        });
    })
    .assert_survived();
}

#[test]
fn without_a_descriptor_calls_fail_with_the_reason() {
    child(|| {
        leno::run(|| {
            let _files = use_up_descriptors();
            let error = TcpListener::bind("127.0.0.1:0").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            assert!(TcpStream::connect("127.0.0.1:1").is_err());
        });
        // The runtime goes on.
        assert_eq!(leno::run(|| leno::spawn(|| 7).join().unwrap()), 7);
    })
    .assert_survived();
}

/// The engine needs a descriptor when the first thread waits.
#[test]
fn without_a_descriptor_for_the_engine_a_wait_fails() {
    child(|| {
        leno::run(|| {
            let (one, _other) = leno::os::unix::net::UnixStream::pair().unwrap();
            let _files = use_up_descriptors();
            let error = std::io::Read::read(&mut &one, &mut [0]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            assert_ne!(error.kind(), ErrorKind::WouldBlock);
        });
    })
    .assert_survived();
}
