//! A scoped generator is closed when the scope ends, and may not leave it.
// error: lifetime

use leno::coroutine::scope;

fn main() {
    let numbers = vec![1, 2, 3];
    let mut escaped = scope(|scope| scope.generator(|yielder| yielder.suspend(numbers.len())));
    escaped.next();
}
