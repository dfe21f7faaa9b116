//! A channel carries one type.
// error: E0308

fn main() {
    let (sender, _receiver) = leno::channel::unbounded::<u32>();
    let _ = sender.try_send("text");
}
