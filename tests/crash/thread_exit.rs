//! OS threads that end after they have used leno.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use leno::coroutine::Coroutine;
use leno::stack::{MIN_STACK_BYTES, Stack};

use crate::harness::{Setting, child, child_with, in_c_thread, maps, say, succeeds};

type Plain = Coroutine<(), (), ()>;

const MPROTECT: Setting = Setting { environment: &[("LENO_GUARD", "mprotect")], stack_limit: None };

/// Uses stacks of several sizes, coroutines and green threads.
fn use_everything() {
    let small = Stack::new(MIN_STACK_BYTES).expect("there is room");
    Plain::with_stack(small, |yielder, ()| yielder.suspend(())).resume(());
    let coroutines: Vec<Plain> = (0..40).map(|_| Plain::new(|_, ()| ())).collect();
    coroutines[7].resume(());
    leno::run(|| {
        for _ in 0..10 {
            drop(leno::spawn(leno::yield_now));
        }
    });
}

fn in_threads(count: usize, body: fn()) {
    for _ in 0..count {
        std::thread::spawn(body).join().expect("the OS thread returns");
    }
}

fn entries() -> usize {
    maps().lines().count()
}

/// Returns the number of bytes of mapped address space.
fn mapped_bytes() -> usize {
    let number = |text: &str| usize::from_str_radix(text, 16).expect("a number");
    let bytes = |line: &str| {
        let range = line.split(' ').next().expect("a range");
        let (start, end) = range.split_once('-').expect("a range");
        number(end) - number(start)
    };
    maps().lines().map(bytes).sum()
}

/// Asserts that a thousand OS threads, each run by `thread`, leave no mapping behind.
fn leave_nothing_behind(thread: fn()) {
    // The C library keeps memory of the first OS threads for the next.
    (0..20).for_each(|_| thread());
    let before = (entries(), mapped_bytes());
    (0..1_000).for_each(|_| thread());
    let after = (entries(), mapped_bytes());
    // An allocator may map a few more areas of its own, as that of AddressSanitizer does.
    assert!(after.0 <= before.0 + 20, "{} map entries became {}", before.0, after.0);
    // A thousand signal stacks alone would take 40 MB.
    assert!(after.1 <= before.1 + (4 << 20), "{} bytes became {}", before.1, after.1);
}

#[test]
fn a_thousand_os_threads_leave_no_mapping_behind() {
    succeeds(|| leave_nothing_behind(|| in_threads(1, use_everything)));
}

#[test]
fn a_thousand_with_mprotect_guards_leave_no_mapping_behind() {
    child_with(MPROTECT, || leave_nothing_behind(|| in_threads(1, use_everything))).exited(0, "");
}

#[test]
fn a_thousand_c_threads_leave_no_mapping_behind() {
    extern "C" fn in_c(_: *mut libc::c_void) -> *mut libc::c_void {
        use_everything();
        std::ptr::null_mut()
    }
    succeeds(|| leave_nothing_behind(|| in_c_thread(in_c, std::ptr::null_mut())));
}

static DROPS: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        DROPS.fetch_add(1, Ordering::Relaxed);
    }
}

thread_local! {
    static KEPT: RefCell<Option<Plain>> = const { RefCell::new(None) };
}

fn suspended() -> Plain {
    let coroutine = Plain::new(|yielder, ()| {
        let _counted = Counted;
        yielder.suspend(());
    });
    coroutine.resume(());
    coroutine
}

#[test]
fn a_coroutine_in_a_thread_local_variable_is_unwound() {
    succeeds(|| {
        in_threads(10, || KEPT.set(Some(suspended())));
        assert_eq!(DROPS.load(Ordering::Relaxed), 10);
    });
}

#[test]
fn a_coroutine_in_an_older_thread_local_variable_is_unwound() {
    succeeds(|| {
        in_threads(10, || {
            // This destructor is registered before leno's, and so runs after it.
            KEPT.set(None);
            KEPT.set(Some(suspended()));
        });
        assert_eq!(DROPS.load(Ordering::Relaxed), 10);
    });
}

/// A value that uses leno when it is dropped.
struct UsesLeno;

impl Drop for UsesLeno {
    fn drop(&mut self) {
        use_everything();
        say("used\n");
    }
}

thread_local! {
    static USES_LENO: UsesLeno = const { UsesLeno };
}

#[test]
fn leno_works_in_destructors_of_thread_local_variables() {
    let outcome = child(|| {
        in_threads(1, || {
            USES_LENO.with(|_| ());
            use_everything();
        });
        in_threads(1, || {
            use_everything();
            USES_LENO.with(|_| ());
        });
        in_threads(1, || USES_LENO.with(|_| ()));
    });
    outcome.exited(0, "used\nused\nused\n");
}

#[test]
fn a_forgotten_coroutine_outlives_its_os_thread() {
    succeeds(|| {
        let shared = std::thread::spawn(|| {
            let (sender, receiver) = std::sync::mpsc::channel();
            let coroutine = Plain::new(move |yielder, ()| {
                let kept = [1u64, 2, 3];
                sender.send(kept.as_ptr() as usize).expect("there is a receiver");
                yielder.suspend(());
                black_box(kept);
            });
            coroutine.resume(());
            std::mem::forget(coroutine);
            receiver.recv().expect("the address was sent")
        });
        let address = shared.join().expect("the OS thread returns") as *const [u64; 3];
        // SAFETY: the coroutine was forgotten, so its frame is never freed.
        assert_eq!(unsafe { address.read_volatile() }, [1, 2, 3]);
    });
}
