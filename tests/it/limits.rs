//! Stacks at the limits of the operating system, and the pool of an OS thread that
//! ends. Each test measures the memory of its own child process.

use std::fs;
use std::io::{self, ErrorKind};
use std::mem;
use std::thread;

use leno::coroutine::Coroutine;
use leno::stack::{MIN_STACK_BYTES, Stack};

use crate::support::{in_child, limit_address_space, panic_text};

/// Returns a figure of `/proc/self/status`, which counts kilobytes, in bytes.
fn status_bytes(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("proc is mounted");
    let line = status.lines().find(|line| line.starts_with(name)).expect("the line is there");
    let number = line.split_whitespace().nth(1).and_then(|number| number.parse::<usize>().ok());
    number.expect("a number") * 1024
}

fn map_entries() -> usize {
    let maps = fs::read("/proc/self/maps").expect("proc is mounted");
    maps.iter().filter(|&&byte| byte == b'\n').count()
}

/// Uses 400 MB of stacks on an OS thread that ends, forgets the first `forget`
/// suspended coroutines, and returns the addresses of a local in each.
fn thread_with_stacks(forget: usize) -> Vec<usize> {
    let body = move || {
        let coroutine = |n: usize| {
            let stack = Stack::new(4 << 20).expect("a stack");
            let coroutine = Coroutine::<(), usize, ()>::with_stack(stack, move |yielder, ()| {
                let local = n;
                yielder.suspend(std::ptr::from_ref(&local).expose_provenance());
            });
            (coroutine.resume(()).as_yield().expect("an address"), coroutine)
        };
        let all: Vec<_> = (0..100).map(coroutine).collect();
        let forgotten = all.into_iter().take(forget);
        forgotten.map(|(address, coroutine)| (mem::forget(coroutine), address).1).collect()
    };
    thread::spawn(body).join().expect("no panic")
}

#[test]
fn an_os_thread_that_ends_unmaps_its_stacks() {
    in_child("limits::an_os_thread_that_ends_unmaps_its_stacks", &[], || {
        thread_with_stacks(0);
        let before = (status_bytes("VmSize"), map_entries());
        (0..10).for_each(|_| drop(thread_with_stacks(0)));
        let after = (status_bytes("VmSize"), map_entries());
        assert!(after.0 < before.0 + (100 << 20), "{before:?} {after:?}");
        assert!(after.1 < before.1 + 50, "{before:?} {after:?}");
    })
    .assert_survived();
}

#[test]
fn a_forgotten_coroutine_outlives_its_os_thread() {
    in_child("limits::a_forgotten_coroutine_outlives_its_os_thread", &[], || {
        let addresses: Vec<usize> = (0..3).flat_map(|_| thread_with_stacks(20)).collect();
        (0..5).for_each(|_| drop(thread_with_stacks(0)));
        for (index, address) in addresses.into_iter().enumerate() {
            // SAFETY: the coroutine was forgotten, so its stack is never unmapped.
            let local =
                unsafe { std::ptr::with_exposed_provenance::<usize>(address).read_volatile() };
            assert_eq!(local, index % 20);
        }
    })
    .assert_survived();
}

#[test]
fn an_exhausted_address_space_names_the_limit() {
    const NAME: &str = "limits::an_exhausted_address_space_names_the_limit";
    let child = in_child(NAME, &[], || {
        let limit = status_bytes("VmSize") + (300 << 20);
        if !limit_address_space(limit) {
            return println!("not run: this system does not limit the address space");
        }
        let check = |error: io::Error| {
            assert_eq!(error.kind(), ErrorKind::OutOfMemory);
            let text = error.to_string();
            assert!(text.starts_with("cannot map a stack of "), "{text}");
            let reason = format!("is limited to {limit} bytes (RLIMIT_AS); raise it with");
            assert!(text.contains(&reason), "{text}");
        };
        let exhaust = |bytes: usize| {
            let mut stacks = vec![];
            loop {
                match Stack::new(bytes) {
                    Ok(stack) => stacks.push(stack),
                    Err(error) => return (stacks, error),
                }
            }
        };
        let (mut stacks, error) = exhaust(256 * 1024);
        check(error);
        assert!(stacks.len() > 200, "{}", stacks.len());
        leno::run(|| {
            let builder = leno::thread::Builder::new().name("no room".to_owned());
            check(builder.spawn(|| ()).map(|_| "spawned").expect_err("no room"));
            check(io::Error::new(ErrorKind::OutOfMemory, panic_text(|| leno::spawn(|| ()))));
            let create = || Coroutine::<(), (), ()>::new(|_, ()| ());
            check(io::Error::new(ErrorKind::OutOfMemory, panic_text(create)));
            // A freed stack can be used again.
            drop(stacks.pop());
            assert_eq!(leno::spawn(|| 5).join().expect("no panic"), 5);
        });
        let (others, error) = exhaust(16 << 20);
        check(error);
        assert!(others.len() < 3);
    });
    println!("{}", child.assert_survived().stdout());
}

