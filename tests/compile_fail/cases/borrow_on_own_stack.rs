//! A coroutine with a stack from its creator may borrow nothing: corosensei 27 and 43.
// error: E0373

use leno::coroutine::Coroutine;
use leno::stack::Stack;

fn main() {
    let local = [1, 2, 3];
    let stack = Stack::new(1 << 16).unwrap();
    let coroutine = Coroutine::<(), i32, ()>::with_stack(stack, |yielder, ()| {
        local.iter().for_each(|number| yielder.suspend(*number));
    });
    coroutine.resume(());
}
