//! Whoever has a default has it at the end.
// error: lifetime
// says: `default` must be the last arm

fn main() {
    let (_sender, receiver) = leno::channel::bounded::<()>(0);
    leno::run(|| leno::select! { default => (), recv(receiver) -> _ => () });
}
