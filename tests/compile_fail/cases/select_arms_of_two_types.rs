//! The arms of a select are those of one expression.
// error: E0308

fn main() {
    let (_sender, receiver) = leno::channel::bounded::<()>(0);
    leno::run(|| {
        let _ = leno::select! { recv(receiver) -> _ => 1, default => "one" };
    });
}
