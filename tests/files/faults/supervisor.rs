//! System calls that fail on demand.
//!
//! A filter of seccomp(2) hands each call that may fail to a supervisor, an OS thread of the same process
//! without the filter. It lets the call go on, fails it, or makes it for a part of its bytes: descriptors and
//! memory are shared. So leno and std are tested as they are, with the calls that they really make, on the
//! runtime's OS thread and on those of the pool. A test double would replace these calls, and ptrace(2) would
//! need another process and the registers of each architecture.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::sync::mpsc;
use std::thread;

use libc::{c_int, c_long, seccomp_notif, seccomp_notif_resp, sock_filter};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// It fails with this number.
    Error(c_int),
    /// It reads or writes one byte.
    Short,
}

/// The descriptor of the listener, or -1.
static LISTENER: AtomicI32 = AtomicI32::new(-1);
/// The number of calls until the fault. At 0 there is none.
static CALLS_LEFT: AtomicI64 = AtomicI64::new(0);
/// The number of an error, or 0 for a short result.
static FAULT: AtomicI64 = AtomicI64::new(0);
/// The call that has failed, or -1.
static FAILED: AtomicI64 = AtomicI64::new(-1);

/// Calls that move bytes.
const TRANSFERS: [c_long; 9] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_copy_file_range,
];

/// Other calls. Not among them: close(2), which fails for no open file of these tests; calls for memory; and
/// waits of the engine, of which only a signal ends one.
const OTHERS: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_statx,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_fstatfs,
    libc::SYS_lseek,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_getdents64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_fchmod,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_io_uring_setup,
];

#[cfg(target_arch = "x86_64")]
const OLD: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_chmod,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[c_long] = &[];

/// Lets a supervisor watch the current OS thread, and those that it will start.
///
/// # Errors
///
/// If the system does not let it.
pub fn supervise() -> io::Result<()> {
    let (started, starts) = mpsc::channel();
    // It has started before the filter is set: it has no filter, and takes no lock of the C library any more,
    // which a call that waits for its answer may hold.
    thread::spawn(move || {
        started.send(()).unwrap();
        while LISTENER.load(Ordering::SeqCst) < 0 {
            thread::yield_now();
        }
        answer_all(LISTENER.load(Ordering::SeqCst));
    });
    starts.recv().unwrap();
    LISTENER.store(set_filter()?, Ordering::SeqCst);
    Ok(())
}

/// Makes the call of this number, counted from 1, fail.
pub fn arm(call: u32, fault: Fault) {
    FAILED.store(-1, Ordering::SeqCst);
    let number = match fault {
        Fault::Error(number) => number.into(),
        Fault::Short => 0,
    };
    FAULT.store(number, Ordering::SeqCst);
    CALLS_LEFT.store(call.into(), Ordering::SeqCst);
}

/// Ends that. Returns the system call that has failed.
pub fn disarm() -> Option<c_long> {
    CALLS_LEFT.store(0, Ordering::SeqCst);
    let failed = FAILED.swap(-1, Ordering::SeqCst);
    (failed >= 0).then_some(failed)
}

/// Sets the filter of the current OS thread. Returns the descriptor of the listener.
fn set_filter() -> io::Result<c_int> {
    let code = |word: u32| word as u16;
    let step = |word, value| sock_filter { code: code(word), jt: 0, jf: 0, k: value };
    // The number of the call is the first field of the data.
    let mut program = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for call in TRANSFERS.iter().chain(OTHERS).chain(OLD) {
        let jump = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
        program.push(sock_filter { code: jump, jt: 0, jf: 1, k: *call as u32 });
        program.push(step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_USER_NOTIF));
    }
    program.push(step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    let filter =
        libc::sock_fprog { len: program.len().try_into().unwrap(), filter: program.as_mut_ptr() };
    // SAFETY: the program is live, and the kernel copies it.
    let listener = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1_u64, 0_u64, 0_u64, 0_u64);
        let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &filter)
    };
    if listener < 0 { Err(io::Error::last_os_error()) } else { Ok(listener as c_int) }
}

/// Answers all calls, until the process ends.
fn answer_all(listener: c_int) {
    loop {
        // SAFETY: both are plain data, for which zeros are valid, and live; the calls fill or read them.
        unsafe {
            let mut call: seccomp_notif = mem::zeroed();
            if libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &mut call) == -1 {
                // Its process has ended, or a signal came.
                continue;
            }
            let mut answer: seccomp_notif_resp = mem::zeroed();
            answer.id = call.id;
            match outcome(&call) {
                None => answer.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
                Some(Ok(value)) => answer.val = value,
                Some(Err(number)) => answer.error = -number,
            }
            libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &mut answer);
        }
    }
}

/// Returns the result of a call, or `None` if it goes on.
fn outcome(call: &seccomp_notif) -> Option<Result<i64, c_int>> {
    let number = c_long::from(call.data.nr);
    let fault = match FAULT.load(Ordering::SeqCst) {
        0 => Fault::Short,
        number => Fault::Error(number as c_int),
    };
    let may_fail = CALLS_LEFT.load(Ordering::SeqCst) > 0
        && can_have(fault, number, &call.data.args)
        && std::path::Path::new(&format!("/proc/self/task/{}", call.pid)).exists();
    if !may_fail || CALLS_LEFT.fetch_sub(1, Ordering::SeqCst) != 1 {
        return None;
    }
    FAILED.store(number, Ordering::SeqCst);
    match fault {
        Fault::Error(error) => Some(Err(error)),
        Fault::Short => Some(transfer_one(number, &call.data.args)),
    }
}

/// Returns `true` if the system could answer this call so.
fn can_have(fault: Fault, number: c_long, arguments: &[u64; 6]) -> bool {
    let is_transfer = TRANSFERS.contains(&number);
    match (number, fault) {
        // The eight bytes of an eventfd, or a byte of a test.
        (libc::SYS_read | libc::SYS_write, _) if arguments[2] <= 8 => false,
        (_, Fault::Short) => is_transfer,
        (libc::SYS_copy_file_range, Fault::Error(libc::EINTR)) => false,
        // It does not wait.
        (libc::SYS_preadv2 | libc::SYS_pwritev2, Fault::Error(libc::EINTR)) => arguments[5] == 0,
        (libc::SYS_openat | libc::SYS_fsync, Fault::Error(libc::EINTR)) => true,
        (_, Fault::Error(libc::EINTR)) => is_transfer,
        _ => true,
    }
}

/// Makes a call for one byte.
fn transfer_one(number: c_long, arguments: &[u64; 6]) -> Result<i64, c_int> {
    let [descriptor, first, count, offset, ..] = *arguments;
    // SAFETY: the arguments are those of a call that waits for its answer, in the memory of this process.
    let result = unsafe {
        match number {
            libc::SYS_readv | libc::SYS_writev | libc::SYS_preadv2 | libc::SYS_pwritev2 => {
                let buffers =
                    std::slice::from_raw_parts(first as *const libc::iovec, count as usize);
                let Some(buffer) = buffers.iter().find(|it| it.iov_len > 0) else { return Ok(0) };
                let one = libc::iovec { iov_base: buffer.iov_base, iov_len: 1 };
                libc::syscall(number, descriptor, &one, 1_u64, offset, arguments[4], arguments[5])
            }
            libc::SYS_copy_file_range => {
                libc::syscall(number, descriptor, first, count, offset, 1_u64, arguments[5])
            }
            _ => libc::syscall(number, descriptor, first, count.min(1), offset),
        }
    };
    if result < 0 { Err(io::Error::last_os_error().raw_os_error().unwrap()) } else { Ok(result) }
}
