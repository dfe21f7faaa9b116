//! The pool: each OS thread keeps the stacks it has mapped, sorted by size.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem;
use std::ptr::{self, NonNull};

use super::free::FreeStacks;
use super::header::Header;
use super::slab::{Slab, overhead_bytes};
use super::{DEFAULT_STACK_BYTES, MIN_STACK_BYTES, debugger, overflow};
use crate::arch;
use crate::sys::memory;

/// The first slab of a size has so many stacks, one of each colour; each further
/// slab has twice as many as the one before.
const FIRST_SLAB_STACKS: usize = 32;

/// Stacks of one size.
pub(crate) struct Class {
    /// Last in, first out: the warmest is taken first.
    free: FreeStacks,
    stack_bytes: usize,
    page_bytes: usize,
    /// The last has room, or all are full.
    slabs: RefCell<Vec<Slab>>,
    /// For debuggers, which cannot read a `Vec`: where `slabs` are, how many, and
    /// stacks of another size.
    pub(super) first_slab: Cell<*const Slab>,
    pub(super) slab_count: Cell<usize>,
    pub(super) next: Cell<*const Class>,
}

impl Class {
    const fn new(stack_bytes: usize, page_bytes: usize) -> Class {
        Class {
            free: FreeStacks::new(),
            stack_bytes,
            page_bytes,
            slabs: RefCell::new(Vec::new()),
            first_slab: Cell::new(ptr::null()),
            slab_count: Cell::new(0),
            next: Cell::new(ptr::null()),
        }
    }

    /// Bytes from the limit of a stack to the page boundary above its header.
    #[inline(always)]
    pub(super) fn stack_bytes(&self) -> usize {
        self.stack_bytes
    }

    /// The size that the stacks were asked for with, rounded up.
    pub(super) fn usable_bytes(&self) -> usize {
        self.stack_bytes - overhead_bytes()
    }

    #[inline(always)]
    pub(super) fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    #[inline(always)]
    fn take_free(&self) -> Option<NonNull<Header>> {
        self.free.take(Header::prefetch)
    }

    #[inline(always)]
    fn put_free(&self, header: NonNull<Header>) {
        // SAFETY: `open_new` has made room for every stack that it opened.
        unsafe { self.free.put(header) };
    }

    #[cold]
    fn open_new(&self) -> io::Result<NonNull<Header>> {
        let explain = |error| memory::explain(error, self.usable_bytes());
        let has_room = self.slabs.borrow().last().is_some_and(|last| !last.is_full());
        if !has_room {
            let twice = self.slabs.borrow().last().map(|last| last.count() * 2);
            let slab = Slab::reserve(twice.unwrap_or(FIRST_SLAB_STACKS), self.stack_bytes);
            let index = self.slabs.borrow().len();
            insert(&self.slabs, index, slab.map_err(explain)?);
            self.first_slab.set(self.slabs.borrow().as_ptr());
            self.slab_count.set(index + 1);
        }
        // Before the stack is opened: a stack that could not come back would be lost.
        let opened: usize = self.slabs.borrow().iter().map(Slab::opened).sum();
        self.free.reserve(opened + 1).map_err(explain)?;
        let slabs = self.slabs.borrow();
        let slab = slabs.last().expect("one was pushed if there was none");
        slab.open_next(self).map_err(explain)
    }
}

/// Inserts `value` into a list in which the fault handler looks for stacks.
///
/// It cannot look while the list changes. The caller's own stack may overflow
/// just then, so what needs some stack, the allocator, is called before.
fn insert<T>(list: &RefCell<Vec<T>>, index: usize, value: T) {
    let mut grown = Vec::with_capacity(list.borrow().len() + 1);
    let mut current = list.borrow_mut();
    grown.append(&mut current);
    grown.insert(index, value);
    let old = mem::replace(&mut *current, grown);
    drop(current);
    drop(old);
}

/// What an OS thread has mapped. It stays when the thread ends with stacks still
/// in use, so that those remain valid.
struct ThreadPool {
    default: Class,
    /// Sorted by size. Boxed, since headers point to them and the list grows.
    #[expect(clippy::vec_box)]
    others: RefCell<Vec<Box<Class>>>,
}

/// Stands for the pool of an OS thread that has none. It has no stacks, so taking a free
/// stack needs no test for a missing pool.
struct NoPool(ThreadPool);

// SAFETY: it is only read: a stack goes back to the class that its header names, which is
// never this one, and `thread_pool` makes a real pool before a stack is opened.
unsafe impl Sync for NoPool {}

static NO_POOL: NoPool =
    NoPool(ThreadPool { default: Class::new(0, 0), others: RefCell::new(Vec::new()) });

thread_local! {
    // Two variables, so that the one on the hot path needs no destructor.
    static POOL: Cell<*const ThreadPool> = const { Cell::new(&raw const NO_POOL.0) };
    static CLEANUP: Cleanup = const { Cleanup };
}

