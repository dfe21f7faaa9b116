//! Faults that are no overflow of a stack of leno: leno prints nothing, and the
//! previous handler deals with them.

use std::cell::Cell;
use std::hint::black_box;

use leno::coroutine::{Coroutine, Yielder};
use leno::stack::{MIN_STACK_BYTES, Stack};
use leno::thread;

use crate::harness::{child, dies, null_dereference, succeeds};
use crate::recursion::{large_frame, limit_of_os_thread, overflow};

type Plain = Coroutine<(), (), ()>;

#[test]
fn a_null_pointer_in_a_coroutine() {
    dies(libc::SIGSEGV, || {
        Plain::new(|_, ()| null_dereference()).resume(());
    });
}

#[test]
fn a_null_pointer_in_a_nested_coroutine() {
    dies(libc::SIGSEGV, || {
        let outer = Plain::new(|_, ()| {
            Plain::new(|_, ()| null_dereference()).resume(());
        });
        outer.resume(());
    });
}

#[test]
fn a_null_pointer_deep_in_a_coroutine() {
    dies(libc::SIGSEGV, || {
        // The fault is close to the guard page, but not in it.
        let coroutine = Plain::new(|_, ()| {
            let start = 0u8;
            descend(&raw const start as usize, leno::stack::DEFAULT_STACK_BYTES - 8192);
        });
        coroutine.resume(());
    });
}

/// Descends to `bytes` below `start`, then faults.
fn descend(start: usize, bytes: usize) {
    let here = black_box([0u8; 64]);
    if start - (here.as_ptr() as usize) < bytes {
        descend(start, bytes);
    } else {
        null_dereference();
    }
    black_box(here);
}

#[test]
fn a_null_pointer_in_a_green_thread() {
    dies(libc::SIGSEGV, || leno::run(|| drop(leno::spawn(null_dereference))));
}

#[test]
fn a_null_pointer_in_the_main_green_thread() {
    dies(libc::SIGSEGV, || {
        leno::run(|| {
            drop(leno::spawn(thread::yield_now));
            thread::yield_now();
            null_dereference();
        });
    });
}

#[test]
fn a_null_pointer_after_leno_was_used() {
    dies(libc::SIGSEGV, || {
        Plain::new(|_, ()| ()).resume(());
        null_dereference();
    });
}

#[test]
fn a_null_pointer_in_an_os_thread_that_does_not_use_leno() {
    dies(libc::SIGSEGV, || {
        Plain::new(|_, ()| ()).resume(());
        drop(std::thread::spawn(null_dereference).join());
    });
}

#[test]
fn an_address_that_no_pointer_can_have() {
    dies(libc::SIGSEGV, || {
        let coroutine = Plain::new(|_, ()| {
            let beyond = black_box(0xdead_0000_0000_0000usize) as *const u8;
            // SAFETY: none; the fault is what the test is about.
            unsafe { beyond.read_volatile() };
        });
        coroutine.resume(());
    });
}

#[test]
fn a_jump_to_nowhere() {
    dies(libc::SIGSEGV, || {
        let coroutine = Plain::new(|_, ()| {
            let nowhere = black_box(0x10usize);
            // SAFETY: none; the fault is what the test is about.
            unsafe { std::mem::transmute::<usize, extern "C" fn()>(nowhere)() }
        });
        coroutine.resume(());
    });
}

/// Suspended coroutines on the smallest stacks, mapped one after the other, and an
/// address in the middle of each guard.
struct Row {
    coroutines: Vec<Coroutine<usize, usize, ()>>,
    guards: Vec<usize>,
}

impl Row {
    fn new(count: usize) -> Row {
        let mut row = Row { coroutines: Vec::new(), guards: Vec::new() };
        for _ in 0..count {
            let stack = Stack::new(MIN_STACK_BYTES).expect("there is room");
            let (size, guard) = (stack.size(), stack.guard_size());
            let coroutine = Coroutine::with_stack(stack, |yielder: &Yielder<usize, usize>, _| {
                let here = 0u8;
                let target = yielder.suspend(&raw const here as usize);
                write_to(target);
            });
            let near_the_top = coroutine.resume(0).as_yield().expect("the coroutine suspends");
            row.guards.push(near_the_top - size - guard / 2);
            row.coroutines.push(coroutine);
        }
        row
    }

    /// Makes coroutine `from` write into the guard of coroutine `to`.
    fn write(&self, from: usize, to: usize) {
        self.coroutines[from].resume(self.guards[to]);
    }
}

fn write_to(target: usize) {
    // SAFETY: none; the fault is what the test is about.
    unsafe { (target as *mut u8).write_volatile(1) };
}

#[test]
fn a_wild_write_from_outside_into_a_guard() {
    dies(libc::SIGSEGV, || {
        let row = Row::new(3);
        write_to(row.guards[1]);
    });
}

#[test]
fn a_wild_write_into_the_guard_of_the_stack_above() {
    dies(libc::SIGSEGV, || Row::new(3).write(1, 2));
}

#[test]
fn a_wild_write_into_the_guard_of_the_stack_below() {
    dies(libc::SIGSEGV, || Row::new(3).write(1, 0));
}

