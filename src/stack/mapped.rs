//! The record of what each OS thread has mapped, and the search for a stack by an address.

use std::cell::{Cell, RefCell};
use std::ptr::{self, NonNull};

use super::class::Class;
use super::header::Header;
use crate::arch;

/// What an OS thread has mapped. If the OS thread ends while some of its stacks are in use, this
/// record stays, because the headers of those stacks point into it.
pub(super) struct ThreadPool {
    pub(super) default: Class,
    /// Sorted by size. Boxed, because headers point to the classes and the list grows.
    #[expect(clippy::vec_box)]
    pub(super) others: RefCell<Vec<Box<Class>>>,
}

/// Stands for the pool of an OS thread that has none. It has no stacks, so taking a free
/// stack needs no test for a missing pool.
struct NoPool(ThreadPool);

// SAFETY: nothing writes to it: a returned stack is written into the class that its header
// names, which is never a class of this pool, and `add` replaces this pool before a stack is
// opened.
unsafe impl Sync for NoPool {}

static NO_POOL: NoPool =
    NoPool(ThreadPool { default: Class::new(0), others: RefCell::new(Vec::new()) });

thread_local! {
    // Without a destructor, because the hot path reads it.
    static POOL: Cell<*const ThreadPool> = const { Cell::new(&raw const NO_POOL.0) };
}

/// Makes `pool` the pool of this OS thread.
pub(super) fn add(pool: &'static ThreadPool) {
    POOL.set(pool);
}

/// Removes and returns the pool of this OS thread, if it has one.
pub(super) fn remove() -> Option<*mut ThreadPool> {
    let pool = POOL.replace(&raw const NO_POOL.0);
    (!ptr::eq(pool, &raw const NO_POOL.0)).then_some(pool.cast_mut())
}

/// Returns the pool of this OS thread, if it has one.
pub(super) fn existing_pool<'a>() -> Option<&'a ThreadPool> {
    let pool = POOL.get();
    // SAFETY: a pool is freed only after `remove` has taken it out of POOL.
    (!ptr::eq(pool, &raw const NO_POOL.0)).then(|| unsafe { &*pool })
}

/// Takes a free stack of the default size, if there is one.
#[inline(always)]
pub(super) fn take_default() -> Option<NonNull<Header>> {
    // SAFETY: a pool is freed only after `remove` has taken it out of POOL, and NO_POOL is a
    // static.
    unsafe { &*POOL.get() }.default.take_free()
}

/// Calls `f` with each class of this OS thread's pool, if it has one.
pub(super) fn for_each_class(mut f: impl FnMut(&Class)) {
    let Some(pool) = existing_pool() else { return };
    f(&pool.default);
    for class in pool.others.borrow().iter() {
        f(class);
    }
}

/// Returns the control blocks of the green threads on this OS thread, in no order.
pub(crate) fn green_threads() -> Vec<*const ()> {
    let mut found = Vec::new();
    for_each_class(|class| {
        for slab in class.slabs.borrow().iter() {
            for header in slab.headers() {
                // SAFETY: `Slab::headers` returns the headers of opened stacks, which are
                // initialised.
                let header = unsafe { header.as_ref() };
                if header.number() != 0 {
                    found.push(header.control());
                }
            }
        }
    });
    found
}

/// Returns the stack of this OS thread's pool that `address` is in, if there is one.
pub(crate) fn stack_at(address: usize) -> Option<NonNull<Header>> {
    find(address).and_then(|(header, in_guard)| (!in_guard).then_some(header))
}

/// Returns the number of bytes from the limit of a stack up to `address`, if `address` is in a
/// stack of this OS thread's pool.
pub(crate) fn room_below(address: usize) -> Option<usize> {
    let header = stack_at(address)?;
    // SAFETY: `find` returns only headers of opened stacks, which are initialised.
    Some(address - unsafe { header.as_ref() }.limit().addr())
}

/// Returns the number of bytes that are left of the stack that the caller runs on, if it is a
/// stack of this OS thread's pool.
pub(crate) fn room_left() -> Option<usize> {
    room_below(arch::stack_pointer())
}

/// Returns the stack of this OS thread's pool with `address` in its slot, and `true` if the
/// address is in its guard. The fault handler calls this: it neither allocates nor waits.
pub(super) fn find(address: usize) -> Option<(NonNull<Header>, bool)> {
    let pool = existing_pool()?;
    let find_in =
        |class: &Class| class.slabs.try_borrow().ok()?.iter().find_map(|slab| slab.find(address));
    find_in(&pool.default)
        .or_else(|| pool.others.try_borrow().ok()?.iter().find_map(|class| find_in(class)))
}
