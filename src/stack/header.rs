//! The header at the top of each stack, and the tripwire that shows whether the stack grew deep.

use std::any::type_name;
use std::cell::Cell;
use std::mem::{offset_of, size_of};
use std::ptr::{self, NonNull};

use super::valgrind;
use crate::arch;
use crate::sys::memory;

/// The number of bytes below the uppermost page boundary that stay resident when a stack returns to
/// the pool.
const KEPT_BYTES: usize = 16 * 1024;

/// The number of uses of a stack after which its depth is checked, whatever the tripwire says.
const USES_BETWEEN_CHECKS: u16 = 4096;

/// The value of each of the tripwire's words until a frame writes over it.
const TRIPWIRE: u64 = 0x7e40_5afe_57ac_4ed9;
/// The number of words of a tripwire.
const TRIPWIRE_WORDS: usize = 4;

/// The distance between two neighbouring colours: one cache line.
pub(super) const COLOUR_STEP: usize = 64;

/// The number of colours. Together they take half a page of 4 KiB, so that a shallow context
/// stays on one page.
pub(super) const COLOURS: usize = 32;

/// Returns the number of bytes that a stack has above its usable ones, for its colour and its
/// header: whole pages.
pub(super) fn overhead_bytes() -> usize {
    (COLOURS * COLOUR_STEP + size_of::<Header>()).next_multiple_of(memory::page_bytes())
}

/// Two cache lines at the top of a stack. Creating and freeing a context touches only the first.
#[repr(C, align(64))]
pub(crate) struct Header {
    /// The pool's record of the stacks of this size. Only the pool reads it.
    class: *const (),
    /// The lowest usable address.
    limit: *mut u8,
    /// The lower end of the lowest page that is known to be resident.
    tripwire: Cell<*mut u64>,
    /// The control block of the context on this stack.
    pub(super) control: Cell<*const ()>,
    /// The closure of the context on this stack.
    body: Cell<&'static Body>,
    /// The number of a green thread. 0 for a coroutine and in a free stack.
    pub(super) number: Cell<u64>,
    uses_to_check: Cell<u16>,
    valgrind_id: u32,
    pub(super) name: Cell<Option<NonNull<str>>>,
    /// The number of bytes from the limit to the page boundary above the header.
    stack_bytes: usize,
}

const _: () = assert!(offset_of!(Header, name) <= 64 && size_of::<Header>() == 128);

/// The type-erased operations of a closure that runs on a stack. There is one static for each
/// type of closure, so that a new coroutine writes one word.
pub(crate) struct Body {
    /// Returns the name of the closure's type.
    pub(crate) name: fn() -> &'static str,
    /// Drops the closure of a coroutine that has never run. The argument is its control block.
    pub(crate) drop: unsafe fn(*mut ()),
}

impl Body {
    /// Returns the body of a green thread. Its `drop` does nothing: a green thread's closure always
    /// runs.
    #[inline(always)]
    pub(crate) const fn of_thread<F>() -> &'static Body {
        const { &Body { name: type_name::<F>, drop: |_| {} } }
    }
}

/// The context on a stack, as the overflow report names it.
pub(crate) struct Occupant {
    /// The number of a green thread; 0 for a coroutine.
    pub(crate) number: u64,
    pub(crate) name: Option<NonNull<str>>,
    pub(crate) body: &'static str,
}

/// Returns the number of uses between two checks of the depth.
///
/// Under Valgrind, where a stack has an id, each use is checked: the tripwire is in memory that
/// Valgrind takes for popped frames, and a read of it would be reported before
/// [`valgrind::allow`].
fn uses_between_checks(valgrind_id: u32) -> u16 {
    if valgrind_id == 0 { USES_BETWEEN_CHECKS } else { 1 }
}

/// The body in the header of a stack that was never used.
static NO_BODY: Body = Body { name: || "", drop: |_| {} };

