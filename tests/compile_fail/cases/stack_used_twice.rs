//! A stack belongs to one coroutine: corosensei 27.
// error: E0382

use leno::coroutine::Coroutine;
use leno::stack::Stack;

fn main() {
    let stack = Stack::new(1 << 16).unwrap();
    let one = Coroutine::<(), (), ()>::with_stack(stack, |yielder, ()| yielder.suspend(()));
    let other = Coroutine::<(), (), ()>::with_stack(stack, |yielder, ()| yielder.suspend(()));
    one.resume(());
    other.resume(());
}
