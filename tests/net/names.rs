//! A name server that does not answer, in namespaces of a child process.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;
use std::time::Duration;

use leno::net::{TcpStream, UdpSocket, lookup_host};
use leno::time::timeout;

use crate::pairs::run_by_system;
use crate::support::{in_prepared_child, not_run};

/// A line by which the child recognises its own file.
const RESOLVER: &str = "nameserver 127.0.0.1\noptions timeout:60 attempts:1\n";
const SWITCH: &str = "hosts: dns\n";

/// Runs the command with a loopback network, a name server and a list of resolvers of its own, where
/// the system allows it.
fn isolate(command: &mut Command) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let files = [("resolv.conf", RESOLVER), ("nsswitch.conf", SWITCH)].map(|(name, text)| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        let text = |path: &std::path::Path| CString::new(path.to_str().unwrap()).unwrap();
        (text(&path), text(&std::path::Path::new("/etc").join(name)))
    });
    let enter = move || {
        // If the system refuses, the child finds out.
        let _ = enter(&files);
        Ok(())
    };
    // SAFETY: after the fork, the closure makes system calls only.
    unsafe { command.pre_exec(enter) };
}

/// Enters namespaces in which these files, pairs of a source and a target, have other contents, and only
/// the loopback device is a network.
fn enter(files: &[(CString, CString); 2]) -> io::Result<()> {
    let check = |result: libc::c_int| if result == -1 { Err(()) } else { Ok(result) };
    let failed = |()| io::Error::last_os_error();
    // SAFETY: the strings end with a zero, and the request is live and initialised.
    unsafe {
        let user = if libc::geteuid() == 0 { 0 } else { libc::CLONE_NEWUSER };
        check(libc::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWNET | user)).map_err(failed)?;
        let (root, nothing) = (c"/".as_ptr(), ptr::null());
        let private = libc::MS_REC | libc::MS_PRIVATE;
        check(libc::mount(nothing, root, nothing, private, ptr::null())).map_err(failed)?;
        for (from, to) in files {
            let (from, to) = (from.as_ptr(), to.as_ptr());
            check(libc::mount(from, to, nothing, libc::MS_BIND, ptr::null())).map_err(failed)?;
        }
        // The child may not have the right to use port 53 otherwise.
        let path = c"/proc/sys/net/ipv4/ip_unprivileged_port_start".as_ptr();
        let port = check(libc::open(path, libc::O_WRONLY)).map_err(failed)?;
        libc::write(port, c"0".as_ptr().cast(), 1);
        libc::close(port);
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[..2].copy_from_slice(&[b'l' as _, b'o' as _]);
        request.ifr_ifru.ifru_flags = libc::IFF_UP as _;
        let raised = libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &raw const request);
        libc::close(socket);
        check(raised).map_err(failed).map(drop)
    }
}

/// Other threads run, and a cancellation and a deadline are met, while an OS thread waits for the server.
#[test]
fn a_name_server_that_never_answers_blocks_no_thread() {
    let test = "names::a_name_server_that_never_answers_blocks_no_thread";
    let body = || {
        let is_isolated = fs::read_to_string("/etc/resolv.conf").is_ok_and(|it| it == RESOLVER);
        if !is_isolated {
            return not_run(
                "the system allows no namespaces, and so no name server of a test's own",
            );
        }
        run_by_system(|| {
            let server = UdpSocket::bind("127.0.0.1:53").unwrap();
            let connecting = leno::spawn(|| TcpStream::connect("name.example:80").map(drop));
            let mut query = [0; 512];
            let count = server.recv(&mut query).unwrap();
            assert!(query[..count].windows(13).any(|it| it == b"\x04name\x07example"));
            connecting.cancel();
            assert!(connecting.join().is_err());
            let limit = Duration::from_millis(20);
            assert!(timeout(limit, || lookup_host("other.example:80").map(drop)).is_err());
            // An address needs no server.
            assert!(lookup_host("127.0.0.1:80").is_ok());
        });
    };
    in_prepared_child(test, &[], isolate, body).assert_survived();
}
