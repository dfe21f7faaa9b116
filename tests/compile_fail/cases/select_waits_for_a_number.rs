//! A timeout has a unit.
// error: E0277
// says: a select waits for a `Duration` or until an `Instant`

fn main() {
    leno::run(|| leno::select! { default(5) => () });
}
