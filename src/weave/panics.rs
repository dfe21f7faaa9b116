//! Panics of a program that is explored: kept, and not printed.
//!
//! An exploration may see a million panics, and all of them but one are noise. So
//! there is a panic hook that, on an OS thread that explores, only keeps what the
//! panic says; elsewhere the hook that was there before is called.

use std::cell::{Cell, RefCell};
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use crate::runtime::try_scheduler;

/// What a panic says, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Said {
    pub(super) message: String,
    pub(super) place: Option<(String, u32)>,
}

thread_local! {
    static KEEPS: Cell<bool> = const { Cell::new(false) };
    /// The last of each green thread, by its number: they may be unwinding at once.
    static LAST: RefCell<Vec<(u64, Said)>> = const { RefCell::new(Vec::new()) };
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
    let number = try_scheduler().map_or(0, |scheduler| scheduler.current().id().number());
    LAST.with_borrow_mut(|last| {
        last.retain(|(other, _)| *other != number);
        last.push((number, Said { message, place }));
    });
}

/// What the last panic of this green thread has said.
pub(super) fn take_last(number: u64) -> Said {
    let unknown = || Said { message: "a panic without a text".to_owned(), place: None };
    LAST.with_borrow_mut(|last| {
        let place = last.iter().position(|(other, _)| *other == number);
        place.map_or_else(unknown, |place| last.swap_remove(place).1)
    })
}

/// An execution begins: nobody has panicked.
pub(super) fn forget() {
    LAST.with_borrow_mut(Vec::clear);
}

impl Said {
    pub(super) fn of(message: &str) -> Said {
        Said { message: message.to_owned(), place: None }
    }
}
