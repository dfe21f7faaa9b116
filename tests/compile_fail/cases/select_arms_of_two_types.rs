//! All arms of a select have the same type.
// error: E0308

fn main() {
    let (_sender, receiver) = leno::channel::bounded::<()>(0);
    leno::run(|| {
        let _ = leno::select! { recv(receiver) -> _ => 1, default => "one" };
    });
}
