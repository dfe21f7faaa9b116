//! Bad weather: full disks, limits, files that change, files that are none, signals.

use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use leno::fs::{self, File, OpenOptions};
use leno::os::unix::fs::FileExt;

use crate::pairs::{join, kind, run_by_system};
use crate::scratch::Scratch;
use crate::support::child;

#[test]
#[cfg(target_os = "linux")]
fn a_full_device_is_an_error() {
    run_by_system(|| {
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert_eq!(kind(full.write(b"x")), ErrorKind::StorageFull);
        assert_eq!(kind(full.write_all(&[0; 100_000])), ErrorKind::StorageFull);
        assert_eq!(kind(fs::write("/dev/full", "x")), ErrorKind::StorageFull);
        fs::write("/dev/null", "x").unwrap();
        let mut zeros = [1; 10_000];
        File::open("/dev/zero").unwrap().read_exact(&mut zeros).unwrap();
        assert!(zeros.iter().all(|byte| *byte == 0));
    });
}

#[test]
fn a_file_at_its_greatest_size_takes_a_part_and_then_none() {
    let scratch = Scratch::new();
    let path = scratch.path("a");
    child(|| {
        // SAFETY: the limit is a live struct; ignoring a signal has no preconditions.
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            let limit = libc::rlimit { rlim_cur: 10_000, rlim_max: 10_000 };
            assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
        }
        let path = std::env::temp_dir().join(format!("leno-files-limit-{}", std::process::id()));
        leno::run(|| {
            let mut file = File::create(&path).unwrap();
            assert_eq!(file.write(&[1; 20_000]).unwrap(), 10_000);
            assert_eq!(kind(file.write(&[1; 20_000])), ErrorKind::FileTooLarge);
            assert_eq!(kind(file.set_len(10_001)), ErrorKind::FileTooLarge);
            fs::remove_file(&path).unwrap();
        });
    })
    .assert_survived();
    drop(path);
}

#[test]
fn calls_on_files_of_the_wrong_kind_fail_as_in_std() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        fs::write(&path, "hello").unwrap();
        let mut read_only = File::open(&path).unwrap();
        assert_eq!(read_only.write(b"x").unwrap_err().raw_os_error(), Some(libc::EBADF));
        let mut write_only = OpenOptions::new().write(true).open(&path).unwrap();
        assert_eq!(write_only.read(&mut [0]).unwrap_err().raw_os_error(), Some(libc::EBADF));
        let mut directory = File::open(scratch.root()).unwrap();
        assert_eq!(kind(directory.read(&mut [0])), ErrorKind::IsADirectory);
        assert_eq!(kind(fs::read(scratch.root())), ErrorKind::IsADirectory);
        assert_eq!(kind(File::create(scratch.root())), ErrorKind::IsADirectory);
        assert_eq!(kind(fs::read_dir(&path)), ErrorKind::NotADirectory);
        assert_eq!(kind(File::open("a\0b")), ErrorKind::InvalidInput);
        assert_eq!(kind(OpenOptions::new().open(&path)), ErrorKind::InvalidInput);
        assert_eq!(kind(File::open("")), ErrorKind::NotFound);
    });
}

#[test]
fn a_file_that_grows_or_shrinks_is_read_to_its_end() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        let mut writer = File::create(&path).unwrap();
        let mut reader = File::open(&path).unwrap();
        let mut bytes = [0; 100];
        for round in 0..50 {
            assert_eq!(reader.read(&mut bytes).unwrap(), 0);
            writer.write_all(&[round; 60]).unwrap();
            assert_eq!(reader.read(&mut bytes).unwrap(), 60);
            assert!(bytes[..60].iter().all(|byte| *byte == round));
        }
        writer.set_len(10).unwrap();
        assert_eq!(reader.read(&mut bytes).unwrap(), 0);
        assert_eq!(reader.read_at(&mut bytes, 4).unwrap(), 6);
        reader.seek(SeekFrom::End(-3)).unwrap();
        assert_eq!(reader.read(&mut bytes).unwrap(), 3);
    });
}

