//! A green thread from a builder may outlive the frame that spawned it.
// error: E0373

fn main() {
    leno::run(|| {
        let local = String::from("gone");
        leno::thread::Builder::new().spawn(|| println!("{local}")).unwrap();
    });
}
