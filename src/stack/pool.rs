//! The pool: each OS thread keeps the stacks that it has mapped, sorted by size.

use std::cell::RefCell;
use std::io;
use std::ptr::NonNull;

use super::class::{Class, insert};
use super::header::{Header, overhead_bytes};
use super::mapped::{self, ThreadPool, existing_pool, for_each_class, take_default};
use super::slab::Slab;
use super::{debugger, overflow, sanitizer};
use crate::arch;
use crate::sys::memory;

/// The usable size of a stack if the program asks for no other: 256 KiB.
pub const DEFAULT_STACK_BYTES: usize = 256 * 1024;

/// The usable size of the smallest stack: 32 KiB. A request for less gets this.
///
/// A panic for which std prints a backtrace takes 23 KiB of the stack on which it happens.
pub const MIN_STACK_BYTES: usize = 32 * 1024;

thread_local! {
    static CLEANUP: Cleanup = const { Cleanup };
}

/// Registers the clean-up of this OS thread's pool before the caller registers its own.
///
/// std drops thread-local variables in the reverse order of their registration, so the caller's
/// are dropped before the pool is. A runtime in a thread-local variable has to find its green
/// threads when it is dropped.
pub(crate) fn clean_up_after_others() {
    let _ = CLEANUP.try_with(|_| ());
}

struct Cleanup;

impl Drop for Cleanup {
    fn drop(&mut self) {
        if let Some(pool) = mapped::remove() {
            debugger::remove_pool();
            // SAFETY: `thread_pool` made it with Box::leak, and `remove` has taken away the
            // only pointer to it that does not come from a stack.
            unsafe { clear(pool) };
        }
    }
}

/// Unmaps every slab of which no stack is in use.
///
/// The other slabs stay for ever, and so does the record that their headers point to: a
/// coroutine was forgotten on one of their stacks, and its frames may be borrowed on the promise
/// that they are never freed.
///
/// # Safety
///
/// `pool` must come from `Box::leak`, and nothing but headers of stacks may refer to it.
unsafe fn clear(pool: *mut ThreadPool) {
    // SAFETY: the box is alive until this function frees it at its end.
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
                    // SAFETY: every opened stack of the slab is free, and no stack can be taken
                    // from a pool that is not this OS thread's any more.
                    unsafe { slab.release() };
                } else {
                    all_free = false;
                }
            }
            class.free.clear();
        }
    }
    if all_free {
        // SAFETY: the pointer comes from a box, and all headers that pointed into it are
        // unmapped.
        drop(unsafe { Box::from_raw(pool) });
    }
}

/// Returns the pool of this OS thread. Creates it if there is none.
///
/// # Errors
///
/// If the processor keeps a shadow stack, or there is no memory for a signal stack.
#[cold]
fn thread_pool() -> io::Result<&'static ThreadPool> {
    if let Some(existing) = existing_pool() {
        return Ok(existing);
    }
    refuse_shadow_stack(arch::shadow_stack_enabled())?;
    overflow::watch().map_err(|error| memory::explain(error, DEFAULT_STACK_BYTES))?;
    let pool = Box::leak(Box::new(ThreadPool {
        default: Class::new(class_bytes(DEFAULT_STACK_BYTES)?),
        others: RefCell::default(),
    }));
    mapped::add(pool);
    debugger::add_pool(&pool.default);
    // In an OS thread that already runs its destructors there is no clean-up any more; stacks
    // that it maps from then on stay mapped.
    let _ = CLEANUP.try_with(|_| ());
    Ok(pool)
}

/// Returns an error if `enabled`, because a switch of stacks would then fault.
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

/// Returns the number of bytes that a stack with `bytes` usable bytes takes, without its guard.
///
/// # Errors
///
/// If `bytes` is beyond any address space.
fn class_bytes(bytes: usize) -> io::Result<usize> {
    // No address space is larger, and with sizes up to this one no sum overflows.
    const MAX_STACK_BYTES: usize = 1 << 46;
    if bytes > MAX_STACK_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a stack of {bytes} bytes is beyond any address space; sizes are in bytes"),
        ));
    }
    Ok(bytes.max(MIN_STACK_BYTES).next_multiple_of(memory::page_bytes()) + overhead_bytes())
}

/// Takes a free stack of the default size, or opens one.
///
/// # Errors
///
/// As for [`Stack::new`](super::Stack::new).
#[inline(always)]
pub(super) fn acquire_default() -> io::Result<NonNull<Header>> {
    take_default().map_or_else(acquire_default_slow, Ok)
}

#[cold]
#[inline(never)]
fn acquire_default_slow() -> io::Result<NonNull<Header>> {
    thread_pool()?.default.open_new()
}

