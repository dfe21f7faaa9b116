//! The list of pools by which a debugger finds the stacks of a process.
//!
//! A debugger reads memory, runs no code of the process, and may not know its types. It therefore
//! needs a list of the pools of all OS threads, and a table of the offsets of their fields.
//! `src/debug/gdb.py` reads both.

use std::cell::Cell;
use std::mem::{offset_of, size_of};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::class::Class;
use super::header::{COLOUR_STEP, COLOURS, Header};
use super::slab::{Slab, guard_bytes};
use crate::sys;

/// The pool of one OS thread. An entry is never freed; another OS thread may use it again.
#[repr(C)]
pub(crate) struct Entry {
    next: *const Entry,
    /// The number of the OS thread; 0 if the entry is free.
    os_thread: AtomicUsize,
    classes: AtomicPtr<Class>,
    guard_bytes: usize,
}

/// The first entry of the list.
pub(crate) static FIRST: AtomicPtr<Entry> = AtomicPtr::new(ptr::null_mut());

/// Offsets and sizes, in the order in which the script expects them.
pub(crate) const LAYOUT: [usize; 13] = [
    offset_of!(Class, next),
    offset_of!(Class, first_slab),
    offset_of!(Class, slab_count),
    size_of::<Slab>(),
    offset_of!(Slab, base),
    offset_of!(Slab, opened),
    offset_of!(Slab, stack_bytes),
    COLOURS,
    COLOUR_STEP,
    size_of::<Header>(),
    offset_of!(Header, control),
    offset_of!(Header, number),
    offset_of!(Header, name),
];

thread_local! {
    static OWN: Cell<Option<&'static Entry>> = const { Cell::new(None) };
}

/// Adds the pool of this OS thread to the list.
pub(super) fn add_pool(classes: &Class) {
    let number = sys::thread_number();
    let take = |entry: &&Entry| {
        entry.os_thread.compare_exchange(0, number, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    // SAFETY: an entry is a leaked box, so the pointer is null or valid for ever.
    let first = unsafe { FIRST.load(Ordering::Acquire).as_ref() };
    // SAFETY: an entry is a leaked box, so `next` is null or valid for ever, and it is not
    // written after the entry is in the list.
    let entries = std::iter::successors(first, |entry| unsafe { entry.next.as_ref() });
    let entry = entries.into_iter().find(take).unwrap_or_else(|| new_entry(number));
    entry.classes.store(ptr::from_ref(classes).cast_mut(), Ordering::Release);
    OWN.set(Some(entry));
}

/// Adds an entry for `os_thread` at the front of the list.
fn new_entry(os_thread: usize) -> &'static Entry {
    let entry = Box::leak(Box::new(Entry {
        next: FIRST.load(Ordering::Acquire),
        os_thread: AtomicUsize::new(os_thread),
        classes: AtomicPtr::new(ptr::null_mut()),
        guard_bytes: guard_bytes(),
    }));
    loop {
        let next = entry.next.cast_mut();
        match FIRST.compare_exchange(next, entry, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return entry,
            Err(first) => entry.next = first,
        }
    }
}

/// Frees the entry of this OS thread, before the end of its pool.
pub(super) fn remove_pool() {
    if let Some(entry) = OWN.take() {
        entry.classes.store(ptr::null_mut(), Ordering::Release);
        entry.os_thread.store(0, Ordering::Release);
    }
}
