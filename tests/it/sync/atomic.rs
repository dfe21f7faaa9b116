//! Atomics: every method beside std's, in a `static`, among OS threads, and outside a runtime.

use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic as of_std;
use std::thread;

use leno::sync::atomic::{
    self, AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// Returns numbers that differ, the same in every run.
fn numbers() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(1_u64), |number| {
        Some(number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678) ^ number >> 29)
    })
}

/// Calls the same methods of an atomic of leno and of std, and compares what they return and the
/// value that they leave.
macro_rules! beside {
    ($Atomic:ident $(<$T:ty>)?, $values:expr, $($method:ident($($argument:expr),*)),* $(,)?) => {{
        let (ours, theirs) = (atomic::$Atomic $(::<$T>)?::default(), of_std::$Atomic $(::<$T>)?::default());
        let values = $values;
        for pair in values.windows(2) {
            let (one, other) = (pair[0], pair[1]);
            ours.store(one, SeqCst);
            theirs.store(one, SeqCst);
            $({
                let (one, other) = (one, other);
                let _ = (&one, &other);
                let ours_gave = ours.$method($($argument(one, other)),*);
                let theirs_gave = theirs.$method($($argument(one, other)),*);
                let name = concat!(stringify!($Atomic), "::", stringify!($method));
                assert_eq!(ours_gave, theirs_gave, "{name} of {one:?} and {other:?}");
                assert_eq!(ours.load(SeqCst), theirs.load(SeqCst), "after {name}");
                assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
            })*
        }
        assert_eq!(size_of::<atomic::$Atomic $(<$T>)?>(), size_of::<of_std::$Atomic $(<$T>)?>());
        assert_eq!(align_of::<atomic::$Atomic $(<$T>)?>(), align_of::<of_std::$Atomic $(<$T>)?>());
        let mut ours = atomic::$Atomic::from(values[0]);
        assert_eq!(*ours.get_mut(), values[0]);
        *ours.get_mut() = values[1];
        // SAFETY: the atomic outlives the references, and both accesses are atomic or alone.
        unsafe {
            assert_eq!(*ours.as_ptr(), values[1]);
            assert_eq!(atomic::$Atomic::from_ptr(ours.as_ptr()).swap(values[0], SeqCst), values[1]);
        }
        assert_eq!(ours.into_inner(), values[0]);
    }};
}

/// Returns an argument that is this ordering.
fn ordered<T>(order: Ordering) -> impl Fn(T, T) -> Ordering {
    move |_, _| order
}

fn first<T>(one: T, _other: T) -> T {
    one
}

fn second<T>(_one: T, other: T) -> T {
    other
}

macro_rules! integers_beside {
    ($($Atomic:ident $value:ty),*) => {
        $({
            let edges = [0, 1, <$value>::MAX, <$value>::MIN];
            let drawn = numbers().take(100).map(|number| number as $value);
            let values: Vec<$value> = edges.into_iter().chain(drawn).collect();
            let wraps = |_, by: $value| move |value: $value| value.wrapping_add(by);
            let checks = |_, by: $value| move |value: $value| value.checked_add(by);
            beside!($Atomic, values.clone(),
                load(ordered(Acquire)), store(second, ordered(Release)),
                swap(first, ordered(AcqRel)),
                compare_exchange(first, second, ordered(SeqCst), ordered(Relaxed)),
                compare_exchange(first, second, ordered(AcqRel), ordered(Acquire)),
                fetch_add(second, ordered(Relaxed)), fetch_sub(first, ordered(AcqRel)),
                fetch_and(second, ordered(Relaxed)), fetch_nand(second, ordered(AcqRel)),
                fetch_or(first, ordered(Release)), fetch_xor(second, ordered(Acquire)),
                fetch_max(first, ordered(SeqCst)), fetch_min(second, ordered(Relaxed)),
                fetch_update(ordered(SeqCst), ordered(Relaxed), checks),
            );
            // std has `update` and `try_update` since 1.95 only.
            let ours = atomic::$Atomic::new(values[7]);
            let expected = wraps(values[7], values[8])(values[7]);
            assert_eq!(ours.update(AcqRel, Acquire, wraps(values[7], values[8])), values[7]);
            assert_eq!(ours.load(SeqCst), expected);
            assert_eq!(ours.try_update(AcqRel, Acquire, |_| None), Err(expected));
            assert_eq!(ours.try_update(AcqRel, Acquire, |_| Some(values[9])), Ok(expected));
            assert_eq!(ours.load(SeqCst), values[9]);
            // A weak exchange may fail, so it is repeated.
            while ours.compare_exchange_weak(values[9], values[8], AcqRel, Acquire).is_err() {}
            assert_eq!(ours.compare_exchange_weak(values[9], 1, SeqCst, SeqCst), Err(values[8]));
        })*
    };
}

