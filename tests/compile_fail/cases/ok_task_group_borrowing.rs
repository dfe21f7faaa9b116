//! Tasks and their errors may borrow from outside the group, with independent
//! lifetimes.

use std::cell::RefCell;

use leno::thread::{self, TaskGroup};

fn first_word<'a>(text: &'a str, log: &RefCell<Vec<usize>>) -> Result<usize, &'a str> {
    thread::task_group(|group| {
        let task = group.spawn(|| {
            log.borrow_mut().push(text.len());
            text.split(' ').next().map(str::len).ok_or(text)
        });
        group.spawn(|| {
            group.spawn(|| {
                log.borrow_mut().push(0);
                Ok(())
            });
            Ok(())
        });
        task.join().map_err(|_| text)
    })
}

fn helper<'scope>(group: &'scope TaskGroup<'scope, '_, String>, number: &'scope u32) {
    group.spawn(move || if *number > 1 { Err(number.to_string()) } else { Ok(()) });
}

fn main() {
    leno::run(|| {
        let text = String::from("warp weft");
        let log = RefCell::new(Vec::new());
        let found = first_word(&text, &log);
        // The error still borrows `text`, but `log` is no longer borrowed.
        assert_eq!(log.into_inner().len(), 2);
        assert_eq!(found, Ok(4));

        let owned = String::from("used while a static error is alive");
        let failed: Result<(), &'static str> = thread::task_group(|group| {
            group.spawn(|| if owned.is_empty() { Ok(()) } else { Err("static") });
            Ok(())
        });
        drop(owned);
        assert_eq!(failed, Err("static"));

        let numbers = [1, 2];
        let failed = thread::task_group(|group| {
            numbers.iter().for_each(|number| helper(group, number));
            Ok(())
        });
        assert_eq!(failed, Err("2".to_owned()));
    });
}
