//! The same with a builder.
// error: E0373

fn main() {
    leno::run(|| {
        let local = String::from("gone");
        leno::thread::Builder::new().spawn(|| println!("{local}")).unwrap();
    });
}
