//! The error shows the forms of arms, and the unknown arm.
// error: lifetime
// says: expected `recv(receiver) -> result => body`
// says: found: receive(receiver)

fn main() {
    let (_sender, receiver) = leno::channel::bounded::<()>(0);
    leno::run(|| leno::select! { receive(receiver) -> message => drop(message) });
}
