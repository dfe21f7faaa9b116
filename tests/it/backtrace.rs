//! Backtraces: from inside a coroutine they continue into its resumer, and in a green thread they end
//! at its entry. `tests/gdb.rs` tests those of a debugger.

use std::backtrace::Backtrace;
use std::hint::black_box;

use leno::coroutine::{self, Coroutine, Yielder};

type Traces = Coroutine<(), String, ()>;

#[inline(never)]
fn deep_inside(levels: u32, trace: &mut dyn FnMut()) {
    if levels == 0 {
        trace()
    } else {
        deep_inside(levels - 1, black_box(trace))
    }
    black_box(levels);
}

#[inline(never)]
fn body_of_the_coroutine(yielder: &Yielder<(), String>) {
    for levels in [3, 0, 20] {
        deep_inside(levels, &mut || yielder.suspend(Backtrace::force_capture().to_string()));
    }
}

fn traces() -> Traces {
    Coroutine::new(|yielder, ()| body_of_the_coroutine(yielder))
}

#[inline(never)]
fn one_resumer(coroutine: &Traces) -> String {
    black_box(coroutine.resume(()).as_yield().expect("a backtrace"))
}

#[inline(never)]
fn another_resumer(coroutine: &Traces) -> String {
    let trace = coroutine.resume(());
    black_box(trace.as_yield().expect("a backtrace"))
}

/// Asserts that the names stand in the trace in this order.
#[track_caller]
fn assert_order(trace: &str, names: &[&str]) {
    let mut rest = trace;
    for name in names {
        let Some(at) = rest.find(name) else {
            panic!("`{name}` is not where it should be\n{trace}")
        };
        rest = &rest[at + name.len()..];
    }
}

const OWN_END: [&str; 2] = ["it::backtrace::", "test::"];

#[test]
fn a_backtrace_continues_into_the_resumer() {
    let coroutine = traces();
    let trace = one_resumer(&coroutine);
    let names = ["deep_inside", "body_of_the_coroutine", "coroutine_root", "one_resumer"];
    assert_order(&trace, &[&names[..], &OWN_END].concat());
    assert_eq!(trace.matches("deep_inside").count(), 4, "{trace}");
    assert_eq!(trace.matches("coroutine_root").count(), 1, "{trace}");
    assert!(!trace.contains("another_resumer"));
}

#[test]
fn a_backtrace_shows_the_last_resumer() {
    let coroutine = traces();
    one_resumer(&coroutine);
    let trace = another_resumer(&coroutine);
    let names = ["body_of_the_coroutine", "coroutine_root", "another_resumer"];
    assert_order(&trace, &[&names[..], &OWN_END].concat());
    assert!(!trace.contains("one_resumer"), "{trace}");
    let trace = one_resumer(&coroutine);
    assert_order(&trace, &["coroutine_root", "one_resumer", "it::backtrace::"]);
    assert!(!trace.contains("another_resumer"), "{trace}");
}

#[test]
fn a_backtrace_passes_through_nested_coroutines() {
    let outer = Traces::new(|yielder, ()| {
        let middle = Traces::new(|yielder, ()| {
            let inner = traces();
            yielder.suspend(one_resumer(&inner));
            yielder.suspend(another_resumer(&inner));
        });
        yielder.suspend(another_resumer(&middle));
        yielder.suspend(one_resumer(&middle));
    });
    let root = "coroutine_root";
    let first = ["deep_inside", root, "one_resumer", root, "another_resumer", root, "one_resumer"];
    assert_order(&one_resumer(&outer), &[&first[..], &OWN_END].concat());
    let second = ["deep_inside", root, "another_resumer", root, "one_resumer", root, "one_resumer"];
    assert_order(&one_resumer(&outer), &[&second[..], &OWN_END].concat());
}

