//! Guarded stacks: carved from slabs, coloured, pooled by each OS thread.
//!
//! ```text
//!   higher addresses
//!   +------------------------+ <- page boundary
//!   | colour, 0 to 1984 B    |  staggers the hot frames over the cache's sets
//!   | header, 128 B          |  who runs here; where the stack goes back to
//!   +------------------------+ <- Stack points here: the top of what can be used
//!   | control block, closure |  put there by the layers above
//!   | frames                 |
//!   |   ...                  |
//!   | tripwire, 32 B         |  at the lower end of the uppermost page
//!   +------------------------+ <- page boundary
//!   |   ...                  |  not in memory until touched
//!   +------------------------+ <- limit
//!   | guard, 64 KiB or more  |  touching it is an overflow
//!   +------------------------+
//! ```
//!
//! A shallow context lives in the uppermost page, and costs that one page of
//! memory. The tripwire tells without asking the system whether it went deeper.

pub(crate) mod debugger;
mod free;
mod header;
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
pub use pool::Pool;
#[cfg(feature = "debug")]
pub(crate) use pool::room_below;
pub(crate) use pool::{clean_up_after_others, green_threads, room_left, stack_at};

/// The usable size of a stack if nothing else is asked for: 256 KiB.
pub const DEFAULT_STACK_BYTES: usize = 256 * 1024;

/// The usable size of the smallest stack: 16 KiB. A request for less gets this.
pub const MIN_STACK_BYTES: usize = 16 * 1024;

/// A stack with a guard below it.
///
/// Its memory is reserved, not used: a page counts only once it is touched. A
/// dropped stack goes to the pool of its OS thread, and the next [`Stack::new`]
/// of the same size takes it from there, which costs a few nanoseconds.
///
/// A stack cannot leave its OS thread.
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
    /// Takes a stack with at least `bytes` usable bytes from this OS thread's
    /// pool, or maps a new one. Sizes are rounded up to whole pages, and to
    /// [`MIN_STACK_BYTES`].
    ///
    /// # Errors
    ///
    /// When the system has no more memory, address space or map entries, with
    /// kind [`OutOfMemory`](io::ErrorKind::OutOfMemory) and a text that names the
    /// limit and how to raise it; when `bytes` is beyond any address space, with
    /// kind [`InvalidInput`](io::ErrorKind::InvalidInput); when the OS thread runs
    /// with a shadow stack, with kind [`Unsupported`](io::ErrorKind::Unsupported).
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

    /// Takes a free stack of [`DEFAULT_STACK_BYTES`] from the pool, if it has one.
    #[inline(always)]
    pub(crate) fn free_of_default_size() -> Option<Stack> {
        pool::take_default().map(Stack::own)
    }

    /// A stack of [`DEFAULT_STACK_BYTES`].
    #[inline(always)]
    pub(crate) fn with_default_size() -> io::Result<Stack> {
        pool::acquire_default().map(Stack::own)
    }

    #[inline(always)]
    fn own(header: NonNull<Header>) -> Stack {
        Stack { header, not_send: PhantomData }
    }

    /// The bytes that can be used: at least as many as were asked for.
    #[must_use]
    pub fn size(&self) -> usize {
        self.header().usable_bytes()
    }

    /// The bytes of the guard below the stack: at least 64 KiB.
    #[must_use]
    pub fn guard_size(&self) -> usize {
        slab::guard_bytes()
    }

    /// How deep the stack has been used since its pages were last given back to
    /// the system, in bytes from the top.
    ///
    /// This asks the system which pages are in memory and looks for the lowest
    /// word in them that is not zero, so it costs about a microsecond, and
    /// nothing while the stack is in use. A stack from the pool may show what an
    /// earlier user did; words that were only read, or only set to zero, do not
    /// count.
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
        // SAFETY: the header lives as long as the stack is ours.
        unsafe { self.header.as_ref() }
    }

    /// Every top is a multiple of this.
    pub(crate) const TOP_ALIGN: usize = align_of::<Header>();

    /// The address above which nothing of the stack may be used. A multiple of
    /// [`Stack::TOP_ALIGN`].
    #[inline(always)]
    pub(crate) fn top(&self) -> *mut u8 {
        self.header.as_ptr().cast()
    }

    /// Gives ownership up, for a control block that lives on the stack itself.
    #[inline(always)]
    pub(crate) fn into_header(self) -> NonNull<Header> {
        let header = self.header;
        std::mem::forget(self);
        header
    }

    /// Takes ownership back.
    ///
    /// # Safety
    ///
    /// `header` must come from [`Stack::into_header`], once.
    #[inline(always)]
    pub(crate) unsafe fn from_header(header: NonNull<Header>) -> Stack {
        Stack::own(header)
    }
}

impl Drop for Stack {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the stack is ours, and nobody can use it after this.
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