/// What this OS thread registers for its end from now on is dropped before its
/// pool is: std goes backwards. A runtime in a thread-local variable needs its
/// green threads to be found then.
pub(crate) fn clean_up_after_others() {
    let _ = CLEANUP.try_with(|_| ());
}

struct Cleanup;

impl Drop for Cleanup {
    fn drop(&mut self) {
        let pool = POOL.replace(&raw const NO_POOL.0).cast_mut();
        if !ptr::eq(pool, &raw const NO_POOL.0) {
            debugger::remove_pool();
            // SAFETY: made by Box::leak in `thread_pool`, and just taken out of POOL.
            unsafe { clear(pool) };
        }
    }
}

/// Unmaps every slab of which no stack is in use. The others stay for ever, as
/// does what their headers point to: a coroutine was forgotten there, and
/// somebody may have been promised that its frames never go away.
///
/// # Safety
///
/// `pool` must be a leaked box that is given up.
unsafe fn clear(pool: *mut ThreadPool) {
    // SAFETY: the caller gives it up.
    let shared = unsafe { &*pool };
    let mut all_free = true;
    {
        let others = shared.others.borrow();
        for class in others.iter().map(Box::as_ref).chain([&shared.default]) {
            for slab in class.slabs.take() {
                let free_here = class
                    .free
                    .iter()
                    .filter(|header| slab.find(header.as_ptr() as usize).is_some())
                    .count();
                if free_here == slab.opened() {
                    // SAFETY: all of its stacks are free, and none is taken any more.
                    unsafe { slab.release() };
                } else {
                    all_free = false;
                }
            }
            class.free.clear();
        }
    }
    if all_free {
        // SAFETY: it was a box; no header points into it any more.
        drop(unsafe { Box::from_raw(pool) });
    }
}

/// Returns the pool of this OS thread, if it has one.
fn existing_pool<'a>() -> Option<&'a ThreadPool> {
    let pool = POOL.get();
    // SAFETY: it is taken out of POOL before it is freed.
    (!ptr::eq(pool, &raw const NO_POOL.0)).then(|| unsafe { &*pool })
}

/// The pool of this OS thread, made if need be.
#[cold]
fn thread_pool() -> io::Result<&'static ThreadPool> {
    if let Some(existing) = existing_pool() {
        return Ok(existing);
    }
    refuse_shadow_stack(arch::shadow_stack_enabled())?;
    overflow::watch()?;
    let pool = Box::leak(Box::new(ThreadPool {
        default: Class::new(class_bytes(DEFAULT_STACK_BYTES)?, memory::page_bytes()),
        others: RefCell::default(),
    }));
    POOL.set(pool);
    debugger::add_pool(&pool.default);
    // In a thread that is already running its destructors there is no clean-up
    // any more; what it still maps stays mapped.
    let _ = CLEANUP.try_with(|_| ());
    Ok(pool)
}

fn refuse_shadow_stack(enabled: bool) -> io::Result<()> {
    if !enabled {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!(
            "leno cannot switch stacks on {} while the processor keeps a shadow stack: the next \
             return would fault; run without it (with glibc on x86_64: \
             GLIBC_TUNABLES=glibc.cpu.x86_shstk=off)",
            arch::NAME
        ),
    ))
}

/// The bytes that a stack with `bytes` usable ones takes, without its guard.
fn class_bytes(bytes: usize) -> io::Result<usize> {
    // Beyond this no address space goes, and sums could overflow below it.
    const MAX_STACK_BYTES: usize = 1 << 46;
    if bytes > MAX_STACK_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a stack of {bytes} bytes is beyond any address space; sizes are in bytes"),
        ));
    }
    Ok(bytes.max(MIN_STACK_BYTES).next_multiple_of(memory::page_bytes()) + overhead_bytes())
}

/// Takes a free stack of the default size, if there is one.
#[inline(always)]
pub(super) fn take_default() -> Option<NonNull<Header>> {
    // SAFETY: a pool is taken out of POOL before it is freed, and NO_POOL never is.
    unsafe { &*POOL.get() }.default.take_free()
}

/// Takes a stack of the default size.
#[inline(always)]
pub(super) fn acquire_default() -> io::Result<NonNull<Header>> {
    take_default().map_or_else(acquire_default_slow, Ok)
}

#[cold]
#[inline(never)]
fn acquire_default_slow() -> io::Result<NonNull<Header>> {
    thread_pool()?.default.open_new()
}

/// Takes a stack of at least `bytes` usable bytes.
pub(super) fn acquire(bytes: usize) -> io::Result<NonNull<Header>> {
    let stack_bytes = class_bytes(bytes)?;
    with_class(stack_bytes, |class| class.take_free().map_or_else(|| class.open_new(), Ok))
}

