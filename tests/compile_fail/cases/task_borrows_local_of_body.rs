//! A task may outlive the body, so it may not borrow from there.
// error: E0373

fn main() {
    leno::run(|| {
        let _: Result<(), ()> = leno::thread::task_group(|group| {
            let local = String::from("gone");
            group.spawn(|| {
                println!("{local}");
                Ok(())
            });
            Ok(())
        });
    });
}
