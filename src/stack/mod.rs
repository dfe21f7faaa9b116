//! Guarded stacks: carved from slabs, coloured, and pooled by each OS thread.
//!
//! ```text
//!   higher addresses
//!   +------------------------+ <- page boundary
//!   | colour, 0 to 1984 B    |  staggers the hot frames over the cache's sets
//!   | header, 128 B          |  what runs here; the class to which the stack returns
//!   +------------------------+ <- Stack points here: the top of the usable part
//!   | control block, closure |  written by the layers above
//!   | frames                 |
//!   |   ...                  |
//!   | tripwire, 32 B         |  at the lower end of the uppermost page
//!   +------------------------+ <- page boundary
//!   |   ...                  |  not resident until touched
//!   +------------------------+ <- limit
//!   | guard, 64 KiB or more  |  touching it is an overflow
//!   +------------------------+
//! ```
//!
//! A shallow context uses only the uppermost page, and costs that one page of memory. The
//! tripwire shows without a system call whether a context has gone deeper.

mod class;
pub(crate) mod debugger;
mod free;
mod header;
mod mapped;
mod overflow;
mod pool;
pub(crate) mod sanitizer;
mod slab;
mod valgrind;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;

pub(crate) use header::{Body, Header};
#[cfg(feature = "debug")]
pub(crate) use mapped::room_below;
pub(crate) use mapped::{green_threads, room_left, stack_at};
pub(crate) use overflow::watch_caller;
pub(crate) use pool::clean_up_after_others;
pub use pool::{DEFAULT_STACK_BYTES, MIN_STACK_BYTES, Pool};

/// A stack with a guard below it.
///
/// Its memory is reserved address space: a page takes memory only once it is touched. A dropped
/// stack returns to the pool of its OS thread, and the next [`Stack::new`] of the same size takes
/// it from there, which costs a few nanoseconds.
///
/// A stack cannot be sent to another OS thread.
///
/// # Examples
///
/// ```
/// use leno::coroutine::{Coroutine, Resumed};
/// use leno::stack::Stack;
///
/// let stack = Stack::new(1 << 20)?;
/// assert!(stack.size() >= 1 << 20);
/// assert!(stack.guard_size() >= 64 * 1024);
///
/// let deep = Coroutine::<(), (), u32>::with_stack(stack, |_, ()| 42);
/// assert_eq!(deep.resume(()), Resumed::Return(42));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Stack {
    header: NonNull<Header>,
    not_send: PhantomData<*mut ()>,
}

impl Stack {
    /// Takes a stack with at least `bytes` usable bytes from this OS thread's pool, or maps a new
    /// stack if the pool has no free one of that size. Sizes are rounded up to whole pages, and
    /// to [`MIN_STACK_BYTES`].
    ///
    /// # Errors
    ///
    /// - [`OutOfMemory`](io::ErrorKind::OutOfMemory) if the operating system has no more memory,
    ///   address space, map entries or lockable memory. The text names the limit and how to raise
    ///   it.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) if `bytes` is beyond any address space.
    /// - [`Unsupported`](io::ErrorKind::Unsupported) if the OS thread runs with a shadow stack.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::stack::{MIN_STACK_BYTES, Stack};
    ///
    /// assert!(Stack::new(1)?.size() >= MIN_STACK_BYTES);
    /// assert!(Stack::new(usize::MAX).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn new(bytes: usize) -> io::Result<Stack> {
        pool::acquire(bytes).map(Stack::own)
    }

    /// Takes a free stack of [`DEFAULT_STACK_BYTES`] from the pool, if there is one.
    #[inline(always)]
    pub(crate) fn free_of_default_size() -> Option<Stack> {
        mapped::take_default().map(Stack::own)
    }

    /// Takes a stack of [`DEFAULT_STACK_BYTES`] from the pool, or maps a new one.
    #[inline(always)]
    pub(crate) fn with_default_size() -> io::Result<Stack> {
        pool::acquire_default().map(Stack::own)
    }

    #[inline(always)]
    fn own(header: NonNull<Header>) -> Stack {
        Stack { header, not_send: PhantomData }
    }

    /// Returns the number of usable bytes: at least as many as [`Stack::new`] was asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::stack::Stack;
    ///
    /// // Rounded up to whole pages.
    /// assert!(Stack::new(100_000)?.size() >= 100_000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn size(&self) -> usize {
        self.header().usable_bytes()
    }

    /// Returns the number of bytes of the guard below the stack: at least 64 KiB.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::stack::Stack;
    ///
    /// assert!(Stack::new(64 * 1024)?.guard_size() >= 64 * 1024);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn guard_size(&self) -> usize {
        slab::guard_bytes()
    }

    /// Returns how deep the stack has been used since its pages were last given back to the
    /// operating system, in bytes from the top.
    ///
    /// A call asks the operating system which pages are resident and searches them for the lowest
    /// word that is not zero, which costs about a microsecond. The use of the stack itself costs
    /// nothing more. The depth of a stack from the pool includes its earlier uses. Words that
    /// were only read, or only set to zero, do not count.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::stack::Stack;
    ///
    /// let stack = Stack::new(64 * 1024)?;
    /// assert!(stack.high_water() < stack.size());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn high_water(&self) -> usize {
        self.header().high_water()
    }

    #[inline(always)]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: this handle owns the stack, and the header of an owned stack stays mapped and
        // initialised.
        unsafe { self.header.as_ref() }
    }

    /// The alignment of every top.
    pub(crate) const TOP_ALIGN: usize = align_of::<Header>();

    /// Returns the upper end of the usable part of the stack, which is a multiple of
    /// [`Stack::TOP_ALIGN`].
    #[inline(always)]
    pub(crate) fn top(&self) -> *mut u8 {
        self.header.as_ptr().cast()
    }

    /// Gives up the ownership of the stack, for a control block that lies on the stack itself.
    #[inline(always)]
    pub(crate) fn into_header(self) -> NonNull<Header> {
        let header = self.header;
        std::mem::forget(self);
        header
    }

    /// Takes back the ownership that [`Stack::into_header`] gave up.
    ///
    /// # Safety
    ///
    /// `header` must come from [`Stack::into_header`], and each such call allows one call of this
    /// function.
    #[inline(always)]
    pub(crate) unsafe fn from_header(header: NonNull<Header>) -> Stack {
        Stack::own(header)
    }
}

impl Drop for Stack {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: this handle owns the stack and is the only one, so nothing uses the stack during
        // the drop or after it.
        unsafe { pool::release(self.header) }
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("size", &self.size())
            .field("guard_size", &self.guard_size())
            .finish_non_exhaustive()
    }
}