impl Header {
    /// Writes the header of a stack that was just opened.
    ///
    /// # Safety
    ///
    /// The `stack_bytes` bytes from `limit` must be whole pages that are mapped and unused. `at`
    /// must be in the uppermost of these pages, aligned to 64.
    pub(super) unsafe fn create(
        at: *mut Header,
        limit: *mut u8,
        stack_bytes: usize,
        class: *const (),
        valgrind_id: u32,
    ) {
        let page_bytes = memory::page_bytes();
        // SAFETY: `at` is aligned and in a mapped, unused page (see # Safety). The lower end of
        // that page, where the tripwire goes, is below the header.
        unsafe {
            at.write(Header {
                class,
                limit,
                tripwire: Cell::new(ptr::null_mut()),
                control: Cell::new(ptr::null()),
                body: Cell::new(&NO_BODY),
                number: Cell::new(0),
                name: Cell::new(None),
                uses_to_check: Cell::new(uses_between_checks(valgrind_id)),
                valgrind_id,
                stack_bytes,
            });
            (*at).set_tripwire(at.map_addr(|address| address & !(page_bytes - 1)).cast());
        }
    }

    /// Prefetches the memory that the next use of a free stack writes first: its header, the
    /// control block and the closure.
    pub(super) fn prefetch(header: NonNull<Header>) {
        const LINES_BELOW: isize = 4;
        arch::prefetch_lines(header.as_ptr().cast(), -LINES_BELOW..1);
    }

    /// Returns the `class` that was given to [`Header::create`].
    #[inline(always)]
    pub(super) fn class(&self) -> *const () {
        self.class
    }

    /// Returns Valgrind's id of the stack; 0 outside Valgrind.
    pub(super) fn valgrind_id(&self) -> u32 {
        self.valgrind_id
    }

    /// Records the coroutine that runs here: its control block and its closure. The number is
    /// already 0, as in every free stack.
    #[inline(always)]
    pub(crate) fn set_coroutine(&self, control: *const (), body: &'static Body) {
        debug_assert!(self.number.get() == 0);
        self.control.set(control);
        self.body.set(body);
    }

    /// Records the green thread that runs here, until [`Header::clear_thread`].
    #[inline(always)]
    pub(crate) fn set_thread(&self, control: *const (), number: u64, body: &'static Body) {
        self.control.set(control);
        self.number.set(number);
        self.body.set(body);
    }

