//! The default arm of a select is the last one.
// error: lifetime
// says: `default` must be the last arm

fn main() {
    let (_sender, receiver) = leno::channel::bounded::<()>(0);
    leno::run(|| leno::select! { default => (), recv(receiver) -> _ => () });
}
