//! The switch by itself, on stacks made here: what `arch/` promises to the layers
//! above it.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

pub(crate) use super::arch::Word;
use super::arch::{self, Link, Saved, StackPointer};
use super::isa;

const STACK_BYTES: usize = 256 * 1024;
type Root = unsafe extern "C" fn();
type Body = Box<dyn FnOnce(&Control, usize) -> usize>;

/// A mark on a resumer's stack pointer is less than this.
const MARKS: usize = 8;

/// What `isa::first_function` has seen.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct AtEntry {
    pub stack_pointer: usize,
    pub frame_pointer: usize,
    pub return_address: usize,
}

/// A control block.
#[repr(C)]
pub struct Control {
    pub link: Link,
    // `isa::first_function` knows that it is here.
    at_entry: Cell<AtEntry>,
    kind: Kind,
    /// Where the other side waits.
    resumer: Cell<StackPointer>,
    /// Where this context goes on.
    own: Cell<StackPointer>,
    body: Cell<Option<Body>>,
    /// What the body has panicked with.
    panic: Cell<Option<Box<dyn Any + Send>>>,
}

const _: () = assert!(size_of::<Link>() == 16);

#[derive(Clone)]
#[repr(align(64))]
struct Line(#[allow(dead_code)] [u8; 64]);

/// A context with its stack.
pub struct Context {
    control: *mut Control,
    _memory: Vec<Line>,
}

/// Where a context that is entered by `Context::new` gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Coroutine,
    Thread,
}

impl Kind {
    pub fn root(self) -> Root {
        match self {
            Kind::Coroutine => arch::coroutine_root,
            Kind::Thread => arch::thread_root,
        }
    }
}

impl Context {
    /// A context that will run `body` with the word of the first switch to it,
    /// and leave with the one that `body` returns.
    pub fn new(kind: Kind, body: impl FnOnce(&Control, usize) -> usize + 'static) -> Context {
        let mut memory = vec![Line([0xee; 64]); STACK_BYTES / 64];
        let top = memory.as_mut_ptr_range().end.cast::<u8>();
        // Not a multiple of 32, lest an ABI's 16 be taken for more.
        let control = top.wrapping_sub(size_of::<Control>().next_multiple_of(32) + 16);
        let control = control.cast::<Control>();
        // SAFETY: the control block is inside the memory, aligned, and what is
        // below it is free.
        unsafe {
            let own = arch::prepare(control.cast(), kind.root(), isa::first_function);
            // Rubbish that looks like a link, until the first resume.
            let rubbish = ptr::with_exposed_provenance_mut(isa::scribble as *const () as usize + 4);
            control.write(Control {
                link: Link { context: Cell::new(rubbish), return_address: rubbish.addr() },
                at_entry: Cell::default(),
                kind,
                resumer: Cell::new(ptr::null_mut()),
                own: Cell::new(own),
                body: Cell::new(Some(Box::new(body))),
                panic: Cell::new(None),
            });
        }
        Context { control, _memory: memory }
    }

    pub fn control(&self) -> &Control {
        // SAFETY: written in `new`, inside the memory that we own.
        unsafe { &*self.control }
    }

    /// What was seen at the first instruction of the first function.
    pub fn at_entry(&self) -> AtEntry {
        self.control().at_entry.get()
    }

    /// Goes on in the context until it comes back. A panic in it goes on here.
    pub fn enter(&self, word: usize) -> usize {
        let control = self.control();
        let answer = match control.kind {
            Kind::Coroutine => resume(control, word),
            Kind::Thread => switch(&control.resumer, &control.own, word),
        };
        if let Some(payload) = control.panic.take() {
            resume_unwind(payload);
        }
        answer
    }

    /// The words at the stack pointer of the context while it is suspended.
    pub fn saved(&self) -> [usize; 3] {
        read_saved(self.control().own.get())
    }
}

