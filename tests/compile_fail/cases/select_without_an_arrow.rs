//! An arm has a result, even one that nobody wants.
// error: lifetime
// says: expected `recv(receiver) -> result => body`

fn main() {
    let (_sender, receiver) = leno::channel::bounded::<()>(0);
    leno::run(|| leno::select! { recv(receiver) => (), default => () });
}