/// What is read is what the file had at some moment: a part of its bytes, or zeros where it has grown again.
#[test]
fn a_file_changes_while_it_is_read() {
    run_by_system(|| {
        const BYTES: u64 = 3 << 20;
        let scratch = Scratch::new();
        let path = scratch.path("a");
        let file = std::fs::File::create(&path).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let changes = {
            let over = over.clone();
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    for length in [0, BYTES, 5000, BYTES / 2] {
                        file.set_len(length).unwrap();
                        file.write_at(b"x", length).unwrap();
                    }
                }
            })
        };
        for _ in 0..10 {
            for bytes in [fs::read(&path).unwrap(), read_all(&path)] {
                assert!(bytes.len() as u64 <= BYTES + 1);
                assert!(bytes.iter().all(|byte| [0, b'x'].contains(byte)));
            }
        }
        over.store(true, Ordering::Relaxed);
        changes.join().unwrap();
    });
}

fn read_all(path: &std::path::Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// Runs `body` in a child process with mounts of its own, of which those that it makes end with it.
#[cfg(target_os = "linux")]
fn with_own_mounts<F: FnOnce()>(body: F) {
    crate::support::in_child(crate::support::test_of::<F>(), &[], || {
        // SAFETY: the text is live. The mounts are those of this OS thread, and of those that it starts.
        let is_alone = unsafe {
            let root = c"/".as_ptr();
            let (none, private) = (std::ptr::null(), libc::MS_REC | libc::MS_PRIVATE);
            libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(none, root, none, private, none.cast()) == 0
        };
        if is_alone {
            body();
        } else {
            crate::support::not_run("mounts of its own, which take root");
        }
    })
    .assert_survived();
}

/// Makes a mount of a file system in memory with room for 64 KiB, and makes it again with `flags` after `fill`.
#[cfg(target_os = "linux")]
fn mount_small(path: &std::path::Path, flags: libc::c_ulong, fill: impl FnOnce()) {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    let mount = |flags| {
        let (kind, options) = (c"tmpfs".as_ptr(), c"size=64k".as_ptr());
        // SAFETY: the texts are live.
        let result = unsafe { libc::mount(kind, path.as_ptr(), kind, flags, options.cast()) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    };
    mount(0);
    fill();
    if flags != 0 {
        mount(flags | libc::MS_REMOUNT);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_takes_a_part_and_then_none() {
    with_own_mounts(|| {
        let scratch = Scratch::new();
        mount_small(scratch.root(), 0, || ());
        leno::run(|| {
            let mut file = File::create(scratch.path("a")).unwrap();
            assert_eq!(file.write(&[1; 100_000]).unwrap(), 65_536);
            assert_eq!(kind(file.write(&[1; 100_000])), ErrorKind::StorageFull);
            assert_eq!(kind(fs::write(scratch.path("b"), "x")), ErrorKind::StorageFull);
            assert_eq!(kind(fs::copy("/proc/self/exe", scratch.path("c"))), ErrorKind::StorageFull);
            file.set_len(0).unwrap();
            fs::write(scratch.path("b"), "x").unwrap();
        });
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_read_only_file_system_is_read_and_takes_nothing() {
    with_own_mounts(|| {
        let scratch = Scratch::new();
        let (one, other) = (scratch.path("one"), scratch.path("other"));
        let fill = || std::fs::write(&one, "hello").unwrap();
        mount_small(scratch.root(), libc::MS_RDONLY, fill);
        leno::run(|| {
            assert_eq!(fs::read(&one).unwrap(), b"hello");
            let refusals = [
                fs::write(&one, "x"),
                fs::create_dir(&other),
                fs::remove_file(&one),
                fs::rename(&one, &other),
                fs::copy(&one, &other).map(drop),
                fs::set_permissions(&one, fs::metadata(&one).unwrap().permissions()),
                OpenOptions::new().append(true).open(&one).map(drop),
                leno::os::unix::fs::symlink(&one, &other),
            ];
            for refusal in refusals {
                assert_eq!(kind(refusal), ErrorKind::ReadOnlyFilesystem);
            }
        });
    });
}

#[test]
#[cfg(target_os = "linux")]
fn files_of_the_kernel_are_read_as_by_std() {
    run_by_system(|| {
        for path in ["/proc/self/cmdline", "/proc/version", "/proc/filesystems", "/proc/cpuinfo"] {
            let text = std::fs::read(path).unwrap();
            let by_path = fs::read(path).unwrap();
            let mut by_file = Vec::new();
            File::open(path).unwrap().read_to_end(&mut by_file).unwrap();
            // The clock rate of a processor changes.
            if !path.ends_with("cpuinfo") {
                assert_eq!(by_path, text, "{path}");
                assert_eq!(by_file, text, "{path}");
            }
        }
        assert!(fs::read_dir("/proc/self/fd").unwrap().count() > 2);
        assert!(fs::read_link("/proc/self/exe").unwrap().is_absolute());
        let number = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
        if let Ok(number) = number {
            number.trim().parse::<u64>().unwrap();
        }
    });
}

#[test]
fn many_small_files_are_written_and_read() {
    run_by_system(|| {
        let scratch = Scratch::new();
        let count = 100_000 / crate::seed::share().unwrap_or(10) as usize;
        leno::scope(|scope| {
            for worker in 0..20 {
                let scratch = &scratch;
                scope.spawn(move || {
                    for number in (worker..count).step_by(20) {
                        fs::write(scratch.path(&number.to_string()), number.to_string()).unwrap();
                    }
                });
            }
        });
        let entries = fs::read_dir(scratch.root()).unwrap();
        let mut numbers: Vec<u32> = entries
            .map(|entry| {
                let name = entry.unwrap().file_name();
                name.to_str().unwrap().parse().unwrap()
            })
            .collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..count as u32));
        for number in (0..count).step_by(97) {
            let text = fs::read_to_string(scratch.path(&number.to_string())).unwrap();
            assert_eq!(text, number.to_string());
        }
    });
}

#[test]
fn signals_interrupt_no_call() {
    child(|| {
        extern "C" fn ignore(_: libc::c_int) {}
        // SAFETY: the handler does nothing, and the struct is live; without SA_RESTART, it interrupts.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = ignore as *const () as usize;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
        }
        let over = Arc::new(AtomicBool::new(false));
        let storm = {
            let over = over.clone();
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    // SAFETY: sends this process a signal that it handles.
                    unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) };
                    std::thread::yield_now();
                }
            })
        };
        let scratch = Scratch::new();
        leno::run(|| {
            let fifo = scratch.fifo("fifo");
            let path = scratch.path("a");
            for round in 0..30 {
                let bytes = vec![round; 50_000];
                fs::write(&path, &bytes).unwrap();
                assert_eq!(fs::read(&path).unwrap(), bytes);
                let reader = leno::spawn({
                    let fifo = fifo.clone();
                    move || fs::read(fifo).unwrap()
                });
                fs::write(&fifo, &bytes).unwrap();
                assert_eq!(join(reader), bytes);
            }
        });
        over.store(true, Ordering::Relaxed);
        storm.join().unwrap();
    })
    .assert_survived();
}

#[test]
fn without_a_descriptor_a_call_fails_and_later_ones_do_not() {
    child(|| {
        let limit = libc::rlimit { rlim_cur: 64, rlim_max: 64 };
        // SAFETY: the limit is a live struct.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
        let take_all = || std::iter::from_fn(|| std::fs::File::open("/dev/null").ok());
        let mut files: Vec<_> = take_all().collect();
        leno::run(|| {
            // The runtime has no descriptor by which the pool could wake it.
            assert_eq!(fs::metadata("/").unwrap_err().raw_os_error(), Some(libc::EMFILE));
            files.truncate(files.len() - 10);
            fs::metadata("/").unwrap();
            files.extend(take_all());
            assert_eq!(File::open("/").unwrap_err().raw_os_error(), Some(libc::EMFILE));
            assert_eq!(kind(fs::metadata("missing")), ErrorKind::NotFound);
            files.clear();
            let open: Vec<_> = (0..20).map(|_| File::open("/dev/null").unwrap()).collect();
            assert_eq!(open.len(), 20);
        });
    })
    .assert_survived();
}
