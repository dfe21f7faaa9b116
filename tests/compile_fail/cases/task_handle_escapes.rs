//! A task's handle may not leave the group, since its value may borrow.
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
