//! Faults that are no overflow of a stack of ours: nothing of leno's may be
//! printed, and whoever would have handled them without leno does.

use std::cell::Cell;
use std::hint::black_box;

use leno::coroutine::{Coroutine, Yielder};
use leno::stack::{MIN_STACK_BYTES, Stack};
use leno::thread;

use crate::harness::{child, null_dereference};
use crate::recursion::{large_frame, overflow};

type Plain = Coroutine<(), (), ()>;

#[test]
fn a_null_pointer_in_a_coroutine() {
    let outcome = child(|| {
        Plain::new(|_, ()| null_dereference()).resume(());
    });
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn a_null_pointer_in_a_nested_coroutine() {
    let outcome = child(|| {
        let outer = Plain::new(|_, ()| {
            Plain::new(|_, ()| null_dereference()).resume(());
        });
        outer.resume(());
    });
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn a_null_pointer_deep_in_a_coroutine() {
    let outcome = child(|| {
        // Close to the guard, but not in it.
        let coroutine = Plain::new(|_, ()| {
            let start = 0u8;
            descend(&raw const start as usize, leno::stack::DEFAULT_STACK_BYTES - 8192);
        });
        coroutine.resume(());
    });
    outcome.died(libc::SIGSEGV, "");
}

/// Goes down to `bytes` below `start`, then faults.
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
    let outcome = child(|| leno::run(|| drop(leno::spawn(null_dereference))));
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn a_null_pointer_in_the_main_green_thread() {
    let outcome = child(|| {
        leno::run(|| {
            drop(leno::spawn(thread::yield_now));
            thread::yield_now();
            null_dereference();
        });
    });
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn a_null_pointer_after_leno_was_used() {
    let outcome = child(|| {
        Plain::new(|_, ()| ()).resume(());
        null_dereference();
    });
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn a_null_pointer_in_an_os_thread_that_does_not_use_leno() {
    let outcome = child(|| {
        Plain::new(|_, ()| ()).resume(());
        drop(std::thread::spawn(null_dereference).join());
    });
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn an_address_that_no_pointer_can_have() {
    let outcome = child(|| {
        let coroutine = Plain::new(|_, ()| {
            let beyond = black_box(0xdead_0000_0000_0000usize) as *const u8;
            // SAFETY: none; the fault is what the test is about.
            unsafe { beyond.read_volatile() };
        });
        coroutine.resume(());
    });
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn a_jump_to_nowhere() {
    let outcome = child(|| {
        let coroutine = Plain::new(|_, ()| {
            let nowhere = black_box(0x10usize);
            // SAFETY: none; the fault is what the test is about.
            unsafe { std::mem::transmute::<usize, extern "C" fn()>(nowhere)() }
        });
        coroutine.resume(());
    });
    outcome.died(libc::SIGSEGV, "");
}

/// Suspended coroutines on the smallest stacks, mapped one after the other, and
/// for each an address in the middle of its guard.
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
            let near_the_top = coroutine.resume(0).as_yield().expect("it suspends");
            row.guards.push(near_the_top - size - guard / 2);
            row.coroutines.push(coroutine);
        }
        row
    }

    /// Coroutine `from` writes into the guard of coroutine `to`.
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
    let outcome = child(|| {
        let row = Row::new(3);
        write_to(row.guards[1]);
    });
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn a_wild_write_into_the_guard_of_the_stack_above() {
    let outcome = child(|| Row::new(3).write(1, 2));
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn a_wild_write_into_the_guard_of_the_stack_below() {
    let outcome = child(|| Row::new(3).write(1, 0));
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn a_wild_write_into_the_guard_of_a_distant_stack() {
    let outcome = child(|| Row::new(10).write(1, 9));
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn a_wild_write_into_the_guard_of_another_os_thread() {
    let outcome = child(|| {
        let row = Row::new(2);
        let target = row.guards[1];
        let other = std::thread::spawn(move || {
            Plain::new(move |_, ()| write_to(target)).resume(());
        });
        drop(other.join());
    });
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn a_wild_write_from_a_green_thread_into_another_ones_guard() {
    let outcome = child(|| {
        leno::run(|| {
            let address = Cell::new(0usize);
            leno::scope(|scope| {
                // Stacks are mapped upwards: the second one's guard is above the
                // first one's stack.
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
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn a_page_of_the_stack_itself_that_the_program_has_protected() {
    let outcome = child(|| {
        let coroutine = Plain::new(|_, ()| {
            let here = 0u8;
            let page = ((&raw const here as usize) & !0xffff) - (64 << 10);
            // SAFETY: nothing is there yet; the fault is what the test is about.
            unsafe {
                assert_eq!(libc::mprotect(page as *mut _, 64 << 10, libc::PROT_NONE), 0);
            }
            write_to(page);
        });
        coroutine.resume(());
    });
    outcome.died(libc::SIGSEGV, "");
}

#[test]
fn a_write_through_a_guard_by_the_kernel_is_an_error_and_no_fault() {
    let outcome = child(|| {
        let row = Row::new(1);
        let file = std::fs::File::open("/proc/self/status").expect("it can be read");
        // SAFETY: the kernel checks the address.
        let read = unsafe {
            libc::read(std::os::fd::AsRawFd::as_raw_fd(&file), row.guards[0] as *mut _, 16)
        };
        let error = std::io::Error::last_os_error();
        assert_eq!((read, error.raw_os_error()), (-1, Some(libc::EFAULT)));
    });
    outcome.exited(0, "");
}

#[test]
fn an_overflow_of_an_os_thread_that_uses_leno_is_reported_by_std() {
    let outcome = child(|| {
        let other = std::thread::Builder::new().name("user".into());
        let other = other.spawn(|| {
            Plain::new(|_, ()| ()).resume(());
            overflow();
        });
        drop(other.expect("it starts").join());
    });
    outcome.is_std_overflow("user");
}

#[test]
fn an_overflow_of_an_os_thread_that_does_not_is_reported_by_std() {
    let outcome = child(|| {
        Plain::new(|_, ()| ()).resume(());
        let other = std::thread::Builder::new().name("plain".into());
        drop(other.spawn(|| large_frame::<{ 64 << 20 }>()).expect("it starts").join());
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
