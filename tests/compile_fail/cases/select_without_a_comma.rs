//! A body that is not a block ends with a comma.
// error: lifetime
// says: expected a body, and a comma before the next arm, found: message.is_ok() default

fn main() {
    let (_sender, receiver) = leno::channel::bounded::<()>(0);
    leno::run(|| {
        leno::select! {
            recv(receiver) -> message => message.is_ok()
            default => false
        }
    });
}
