//! A stack has one owner.
// error: E0599

use leno::stack::Stack;

fn main() {
    let stack = Stack::new(1 << 16).unwrap();
    let _copy: Stack = stack.clone();
}
