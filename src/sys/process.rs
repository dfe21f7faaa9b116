//! Telling a process from the children that it forks.
//!
//! The number of a process does not tell them: a child that is made in a new PID namespace has
//! the number 1 there, as its parent may have in its own.

use std::sync::atomic::{AtomicU32, Ordering};

/// Returns a number that is another in each child that this process forks, and in the children
/// of a child.
///
/// Costs a load where the kernel clears a page in a child (Linux 4.14), and a system call
/// elsewhere.
pub(crate) fn generation() -> u32 {
    cleared_in_child().map_or_else(std::process::id, number_in)
}

/// Returns the number in a word that is zero in a new child.
fn number_in(word: &AtomicU32) -> u32 {
    /// The last number. A child has a copy, so each of its numbers is greater than its parent's.
    static LAST: AtomicU32 = AtomicU32::new(0);
    match word.load(Ordering::Relaxed) {
        0 => {
            let new = LAST.fetch_add(1, Ordering::Relaxed) + 1;
            // Another OS thread may have been first.
            let written = word.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed);
            written.map_or_else(|first| first, |_| new)
        }
        number => number,
    }
}

/// Returns a word that the kernel sets to zero in each child that is forked; `None` if the kernel
/// does not support that.
#[cfg(target_os = "linux")]
fn cleared_in_child() -> Option<&'static AtomicU32> {
    use super::memory::{self, GuardKind};
    use std::sync::OnceLock;

    static WORD: OnceLock<Option<&'static AtomicU32>> = OnceLock::new();
    *WORD.get_or_init(|| {
        let bytes = memory::page_bytes();
        let page = memory::reserve(bytes, GuardKind::Light).ok()?;
        // SAFETY: the page was reserved above and holds zeros, which are a valid AtomicU32. If it
        // is used, it stays mapped for ever; if not, nothing refers to it.
        unsafe {
            // A system that accepts any advice, such as qemu-user 7.2, does not follow it.
            let is_honest = memory::refuses_nonsense(page.as_ptr(), bytes);
            if is_honest && libc::madvise(page.as_ptr().cast(), bytes, libc::MADV_WIPEONFORK) == 0 {
                return Some(page.cast().as_ref());
            }
            memory::release(page, bytes, 0, GuardKind::Light);
            None
        }
    })
}

#[cfg(not(target_os = "linux"))]
fn cleared_in_child() -> Option<&'static AtomicU32> {
    None
}

/// Calls `f` when the process ends by exit(3), as it does when `main` returns.
#[cfg(feature = "net")]
pub(crate) fn at_exit(f: extern "C" fn()) {
    super::stay_loaded();
    // SAFETY: the function stays loaded. If there is no memory for the entry, it is not called.
    unsafe { libc::atexit(f) };
}

/// Held for writing while a unit test has a child that executes no other program yet: it has a copy of each
/// descriptor, so a closed socket stays open. Held for reading by tests of sockets.
#[cfg(test)]
pub(crate) static FORKS: std::sync::RwLock<()> = std::sync::RwLock::new(());

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `f` in a forked child, and asserts that it returns `true`.
    #[track_caller]
    fn holds_in_child(f: impl FnOnce() -> bool) {
        // SAFETY: the child calls only functions that are async-signal-safe, and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let failed = !f();
            // SAFETY: _exit has no preconditions.
            unsafe { libc::_exit(failed.into()) };
        }
        let mut status = -1;
        // SAFETY: waitpid fills the word that it is given.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0, "in the child");
    }

    #[test]
    fn each_forked_child_has_another_number() {
        let _alone = FORKS.write();
        let own = generation();
        holds_in_child(|| {
            let childs = generation();
            holds_in_child(|| ![own, childs].contains(&generation()));
            childs != own && childs == generation()
        });
        assert_eq!(generation(), own);
    }

    #[test]
    fn the_number_does_not_come_from_the_process_number() {
        let Some(word) = cleared_in_child() else {
            // Under qemu-user, and on systems other than Linux.
            assert_ne!((std::env::consts::OS, std::env::consts::ARCH), ("linux", "x86_64"));
            return;
        };
        let _alone = FORKS.write();
        let own = number_in(word);
        assert_ne!(own, 0);
        holds_in_child(|| word.load(Ordering::Relaxed) == 0 && number_in(word) == own + 1);
        assert_eq!(number_in(word), own);
    }
}