#[test]
fn a_backtrace_is_right_after_a_nested_suspend() {
    let outer = Traces::new(|outer, ()| {
        coroutine::scope(|scope| {
            let inner = scope.coroutine(|_: &Yielder<(), String>, ()| body_of_the_coroutine(outer));
            inner.resume(());
        });
    });
    one_resumer(&outer);
    let trace = another_resumer(&outer);
    let names = ["deep_inside", "body_of_the_coroutine", "coroutine_root", "coroutine::scope"];
    let names = [&names[..], &["coroutine_root", "another_resumer"], &OWN_END].concat();
    assert_order(&trace, &names);
    assert!(!trace.contains("one_resumer"), "{trace}");
}

#[inline(never)]
fn body_of_the_green_thread() -> String {
    black_box(Backtrace::force_capture().to_string())
}

#[inline(never)]
fn spawns_and_joins() -> [String; 3] {
    let early = leno::spawn(body_of_the_green_thread);
    let late = leno::spawn(|| {
        leno::yield_now();
        body_of_the_green_thread()
    });
    let coroutine = leno::spawn(|| one_resumer(&traces()));
    [early, late, coroutine].map(|thread| thread.join().expect("no panic"))
}

#[test]
fn a_backtrace_in_a_green_thread_ends_at_its_entry() {
    let [early, late, coroutine] = leno::run(spawns_and_joins);
    for trace in [&early, &late, &coroutine] {
        let has_spawner = trace.lines().any(|line| line.ends_with("::spawns_and_joins"));
        assert!(!has_spawner && !trace.contains("test::run_test"), "{trace}");
        let mut frames = trace.lines().filter(|line| !line.trim_start().starts_with("at "));
        let last = frames.next_back().expect("a frame");
        assert!(last.ends_with("thread_root"), "{last} is the last of\n{trace}");
    }
    assert_order(&early, &["body_of_the_green_thread", "thread_root"]);
    assert_order(&late, &["body_of_the_green_thread", "thread_root"]);
    assert_order(&coroutine, &["body_of_the_coroutine", "coroutine_root", "one_resumer"]);
}

/// Returns the address of the caller's frame record, if the caller keeps a frame pointer.
#[inline(always)]
fn frame_pointer() -> *const [usize; 2] {
    let pointer: usize;
    // SAFETY: the instruction only reads a register.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("mov {}, rbp", out(reg) pointer, options(nomem, nostack));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("mov {}, x29", out(reg) pointer, options(nomem, nostack));
    }
    std::ptr::with_exposed_provenance(pointer)
}

/// Whether all code between the frames of a test keeps frame pointers, which is the
/// default on aarch64.
const FRAME_POINTERS: bool =
    cfg!(target_arch = "aarch64") || option_env!("LENO_TEST_FRAME_POINTERS").is_some();

#[test]
fn the_frame_pointer_chain_continues_into_the_resumer() {
    if !FRAME_POINTERS {
        return println!(
            "not run: build with LENO_TEST_FRAME_POINTERS=1 RUSTFLAGS=-Cforce-frame-pointers=yes"
        );
    }
    let outside = 0u8;
    let resumers_frame = frame_pointer().addr();
    let coroutine = Coroutine::<(), Vec<usize>, ()>::new(|yielder, ()| {
        for _ in 0..2 {
            let mut chain = vec![];
            deep_inside(5, &mut || {
                let mut record = frame_pointer();
                while !record.is_null() && chain.len() < 30 {
                    chain.push(record.addr());
                    // SAFETY: with frame pointers enabled, each link points to a frame record.
                    record = std::ptr::with_exposed_provenance(unsafe { (*record)[0] });
                }
            });
            yielder.suspend(chain);
        }
    });
    for _ in 0..2 {
        let chain = coroutine.resume(()).as_yield().expect("a chain");
        let near = |record: &usize| record.abs_diff(std::ptr::from_ref(&outside).addr()) < 1 << 16;
        let inside = chain.iter().take_while(|record| !near(record)).count();
        assert!(inside > 7, "{inside} of {chain:x?}");
        assert!(chain[..inside].is_sorted(), "{chain:x?}");
        assert!(chain[inside..].is_sorted() && chain[inside] < resumers_frame, "{chain:x?}");
        assert!(chain[inside..].contains(&resumers_frame), "{resumers_frame:x} in {chain:x?}");
    }
}
