//! A join handle of a scope ends with it.
// error: lifetime

fn main() {
    leno::run(|| {
        let text = String::from("borrowed");
        let handle = leno::scope(|scope| scope.spawn(|| text.as_str()));
        handle.join().unwrap();
    });
}