#[test]
fn integers_do_what_those_of_std_do() {
    integers_beside!(
        AtomicI8 i8, AtomicI16 i16, AtomicI32 i32, AtomicI64 i64, AtomicIsize isize,
        AtomicU8 u8, AtomicU16 u16, AtomicU32 u32, AtomicU64 u64, AtomicUsize usize
    );
}

#[test]
fn booleans_do_what_those_of_std_do() {
    let values = vec![false, true, true, false, false, true];
    let negate = |_, _| |value: bool| Some(!value);
    beside!(
        AtomicBool,
        values,
        load(ordered(Acquire)),
        store(second, ordered(Release)),
        swap(first, ordered(AcqRel)),
        compare_exchange(first, second, ordered(SeqCst), ordered(Relaxed)),
        fetch_and(second, ordered(Relaxed)),
        fetch_nand(second, ordered(AcqRel)),
        fetch_or(first, ordered(Release)),
        fetch_xor(second, ordered(Acquire)),
        fetch_not(ordered(SeqCst)),
        fetch_update(ordered(SeqCst), ordered(Relaxed), negate),
    );
}

#[test]
fn pointers_do_what_those_of_std_do() {
    let mut array = [0_u32; 8];
    let base: *mut u32 = array.as_mut_ptr();
    let values: Vec<*mut u32> = (0..8).map(|index| base.wrapping_add(index)).collect();
    let next = |_, _| |value: *mut u32| Some(value.wrapping_add(1));
    beside!(
        AtomicPtr<u32>,
        values.clone(),
        load(ordered(Acquire)),
        store(second, ordered(Release)),
        swap(first, ordered(AcqRel)),
        compare_exchange(first, second, ordered(SeqCst), ordered(Relaxed)),
        fetch_update(ordered(SeqCst), ordered(Relaxed), next),
    );
    // std has these since 1.91 only.
    for order in [Relaxed, Acquire, Release, AcqRel, SeqCst] {
        let pointer = AtomicPtr::new(base);
        assert_eq!(pointer.fetch_ptr_add(3, order), base);
        assert_eq!(pointer.fetch_ptr_sub(1, order), values[3]);
        assert_eq!(pointer.fetch_byte_add(8, order), values[2]);
        assert_eq!(pointer.fetch_byte_sub(4, order), values[4]);
        assert_eq!(pointer.fetch_or(1, order), values[3]);
        assert_eq!(pointer.fetch_and(!1, order).addr(), values[3].addr() | 1);
        assert_eq!(pointer.fetch_xor(2, order), values[3]);
        assert_eq!(pointer.load(SeqCst).addr(), values[3].addr() ^ 2);
    }
    assert_eq!(format!("{:p}", AtomicPtr::new(base)), format!("{base:p}"));
    assert!(AtomicPtr::<String>::default().into_inner().is_null());
}

#[test]
fn a_wrong_ordering_panics_as_in_std() {
    let number = AtomicU32::new(0);
    let panics = |f: &dyn Fn()| crate::support::panic_text(f);
    assert!(panics(&|| _ = number.load(Release)).contains("release load"));
    assert!(panics(&|| number.store(1, Acquire)).contains("acquire store"));
    assert!(panics(&|| _ = number.compare_exchange(0, 1, SeqCst, AcqRel)).contains("failure"));
    atomic::fence(SeqCst);
    atomic::compiler_fence(SeqCst);
}

#[test]
fn atomics_have_the_traits_of_std() {
    fn has_all<T: Debug + Default + Send + Sync + UnwindSafe + RefUnwindSafe + 'static>() {}
    has_all::<AtomicU32>();
    has_all::<AtomicBool>();
    has_all::<AtomicPtr<u8>>();
}

/// In constants, in a `static`, and in its parts.
static COUNTS: [AtomicU64; 2] = [const { AtomicU64::new(1) }; 2];
const SIX: u32 = AtomicU32::new(6).into_inner();

#[test]
fn os_threads_and_runtimes_share_a_static() {
    assert_eq!(SIX, 6);
    let add = || (0..1_000).for_each(|_| _ = COUNTS[1].fetch_add(1, Relaxed));
    let threads: Vec<_> = (0..2)
        .flat_map(|_| {
            let run = move || leno::run(|| leno::scope(|scope| drop(scope.spawn(add))));
            [thread::spawn(add), thread::spawn(run)]
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(COUNTS.each_ref().map(|count| count.load(SeqCst)), [1, 4_001]);
}

#[test]
fn a_destructor_outside_any_runtime_may_use_an_atomic() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Counts;
    impl Drop for Counts {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, SeqCst);
        }
    }
    thread_local!(static LAST: Counts = const { Counts });
    thread::spawn(|| leno::run(|| LAST.with(|_| ()))).join().unwrap();
    assert_eq!(DROPPED.load(SeqCst), 1);
}
