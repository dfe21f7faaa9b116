//! A select has at most one default arm.
// error: lifetime
// says: a select has one `default` at most

fn main() {
    leno::run(|| leno::select! { default => (), default => () });
}
