//! A stack cannot be used after a coroutine has taken it.
// error: E0382

use leno::coroutine::Coroutine;
use leno::stack::Stack;

fn main() {
    let stack = Stack::new(1 << 16).unwrap();
    let coroutine = Coroutine::<(), (), ()>::with_stack(stack, |_, ()| ());
    println!("{}", stack.size());
    coroutine.resume(());
}
