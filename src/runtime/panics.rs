//! Whose panic it is that the OS thread is in the middle of.

#![forbid(unsafe_code)]

use super::current::try_scheduler;
use super::room::with_room;
use crate::sys::panics;

/// Is the current green thread in the middle of a panic? Not if only others are,
/// which wait in destructors: [`std::thread::panicking`] cannot tell the two apart.
#[inline(always)]
pub(crate) fn is_panicking() -> bool {
    std::thread::panicking() && is_own()
}

#[cold]
#[inline(never)]
fn is_own() -> bool {
    panics::suspended() == 0 || own() > 0
}

/// The panics that the current green thread is in the middle of; as far as anybody
/// knows, if std's count was not found.
fn own() -> usize {
    if !panics::is_searched() {
        with_room(panics::search);
    }
    panics::own().unwrap_or_else(|| {
        let unwound = || try_scheduler().is_some_and(|it| it.current().is_being_unwound());
        usize::from(panics::suspended() == 0 || unwound())
    })
}

/// The current green thread is about to be left, in the middle of so many panics.
pub(super) fn suspend() -> usize {
    let own = if std::thread::panicking() { own() } else { 0 };
    panics::suspend(own);
    own
}

/// It goes on.
pub(super) fn resume(own: usize) {
    panics::resume(own);
}
