//! The same for a green thread.
// error: E0373

fn main() {
    leno::run(|| {
        leno::scope(|scope| {
            let local = String::from("gone");
            scope.spawn(|| println!("{local}"));
        });
    });
}
