//! Values of green-thread-local keys, kept with the green thread.

#![forbid(unsafe_code)]

use std::rc::Rc;

use super::current::try_scheduler;

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocalError {
    /// The caller is in no runtime.
    Outside,
}

/// Gives `f` the current green thread's value of the key at the address `key`,
/// made by `init` if there is none yet.
pub(crate) fn with_local<T: 'static, R>(
    key: usize,
    init: impl FnOnce() -> T,
    f: impl FnOnce(&T) -> R,
) -> Result<R, LocalError> {
    let control = try_scheduler().ok_or(LocalError::Outside)?.current();
    let locals = &control.extra().locals;
    let find = || {
        let locals = locals.borrow();
        locals.iter().find(|(other, _)| *other == key).map(|(_, value)| value.clone())
    };
    let value = find().unwrap_or_else(|| {
        let value = Rc::new(init());
        // `init` may have made it, and may have switched.
        find().unwrap_or_else(|| {
            locals.borrow_mut().push((key, value.clone()));
            value
        })
    });
    Ok(f(value.downcast_ref().expect("a key has one type")))
}
