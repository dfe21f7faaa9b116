//! The error of a task goes out of its group.
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
