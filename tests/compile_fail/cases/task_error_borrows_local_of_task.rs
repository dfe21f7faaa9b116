//! The error of a task leaves the task, so it may not borrow the task's locals.
// error: E0515 E0597

fn main() {
    leno::run(|| {
        let _: Result<(), &str> = leno::thread::task_group(|group| {
            group.spawn(|| -> Result<(), &str> {
                let local = String::from("gone");
                Err(local.as_str())
            });
            Ok(())
        });
    });
}
