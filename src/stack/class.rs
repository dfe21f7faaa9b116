//! The stacks of one size that an OS thread has mapped.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem;
use std::ptr::{self, NonNull};

use super::free::FreeStacks;
use super::header::{Header, overhead_bytes};
use super::slab::Slab;
use crate::sys::memory;

/// The number of stacks in the first slab of a size, one of each colour. Each further slab has
/// twice as many as the one before.
const FIRST_SLAB_STACKS: usize = 32;

/// The stacks of one size.
pub(super) struct Class {
    /// Last in, first out: the stack that was used last is the most likely to be in the cache.
    pub(super) free: FreeStacks,
    /// The number of bytes from the limit of a stack to the page boundary above its header.
    pub(super) stack_bytes: usize,
    /// All slabs but the last are full.
    pub(super) slabs: RefCell<Vec<Slab>>,
    /// For debuggers, which cannot read a `Vec`: the address of the first of `slabs`, their
    /// number, and the stacks of another size.
    pub(super) first_slab: Cell<*const Slab>,
    pub(super) slab_count: Cell<usize>,
    pub(super) next: Cell<*const Class>,
}

impl Class {
    /// Returns a class without stacks.
    pub(super) const fn new(stack_bytes: usize) -> Class {
        Class {
            free: FreeStacks::new(),
            stack_bytes,
            slabs: RefCell::new(Vec::new()),
            first_slab: Cell::new(ptr::null()),
            slab_count: Cell::new(0),
            next: Cell::new(ptr::null()),
        }
    }

    /// Takes a free stack, if there is one.
    #[inline(always)]
    pub(super) fn take_free(&self) -> Option<NonNull<Header>> {
        self.free.take(Header::prefetch)
    }

    /// Puts a stack of this class back.
    #[inline(always)]
    pub(super) fn put_free(&self, header: NonNull<Header>) {
        // SAFETY: `open_new`, which opens every stack of this class, has reserved a place for it.
        unsafe { self.free.put(header) };
    }

    /// Opens a stack that was never used. Reserves a slab if all slabs are full.
    ///
    /// # Errors
    ///
    /// If the operating system has no more memory, address space or map entries.
    #[cold]
    pub(super) fn open_new(&self) -> io::Result<NonNull<Header>> {
        let explain = |error| memory::explain(error, self.stack_bytes - overhead_bytes());
        let has_room = self.slabs.borrow().last().is_some_and(|last| !last.is_full());
        if !has_room {
            let twice = self.slabs.borrow().last().map(|last| last.count() * 2);
            let slab = Slab::reserve(twice.unwrap_or(FIRST_SLAB_STACKS), self.stack_bytes);
            let index = self.slabs.borrow().len();
            insert(&self.slabs, index, slab.map_err(explain)?);
            self.first_slab.set(self.slabs.borrow().as_ptr());
            self.slab_count.set(index + 1);
        }
        // Before the stack is opened: a stack without a place in `free` could never come back.
        let opened: usize = self.slabs.borrow().iter().map(Slab::opened).sum();
        self.free.reserve(opened + 1).map_err(explain)?;
        let slabs = self.slabs.borrow();
        let slab = slabs.last().expect("the block above has pushed a slab if there was none");
        slab.open_next(ptr::from_ref(self).cast()).map_err(explain)
    }
}

/// Inserts `value` into a list in which the fault handler looks for stacks.
///
/// The handler cannot read the list while it is borrowed for a change, and the caller's own
/// stack may overflow at that moment. Calls of the allocator, which need some stack, are
/// therefore made before and after the borrow.
pub(super) fn insert<T>(list: &RefCell<Vec<T>>, index: usize, value: T) {
    let mut grown = Vec::with_capacity(list.borrow().len() + 1);
    let mut current = list.borrow_mut();
    grown.append(&mut current);
    grown.insert(index, value);
    let old = mem::replace(&mut *current, grown);
    drop(current);
    drop(old);
}
