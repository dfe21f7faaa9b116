//! Nothing can be spawned in a group that is over.
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
