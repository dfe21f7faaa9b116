//! Calls: what others do meanwhile, outside a runtime, names in reports, conversions.

use std::cell::Cell;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use leno::fs::{self, File, OpenOptions};
use leno::os::unix::fs::{FileExt, OpenOptionsExt};

use crate::pairs::{join, run_by_system};
use crate::scratch::Scratch;

fn is_shareable<T: Send + Sync + std::fmt::Debug + 'static>() {}

#[test]
fn files_can_be_used_by_all_os_threads() {
    is_shareable::<File>();
    is_shareable::<OpenOptions>();
    is_shareable::<fs::DirEntry>();
    is_shareable::<fs::ReadDir>();
}

#[test]
fn outside_a_runtime_the_calls_are_those_of_std() {
    let scratch = Scratch::new();
    let path = scratch.path("a");
    fs::write(&path, "hello").unwrap();
    let mut file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    file.seek(SeekFrom::End(-1)).unwrap();
    file.write_all(b"!").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"hell!");
    assert_eq!(fs::read_dir(scratch.root()).unwrap().count(), 1);
}

/// Others run while a call is made on the pool, so the OS thread does not wait.
#[test]
fn other_threads_run_during_a_call_on_the_pool() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let fifo = scratch.fifo("fifo");
        let turns = Rc::new(Cell::new(0));
        let writer = {
            let (fifo, turns) = (fifo.clone(), turns.clone());
            leno::spawn(move || {
                for _ in 0..10 {
                    turns.set(turns.get() + 1);
                    leno::yield_now();
                }
                fs::write(fifo, "hello").unwrap();
            })
        };
        // It opens when the writer does.
        assert_eq!(fs::read_to_string(fifo).unwrap(), "hello");
        assert_eq!(turns.get(), 10);
        join(writer);
    });
}

#[test]
fn a_large_file_is_read_and_written_by_one_call() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let bytes: Vec<u8> = (0..5 << 20).map(|place: u32| (place % 251) as u8).collect();
        let mut file = File::create_new(scratch.path("a")).unwrap();
        assert_eq!(file.write(&bytes).unwrap(), bytes.len());
        file.rewind().unwrap();
        let mut read = vec![0; bytes.len() + 1];
        assert_eq!(file.read(&mut read).unwrap(), bytes.len());
        assert!(read[..bytes.len()] == bytes);
    });
}

/// What is not in the cache is read on the pool.
#[test]
#[cfg(target_os = "linux")]
fn a_file_that_is_not_in_the_cache_is_read() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let bytes: Vec<u8> = (0..3 << 20).map(|place: u32| (place % 251) as u8).collect();
        fs::write(scratch.path("a"), &bytes).unwrap();
        let mut file = File::open(scratch.path("a")).unwrap();
        for kept in [0, 4096, 1 << 20, 3 << 20] {
            file.sync_all().unwrap();
            let number = file.as_raw_fd();
            // SAFETY: posix_fadvise has no preconditions.
            unsafe { libc::posix_fadvise(number, kept, 0, libc::POSIX_FADV_DONTNEED) };
            file.rewind().unwrap();
            let mut read = vec![0; bytes.len() + 1];
            assert_eq!(file.read(&mut read).unwrap(), bytes.len());
            assert!(read[..bytes.len()] == bytes, "{kept}");
        }
    });
}

/// The system lets a call on the cursor wait for another on the same descriptor.
#[test]
fn threads_that_share_a_cursor_lose_no_byte() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        let file = Rc::new(OpenOptions::new().append(true).create(true).open(&path).unwrap());
        let writers: Vec<_> = (0..10)
            .map(|number: u8| {
                let file = file.clone();
                leno::spawn(move || (0..20).for_each(|_| (&*file).write_all(&[number; 7]).unwrap()))
            })
            .collect();
        writers.into_iter().for_each(join);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 10 * 20 * 7);
        assert!(bytes.chunks(7).all(|line| line.iter().all(|byte| *byte == line[0])));
        let file = Rc::new(File::open(&path).unwrap());
        let readers: Vec<_> = (0..10)
            .map(|_| {
                let file = file.clone();
                leno::spawn(move || {
                    let mut sum = 0;
                    let mut line = [0; 7];
                    while (&*file).read(&mut line).unwrap() == 7 {
                        sum += u32::from(line[0]);
                        leno::yield_now();
                    }
                    sum
                })
            })
            .collect();
        assert_eq!(readers.into_iter().map(join).sum::<u32>(), 45 * 20);
    });
}

#[test]
fn a_dump_names_the_call_and_the_file() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let fifo = scratch.fifo("fifo");
        let open = fifo.clone();
        let opening = leno::spawn(move || File::open(open).map(drop));
        let mut held = OpenOptions::new();
        let held = held.read(true).write(true).custom_flags(libc::O_CLOEXEC);
        let mut other = held.open(scratch.fifo("other")).unwrap();
        let name = format!(
            "bytes from File {} (fd {})",
            scratch.path("other").display(),
            other.as_raw_fd()
        );
        let reading = leno::spawn(move || other.read(&mut [0]).map(drop));
        leno::yield_now();
        let dump = leno::debug::dump().to_string();
        assert!(dump.contains(&format!("the end of a call on {}", fifo.display())), "{dump}");
        assert!(dump.contains(&name), "{name}\n{dump}");
        assert!(dump.contains("calls.rs"), "{dump}");
        opening.cancel();
        reading.cancel();
    });
}

#[test]
fn a_file_is_taken_over_from_std_and_given_up() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let mut file = File::from(std::fs::File::create(scratch.path("a")).unwrap());
        file.write_all(b"hello").unwrap();
        let mut file = File::from(OwnedFd::from(file));
        file.write_all(b"!").unwrap();
        let mut file = std::fs::File::from(file);
        file.write_all(b"!").unwrap();
        assert_eq!(std::fs::read(scratch.path("a")).unwrap(), b"hello!!");
        let shown = format!("{:?}", File::from(file));
        assert!(shown.starts_with("File { fd: "), "{shown}");
    });
}

#[test]
fn a_thousand_calls_at_once_let_others_run() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        fs::write(&path, "hello").unwrap();
        let turns = Rc::new(Cell::new(0));
        let over = Rc::new(Cell::new(false));
        let other = {
            let (turns, over) = (turns.clone(), over.clone());
            leno::spawn(move || {
                while !over.get() {
                    turns.set(turns.get() + 1);
                    leno::yield_now();
                }
            })
        };
        let before = turns.get();
        leno::scope(|scope| {
            for _ in 0..1000 {
                scope.spawn(|| assert_eq!(fs::metadata(&path).unwrap().len(), 5));
            }
        });
        assert!(turns.get() > before + 1, "no turn in all the calls");
        over.set(true);
        join(other);
    });
}

#[test]
fn virtual_time_stands_still_during_a_call() {
    let read = crate::support::in_virtual_time(|| {
        let limit = leno::time::Duration::from_nanos(1);
        leno::time::timeout(limit, || fs::metadata(std::env::current_exe()?))
    });
    assert!(read.unwrap().unwrap().is_file());
}

#[test]
fn an_exploration_refuses_files() {
    leno::weave::explore(|| {
        let path = std::env::current_exe().unwrap();
        let error = fs::read(&path).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("leno::weave"), "{error}");
        let file = File::from(std::fs::File::open(path).unwrap());
        assert_eq!(file.read_at(&mut [0], 0).unwrap_err().kind(), std::io::ErrorKind::Unsupported);
        assert_eq!((&file).stream_position().unwrap_err().kind(), std::io::ErrorKind::Unsupported);
    });
}
