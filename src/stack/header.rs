//! The header at the top of each stack, and the tripwire that tells whether the
//! stack grew deep.

use std::any::type_name;
use std::cell::Cell;
use std::mem::{offset_of, size_of};
use std::ptr::{self, NonNull};

use super::valgrind;
use crate::arch;
use crate::sys::memory;

/// How far below the uppermost page boundary pages are kept when a stack goes
/// back to the pool.
const KEPT_BYTES: usize = 16 * 1024;

/// After so many uses a stack's depth is checked, whatever the tripwire says.
const USES_BETWEEN_CHECKS: u16 = 4096;

/// What the tripwire's words hold while nobody has written over them.
const TRIPWIRE: u64 = 0x7e40_5afe_57ac_4ed9;
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

/// Two cache lines at the top of a stack, of which a context that comes and goes
/// uses the first.
#[repr(C, align(64))]
pub(crate) struct Header {
    /// The pool's record of the stacks of this size. Only the pool reads it.
    class: *const (),
    /// The lowest address that can be used.
    limit: *mut u8,
    /// The lower end of the lowest page that is known to be in memory.
    tripwire: Cell<*mut u64>,
    /// The control block of whoever runs here.
    pub(super) control: Cell<*const ()>,
    /// The closure that runs here.
    body: Cell<&'static Body>,
    /// A green thread's number; 0 for a coroutine, and in a free stack.
    pub(super) number: Cell<u64>,
    uses_to_check: Cell<u16>,
    valgrind_id: u32,
    pub(super) name: Cell<Option<NonNull<str>>>,
    /// The number of bytes from the limit to the page boundary above the header.
    stack_bytes: usize,
}

const _: () = assert!(offset_of!(Header, name) <= 64 && size_of::<Header>() == 128);

/// What is known of a closure that runs on a stack. One static for each type of closure, so
/// that a new coroutine writes one word.
pub(crate) struct Body {
    /// Returns the name of the closure's type.
    pub(crate) name: fn() -> &'static str,
    /// Drops the closure of a coroutine that has never run, given its control block.
    pub(crate) drop: unsafe fn(*mut ()),
}

impl Body {
    /// Returns that of a green thread, whose closure always runs.
    #[inline(always)]
    pub(crate) const fn of_thread<F>() -> &'static Body {
        const { &Body { name: type_name::<F>, drop: |_| {} } }
    }
}

/// What the overflow report says of a stack.
pub(crate) struct Occupant {
    /// A green thread's number; 0 for a coroutine.
    pub(crate) number: u64,
    pub(crate) name: Option<NonNull<str>>,
    pub(crate) body: &'static str,
}

/// Under Valgrind, where a stack has a number, each use is checked: the tripwire
/// is among frames that are gone, and nobody may look at it without notice.
fn uses_between_checks(valgrind_id: u32) -> u16 {
    if valgrind_id == 0 { USES_BETWEEN_CHECKS } else { 1 }
}

/// What a stack has that was never used.
static NO_BODY: Body = Body { name: || "", drop: |_| {} };

