//! The switch alone, on stacks created here: the contract of `arch/` with the layers
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

/// Marks on a resumer's stack pointer are below this.
const MARKS: usize = 8;

/// The state that `isa::first_function` stores.
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
    // `isa::first_function` stores at this offset.
    at_entry: Cell<AtEntry>,
    kind: Kind,
    /// The saved context of the other side.
    resumer: Cell<StackPointer>,
    /// The saved context of this side.
    own: Cell<StackPointer>,
    body: Cell<Option<Body>>,
    /// The payload of the body's panic.
    panic: Cell<Option<Box<dyn Any + Send>>>,
}

const _: () = assert!(size_of::<Link>() == 16);

#[derive(Clone)]
#[repr(align(64))]
struct Line(#[allow(dead_code)] [u8; 64]);

/// A context with its stack.
pub struct Context {
    control: *mut Control,
    #[allow(dead_code, reason = "on aarch64 it only keeps the stack alive")]
    memory: Vec<Line>,
}

/// The root function of a context.
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
    /// Creates a context that runs `body` with the word of the first switch to it, and
    /// leaves with the word that `body` returns.
    pub fn new(kind: Kind, body: impl FnOnce(&Control, usize) -> usize + 'static) -> Context {
        let mut memory = vec![Line([0xee; 64]); STACK_BYTES / 64];
        let top = memory.as_mut_ptr_range().end.cast::<u8>();
        // The address is no multiple of 32, so that the ABI's 16 cannot be taken for
        // more.
        let control = top.wrapping_sub(size_of::<Control>().next_multiple_of(32) + 16);
        let control = control.cast::<Control>();
        // SAFETY: the control block is inside the memory and aligned, and the memory
        // below it is unused.
        unsafe {
            let own = arch::prepare(control.cast(), kind.root(), isa::first_function);
            // A value that looks like a link, until the first resume.
            let rubbish = ptr::with_exposed_provenance_mut(isa::scribble as *const () as usize + 4);
            control.write(Control {
                link: Link {
                    context: Cell::new(rubbish),
                    return_address: Cell::new(rubbish.addr()),
                },
                at_entry: Cell::default(),
                kind,
                resumer: Cell::new(ptr::null_mut()),
                own: Cell::new(own),
                body: Cell::new(Some(Box::new(body))),
                panic: Cell::new(None),
            });
        }
        Context { control, memory }
    }

    pub fn control(&self) -> &Control {
        // SAFETY: the control block was written in `new`, inside memory that `self` owns.
        unsafe { &*self.control }
    }

    /// Returns `true` if the address is on the stack of this context.
    #[cfg(target_arch = "x86_64")]
    pub fn is_on_stack(&self, address: usize) -> bool {
        self.memory.as_ptr_range().contains(&ptr::with_exposed_provenance(address))
    }

    /// Returns the state at the first instruction of the first function.
    pub fn at_entry(&self) -> AtEntry {
        self.control().at_entry.get()
    }

    /// Runs the context until it comes back, and resumes a panic of its body.
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

    /// Returns the words at the stack pointer of the suspended context.
    pub fn saved(&self) -> [usize; 3] {
        read_saved(self.control().own.get())
    }
}

impl Control {
    /// Resumes the coroutine, inlined.
    #[inline(always)]
    pub fn resume_inlined<const MARK: usize>(&self, word: usize) -> usize {
        self.resume_with::<MARK>(&self.link.context, word)
    }

    /// Resumes the coroutine, inlined, with a link that may lie elsewhere than in the control block.
    #[inline(always)]
    pub fn resume_with<const MARK: usize>(&self, link: &Cell<StackPointer>, word: usize) -> usize {
        // SAFETY: the contexts of this module are entered in turns, and all words are
        // initialised.
        unsafe {
            let link = link.as_ptr();
            let (from, word) = arch::resume::<MARK>(link, self.own.get(), Word::new(word));
            self.own.set(from);
            word.assume_init()
        }
    }

    /// Switches to the other side until the context is entered again.
    pub fn suspend(&self, word: usize) -> usize {
        match self.kind {
            Kind::Coroutine => suspend(self, word),
            Kind::Thread => switch(&self.own, &self.resumer, word),
        }
    }

    /// Suspends the coroutine, inlined. Returns the mark and the word of the next
    /// resume.
    #[inline(always)]
    pub fn suspend_inlined(&self, word: usize) -> (usize, usize) {
        // SAFETY: the contexts of this module are entered in turns, and all words are initialised.
        unsafe {
            let (from, word) = arch::suspend(self.resumer.get(), Word::new(word));
            let mark = from.addr() % MARKS;
            self.resumer.set(from.map_addr(|address| address - mark));
            (mark, word.assume_init())
        }
    }

    /// Switches from the green thread's context to the other side, inlined.
    #[inline(always)]
    pub fn switch_out_inlined(&self) {
        // SAFETY: the contexts of this module are entered in turns.
        unsafe { arch::switch(self.own.as_ptr(), self.resumer.get(), Word::new(0)) };
    }

    /// Switches from the other side to the green thread's context, inlined.
    #[inline(always)]
    pub fn switch_in_inlined(&self) {
        // SAFETY: the contexts of this module are entered in turns.
        unsafe { arch::switch(self.resumer.as_ptr(), self.own.get(), Word::new(0)) };
    }

    pub fn resumer_context(&self) -> StackPointer {
        self.resumer.get()
    }
}

/// Returns the first words of a suspended context: a frame pointer, an address and a
/// base pointer.
pub fn read_saved(context: StackPointer) -> [usize; 3] {
    assert!(size_of::<Saved>() >= size_of::<[usize; 3]>());
    // SAFETY: a suspended context has these three words.
    unsafe { context.cast::<[usize; 3]>().read() }
}

/// Returns the first four bytes of the code at `address`.
pub fn code_at(address: usize) -> u32 {
    // SAFETY: `address` is in this program's code, which continues after it.
    unsafe { ptr::with_exposed_provenance::<u32>(address).read_unaligned() }
}

/// Resumes behind a call that is opaque to the compiler, as [`suspend`] and [`switch`]
/// are.
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
    // SAFETY: the contexts of this module are entered in turns, and all words are initialised.
    unsafe { arch::switch(from.as_ptr(), to.get(), Word::new(word)).assume_init() }
}

/// Runs the body of a context, called by `isa::first_function`.
///
/// # Safety
///
/// `control` must belong to a [`Context`] that is entered for the first time.
pub unsafe extern "C" fn start(word: Word, resumer: StackPointer, control: *mut ()) -> ! {
    // SAFETY: the caller passes the control block of a new context, and all words are initialised.
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
    // SAFETY: every local that needs dropping has been dropped or moved.
    unsafe { arch::leave(control.resumer_context(), 0, Word::new(word)) }
}
