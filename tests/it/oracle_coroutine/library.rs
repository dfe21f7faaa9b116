//! The operations that the interpreter needs from a coroutine library, for both
//! libraries; the values, and the trace.

use std::cell::{Cell, RefCell};

/// An observable event. Numbers identify values in the order of their creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Started { body: usize, input: u32 },
    Suspending { value: u32 },
    Resumed { input: u32 },
    Yielded { slot: usize, value: u32 },
    Returned { slot: usize, value: u32 },
    Panicking { value: u32 },
    Caught { value: u32 },
    CaughtUnwinding,
    State { slot: usize, started: bool, done: bool },
    Dropped { value: u32 },
    Closed { slot: usize, panicked: bool },
    NothingThere,
    Over,
}

thread_local! {
    pub(super) static TRACE: RefCell<Vec<Event>> = const { RefCell::new(Vec::new()) };
    pub(super) static LAST_VALUE: Cell<u32> = const { Cell::new(0) };
}

pub(super) fn log(event: Event) {
    TRACE.with_borrow_mut(|trace| trace.push(event));
}

/// A value with a logged destructor.
pub(super) struct Loud(pub(super) u32);

impl Loud {
    pub(super) fn new() -> Loud {
        LAST_VALUE.set(LAST_VALUE.get() + 1);
        Loud(LAST_VALUE.get())
    }
}

impl Drop for Loud {
    fn drop(&mut self) {
        log(Event::Dropped { value: self.0 });
    }
}

/// The layout of the values that coroutines receive and return.
pub(super) trait Parcel: 'static {
    fn pack(value: Loud) -> Self;
    fn unpack(self) -> Loud;
}

/// Smaller than a word.
impl Parcel for Loud {
    fn pack(value: Loud) -> Loud {
        value
    }
    fn unpack(self) -> Loud {
        self
    }
}

/// One word.
impl Parcel for Box<Loud> {
    fn pack(value: Loud) -> Box<Loud> {
        Box::new(value)
    }
    fn unpack(self) -> Loud {
        *self
    }
}

/// Larger than the registers, and over-aligned.
#[repr(align(128))]
pub(super) struct Bulky {
    front: [u32; 37],
    value: Loud,
    back: [u32; 41],
}

impl Parcel for Bulky {
    fn pack(value: Loud) -> Bulky {
        Bulky { front: [value.0; 37], back: [!value.0; 41], value }
    }
    fn unpack(self) -> Loud {
        assert!((&raw const self).addr().is_multiple_of(128));
        assert_eq!((self.front, self.back), ([self.value.0; 37], [!self.value.0; 41]));
        self.value
    }
}

pub(super) enum Step<P> {
    Yield(P),
    Return(P),
}

/// The operations that the interpreter needs from a coroutine library.
pub(super) trait Library: 'static {
    type Coroutine<P: Parcel>: 'static;
    type Yielder<P: Parcel>: 'static;

    fn create<P, F>(body: F) -> Self::Coroutine<P>
    where
        P: Parcel,
        F: FnOnce(&Self::Yielder<P>, P) -> P + 'static;
    fn resume<P: Parcel>(coroutine: &mut Self::Coroutine<P>, input: P) -> Step<P>;
    fn suspend<P: Parcel>(yielder: &Self::Yielder<P>, value: P) -> P;
    fn close<P: Parcel>(coroutine: &mut Self::Coroutine<P>);
    /// Drops the handle. A panic of the body in its unwinding propagates.
    fn dispose<P: Parcel>(coroutine: Self::Coroutine<P>);
    fn flags<P: Parcel>(coroutine: &Self::Coroutine<P>) -> (bool, bool);
}

pub(super) struct Leno;

impl Library for Leno {
    type Coroutine<P: Parcel> = leno::coroutine::Coroutine<P, P, P>;
    type Yielder<P: Parcel> = leno::coroutine::Yielder<P, P>;

    fn create<P, F>(body: F) -> Self::Coroutine<P>
    where
        P: Parcel,
        F: FnOnce(&Self::Yielder<P>, P) -> P + 'static,
    {
        leno::coroutine::Coroutine::new(body)
    }
    fn resume<P: Parcel>(coroutine: &mut Self::Coroutine<P>, input: P) -> Step<P> {
        match coroutine.resume(input) {
            leno::coroutine::Resumed::Yield(value) => Step::Yield(value),
            leno::coroutine::Resumed::Return(value) => Step::Return(value),
        }
    }
    fn suspend<P: Parcel>(yielder: &Self::Yielder<P>, value: P) -> P {
        yielder.suspend(value)
    }
    fn close<P: Parcel>(coroutine: &mut Self::Coroutine<P>) {
        coroutine.close();
    }
    fn dispose<P: Parcel>(coroutine: Self::Coroutine<P>) {
        drop(coroutine);
    }
    fn flags<P: Parcel>(coroutine: &Self::Coroutine<P>) -> (bool, bool) {
        (coroutine.is_started(), coroutine.is_done())
    }
}

pub(super) struct Corosensei;

impl Library for Corosensei {
    type Coroutine<P: Parcel> = corosensei::Coroutine<P, P, P>;
    type Yielder<P: Parcel> = corosensei::Yielder<P, P>;

    fn create<P, F>(body: F) -> Self::Coroutine<P>
    where
        P: Parcel,
        F: FnOnce(&Self::Yielder<P>, P) -> P + 'static,
    {
        corosensei::Coroutine::new(body)
    }
    fn resume<P: Parcel>(coroutine: &mut Self::Coroutine<P>, input: P) -> Step<P> {
        match coroutine.resume(input) {
            corosensei::CoroutineResult::Yield(value) => Step::Yield(value),
            corosensei::CoroutineResult::Return(value) => Step::Return(value),
        }
    }
    fn suspend<P: Parcel>(yielder: &Self::Yielder<P>, value: P) -> P {
        yielder.suspend(value)
    }
    fn close<P: Parcel>(coroutine: &mut Self::Coroutine<P>) {
        coroutine.force_unwind();
    }
    fn dispose<P: Parcel>(mut coroutine: Self::Coroutine<P>) {
        // corosensei's drop aborts if the body panics in its unwinding.
        coroutine.force_unwind();
    }
    fn flags<P: Parcel>(coroutine: &Self::Coroutine<P>) -> (bool, bool) {
        (coroutine.started(), coroutine.done())
    }
}
