//! Panics of a program that is explored: kept, and not printed.
//!
//! An exploration may see a million panics, and all of them but one are noise. So
//! there is a panic hook that, on an OS thread that explores, only keeps what the
//! panic says; elsewhere the hook that was there before is called.

use std::cell::{Cell, RefCell};
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

/// What a panic says, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Said {
    pub(super) message: String,
    pub(super) place: Option<(String, u32)>,
}

thread_local! {
    static KEEPS: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<Said>> = const { RefCell::new(None) };
}

/// Panics of this OS thread are kept while this lives.
pub(super) struct Kept {
    before: bool,
}

impl Kept {
    pub(super) fn new() -> Kept {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if KEEPS.get() {
                    keep(info);
                } else {
                    before(info);
                }
            }));
        });
        Kept { before: KEEPS.replace(true) }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        KEEPS.set(self.before);
    }
}

fn keep(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|at| (at.file().to_owned(), at.line()));
    let message = info.payload_as_str().unwrap_or("a panic without a text").to_owned();
    LAST.set(Some(Said { message, place }));
}

/// What the last panic of this OS thread has said.
pub(super) fn take_last() -> Said {
    let unknown = || Said { message: "a panic without a text".to_owned(), place: None };
    LAST.take().unwrap_or_else(unknown)
}

impl Said {
    pub(super) fn of(message: &str) -> Said {
        Said { message: message.to_owned(), place: None }
    }
}
