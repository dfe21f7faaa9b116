//! Each coroutine may have its own stack, and an `Rc` may share a coroutine.

use std::rc::Rc;

use leno::coroutine::Coroutine;
use leno::stack::Stack;

fn main() {
    for bytes in [1 << 16, 1 << 20] {
        let stack = Stack::new(bytes).unwrap();
        println!("{}", stack.size());
        let coroutine =
            Rc::new(Coroutine::<(), (), ()>::with_stack(stack, |yielder, ()| yielder.suspend(())));
        let other = Rc::clone(&coroutine);
        coroutine.resume(());
        other.resume(());
    }
}
