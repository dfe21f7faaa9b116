//! The end of a child process, as a descriptor that becomes readable.

use std::io;
use std::mem::MaybeUninit;
#[cfg(target_os = "linux")]
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;
use std::thread;

/// The stack of an OS thread that makes one system call.
const STACK_BYTES: usize = 64 * 1024;

/// Returns a descriptor that is readable once the child has ended, and which exec(3) closes. The child is
/// not reaped. No signal is used.
///
/// It is a pidfd of Linux 5.3. Elsewhere, and where the system refuses that, an OS thread waits for this
/// child: one of a pool would be missing for other calls until the child ends.
///
/// # Errors
///
/// If the process has no more descriptors or threads.
pub(crate) fn end_of(id: u32) -> io::Result<OwnedFd> {
    pidfd(id).map_or_else(|| end_by_thread(id), Ok)
}

#[cfg(target_os = "linux")]
fn pidfd(id: u32) -> Option<OwnedFd> {
    let number = i32::try_from(id).ok()?;
    // SAFETY: pidfd_open takes two integers.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, number, 0) };
    let descriptor = i32::try_from(descriptor).ok().filter(|&it| it >= 0)?;
    // SAFETY: the descriptor was opened above, and nothing else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

#[cfg(not(target_os = "linux"))]
fn pidfd(_: u32) -> Option<OwnedFd> {
    None
}

/// Returns the end of a pipe that an OS thread closes once the child has ended, or is no child any more.
fn end_by_thread(id: u32) -> io::Result<OwnedFd> {
    let (readable, writable) = io::pipe()?;
    in_thread(move || {
        wait_for(id, libc::WNOWAIT);
        drop(writable);
    })?;
    Ok(readable.into())
}

/// Waits for a child that is about to end, on an OS thread, so that it does not stay a zombie.
pub(crate) fn reap_later(id: u32) {
    // Without a thread the child stays a zombie until this process ends.
    let _ = in_thread(move || wait_for(id, 0));
}

fn in_thread(f: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = thread::Builder::new().name("leno-child".into()).stack_size(STACK_BYTES);
    builder.spawn(f).map(drop)
}

/// Waits until the child has ended, or is no child any more.
fn wait_for(id: u32, flags: i32) {
    loop {
        // SAFETY: the information is plain data, for which zeros are valid, and live.
        let result = unsafe {
            let mut information = MaybeUninit::<libc::siginfo_t>::zeroed();
            libc::waitid(libc::P_PID, id as _, information.as_mut_ptr(), libc::WEXITED | flags)
        };
        let is_interrupted = io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
        if result == 0 || !is_interrupted {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::sys::process::FORKS;

    fn cat() -> Child {
        let _alone = FORKS.write();
        Command::new("cat").stdin(Stdio::piped()).spawn().unwrap()
    }

    fn is_readable(descriptor: &OwnedFd, nanos: Option<u64>) -> bool {
        crate::sys::wakeup::wait_for(descriptor.as_fd(), true, nanos)
    }

    #[test]
    fn an_end_is_readable_once_the_child_has_ended() {
        for end in [end_of as fn(u32) -> io::Result<OwnedFd>, end_by_thread] {
            let mut child = cat();
            let descriptor = end(child.id()).unwrap();
            assert!(!is_readable(&descriptor, Some(0)));
            drop(child.stdin.take());
            while !is_readable(&descriptor, None) {}
            // It was not reaped.
            assert!(child.try_wait().unwrap().expect("it has ended").success());
            let descriptor = end_by_thread(child.id()).unwrap();
            while !is_readable(&descriptor, None) {}
        }
    }
}
