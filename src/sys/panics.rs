//! How many panics the current stack is in the middle of.
//!
//! std counts the panics of an OS thread, from where each begins to where it is
//! caught, and tells only whether there are any. That is not enough here: a green
//! thread may wait in a destructor that a panic runs, and whoever runs meanwhile
//! finds the OS thread panicking. It must know whether that is its own panic: then
//! it must not be unwound again, which would end the process, and the locks that
//! it releases are poisoned.
//!
//! ```text
//!   std's count of this OS thread    3
//!   - of those who are suspended     2    added up when they are left
//!   = of the one who runs            1
//! ```
//!
//! The count is a word in the thread-local storage of whatever std is linked into.
//! It is found by experiment: it is the one word that is one more for each panic
//! that is begun and one less for each that is caught, several times over. It is
//! read, and never written. Where no such word is found, or more than one, callers
//! have to make do with what std tells.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

/// What has come of the search.
#[derive(Clone, Copy)]
enum Count {
    /// There was none yet.
    Unknown,
    NotFound,
    At(*const usize),
}

thread_local! {
    static COUNT: Cell<Count> = const { Cell::new(Count::Unknown) };
    static SUSPENDED: Cell<usize> = const { Cell::new(0) };
}

/// Has the count of this OS thread been looked for?
pub(crate) fn is_searched() -> bool {
    !matches!(COUNT.get(), Count::Unknown)
}

/// Looks for it. That takes some microseconds, and 10 KiB of stack.
pub(crate) fn search() {
    COUNT.set(find().map_or(Count::NotFound, Count::At));
}

/// How many panics the one who runs is in the middle of. `None` if nobody knows:
/// then at least one of the OS thread's is suspended, or the count has not been
/// looked for or found.
pub(crate) fn own() -> Option<usize> {
    if !std::thread::panicking() {
        return Some(0);
    }
    let Count::At(count) = COUNT.get() else { return None };
    // SAFETY: it is in the thread-local storage of this OS thread.
    let all = unsafe { count.read_volatile() };
    Some(all.saturating_sub(SUSPENDED.get()))
}

/// How many panics of this OS thread are suspended.
pub(crate) fn suspended() -> usize {
    SUSPENDED.get()
}

/// A stack is left in the middle of so many panics.
pub(crate) fn suspend(panics: usize) {
    SUSPENDED.set(SUSPENDED.get() + panics);
}

/// The one who was left in the middle of so many goes on.
pub(crate) fn resume(panics: usize) {
    SUSPENDED.set(SUSPENDED.get() - panics);
}

fn find() -> Option<*const usize> {
    let mut candidates: Vec<(*const usize, usize)> = Vec::new();
    for (start, bytes) in thread_local_storage() {
        let first = start.align_offset(align_of::<usize>());
        let words = (first..bytes).step_by(size_of::<usize>());
        for offset in words.filter(|offset| offset + size_of::<usize>() <= bytes) {
            let word = start.wrapping_add(offset).cast::<usize>();
            // SAFETY: it is aligned and inside the thread-local storage.
            candidates.push((word, unsafe { word.read_volatile() }));
        }
    }
    for panics in [1, 0, 3, 2, 1, 0] {
        amid_panics(panics, &mut || {
            candidates.retain(|&(word, before)| {
                // SAFETY: as above.
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

/// Runs `f` in the middle of so many panics more, each in a destructor that the one
/// before runs.
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

/// The thread-local storage of this OS thread: for each object that the process is
/// linked of and that has some, where it begins and how many bytes it has.
#[cfg(target_os = "linux")]
fn thread_local_storage() -> Vec<(*const u8, usize)> {
    /// # Safety
    ///
    /// For dl_iterate_phdr, with a vector of these pairs as what it hands on.
    unsafe extern "C" fn add(
        info: *mut libc::dl_phdr_info,
        bytes: libc::size_t,
        found: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: dl_iterate_phdr gives a valid `info`, and hands on `found`.
        let (info, found) = unsafe { (&*info, &mut *found.cast::<Vec<(*const u8, usize)>>()) };
        // An old libc gives less of it, without the storage.
        if bytes < size_of::<libc::dl_phdr_info>() || info.dlpi_tls_data.is_null() {
            return 0;
        }
        // SAFETY: these are the program headers of the object.
        let headers =
            unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        for header in headers.iter().filter(|header| header.p_type == libc::PT_TLS) {
            found.push((info.dlpi_tls_data.cast_const().cast(), header.p_memsz as usize));
        }
        0
    }
    let mut found: Vec<(*const u8, usize)> = Vec::new();
    // SAFETY: `add` takes what it is given here, and does not unwind.
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
    fn it_may_be_looked_for_in_the_middle_of_a_panic() {
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