    pub(crate) fn body(&self) -> &'static Body {
        self.body.get()
    }

    /// Names the green thread that runs here. The text must stay until
    /// [`Header::clear_name`].
    pub(crate) fn set_name(&self, name: NonNull<str>) {
        self.name.set(Some(name));
    }

    /// Records that the green thread on this stack has ended.
    #[inline(always)]
    pub(crate) fn clear_thread(&self) {
        self.number.set(0);
    }

    /// Clears the name of the green thread on this stack, if it has one.
    pub(crate) fn clear_name(&self) {
        self.name.set(None);
    }

    /// Returns the number of the green thread on this stack; 0 for a coroutine and in a free stack.
    pub(crate) fn number(&self) -> u64 {
        self.number.get()
    }

    /// Returns the control block of the context on this stack.
    pub(crate) fn control(&self) -> *const () {
        self.control.get()
    }

    /// Returns the context on this stack, for reports.
    pub(crate) fn occupant(&self) -> Occupant {
        Occupant {
            number: self.number.get(),
            name: self.name.get(),
            body: (self.body.get().name)(),
        }
    }

    fn address(&self) -> *mut u8 {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// Returns the page boundary above the header.
    fn upper_boundary(&self) -> *mut u8 {
        let address = self.address();
        address.wrapping_add(address.align_offset(memory::page_bytes()))
    }

    /// Returns the lowest usable address.
    #[inline(always)]
    pub(crate) fn limit(&self) -> *mut u8 {
        self.limit
    }

    /// Returns the size that the stack was mapped for. Its colour leaves it slightly more.
    pub(crate) fn usable_bytes(&self) -> usize {
        self.stack_bytes - overhead_bytes()
    }

    /// Writes the tripwire at `words`, the lower end of a resident page.
    fn set_tripwire(&self, words: *mut u64) {
        self.tripwire.set(words);
        for index in 0..TRIPWIRE_WORDS {
            // SAFETY: the words are in a kept page of this stack, below the header. The callers
            // are `create` and `end_use`, in which no frame uses the stack.
            unsafe { words.add(index).write_volatile(TRIPWIRE) };
        }
    }

    /// Returns `true` if a frame has written over the tripwire.
    ///
    /// It adds the words up, which takes half the instructions of comparing each word. If frames
    /// happen to leave the expected sum, the next check with mincore(2) detects the depth, at
    /// most [`USES_BETWEEN_CHECKS`] uses later.
    #[inline(always)]
    fn tripwire_broken(&self) -> bool {
        let words = self.tripwire.get();
        let mut sum = 0_u64;
        for index in 0..TRIPWIRE_WORDS {
            // SAFETY: `set_tripwire` has written these words, and their page belongs to this
            // stack.
            sum = sum.wrapping_add(unsafe { words.add(index).read_volatile() });
        }
        sum != const { TRIPWIRE.wrapping_mul(TRIPWIRE_WORDS as u64) }
    }

    /// Ends a use of the stack: gives the deep pages back if the stack grew deep.
    ///
    /// The tripwire detects every use that wrote over it, which is nearly every deep use. A use that
    /// leaves a gap between its frames at the tripwire is detected after at most
    /// [`USES_BETWEEN_CHECKS`] uses.
    #[inline(always)]
    pub(super) fn end_use(&self) {
        let uses = self.uses_to_check.get() - 1;
        self.uses_to_check.set(uses);
        if uses == 0 || self.tripwire_broken() {
            self.check_depth();
        }
    }

    /// Gives back the pages below the kept ones, and sets the tripwire at the lower end of the
    /// pages that are then resident.
    #[cold]
    #[inline(never)]
    fn check_depth(&self) {
        self.uses_to_check.set(uses_between_checks(self.valgrind_id));
        valgrind::allow(self.limit(), self.stack_bytes);
        self.give_back(KEPT_BYTES);
        let page_bytes = memory::page_bytes();
        let kept = KEPT_BYTES.next_multiple_of(page_bytes).min(self.stack_bytes);
        let lowest = self.upper_boundary().wrapping_sub(kept);
        // The uppermost page, which has this header, is always resident.
        let resident = memory::lowest_resident(lowest, kept).min(kept - page_bytes);
        self.set_tripwire(lowest.wrapping_add(resident).cast());
    }

    /// Gives back the pages that are more than `kept_bytes` below the upper boundary, and returns
    /// their size in bytes.
    pub(super) fn give_back(&self, kept_bytes: usize) -> usize {
        let limit = self.limit();
        let kept_bytes = kept_bytes.next_multiple_of(memory::page_bytes());
        let Some(bytes) = self.stack_bytes.checked_sub(kept_bytes) else { return 0 };
        let resident = memory::lowest_resident(limit, bytes);
        // SAFETY: the range is whole pages of this stack, below the kept ones. The callers are
        // `end_use` and `Pool::trim`, in which no frame uses the stack.
        unsafe { memory::discard(limit.add(resident), bytes - resident) };
        bytes - resident
    }

    /// Returns how deep the stack has been used, in bytes from the top; see
    /// [`Stack::high_water`](super::Stack::high_water).
    pub(crate) fn high_water(&self) -> usize {
        let limit = self.limit();
        let bytes = self.address() as usize - limit as usize;
        valgrind::allow(limit, bytes);
        let first = memory::lowest_resident(limit, self.stack_bytes).min(bytes);
        let used = (first..bytes).step_by(size_of::<u64>()).find(|&offset| {
            // SAFETY: the word is inside the stack and aligned. A suspended context may own it,
            // hence volatile. No write is concurrent: only this OS thread uses the stack.
            let word = unsafe { limit.add(offset).cast::<u64>().read_volatile() };
            word != 0 && !self.is_tripwire(limit.wrapping_add(offset), word)
        });
        (bytes - used.unwrap_or(bytes)).min(self.usable_bytes())
    }

    /// Returns `true` if `word`, read at `at`, is an intact word of the tripwire.
    fn is_tripwire(&self, at: *mut u8, word: u64) -> bool {
        let offset = at.addr().wrapping_sub(self.tripwire.get().addr());
        offset < TRIPWIRE_WORDS * size_of::<u64>() && word == TRIPWIRE
    }
}
