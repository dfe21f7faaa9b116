//! The number of panics in progress on the current stack.
//!
//! std counts the panics of an OS thread, each from its begin to its catch, and shows only whether
//! the count is zero. That is not enough here: a green thread may wait in a destructor that a
//! panic runs, and another green thread that runs meanwhile finds the OS thread panicking. It has
//! to know whether the panic is its own. During its own panic it must not be unwound again, which
//! would end the process, and the locks that it releases are poisoned.
//!
//! ```text
//!   std's count of this OS thread             3
//!   - panics of suspended green threads       2    added when each is suspended
//!   = panics of the running green thread      1
//! ```
//!
//! The count is a word in the thread-local storage of the object that std is linked into. It is
//! found by experiment: it is the only word that increases by one with each panic that begins and
//! decreases by one with each panic that is caught, several times over. The word is read and
//! never written. If there is no such word, or more than one, callers have only the information
//! that std gives.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

/// The result of the search for the count.
#[derive(Clone, Copy)]
enum Count {
    /// There was no search yet.
    Unknown,
    NotFound,
    At(*const usize),
}

thread_local! {
    static COUNT: Cell<Count> = const { Cell::new(Count::Unknown) };
    static SUSPENDED: Cell<usize> = const { Cell::new(0) };
    static HOOKS: Cell<usize> = const { Cell::new(0) };
}

/// Returns `true` if a panic hook runs on this OS thread, or waits there on a green thread.
/// Until it returns, nothing may be unwound: std would not count that panic but its catch, or
/// would end the process.
pub(crate) fn is_hook_running() -> bool {
    HOOKS.get() > 0
}

/// Records that a panic hook begins on this OS thread.
pub(crate) fn hook_begins() {
    HOOKS.set(HOOKS.get() + 1);
}

/// Records that a panic hook ends on this OS thread.
pub(crate) fn hook_ends() {
    HOOKS.set(HOOKS.get() - 1);
}

/// Returns `true` if the count of this OS thread has been searched for.
pub(crate) fn is_searched() -> bool {
    !matches!(COUNT.get(), Count::Unknown)
}

/// Searches for the count of this OS thread. That takes some microseconds, and 10 KiB of stack.
pub(crate) fn search() {
    COUNT.set(find().map_or(Count::NotFound, Count::At));
}

/// Returns the number of panics of the running green thread, or `None` if it is unknown: the OS
/// thread is panicking, and its count has not been searched for or not been found.
pub(crate) fn own() -> Option<usize> {
    if !std::thread::panicking() {
        return Some(0);
    }
    let Count::At(count) = COUNT.get() else { return None };
    // SAFETY: the address is an aligned word in the thread-local storage of this OS thread, which
    // exists as long as the OS thread does; COUNT is thread-local too.
    let all = unsafe { count.read_volatile() };
    Some(all.saturating_sub(SUSPENDED.get()))
}

/// Returns the number of panics of this OS thread's suspended green threads.
pub(crate) fn suspended() -> usize {
    SUSPENDED.get()
}

/// Records that a green thread with `panics` panics in progress is suspended.
pub(crate) fn suspend(panics: usize) {
    SUSPENDED.set(SUSPENDED.get() + panics);
}

/// Records that a green thread with `panics` panics in progress is resumed.
pub(crate) fn resume(panics: usize) {
    SUSPENDED.set(SUSPENDED.get() - panics);
}

/// Returns the address of std's count of panics of this OS thread, if exactly one word behaves like
/// it.
fn find() -> Option<*const usize> {
    let mut candidates: Vec<(*const usize, usize)> = Vec::new();
    for (start, bytes) in thread_local_storage() {
        let first = start.align_offset(align_of::<usize>());
        let words = (first..bytes).step_by(size_of::<usize>());
        for offset in words.filter(|offset| offset + size_of::<usize>() <= bytes) {
            let word = start.wrapping_add(offset).cast::<usize>();
            // SAFETY: the word is aligned and inside the thread-local storage of this OS thread.
            candidates.push((word, unsafe { word.read_volatile() }));
        }
    }
    for panics in [1, 0, 3, 2, 1, 0] {
        amid_panics(panics, &mut || {
            candidates.retain(|&(word, before)| {
                // SAFETY: the word is aligned and inside the thread-local storage of this OS
                // thread.
                let now = unsafe { word.read_volatile() };
                now == before.wrapping_add(panics)
            });
        });
    }
    match candidates[..] {
        [(word, _)] => Some(word),
        _ => None,
    }
}

/// Runs `f` during `panics` more panics, each of which begins in a destructor that the previous
/// panic runs.
fn amid_panics(panics: usize, f: &mut dyn FnMut()) {
    struct Amid<'a>(usize, &'a mut dyn FnMut());
    impl Drop for Amid<'_> {
        fn drop(&mut self) {
            amid_panics(self.0, self.1);
        }
    }
    if panics == 0 {
        return f();
    }
    let caught = panic::catch_unwind(AssertUnwindSafe(|| {
        let _amid = Amid(panics - 1, f);
        panic::resume_unwind(Box::new(()));
    }));
    debug_assert!(caught.is_err());
}

/// Returns the address and the size in bytes of this OS thread's thread-local storage, for each
/// loaded object that has some.
#[cfg(target_os = "linux")]
fn thread_local_storage() -> Vec<(*const u8, usize)> {
    /// Adds the thread-local storage of one object.
    ///
    /// # Safety
    ///
    /// Only dl_iterate_phdr may call it, and its `data` must be a vector of these pairs.
    unsafe extern "C" fn add(
        info: *mut libc::dl_phdr_info,
        bytes: libc::size_t,
        found: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: dl_iterate_phdr passes a valid `info`, and `found` is the vector below, to which
        // there is no other reference during the call.
        let (info, found) = unsafe { (&*info, &mut *found.cast::<Vec<(*const u8, usize)>>()) };
        // An old libc passes a shorter struct, without the storage.
        if bytes < size_of::<libc::dl_phdr_info>() || info.dlpi_tls_data.is_null() {
            return 0;
        }
        // SAFETY: dlpi_phdr points to dlpi_phnum program headers of a loaded object.
        let headers =
            unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        for header in headers.iter().filter(|header| header.p_type == libc::PT_TLS) {
            found.push((info.dlpi_tls_data.cast_const().cast(), header.p_memsz as usize));
        }
        0
    }
    let mut found: Vec<(*const u8, usize)> = Vec::new();
    // SAFETY: the data is the vector that `add` expects, and `add` does not unwind.
    unsafe { libc::dl_iterate_phdr(Some(add), (&raw mut found).cast()) };
    found
}

#[cfg(not(target_os = "linux"))]
fn thread_local_storage() -> Vec<(*const u8, usize)> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_on_every_os_thread() {
        for _ in 0..3 {
            let counted = || {
                search();
                let mut seen = Vec::new();
                for panics in [0, 1, 2, 5, 1, 0] {
                    amid_panics(panics, &mut || seen.push(own()));
                }
                seen
            };
            let seen = std::thread::spawn(counted).join().unwrap();
            if cfg!(target_os = "linux") {
                assert_eq!(seen, [0, 1, 2, 5, 1, 0].map(Some));
            }
        }
    }

    #[test]
    fn the_count_can_be_searched_for_during_a_panic() {
        amid_panics(2, &mut || {
            search();
            assert!(is_searched());
            if cfg!(target_os = "linux") {
                assert_eq!(own(), Some(2));
                suspend(1);
                assert_eq!((own(), suspended()), (Some(1), 1));
                resume(1);
            }
        });
        assert_eq!((own(), suspended()), (Some(0), 0));
    }
}
