//! A group may not be stored outside its body, since it cannot spawn after its end.
// error: E0521 lifetime

fn main() {
    leno::run(|| {
        let mut escaped = None;
        let _: Result<(), ()> = leno::thread::task_group(|group| {
            escaped = Some(group);
            Ok(())
        });
        escaped.unwrap().spawn(|| Ok(()));
    });
}
