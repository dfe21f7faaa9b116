//! The scope of green threads is lent only to the closure.
// error: E0521

fn main() {
    leno::run(|| {
        let mut escaped = None;
        leno::scope(|scope| escaped = Some(scope));
        escaped.unwrap().spawn(|| ());
    });
}
