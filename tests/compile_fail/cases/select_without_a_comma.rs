//! A body that is not a block ends with a comma.
// error: lifetime
// says: expected `recv(receiver) -> result => body`

fn main() {
    let (_sender, receiver) = leno::channel::bounded::<()>(0);
    leno::run(|| {
        leno::select! {
            recv(receiver) -> message => message.is_ok()
            default => false
        }
    });
}
