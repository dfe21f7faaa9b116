//! A green thread may outlive the frame that spawned it.
// error: E0373

fn main() {
    leno::run(|| {
        let local = String::from("gone");
        leno::spawn(|| println!("{local}"));
    });
}