impl Control {
    /// Resumes the coroutine, inlined.
    #[inline(always)]
    pub fn resume_inlined<const MARK: usize>(&self, word: usize) -> usize {
        // SAFETY: the contexts of this module are entered in turns, and all words are
        // initialised.
        unsafe {
            let link = self.link.context.as_ptr();
            let (from, word) = arch::resume::<MARK>(link, self.own.get(), Word::new(word));
            self.own.set(from);
            word.assume_init()
        }
    }

    /// Goes back to the other side, until the context is entered again.
    pub fn suspend(&self, word: usize) -> usize {
        match self.kind {
            Kind::Coroutine => suspend(self, word),
            Kind::Thread => switch(&self.own, &self.resumer, word),
        }
    }

    /// Suspends the coroutine, inlined. Gives the mark of the next resume, and its word.
    #[inline(always)]
    pub fn suspend_inlined(&self, word: usize) -> (usize, usize) {
        // SAFETY: as in `resume_inlined`.
        unsafe {
            let (from, word) = arch::suspend(self.resumer.get(), Word::new(word));
            let mark = from.addr() % MARKS;
            self.resumer.set(from.map_addr(|address| address - mark));
            (mark, word.assume_init())
        }
    }

    /// Leaves the green thread's context for the other side, inlined.
    #[inline(always)]
    pub fn switch_out_inlined(&self) {
        // SAFETY: as in `resume_inlined`.
        unsafe { arch::switch(self.own.as_ptr(), self.resumer.get(), Word::new(0)) };
    }

    /// Enters the green thread's context from the other side, inlined.
    #[inline(always)]
    pub fn switch_in_inlined(&self) {
        // SAFETY: as in `resume_inlined`.
        unsafe { arch::switch(self.resumer.as_ptr(), self.own.get(), Word::new(0)) };
    }

    pub fn resumer_context(&self) -> StackPointer {
        self.resumer.get()
    }
}

/// Every suspended context begins with a frame pointer, an address and a base
/// pointer.
pub fn read_saved(context: StackPointer) -> [usize; 3] {
    assert!(size_of::<Saved>() >= size_of::<[usize; 3]>());
    // SAFETY: the context is suspended, so its words are there.
    unsafe { context.cast::<[usize; 3]>().read() }
}

/// The instruction at `address`, or as much of it as fits.
pub fn code_at(address: usize) -> u32 {
    // SAFETY: an address in this program's code, which is followed by more.
    unsafe { ptr::with_exposed_provenance::<u32>(address).read_unaligned() }
}

/// The three switches behind calls, so that the compiler does not see where they lead.
#[inline(never)]
pub fn resume(control: &Control, word: usize) -> usize {
    control.resume_inlined::<0>(word)
}

#[inline(never)]
pub fn suspend(control: &Control, word: usize) -> usize {
    control.suspend_inlined(word).1
}

#[inline(never)]
pub fn switch(from: &Cell<StackPointer>, to: &Cell<StackPointer>, word: usize) -> usize {
    // SAFETY: as in `resume_inlined`.
    unsafe { arch::switch(from.as_ptr(), to.get(), Word::new(word)).assume_init() }
}

/// Where `isa::first_function` goes on.
///
/// # Safety
///
/// `control` must be that of a [`Context`] that is entered for the first time.
pub unsafe extern "C" fn start(word: Word, resumer: StackPointer, control: *mut ()) -> ! {
    // SAFETY: as the caller says; words are initialised.
    let (control, word) = unsafe { (&*control.cast::<Control>(), word.assume_init()) };
    if control.kind == Kind::Coroutine {
        control.resumer.set(resumer);
    }
    let body = control.body.take().expect("a context starts once");
    let result = catch_unwind(AssertUnwindSafe(|| body(control, word)));
    let word = result.unwrap_or_else(|payload| {
        control.panic.set(Some(payload));
        0
    });
    // SAFETY: nothing is left that needs dropping.
    unsafe { arch::leave(control.resumer_context(), 0, Word::new(word)) }
}
