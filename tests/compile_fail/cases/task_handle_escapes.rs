//! A task's value may borrow what its group may.
// error: E0521 lifetime

fn main() {
    leno::run(|| {
        let mut escaped = None;
        let _: Result<(), ()> = leno::thread::task_group(|group| {
            escaped = Some(group.spawn(|| Ok(1)));
            Ok(())
        });
        drop(escaped);
    });
}