fn with_class<T>(stack_bytes: usize, f: impl FnOnce(&Class) -> io::Result<T>) -> io::Result<T> {
    let pool = thread_pool()?;
    if stack_bytes == pool.default.stack_bytes {
        return f(&pool.default);
    }
    let found = pool.others.borrow().binary_search_by_key(&stack_bytes, |class| class.stack_bytes);
    let index = found.unwrap_or_else(|index| {
        let class = Box::new(Class::new(stack_bytes, memory::page_bytes()));
        class.next.set(pool.default.next.replace(&*class));
        insert(&pool.others, index, class);
        index
    });
    let class: *const Class = &*pool.others.borrow()[index];
    // SAFETY: classes are boxed and never removed while the pool lives.
    f(unsafe { &*class })
}

/// Puts a stack back.
///
/// # Safety
///
/// The stack must be the caller's own, nobody may run on it, and nobody may use
/// it after this.
#[inline(always)]
pub(super) unsafe fn release(header: NonNull<Header>) {
    // SAFETY: the caller owns it, so it has a header.
    let stack = unsafe { header.as_ref() };
    stack.end_use();
    stack.class().put_free(header);
}

/// Calls `f` with each class of this OS thread's pool, if it has one.
fn for_each_class(mut f: impl FnMut(&Class)) {
    let Some(pool) = existing_pool() else { return };
    f(&pool.default);
    for class in pool.others.borrow().iter() {
        f(class);
    }
}

/// The control blocks of the green threads on this OS thread, in no order.
pub(crate) fn green_threads() -> Vec<*const ()> {
    let mut found = Vec::new();
    for_each_class(|class| {
        for slab in class.slabs.borrow().iter() {
            for header in slab.headers() {
                // SAFETY: the headers of opened stacks are valid.
                let header = unsafe { header.as_ref() };
                if header.number() != 0 {
                    found.push(header.control());
                }
            }
        }
    });
    found
}

/// The stack of this OS thread's pool that `address` is in.
pub(crate) fn stack_at(address: usize) -> Option<NonNull<Header>> {
    find(address).and_then(|(header, in_guard)| (!in_guard).then_some(header))
}

/// How many bytes of its stack are left below `address`, if that is in one of
/// this OS thread's pool.
pub(crate) fn room_below(address: usize) -> Option<usize> {
    let header = stack_at(address)?;
    // SAFETY: `find` gives stacks that have been opened.
    Some(address - unsafe { header.as_ref() }.limit().addr())
}

/// How many bytes are left of the stack that the caller runs on, if that is one of
/// this OS thread's pool.
pub(crate) fn room_left() -> Option<usize> {
    room_below(arch::stack_pointer())
}

/// Which stack of this OS thread's pool `address` is in, and whether in its
/// guard. For the fault handler: it allocates nothing and waits for nothing.
pub(super) fn find(address: usize) -> Option<(NonNull<Header>, bool)> {
    let pool = existing_pool()?;
    let find_in =
        |class: &Class| class.slabs.try_borrow().ok()?.iter().find_map(|slab| slab.find(address));
    find_in(&pool.default)
        .or_else(|| pool.others.try_borrow().ok()?.iter().find_map(|class| find_in(class)))
}

/// The pool of stacks of the current OS thread.
///
/// Every [`Stack`](super::Stack) comes from it and goes back to it by itself.
/// These functions are for programs that want to choose the moment at which
/// memory is mapped or given back.
///
/// # Examples
///
/// ```
/// use leno::stack::Pool;
///
/// // A hundred stacks of 64 KiB, mapped and guarded ahead of their use.
/// Pool::reserve(100, 64 * 1024)?;
/// assert!(Pool::free() >= 100);
/// Pool::trim();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Pool(());

impl Pool {
    /// Sees to it that at least `count` free stacks of `bytes` usable bytes are
    /// in the pool, so that taking them needs no system call.
    ///
    /// # Errors
    ///
    /// As [`Stack::new`](super::Stack::new). Stacks mapped before the error stay
    /// in the pool.
    pub fn reserve(count: usize, bytes: usize) -> io::Result<()> {
        with_class(class_bytes(bytes)?, |class| {
            for _ in class.free.len()..count {
                class.put_free(class.open_new()?);
            }
            Ok(())
        })
    }

    /// Gives all pages of all free stacks back to the system, except for the
    /// uppermost page of each. The address space stays reserved.
    pub fn trim() {
        for_each_class(|class| {
            for header in class.free.iter() {
                // SAFETY: a free stack has a header, and nobody uses it.
                unsafe { header.as_ref() }.give_back(class.page_bytes);
            }
        });
    }

    /// How many free stacks, of any size, the pool has.
    #[must_use]
    pub fn free() -> usize {
        let mut count = 0;
        for_each_class(|class| count += class.free.len());
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shadow_stacks_are_refused_with_a_way_out() {
        assert!(refuse_shadow_stack(false).is_ok());
        let error = refuse_shadow_stack(true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("GLIBC_TUNABLES"), "{error}");
    }
}