#[test]
fn exhausted_map_entries_name_the_sysctl() {
    const NAME: &str = "limits::exhausted_map_entries_name_the_sysctl";
    let child = in_child(NAME, &[("LENO_GUARD", "mprotect")], || {
        let limit = fs::read_to_string("/proc/sys/vm/max_map_count").expect("proc is mounted");
        let limit: usize = limit.trim().parse().expect("a number");
        if limit > 200_000 {
            return println!("not run: vm.max_map_count is {limit}");
        }
        let mut stacks = vec![];
        let error = loop {
            match Stack::new(MIN_STACK_BYTES) {
                Ok(stack) => stacks.push(stack),
                Err(error) => break error,
            }
        };
        let (count, text) = (stacks.len(), error.to_string());
        println!("{count} stacks, then: {text}");
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert!(text.contains(&format!("the limit is vm.max_map_count = {limit}")), "{text}");
        assert!(text.contains(&format!("sysctl -w vm.max_map_count={}", limit * 4)), "{text}");
        assert!((limit / 2 - 1_000..=limit / 2).contains(&count), "{count}");
        stacks.truncate(count - 10);
        assert!(Stack::new(MIN_STACK_BYTES).is_ok());
    });
    println!("{}", child.assert_survived().stdout());
}

#[test]
fn a_light_guard_costs_no_map_entry() {
    let child = in_child("limits::a_light_guard_costs_no_map_entry", &[], || {
        let before = map_entries();
        let few: Vec<_> = (0..200).map(|_| Stack::new(MIN_STACK_BYTES).expect("a stack")).collect();
        if map_entries() - before > 200 {
            return println!("not run: this system has no light guards");
        }
        let many = (0..60_000).map(|_| Stack::new(MIN_STACK_BYTES).expect("a stack"));
        let many: Vec<_> = many.collect();
        let entries = map_entries() - before;
        println!("{} stacks, {entries} map entries", few.len() + many.len());
        assert!(entries < 60, "{entries}");
    });
    println!("{}", child.assert_survived().stdout());
}

/// Makes stacks under a limit of this process, and returns the error of the first that has no room.
/// Returns `None` if the limit cannot be set.
fn error_under(what: u32, bytes: usize) -> Option<io::Error> {
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls read or fill the struct that they are given.
    let set = |limit| unsafe { libc::setrlimit(what as _, limit) == 0 };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::getrlimit(what as _, &mut old) }, 0);
    let limit = libc::rlimit { rlim_cur: bytes as libc::rlim_t, ..old };
    if !set(&limit) {
        return None;
    }
    let mut stacks = vec![];
    let error = loop {
        assert!(stacks.len() < 100_000, "there is no limit");
        match Stack::new(256 * 1024) {
            Ok(stack) => stacks.push(stack),
            Err(error) => break error,
        }
    };
    // A failure has to be printed, too.
    assert!(set(&old));
    Some(error)
}

#[test]
fn exhausted_writable_memory_names_the_limit() {
    const NAME: &str = "limits::exhausted_writable_memory_names_the_limit";
    let child = in_child(NAME, &[], || {
        if cfg!(target_arch = "aarch64") {
            return println!("not run: qemu-user has no such limit");
        }
        let bytes = status_bytes("VmData") + (64 << 20);
        let error = error_under(libc::RLIMIT_DATA as _, bytes).expect("the limit can be lowered");
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{text}");
        assert!(text.starts_with("cannot map a stack of 262144 bytes: "), "{text}");
        let reason = format!("is limited to {bytes} bytes (RLIMIT_DATA); raise it with `ulimit -d");
        assert!(text.contains(&reason), "{text}");
    });
    println!("{}", child.assert_survived().stdout());
}

#[test]
fn exhausted_lockable_memory_names_the_limit() {
    const NAME: &str = "limits::exhausted_lockable_memory_names_the_limit";
    let child = in_child(NAME, &[], || {
        // A privileged process has no limit.
        // SAFETY: setresuid and mlockall take integers.
        let locked = unsafe {
            libc::setresuid(65534, 65534, 65534);
            libc::mlockall(libc::MCL_FUTURE)
        };
        if cfg!(target_arch = "aarch64") || locked != 0 {
            return println!("not run: {}", io::Error::last_os_error());
        }
        let bytes = 4 << 20;
        let Some(error) = error_under(libc::RLIMIT_MEMLOCK as _, bytes) else {
            return println!("not run: {}", io::Error::last_os_error());
        };
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{text}");
        let reason = format!("is limited to {bytes} bytes (RLIMIT_MEMLOCK); raise it with");
        assert!(text.contains(&reason), "{text}");
    });
    println!("{}", child.assert_survived().stdout());
}
