//! Joining consumes the handle.
// error: E0382

fn main() {
    leno::run(|| {
        let handle = leno::spawn(|| String::from("once"));
        handle.join().unwrap();
        handle.join().unwrap();
    });
}
