//! The locals of a scope's closure are dropped before the scope joins its green
//! threads.
// error: E0373

fn main() {
    leno::run(|| {
        leno::scope(|scope| {
            let local = String::from("gone");
            scope.spawn(|| println!("{local}"));
        });
    });
}
