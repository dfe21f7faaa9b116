//! The choice of the engine, and its fall-back.

use std::io::{ErrorKind, Read, Write};

use leno::net::Engine;
use leno::os::unix::net::UnixStream;

use crate::events::overflow_the_engine;
use crate::pairs::{NETWORK, in_memory, join, run};
use crate::support::{child, in_child, this_binary};

/// Waits for a socket, and returns the first line of a dump.
fn wait_and_dump() -> std::io::Result<String> {
    let (mut one, mut other) = UnixStream::pair()?;
    let reader = leno::spawn(move || one.read_exact(&mut [0]));
    leno::yield_now();
    let dump = leno::debug::dump().to_string();
    // If the reader has failed, the connection is closed.
    let _ = other.write_all(b"x");
    join(reader)?;
    Ok(dump.lines().next().unwrap_or_default().to_owned())
}

/// Runs this suite again, with sockets in memory where a test is not about those of the system.
#[test]
fn the_suite_passes_on_a_network_in_memory() {
    if in_memory() {
        return;
    }
    let output = this_binary().env(NETWORK, "1").args(["--skip", "explored::"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains(" 0 failed"), "{text}");
}

#[test]
fn an_engine_that_was_given_is_used() {
    in_child("engine::an_engine_that_was_given_is_used", &[("LENO_IO", "uring")], || {
        // The environment does not override it.
        let line = leno::Builder::new().engine(Engine::Epoll).run(wait_and_dump).unwrap();
        assert!(line.contains("by epoll (not io_uring: epoll was chosen)"), "{line}");
    })
    .assert_survived();
}

#[test]
fn the_environment_chooses_an_engine() {
    in_child("engine::the_environment_chooses_an_engine", &[("LENO_IO", "epoll")], || {
        let line = leno::run(wait_and_dump).unwrap();
        assert!(line.contains("by epoll"), "{line}");
    })
    .assert_survived();
}

#[test]
fn an_unknown_engine_is_refused_with_words() {
    in_child("engine::an_unknown_engine_is_refused_with_words", &[("LENO_IO", "Uring")], || {
        let error = leno::run(wait_and_dump).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.contains("LENO_IO") && text.contains("set it to uring or epoll"), "{text}");
    })
    .assert_survived();
}

/// Makes the system refuse io_uring to this process from now on, by a filter of system calls.
#[cfg(target_arch = "x86_64")]
fn refuse_io_uring() {
    const SETUP: u32 = libc::SYS_io_uring_setup as u32;
    let step =
        |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut filter = [
        // The number of the system call.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, SETUP),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program is live, and the kernel copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program), 0);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn epoll_is_used_where_io_uring_is_refused() {
    in_child("engine::epoll_is_used_where_io_uring_is_refused", &[], || {
        // SAFETY: nothing else reads the environment meanwhile.
        unsafe { std::env::remove_var("LENO_IO") };
        refuse_io_uring();
        let line = leno::run(wait_and_dump).unwrap();
        assert!(line.contains("by epoll (not io_uring: Operation not permitted"), "{line}");
        let forced = leno::Builder::new().engine(Engine::Uring).run(wait_and_dump).unwrap_err();
        let text = forced.to_string();
        assert!(text.contains("io_uring was chosen, and cannot be had"), "{text}");
    })
    .assert_survived();
}

/// Sets the limit of lockable memory, and gives up the right to exceed it.
fn limit_lockable_memory(bytes: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the limit is live. The user of this OS thread is changed, and of those that it starts.
    unsafe {
        assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit), 0);
        if libc::geteuid() == 0 {
            // The system counts for each user.
            let user = 1_000_000 + std::process::id();
            assert_eq!(libc::syscall(libc::SYS_setresuid, user, user, user), 0);
        }
    }
}

/// Linux counts the memory of a ring before 5.12 and from 6.14 on.
#[cfg(target_os = "linux")]
#[test]
fn epoll_is_used_where_no_memory_can_be_locked() {
    in_child("engine::epoll_is_used_where_no_memory_can_be_locked", &[], || {
        // SAFETY: nothing else reads the environment meanwhile.
        unsafe { std::env::remove_var("LENO_IO") };
        limit_lockable_memory(0);
        let line = leno::run(wait_and_dump).unwrap();
        // Where the system has no io_uring at all, as under QEMU, that is the reason.
        let reasons = ["Cannot allocate memory", "Function not implemented"];
        let falls_back = |reason| line.contains(&format!("by epoll (not io_uring: {reason}"));
        assert!(reasons.iter().any(falls_back) || line.contains("by io_uring"), "{line}");
    })
    .assert_survived();
}

/// Little memory can be locked, so the ring is small. Its reports have no room in it.
#[cfg(target_os = "linux")]
#[test]
fn a_small_ring_loses_no_report() {
    child(|| {
        limit_lockable_memory(16_384);
        run(|| overflow_the_engine(60));
    })
    .assert_survived();
}
