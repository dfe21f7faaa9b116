//! A value that borrows from the scope's closure would be dropped too late, when the
//! scope closes.
// error: E0597

use leno::coroutine::{Yielder, scope};

struct Print<'a>(&'a str);

impl Drop for Print<'_> {
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}

fn main() {
    scope(|scope| {
        let local = String::from("gone");
        let print = Print(&local);
        let coroutine = scope.coroutine(move |yielder: &Yielder<(), ()>, ()| {
            let _print = print;
            yielder.suspend(());
        });
        coroutine.resume(());
    });
}
