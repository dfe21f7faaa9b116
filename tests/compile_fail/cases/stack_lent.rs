//! A stack cannot be lent, or it could be reused under a forgotten coroutine:
//! corosensei 43.
// error: E0308

use leno::coroutine::Coroutine;
use leno::stack::Stack;

fn main() {
    let mut stack = Stack::new(1 << 16).unwrap();
    let one = Coroutine::<(), (), ()>::with_stack(&mut stack, |yielder, ()| yielder.suspend(()));
    std::mem::forget(one);
    Coroutine::<(), (), ()>::with_stack(&mut stack, |_, ()| ()).resume(());
}
