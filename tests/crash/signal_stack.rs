//! The signal stack of the fault handler: it is large enough, has a guard page, and is
//! freed when its OS thread ends.

use std::ptr;

use leno::coroutine::Coroutine;

use crate::harness::{BODY, DEFAULT, Owner, in_c_thread, maps, overflows, succeeds};
use crate::recursion::overflow;

type Plain = Coroutine<(), (), ()>;

fn use_leno() {
    Plain::new(|_, ()| ()).resume(());
}

fn current() -> libc::stack_t {
    // SAFETY: the struct is live.
    unsafe {
        let mut stack: libc::stack_t = std::mem::zeroed();
        assert_eq!(libc::sigaltstack(ptr::null(), &mut stack), 0);
        stack
    }
}

/// Sets the signal stack of this OS thread to `bytes` of fresh memory.
fn set(bytes: usize) -> libc::stack_t {
    let memory = Box::leak(vec![0u8; bytes].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: bytes };
    // SAFETY: the memory is leaked, so it is never freed.
    assert_eq!(unsafe { libc::sigaltstack(&stack, ptr::null_mut()) }, 0);
    stack
}

fn disable() {
    let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: the struct is live, and no handler runs.
    assert_eq!(unsafe { libc::sigaltstack(&none, ptr::null_mut()) }, 0);
}

/// Returns the size of the kernel's signal frame, or 0 if the kernel does not report
/// it.
fn kernel_frame_bytes() -> usize {
    // SAFETY: no preconditions.
    unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) as usize }
}

/// Returns the permissions of the mapping that contains `address`.
fn permissions(address: usize) -> Option<String> {
    maps().lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        (start..end).contains(&address).then(|| rest[..4].to_owned())
    })
}

fn check_size() {
    let stack = current();
    assert_eq!(stack.ss_flags & libc::SS_DISABLE, 0, "there is no signal stack");
    let wanted = kernel_frame_bytes().max(libc::MINSIGSTKSZ) + 16 * 1024;
    assert!(stack.ss_size >= wanted, "{} bytes, and {wanted} are needed", stack.ss_size);
}

#[test]
fn the_signal_stack_is_large_enough_on_every_thread() {
    extern "C" fn in_c(_: *mut libc::c_void) -> *mut libc::c_void {
        assert_ne!(current().ss_flags & libc::SS_DISABLE, 0, "C threads have none");
        use_leno();
        check_size();
        ptr::null_mut()
    }
    succeeds(|| {
        use_leno();
        check_size();
        std::thread::spawn(|| {
            use_leno();
            check_size();
        })
        .join()
        .expect("the OS thread returns");
        in_c_thread(in_c, ptr::null_mut());
    });
}

#[test]
fn the_signal_stack_has_a_guard_page() {
    succeeds(|| {
        disable();
        use_leno();
        let lowest = current().ss_sp as usize;
        assert_eq!(permissions(lowest).as_deref(), Some("rw-p"));
        assert_eq!(permissions(lowest - 1).as_deref(), Some("---p"));
    });
}

#[test]
fn a_large_signal_stack_of_the_program_is_kept() {
    succeeds(|| {
        let own = set(1 << 20);
        use_leno();
        assert_eq!(current().ss_sp, own.ss_sp);
    });
}

#[test]
fn an_overflow_is_reported_on_the_programs_signal_stack() {
    overflows(Owner::Coroutine { body: BODY }, DEFAULT, || {
        set(1 << 20);
        Plain::new(|_, ()| overflow()).resume(());
    });
}

#[test]
fn an_overflow_is_reported_without_an_earlier_signal_stack() {
    overflows(Owner::Coroutine { body: BODY }, DEFAULT, || {
        disable();
        Plain::new(|_, ()| overflow()).resume(());
    });
}

#[test]
fn an_overflow_is_reported_with_a_tiny_signal_stack() {
    overflows(Owner::Coroutine { body: BODY }, DEFAULT, || {
        set(kernel_frame_bytes().max(libc::MINSIGSTKSZ));
        Plain::new(|_, ()| overflow()).resume(());
    });
}

#[test]
fn a_signal_stack_set_later_is_kept() {
    succeeds(|| {
        let thread = std::thread::spawn(|| {
            use_leno();
            let own = set(1 << 20);
            use_leno();
            assert_eq!(current().ss_sp, own.ss_sp);
        });
        thread.join().expect("the OS thread returns");
    });
}

/// Checks the signal stack after the destructors of thread-local variables.
extern "C" fn look(expected: *mut libc::c_void) {
    assert_eq!(current().ss_sp, expected, "the program's signal stack is restored");
}

#[test]
fn a_small_signal_stack_is_restored_at_the_end() {
    extern "C" fn in_c(key: *mut libc::c_void) -> *mut libc::c_void {
        let own = set(libc::SIGSTKSZ);
        use_leno();
        assert_ne!(current().ss_sp, own.ss_sp, "the stack is too small for leno");
        // SAFETY: the test has created the key.
        unsafe { libc::pthread_setspecific(key.addr() as libc::pthread_key_t, own.ss_sp) };
        ptr::null_mut()
    }
    succeeds(|| {
        let mut key: libc::pthread_key_t = 0;
        // SAFETY: the key is live.
        assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(look)) }, 0);
        in_c_thread(in_c, ptr::without_provenance_mut(key as usize));
    });
}
