//! The message shows what the arms look like, and the one that is not like it.
// error: lifetime
// says: expected `recv(receiver) -> result => body`
// says: found: receive(receiver)

fn main() {
    let (_sender, receiver) = leno::channel::bounded::<()>(0);
    leno::run(|| leno::select! { receive(receiver) -> message => drop(message) });
}
