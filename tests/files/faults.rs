//! Small programs in which the n-th system call fails, for all n: each error reaches the caller, or changes
//! nothing, and nothing is left behind.

mod supervisor;

use std::io::{self, ErrorKind, Read, Seek, Write};
use std::panic::{self, AssertUnwindSafe};

use leno::fs::{self, File, OpenOptions};
use leno::os::unix::fs::FileExt;

use crate::pairs::ends;
use crate::scratch::Scratch;
use crate::support::{in_child, not_run};
use supervisor::Fault;

type Program = fn(&Scratch) -> io::Result<()>;

const PROGRAMS: [(&str, Program); 4] = [
    ("contents", contents),
    ("an open file", open_file),
    ("directories", directories),
    ("a FIFO", fifo),
];

const FAULTS: [Fault; 5] = [
    Fault::Error(libc::EIO),
    Fault::Error(libc::EMFILE),
    Fault::Error(libc::ENOMEM),
    Fault::Error(libc::EINTR),
    Fault::Short,
];

/// Calls without which leno and std do, by another way or with a guess. The error of a read after a part comes
/// with the next read, or not at all if all has been read.
const DISPENSABLE: &[libc::c_long] = &[
    libc::SYS_statx,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_fstatfs,
    libc::SYS_fcntl,
    libc::SYS_lseek,
    libc::SYS_io_uring_setup,
    // The removal of a descriptor that is closed next.
    libc::SYS_epoll_ctl,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_preadv2,
];

fn bytes() -> Vec<u8> {
    (0..100_000_u32).map(|it| (it % 251) as u8).collect()
}

fn contents(scratch: &Scratch) -> io::Result<()> {
    let (one, other) = (scratch.path("one"), scratch.path("other"));
    fs::write(&one, bytes())?;
    assert!(fs::read(&one)? == bytes());
    assert_eq!(fs::copy(&one, &other)?, 100_000);
    fs::rename(&other, &one)?;
    fs::write(&one, "hello")?;
    assert_eq!(fs::read_to_string(&one)?, "hello");
    fs::remove_file(&one)
}

fn open_file(scratch: &Scratch) -> io::Result<()> {
    let mut file = File::create_new(scratch.path("file"))?;
    file.write_all(&bytes())?;
    file.write_all_at(b"hello", 100_000)?;
    file.sync_all()?;
    assert_eq!(file.metadata()?.len(), 100_005);
    file.rewind()?;
    let mut read = Vec::new();
    file.read_to_end(&mut read)?;
    assert!(read.starts_with(&bytes()) && read.ends_with(b"hello") && read.len() == 100_005);
    file.set_len(100)?;
    let mut clone = file.try_clone()?;
    clone.rewind()?;
    let mut read = [0; 100];
    clone.read_exact(&mut read)?;
    assert!(bytes().starts_with(&read));
    file.read_exact_at(&mut read[..50], 50)?;
    assert!(bytes()[50..].starts_with(&read[..50]));
    // Of a file of the kernel it cannot be told whether a read waits.
    File::open("/proc/self/comm")?.read_to_string(&mut String::new()).map(drop)
}

fn directories(scratch: &Scratch) -> io::Result<()> {
    let root = scratch.path("root");
    fs::create_dir_all(root.join("a/b"))?;
    drop(File::create(root.join("file"))?);
    let mut names = Vec::new();
    for entry in fs::read_dir(&root)? {
        let entry = entry?;
        assert_eq!(entry.metadata()?.is_dir(), entry.file_type()?.is_dir());
        names.push(entry.file_name());
    }
    names.sort();
    assert_eq!(names, ["a", "file"]);
    fs::remove_dir_all(&root)
}

fn fifo(scratch: &Scratch) -> io::Result<()> {
    let path = scratch.fifo("fifo");
    // Open for both, so no open waits for another.
    let mut both = OpenOptions::new().read(true).write(true).open(path)?;
    both.write_all(&bytes()[..10_000])?;
    let mut read = vec![0; 10_000];
    both.read_exact(&mut read)?;
    assert!(bytes().starts_with(&read));
    Ok(())
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Runs a program with each call failing in turn. Returns the number of calls that have failed.
fn fail_each(name: &str, program: Program, fault: Fault) -> u32 {
    for call in 1.. {
        let scratch = Scratch::new();
        let before = open_descriptors();
        supervisor::arm(call, fault);
        let run = || leno::run(|| program(&scratch));
        let result = panic::catch_unwind(AssertUnwindSafe(run));
        let failed = supervisor::disarm();
        let context = format!("{name}, call {call} ({failed:?}), {fault:?}");
        let result = result.unwrap_or_else(|_| panic!("{context}: panicked"));
        // OS threads that have been told to end may not have.
        while open_descriptors() != before {
            std::thread::yield_now();
        }
        let Some(failed) = failed else {
            result.expect(&context);
            return call - 1;
        };
        match (fault, result) {
            // As in std, the open of a directory may be interrupted.
            (Fault::Error(libc::EINTR), Err(error))
                if failed == libc::SYS_openat && error.kind() == ErrorKind::Interrupted => {}
            (Fault::Error(libc::EINTR) | Fault::Short, result) => result.expect(&context),
            (_, Ok(())) => assert!(DISPENSABLE.contains(&failed), "{context}: it is lost"),
            (Fault::Error(number), Err(error)) => {
                assert_eq!(error.raw_os_error(), Some(number), "{context}: {error}");
            }
        }
    }
    unreachable!("a program makes a finite number of calls")
}

fn fail_all() {
    if let Err(error) = supervisor::supervise() {
        return not_run(&format!("no supervisor of system calls: {error}"));
    }
    for (name, program) in PROGRAMS {
        // The pool and what is found at first use.
        leno::run(|| program(&Scratch::new())).expect(name);
        for fault in FAULTS {
            let calls = fail_each(name, program, fault);
            eprintln!("{name}: {calls} calls with {fault:?}");
            assert!(calls > 0 || fault != FAULTS[0]);
        }
    }
}

#[test]
fn each_system_call_fails_in_turn() {
    let limit = ("LENO_TEST_LIMIT", "300");
    for variables in [&[limit][..], &[limit, ("LENO_IO", "epoll")]] {
        let test = "faults::each_system_call_fails_in_turn";
        in_child(test, variables, || ends(fail_all)).assert_survived();
    }
}
