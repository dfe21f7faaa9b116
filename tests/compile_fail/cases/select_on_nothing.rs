//! A select without arms could never end.
// error: lifetime
// says: a select needs at least one arm

fn main() {
    leno::run(|| leno::select! {});
}