/// Takes a free stack of at least `bytes` usable bytes, or opens one.
///
/// # Errors
///
/// As for [`Stack::new`](super::Stack::new).
pub(super) fn acquire(bytes: usize) -> io::Result<NonNull<Header>> {
    let stack_bytes = class_bytes(bytes)?;
    with_class(stack_bytes, |class| class.take_free().map_or_else(|| class.open_new(), Ok))
}

/// Calls `f` with the class of stacks of `stack_bytes` bytes. Creates the class if there is none.
fn with_class<T>(stack_bytes: usize, f: impl FnOnce(&Class) -> io::Result<T>) -> io::Result<T> {
    let pool = thread_pool()?;
    if stack_bytes == pool.default.stack_bytes {
        return f(&pool.default);
    }
    let found = pool.others.borrow().binary_search_by_key(&stack_bytes, |class| class.stack_bytes);
    let index = found.unwrap_or_else(|index| {
        let class = Box::new(Class::new(stack_bytes));
        class.next.set(pool.default.next.replace(&*class));
        insert(&pool.others, index, class);
        index
    });
    let class: *const Class = &*pool.others.borrow()[index];
    // SAFETY: a class is boxed, so it does not move when the list grows, and it is never removed
    // while the pool lives.
    f(unsafe { &*class })
}

/// Puts a stack back.
///
/// # Safety
///
/// The caller must own the stack, which must not be used during this call or after it.
#[inline(always)]
pub(super) unsafe fn release(header: NonNull<Header>) {
    // SAFETY: the caller owns the stack, so its header is initialised.
    let stack = unsafe { header.as_ref() };
    sanitizer::unpoison(stack);
    stack.end_use();
    // SAFETY: `Class::open_new` has recorded the class, which lives as long as any of its stacks.
    let class = unsafe { &*stack.class().cast::<Class>() };
    class.put_free(header);
}

/// The pool of stacks of the current OS thread.
///
/// Every [`Stack`](super::Stack) comes from the pool and returns to it when it is dropped. These
/// functions are for programs that choose the moment at which memory is mapped or given back.
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
    /// Maps stacks until the pool has at least `count` free ones of `bytes` usable bytes, so that
    /// taking them needs no system call.
    ///
    /// # Errors
    ///
    /// As for [`Stack::new`](super::Stack::new). Stacks that were mapped before the error stay in
    /// the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::stack::{Pool, Stack};
    ///
    /// Pool::reserve(8, 32 * 1024)?;
    /// let before = Pool::free();
    /// let stack = Stack::new(32 * 1024)?;
    /// assert_eq!(Pool::free(), before - 1);
    /// drop(stack);
    /// assert_eq!(Pool::free(), before);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reserve(count: usize, bytes: usize) -> io::Result<()> {
        with_class(class_bytes(bytes)?, |class| {
            for _ in class.free.len()..count {
                class.put_free(class.open_new()?);
            }
            Ok(())
        })
    }

    /// Gives all pages of all free stacks back to the operating system, except for the uppermost
    /// page of each. The address space stays reserved.
    ///
    /// Each free stack costs at least two system calls.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::stack::{Pool, Stack};
    ///
    /// drop(Stack::new(64 * 1024)?);
    /// Pool::trim();
    /// assert!(Pool::free() >= 1, "the stack itself stays in the pool");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn trim() {
        for_each_class(|class| {
            for header in class.free.iter() {
                // SAFETY: a free stack was opened, so its header is initialised.
                unsafe { header.as_ref() }.give_back(memory::page_bytes());
            }
        });
    }

    /// Returns the number of bytes of address space that the stacks take which are in use, and that free
    /// ones take, on this OS thread. A stack takes memory for the part that was touched.
    ///
    /// Takes time in proportion to the number of sizes of stacks.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::stack::{Pool, Stack};
    ///
    /// let stack = Stack::new(64 * 1024)?;
    /// let (used, free) = Pool::bytes();
    /// assert!(used >= 64 * 1024);
    /// drop(stack);
    /// assert!(Pool::bytes().1 >= free + 64 * 1024);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn bytes() -> (usize, usize) {
        let (mut opened, mut free) = (0, 0);
        for_each_class(|class| {
            let slabs = class.slabs.borrow();
            opened += slabs.iter().map(Slab::opened).sum::<usize>() * class.stack_bytes;
            free += class.free.len() * class.stack_bytes;
        });
        (opened - free, free)
    }

    /// Returns the number of bytes that a stack of `bytes` usable bytes takes, as [`Pool::bytes`] counts.
    ///
    /// # Errors
    ///
    /// If `bytes` is beyond any address space.
    pub(crate) fn taken_by(bytes: usize) -> io::Result<usize> {
        class_bytes(bytes)
    }

    /// Returns the number of free stacks in the pool, of all sizes.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::stack::{Pool, Stack};
    ///
    /// drop(Stack::new(64 * 1024)?);
    /// assert!(Pool::free() >= 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
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
