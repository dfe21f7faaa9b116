//! So is that of green threads.
// error: E0521

fn main() {
    leno::run(|| {
        let mut escaped = None;
        leno::scope(|scope| escaped = Some(scope));
        escaped.unwrap().spawn(|| ());
    });
}
