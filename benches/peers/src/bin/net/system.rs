//! What std lacks of the operating system.

use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// The time after which a server that does not answer is given up.
const PATIENCE_MILLIS: i32 = 10_000;

/// Returns the error of a system call that has returned -1.
fn checked(result: i32) -> io::Result<i32> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Returns `None` if the call would block.
pub fn unless_blocked<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

/// Sends all bytes by a socket that does not block. It waits in poll(2) for room, which is always there
/// for small messages.
pub fn send_all(mut stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match unless_blocked(stream.write(bytes))? {
            Some(count) => bytes = &bytes[count..],
            None => wait_for_room(stream)?,
        }
    }
    Ok(())
}

#[cold]
fn wait_for_room(stream: &TcpStream) -> io::Result<()> {
    let mut poll = libc::pollfd { fd: stream.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: `poll` is one live pollfd.
    match checked(unsafe { libc::poll(&mut poll, 1, PATIENCE_MILLIS) })? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

/// Makes the close of a connection a reset, which leaves no port in TIME_WAIT.
pub fn reset_at_close(stream: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let bytes = size_of_val(&linger) as libc::socklen_t;
    let (socket, level, option) = (stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER);
    // SAFETY: `linger` is live, and of so many bytes.
    let result =
        unsafe { libc::setsockopt(socket, level, option, (&raw const linger).cast(), bytes) };
    checked(result).expect("an option of a socket");
}

/// An epoll instance. Each change of a descriptor is reported once.
pub struct Epoll {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: epoll_create1 has no preconditions, and returns a descriptor that nothing else owns.
        let epoll =
            unsafe { OwnedFd::from_raw_fd(checked(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        Ok(Epoll { epoll, events: Vec::with_capacity(1024) })
    }

    pub fn add(&self, descriptor: impl AsFd, token: u64, flags: i32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: (flags | libc::EPOLLET) as u32, u64: token };
        let (epoll, descriptor) = (self.epoll.as_raw_fd(), descriptor.as_fd().as_raw_fd());
        // SAFETY: `event` is live, and copied.
        let result = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, descriptor, &mut event) };
        checked(result).map(drop)
    }

    /// Waits for events, as long as it takes.
    pub fn wait(&mut self) -> io::Result<&[libc::epoll_event]> {
        self.wait_for(-1)
    }

    /// Waits for events.
    ///
    /// # Errors
    ///
    /// If none comes for some seconds.
    pub fn wait_with_patience(&mut self) -> io::Result<&[libc::epoll_event]> {
        match self.wait_for(PATIENCE_MILLIS)? {
            [] => Err(io::ErrorKind::TimedOut.into()),
            events => Ok(events),
        }
    }

    fn wait_for(&mut self, millis: i32) -> io::Result<&[libc::epoll_event]> {
        let Epoll { epoll, events } = self;
        events.clear();
        let room = events.capacity() as i32;
        // SAFETY: there is room for so many events, and the kernel has written as many as it returns.
        unsafe {
            let count = libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), room, millis);
            events.set_len(checked(count)? as usize);
        }
        Ok(events)
    }
}

/// Returns two processors that this process may use; the same twice if there is only one.
pub fn two_processors() -> [usize; 2] {
    // SAFETY: all zeros is a valid set of processors, which sched_getaffinity fills.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let result = libc::sched_getaffinity(0, size_of_val(&set), &mut set);
        checked(result).expect("a process has processors");
        set
    };
    // SAFETY: the numbers are within the set.
    let is_there = |&processor: &usize| unsafe { libc::CPU_ISSET(processor, &set) };
    let mut usable = (0..libc::CPU_SETSIZE as usize).filter(is_there);
    let first = usable.next().expect("a process has a processor");
    let second = usable.next().unwrap_or_else(|| {
        eprintln!("there is one processor: each server shares it with the load");
        first
    });
    [first, second]
}

/// Keeps this process, and the OS threads that it starts, on one processor.
pub fn pin(processor: usize) {
    // SAFETY: all zeros is a valid set of processors, and sched_setaffinity only reads it.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set)
    };
    checked(result).expect("the processor is usable");
}

/// Ends this process with its parent, by a signal from the system.
pub fn end_with_parent() {
    // SAFETY: the call takes an integer.
    checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }).expect("a signal");
}

/// Raises the limit of open files to its maximum, for this process and its servers, and returns it.
pub fn raise_limit_of_descriptors() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is live; getrlimit fills it, and setrlimit reads it.
    unsafe {
        checked(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit)).expect("there is a limit");
        limit.rlim_cur = limit.rlim_max;
        checked(libc::setrlimit(libc::RLIMIT_NOFILE, &limit)).expect("the maximum is allowed");
    }
    limit.rlim_max as usize
}

/// Returns the clock of a process: its processor time.
pub fn clock_of(process: u32) -> libc::clockid_t {
    let mut clock = 0;
    // SAFETY: `clock` is live, and filled.
    let result = unsafe { libc::clock_getcpuclockid(process as libc::pid_t, &mut clock) };
    assert_eq!(result, 0, "the process runs");
    clock
}

/// Returns the time of a clock.
pub fn time(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is live, and filled.
    checked(unsafe { libc::clock_gettime(clock, &mut time) }).expect("the process runs");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
