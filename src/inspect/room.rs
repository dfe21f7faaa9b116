//! Running a function on a larger stack where the current one may be too small.

#![forbid(unsafe_code)]

use crate::coroutine::{self, Resumed, Yielder};
use crate::stack;

/// The stack that a snapshot or the look-up of a symbol takes in a build without optimisation.
const MUCH_ROOM_BYTES: usize = 96 * 1024;

/// Calls `f`, on a stack of its own if the caller's stack has too little room.
pub(crate) fn with_room<T>(f: impl FnOnce() -> T) -> T {
    if stack::room_left().is_none_or(|room| room >= MUCH_ROOM_BYTES) {
        return f();
    }
    coroutine::scope(|scope| {
        let on_another = scope.coroutine(|_: &Yielder<(), ()>, ()| f());
        match on_another.resume(()) {
            Resumed::Return(value) => value,
            Resumed::Yield(()) => unreachable!("it does not suspend"),
        }
    })
}
