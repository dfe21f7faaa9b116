//! A select has at most one default arm.
// error: lifetime
// says: `default` must be the last arm

fn main() {
    leno::run(|| leno::select! { default => (), default => () });
}
