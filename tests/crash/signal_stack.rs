//! The stack that the fault handler runs on: large enough, guarded, given back
//! when its OS thread ends.

use std::ptr;

use leno::coroutine::Coroutine;

use crate::harness::{BODY, DEFAULT, Who, child, in_c_thread, maps, overflows};
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

/// Makes `bytes` of fresh memory this OS thread's signal stack.
fn set(bytes: usize) -> libc::stack_t {
    let memory = Box::leak(vec![0u8; bytes].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: bytes };
    // SAFETY: the memory stays for ever.
    assert_eq!(unsafe { libc::sigaltstack(&stack, ptr::null_mut()) }, 0);
    stack
}

fn disable() {
    let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: the struct is live, and no handler runs.
    assert_eq!(unsafe { libc::sigaltstack(&none, ptr::null_mut()) }, 0);
}

/// What the kernel itself may need; 0 if it does not say.
fn kernel_frame_bytes() -> usize {
    // SAFETY: no preconditions.
    unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) as usize }
}

/// The permissions of the mapping that `address` is in.
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
    assert_eq!(stack.ss_flags & libc::SS_DISABLE, 0, "there is none");
    let wanted = kernel_frame_bytes().max(libc::MINSIGSTKSZ) + 16 * 1024;
    assert!(stack.ss_size >= wanted, "{} bytes, and {wanted} are needed", stack.ss_size);
}

#[test]
fn it_has_room_for_the_kernel_and_for_handlers_on_each_kind_of_thread() {
    extern "C" fn in_c(_: *mut libc::c_void) -> *mut libc::c_void {
        assert_ne!(current().ss_flags & libc::SS_DISABLE, 0, "C threads have none");
        use_leno();
        check_size();
        ptr::null_mut()
    }
    let outcome = child(|| {
        use_leno();
        check_size();
        std::thread::spawn(|| {
            use_leno();
            check_size();
        })
        .join()
        .expect("it returns");
        in_c_thread(in_c, ptr::null_mut());
    });
    outcome.exited(0, "");
}

#[test]
fn it_has_a_guard_of_its_own() {
    let outcome = child(|| {
        disable();
        use_leno();
        let lowest = current().ss_sp as usize;
        assert_eq!(permissions(lowest).as_deref(), Some("rw-p"));
        assert_eq!(permissions(lowest - 1).as_deref(), Some("---p"));
    });
    outcome.exited(0, "");
}

#[test]
fn a_large_one_of_the_program_is_left_in_place() {
    let outcome = child(|| {
        let theirs = set(1 << 20);
        use_leno();
        assert_eq!(current().ss_sp, theirs.ss_sp);
    });
    outcome.exited(0, "");
}

#[test]
fn an_overflow_is_reported_on_a_large_one_of_the_program() {
    overflows(Who::Coroutine { body: BODY }, DEFAULT, || {
        set(1 << 20);
        Plain::new(|_, ()| overflow()).resume(());
    });
}

#[test]
fn an_overflow_is_reported_where_there_was_none() {
    overflows(Who::Coroutine { body: BODY }, DEFAULT, || {
        disable();
        Plain::new(|_, ()| overflow()).resume(());
    });
}

#[test]
fn an_overflow_is_reported_where_there_was_a_tiny_one() {
    overflows(Who::Coroutine { body: BODY }, DEFAULT, || {
        set(kernel_frame_bytes().max(libc::MINSIGSTKSZ));
        Plain::new(|_, ()| overflow()).resume(());
    });
}

#[test]
fn one_that_the_program_sets_later_is_left_alone() {
    let outcome = child(|| {
        let thread = std::thread::spawn(|| {
            use_leno();
            let theirs = set(1 << 20);
            use_leno();
            assert_eq!(current().ss_sp, theirs.ss_sp);
        });
        thread.join().expect("it returns");
    });
    outcome.exited(0, "");
}

/// Looks at the signal stack after the destructors of thread-local variables.
extern "C" fn look(expected: *mut libc::c_void) {
    assert_eq!(current().ss_sp, expected, "the program's own one is back");
}

#[test]
fn a_small_one_of_the_program_is_put_back_at_the_end() {
    extern "C" fn in_c(key: *mut libc::c_void) -> *mut libc::c_void {
        let theirs = set(libc::SIGSTKSZ);
        use_leno();
        assert_ne!(current().ss_sp, theirs.ss_sp, "it is too small for leno");
        // SAFETY: the key was made by the test.
        unsafe { libc::pthread_setspecific(key.addr() as libc::pthread_key_t, theirs.ss_sp) };
        ptr::null_mut()
    }
    let outcome = child(|| {
        let mut key: libc::pthread_key_t = 0;
        // SAFETY: the key is live.
        assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(look)) }, 0);
        in_c_thread(in_c, ptr::without_provenance_mut(key as usize));
    });
    outcome.exited(0, "");
}
