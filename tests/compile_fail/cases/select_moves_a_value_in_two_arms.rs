//! A select evaluates the messages of all its sends, so two sends cannot move one
//! value.
// error: E0382

fn main() {
    let (sender, _receiver) = leno::channel::bounded(1);
    let (other, _others) = leno::channel::bounded(1);
    let text = String::new();
    leno::run(|| {
        leno::select! { send(sender, text) -> _ => (), send(other, text) -> _ => () }
    });
}
