//! A task may outlive the body of its group, so it may not borrow the body's locals.
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