impl Header {
    /// Writes the header of a stack that was just opened.
    ///
    /// # Safety
    ///
    /// `at` must be aligned to 64 and in the uppermost of the `stack_bytes` bytes' pages that
    /// begin at `limit`. The whole stack must be unused.
    pub(super) unsafe fn create(
        at: *mut Header,
        limit: *mut u8,
        stack_bytes: usize,
        class: *const (),
        valgrind_id: u32,
    ) {
        let page_bytes = memory::page_bytes();
        // SAFETY: the caller gives us the place.
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

    /// Prefetches what the next use of a free stack writes first: its header, the
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

    pub(super) fn valgrind_id(&self) -> u32 {
        self.valgrind_id
    }

    /// Records the coroutine that runs here: its control block, and its closure. The number
    /// is 0 already, as in every free stack.
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

    /// The green thread that ran here is over.
    #[inline(always)]
    pub(crate) fn clear_thread(&self) {
        self.number.set(0);
    }

    /// The green thread that ran here had a name, perhaps.
    pub(crate) fn clear_name(&self) {
        self.name.set(None);
    }

    pub(crate) fn number(&self) -> u64 {
        self.number.get()
    }

    pub(crate) fn control(&self) -> *const () {
        self.control.get()
    }

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

    /// The page boundary above the header.
    fn upper_boundary(&self) -> *mut u8 {
        let address = self.address();
        address.wrapping_add(address.align_offset(memory::page_bytes()))
    }

    /// The lowest address that can be used.
    #[inline(always)]
    pub(crate) fn limit(&self) -> *mut u8 {
        self.limit
    }

    /// The size that the stack was made for. Its colour leaves it a little more.
    pub(crate) fn usable_bytes(&self) -> usize {
        self.stack_bytes - overhead_bytes()
    }

    /// Writes the tripwire at `words`, the lower end of a page that is in memory.
    fn set_tripwire(&self, words: *mut u64) {
        self.tripwire.set(words);
        for index in 0..TRIPWIRE_WORDS {
            // SAFETY: the words are in one of the kept pages, below the header,
            // in a part of the stack that nobody uses now.
            unsafe { words.add(index).write_volatile(TRIPWIRE) };
        }
    }

    /// Returns `true` if a frame has written over the tripwire.
    ///
    /// The words are added up, which takes half the instructions of comparing each. Frames that
    /// leave just the right sum are noticed by the next check with mincore(2), at most
    /// [`USES_BETWEEN_CHECKS`] uses later.
    #[inline(always)]
    fn tripwire_broken(&self) -> bool {
        let words = self.tripwire.get();
        let mut sum = 0_u64;
        for index in 0..TRIPWIRE_WORDS {
            // SAFETY: as in `set_tripwire`, which has written them.
            sum = sum.wrapping_add(unsafe { words.add(index).read_volatile() });
        }
        sum != const { TRIPWIRE.wrapping_mul(TRIPWIRE_WORDS as u64) }
    }

    /// To be called when a use of the stack is over: gives the pages back if it
    /// grew deep.
    ///
    /// The tripwire catches every use that wrote over it on its way down, which
    /// is nearly all; one whose frames happen to leave a gap there is caught
    /// after at most [`USES_BETWEEN_CHECKS`] uses.
    #[inline(always)]
    pub(super) fn end_use(&self) {
        let uses = self.uses_to_check.get() - 1;
        self.uses_to_check.set(uses);
        if uses == 0 || self.tripwire_broken() {
            self.check_depth();
        }
    }

    /// Gives back what is deeper than the kept pages, and sets the tripwire below
    /// what is then in memory.
    #[cold]
    #[inline(never)]
    fn check_depth(&self) {
        self.uses_to_check.set(uses_between_checks(self.valgrind_id));
        valgrind::allow(self.limit(), self.stack_bytes);
        self.give_back(KEPT_BYTES);
        let page_bytes = memory::page_bytes();
        let kept = KEPT_BYTES.next_multiple_of(page_bytes).min(self.stack_bytes);
        let lowest = self.upper_boundary().wrapping_sub(kept);
        // The uppermost page, with this header, always is in memory.
        let resident = memory::lowest_resident(lowest, kept).min(kept - page_bytes);
        self.set_tripwire(lowest.wrapping_add(resident).cast());
    }

    /// Gives back the pages that are more than `kept_bytes` below the upper
    /// boundary, and says how many bytes that were.
    pub(super) fn give_back(&self, kept_bytes: usize) -> usize {
        let limit = self.limit();
        let kept_bytes = kept_bytes.next_multiple_of(memory::page_bytes());
        let Some(bytes) = self.stack_bytes.checked_sub(kept_bytes) else { return 0 };
        let resident = memory::lowest_resident(limit, bytes);
        // SAFETY: whole pages of this stack, which is not in use.
        unsafe { memory::discard(limit.add(resident), bytes - resident) };
        bytes - resident
    }

    pub(crate) fn high_water(&self) -> usize {
        let limit = self.limit();
        let bytes = self.address() as usize - limit as usize;
        valgrind::allow(limit, bytes);
        let first = memory::lowest_resident(limit, self.stack_bytes).min(bytes);
        let used = (first..bytes).step_by(size_of::<u64>()).find(|&offset| {
            // SAFETY: inside the stack and aligned. Somebody may be using the
            // stack while we look (never at the same time: it is on this OS
            // thread), hence volatile.
            let word = unsafe { limit.add(offset).cast::<u64>().read_volatile() };
            word != 0 && !self.is_tripwire(limit.wrapping_add(offset), word)
        });
        (bytes - used.unwrap_or(bytes)).min(self.usable_bytes())
    }

    fn is_tripwire(&self, at: *mut u8, word: u64) -> bool {
        let offset = at.addr().wrapping_sub(self.tripwire.get().addr());
        offset < TRIPWIRE_WORDS * size_of::<u64>() && word == TRIPWIRE
    }
}
