//! Two tasks of a group may not hold the same exclusive reference.
// error: E0499

fn main() {
    leno::run(|| {
        let mut count = 0;
        let _: Result<(), ()> = leno::thread::task_group(|group| {
            group.spawn(|| {
                count += 1;
                Ok(())
            });
            group.spawn(|| {
                count += 1;
                Ok(())
            });
            Ok(())
        });
    });
}