#[test]
fn a_wild_write_into_the_guard_of_a_distant_stack() {
    dies(libc::SIGSEGV, || Row::new(10).write(1, 9));
}

#[test]
fn a_wild_write_into_the_guard_of_another_os_thread() {
    dies(libc::SIGSEGV, || {
        let row = Row::new(2);
        let target = row.guards[1];
        let other = std::thread::spawn(move || {
            Plain::new(move |_, ()| write_to(target)).resume(());
        });
        drop(other.join());
    });
}

#[test]
fn a_wild_write_into_the_guard_of_a_green_thread() {
    dies(libc::SIGSEGV, || {
        leno::run(|| {
            let address = Cell::new(0usize);
            leno::scope(|scope| {
                // Stacks are mapped upwards, so the second guard is above the first
                // stack.
                scope.spawn(|| {
                    thread::yield_now();
                    write_to(address.get() - leno::stack::DEFAULT_STACK_BYTES - (32 << 10));
                });
                scope.spawn(|| {
                    let here = 0u8;
                    address.set(&raw const here as usize);
                    thread::yield_now();
                });
            });
        });
    });
}

#[test]
fn a_protected_page_inside_a_stack() {
    dies(libc::SIGSEGV, || {
        let coroutine = Plain::new(|_, ()| {
            let here = 0u8;
            let page = ((&raw const here as usize) & !0xffff) - (64 << 10);
            // SAFETY: this part of the stack is unused; the fault is what the test is about.
            unsafe {
                assert_eq!(libc::mprotect(page as *mut _, 64 << 10, libc::PROT_NONE), 0);
            }
            write_to(page);
        });
        coroutine.resume(());
    });
}

#[test]
fn a_write_by_the_kernel_into_a_guard_is_an_error() {
    succeeds(|| {
        let row = Row::new(1);
        let file = std::fs::File::open("/proc/self/status").expect("the file can be read");
        // SAFETY: the kernel checks the address.
        let read = unsafe {
            libc::read(std::os::fd::AsRawFd::as_raw_fd(&file), row.guards[0] as *mut _, 16)
        };
        let error = std::io::Error::last_os_error();
        assert_eq!((read, error.raw_os_error()), (-1, Some(libc::EFAULT)));
    });
}

#[test]
fn an_overflow_of_an_os_thread_that_uses_leno_is_reported_by_std() {
    let outcome = child(|| {
        let other = std::thread::Builder::new().name("user".into());
        let other = other.spawn(|| {
            Plain::new(|_, ()| ()).resume(());
            overflow();
        });
        drop(other.expect("the OS thread starts").join());
    });
    outcome.is_std_overflow("user");
}

#[test]
fn an_overflow_of_another_os_thread_is_reported_by_std() {
    let outcome = child(|| {
        Plain::new(|_, ()| ()).resume(());
        let other = std::thread::Builder::new().name("plain".into());
        drop(other.spawn(|| large_frame::<{ 64 << 20 }>()).expect("the OS thread starts").join());
    });
    outcome.is_std_overflow("plain");
}

#[test]
fn an_overflow_of_the_test_thread_is_reported_by_std() {
    let outcome = child(|| {
        Plain::new(|_, ()| ()).resume(());
        overflow();
    });
    outcome.is_std_overflow("foreign::an_overflow_of_the_test_thread_is_reported_by_std");
}

#[test]
fn an_overflow_of_a_host_between_two_runs_is_reported_by_std() {
    let outcome = child(|| {
        let runtime = leno::Runtime::new();
        drop(leno::thread::Builder::new().spawn_on(&runtime, thread::yield_now));
        runtime.run_until_stalled();
        overflow();
    });
    outcome.is_std_overflow("foreign::an_overflow_of_a_host_between_two_runs_is_reported_by_std");
}

#[test]
fn a_green_threads_wild_write_into_the_os_threads_guard() {
    let outcome = child(|| {
        let target = limit_of_os_thread() - 1024;
        leno::run(|| drop(leno::spawn(move || write_to(target))));
    });
    // std looks at the address alone.
    outcome.is_std_overflow("foreign::a_green_threads_wild_write_into_the_os_threads_guard");
}

#[test]
fn a_coroutines_wild_write_into_the_os_threads_guard() {
    let outcome = child(|| {
        let target = limit_of_os_thread() - 1024;
        leno::run(|| Plain::new(move |_, ()| write_to(target)).resume(()));
    });
    outcome.is_std_overflow("foreign::a_coroutines_wild_write_into_the_os_threads_guard");
}

#[test]
fn a_protected_page_inside_the_stack_of_the_main_green_thread() {
    dies(libc::SIGSEGV, || {
        leno::run(|| {
            let here = 0u8;
            let page = ((&raw const here as usize) & !0xffff) - (256 << 10);
            // SAFETY: this part of the stack is unused; the fault is what the test is about.
            unsafe {
                assert_eq!(libc::mprotect(page as *mut _, 64 << 10, libc::PROT_NONE), 0);
            }
            write_to(page);
        });
    });
}
