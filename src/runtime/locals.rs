//! Values of green-thread-local keys, kept with the green thread.

#![forbid(unsafe_code)]

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use crate::kernel::features::ThreadState;
use crate::kernel::{ControlBlock, Scheduler, try_scheduler};

/// The reason why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocalError {
    /// The caller is in no runtime.
    Outside,
    /// The green thread ends, and the value has been dropped or is being dropped.
    Dropped,
}

/// The values of one green thread, with the addresses of their keys.
#[derive(Default)]
pub(crate) struct Locals(RefCell<Vec<(usize, Local)>>);

#[derive(Clone)]
enum Local {
    /// The initial value is just being computed.
    Unfinished,
    Value(Rc<dyn Any>),
    Dropped,
}

impl ThreadState for Locals {
    const SLOT: usize = 1;
}

impl Locals {
    fn find(&self, key: usize) -> Option<Local> {
        let locals = self.0.borrow();
        locals.iter().find(|(other, _)| *other == key).map(|(_, local)| local.clone())
    }

    /// Makes a value with `init`, which may make values of other keys.
    #[track_caller]
    fn make<T: 'static>(&self, key: usize, init: impl FnOnce() -> T) -> Rc<dyn Any> {
        let mark = Mark { locals: self, key };
        self.0.borrow_mut().push((key, Local::Unfinished));
        let value: Rc<dyn Any> = Rc::new(init());
        drop(mark);
        self.0.borrow_mut().push((key, Local::Value(value.clone())));
        value
    }

    /// Takes out the value that was made last, and notes that it is gone: its destructor must not
    /// make it again.
    pub(crate) fn take_last(&self) -> Option<Rc<dyn Any>> {
        let mut locals = self.0.borrow_mut();
        let last = locals.iter_mut().rev().find_map(|(_, local)| match local {
            Local::Value(_) => Some(local),
            Local::Unfinished | Local::Dropped => None,
        })?;
        match std::mem::replace(last, Local::Dropped) {
            Local::Value(value) => Some(value),
            Local::Unfinished | Local::Dropped => None,
        }
    }

    /// Forgets all values, for the main green thread, which may run again.
    pub(crate) fn forget(&self) {
        let _none_has_a_value = self.0.take();
    }
}

/// Marks a value as being made, until this is dropped.
struct Mark<'a> {
    locals: &'a Locals,
    key: usize,
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.locals.0.borrow_mut().retain(|(other, _)| *other != self.key);
    }
}

/// Calls `f` with the current green thread's value of the key at the address `key`, which `init`
/// makes if there is none yet.
///
/// # Panics
///
/// If `init` asks for the value that it is to make.
#[track_caller]
pub(crate) fn with_local<T: 'static, R>(
    key: usize,
    init: impl FnOnce() -> T,
    f: impl FnOnce(&T) -> R,
) -> Result<R, LocalError> {
    let control = try_scheduler().ok_or(LocalError::Outside)?.current();
    let locals = control.state_or_default::<Locals>();
    let value = match locals.find(key) {
        Some(Local::Value(value)) => value,
        Some(Local::Dropped) => return Err(LocalError::Dropped),
        Some(Local::Unfinished) => panic!(
            "the initial value of a green-thread-local key was asked for while it was computed: \
             it needs itself"
        ),
        None => locals.make(key, init),
    };
    Ok(f(value.downcast_ref().expect("a key has one type")))
}

/// Drops the green-thread-local values of a thread, the last made first. A destructor may make more
/// of them.
#[cold]
pub(crate) fn drop_all(scheduler: &Scheduler, control: &ControlBlock) {
    let Some(locals) = control.state_of::<Locals>() else { return };
    let flags = control.cancel_flags();
    flags.shield();
    while let Some(local) = locals.take_last() {
        let dropped = panic::catch_unwind(AssertUnwindSafe(|| drop(local)));
        if dropped.is_err_and(|payload| !control.is_unwound_by(&payload)) {
            scheduler.abort(b"the destructor of a green-thread-local value panicked\n");
        }
    }
}

/// Forgets that values were dropped: the main green thread may run again.
#[inline]
pub(crate) fn forget(control: &ControlBlock) {
    if let Some(locals) = control.state_of::<Locals>() {
        locals.forget();
    }
}
