//! An arm binds a result, even an unused one.
// error: lifetime
// says: expected `recv(receiver) -> result => body`

fn main() {
    let (_sender, receiver) = leno::channel::bounded::<()>(0);
    leno::run(|| leno::select! { recv(receiver) => (), default => () });
}
