//! Suspending inside callbacks: of sorts, visitors, C code, iterator adaptors and
//! formatting.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::fmt::{self, Write};

use leno::coroutine::{self, Coroutine, Generator, Resumed, Yielder};

use crate::support::{Ledger, Tracked, in_child, panic_text};

/// Returns `count` pseudo-random numbers, the same ones each time.
fn shuffled(count: u32) -> Vec<u32> {
    (0..count).map(|n| n.wrapping_mul(2_654_435_761).rotate_left(7) % 1_000).collect()
}

#[test]
fn a_comparison_may_suspend_for_its_answer() {
    let sort = Coroutine::<Ordering, (u32, u32), Vec<u32>>::new(|yielder, _| {
        let mut numbers = shuffled(500);
        numbers.sort_by(|a, b| yielder.suspend((*a, *b)));
        numbers
    });
    let mut answer = Ordering::Equal;
    let mut asked = 0;
    let sorted = loop {
        match sort.resume(answer) {
            Resumed::Yield((a, b)) => answer = b.cmp(&a),
            Resumed::Return(sorted) => break sorted,
        }
        asked += 1;
    };
    let mut expected = shuffled(500);
    expected.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(sorted, expected);
    assert!(asked >= 499);
}

#[test]
fn two_sorts_may_alternate() {
    let sort = |count| {
        Generator::new(move |yielder: &Yielder<(), Option<Vec<u32>>>| {
            let mut numbers = shuffled(count);
            numbers.sort_unstable_by_key(|number| {
                yielder.suspend(None);
                *number
            });
            yielder.suspend(Some(numbers));
        })
    };
    let (mut one, mut other) = (sort(300), sort(200));
    let mut results = Vec::new();
    loop {
        let steps = [one.next(), other.next()];
        if steps.iter().all(Option::is_none) {
            break;
        }
        results.extend(steps.into_iter().flatten().flatten());
    }
    assert_eq!(results.iter().map(Vec::len).collect::<Vec<_>>(), [200, 300]);
    assert!(results.iter().all(|numbers| numbers.is_sorted()));
}

#[test]
fn a_sort_dropped_midway_drops_each_element_once() {
    let ledger = Ledger::default();
    for stop in 0..100 {
        let values = ledger.clone();
        let sort = Coroutine::<(), (), ()>::new(move |yielder, ()| {
            let mut pairs: Vec<(u32, Tracked)> =
                shuffled(40).into_iter().map(|number| (number, values.value())).collect();
            pairs.sort_by(|a, b| {
                yielder.suspend(());
                a.0.cmp(&b.0)
            });
        });
        (0..stop).for_each(|_| assert!(sort.resume(()) == Resumed::Yield(())));
        drop(sort);
        ledger.check();
    }
    assert_eq!(ledger.made(), 99 * 40);
}

trait Visitor {
    fn enter(&mut self, name: &str);
    fn number(&mut self, number: i64);
    fn leave(&mut self);
}

enum Tree {
    Number(i64),
    Named(&'static str, Vec<Tree>),
}

impl Tree {
    fn accept(&self, visitor: &mut dyn Visitor) {
        match self {
            Tree::Number(number) => visitor.number(*number),
            Tree::Named(name, children) => {
                visitor.enter(name);
                children.iter().for_each(|child| child.accept(visitor));
                visitor.leave();
            }
        }
    }
}

struct Suspends<'a>(&'a Yielder<(), String>);

impl Visitor for Suspends<'_> {
    fn enter(&mut self, name: &str) {
        self.0.suspend(format!("<{name}>"));
    }
    fn number(&mut self, number: i64) {
        self.0.suspend(number.to_string());
    }
    fn leave(&mut self) {
        self.0.suspend("</>".to_owned());
    }
}

#[test]
fn a_visitor_behind_a_trait_object_becomes_an_iterator() {
    use Tree::{Named, Number};
    let tree = Named("a", vec![Number(1), Named("b", vec![Number(2)]), Number(3)]);
    let visits = Generator::new(move |yielder| tree.accept(&mut Suspends(yielder)));
    assert_eq!(visits.collect::<Vec<_>>().concat(), "<a>1<b>2</>3</>");
}

/// Calls back through a C function pointer, with the C calling convention throughout.
extern "C-unwind" fn call_back(
    function: unsafe extern "C-unwind" fn(*mut c_void, c_int) -> c_int,
    data: *mut c_void,
) -> c_int {
    // SAFETY: each caller passes a function that accepts its data.
    (1..=3).map(|n| unsafe { function(data, n) }).sum()
}

/// Suspends the coroutine that calls it from C.
///
/// # Safety
///
/// `data` must be the yielder of the coroutine that calls this function.
unsafe extern "C-unwind" fn suspends(data: *mut c_void, n: c_int) -> c_int {
    // SAFETY: `through_c` passes the yielder of this coroutine.
    let yielder = unsafe { &*data.cast::<Yielder<c_int, c_int>>() };
    n * yielder.suspend(n)
}

fn through_c(yielder: &Yielder<c_int, c_int>) -> c_int {
    call_back(suspends, std::ptr::from_ref(yielder).cast_mut().cast())
}

#[test]
fn a_c_callback_may_suspend() {
    let coroutine = Coroutine::<c_int, c_int, c_int>::new(|yielder, _| through_c(yielder));
    assert_eq!([0, 10, 20].map(|n| coroutine.resume(n).as_yield().unwrap()), [1, 2, 3]);
    assert_eq!(coroutine.resume(30), Resumed::Return(10 + 2 * 20 + 3 * 30));
}

#[test]
fn unwinding_passes_through_c_callbacks() {
    let ledger = Ledger::default();
    let values = ledger.clone();
    let coroutine = Coroutine::<c_int, c_int, c_int>::new(move |yielder, _| {
        let _held = values.value();
        through_c(yielder)
    });
    coroutine.resume(0);
    coroutine.resume(0);
    coroutine.close();
    ledger.check();
}

#[test]
fn an_unwinding_ends_the_process_at_a_plain_c_function() {
    extern "C" fn waits() {
        leno::thread::park();
    }
    let name = "callbacks::an_unwinding_ends_the_process_at_a_plain_c_function";
    let child = in_child(name, &[], || {
        leno::run(|| {
            let handle = leno::spawn(|| waits());
            leno::yield_now();
            // The thread may wait there, but not be unwound.
            handle.thread().unpark();
            handle.join().unwrap();
            let handle = leno::spawn(|| waits());
            leno::yield_now();
            handle.cancel();
            let _: leno::thread::Result<()> = handle.join();
        });
    });
    child.assert_aborted("panic in a function that cannot unwind");
}

unsafe extern "C-unwind" {
    fn qsort(
        base: *mut c_void,
        count: usize,
        element_bytes: usize,
        compare: unsafe extern "C-unwind" fn(*const c_void, *const c_void) -> c_int,
    );
}

thread_local! {
    /// The yielders of the sorts under way, since qsort(3) passes no data to its
    /// callback.
    static COMPARE: RefCell<Vec<*const Yielder<c_int, (u32, u32)>>> = const { RefCell::new(Vec::new()) };
}

/// Compares two numbers, and suspends the coroutine.
///
/// # Safety
///
/// Only qsort(3) may call this function, in a coroutine with its yielder in `COMPARE`.
unsafe extern "C-unwind" fn compare(a: *const c_void, b: *const c_void) -> c_int {
    let yielder = COMPARE.with_borrow(|yielders| *yielders.last().expect("a sort is under way"));
    // SAFETY: qsort(3) passes pointers to elements, and the last yielder is that of
    // this coroutine.
    unsafe { (*yielder).suspend((*a.cast::<u32>(), *b.cast::<u32>())) }
}

fn c_sort(yielder: &Yielder<c_int, (u32, u32)>, numbers: &mut [u32]) {
    struct Pop;
    impl Drop for Pop {
        fn drop(&mut self) {
            COMPARE.with_borrow_mut(Vec::pop);
        }
    }
    COMPARE.with_borrow_mut(|yielders| yielders.push(yielder));
    let _pop = Pop;
    // SAFETY: base, count and size are those of a slice of u32.
    unsafe { qsort(numbers.as_mut_ptr().cast(), numbers.len(), size_of::<u32>(), compare) }
}

#[test]
fn a_comparison_in_qsort_may_suspend() {
    let mut numbers = shuffled(300);
    let mut expected = numbers.clone();
    expected.sort_unstable();
    coroutine::scope(|scope| {
        let sort = scope.coroutine(|yielder, _| c_sort(yielder, &mut numbers));
        let mut answer = 0;
        while let Resumed::Yield((a, b)) = sort.resume(answer) {
            answer = a.cmp(&b) as c_int;
        }
    });
    assert_eq!(numbers, expected);
}

#[test]
fn closures_of_iterator_adaptors_may_suspend() {
    let folded = Coroutine::<u32, u32, u32>::new(|yielder, first| {
        let mapped = (0..4).map(|n| yielder.suspend(n));
        mapped.filter(|&n| yielder.suspend(n) == 1).fold(first, |sum, n| sum + yielder.suspend(n))
    });
    // Each number is mapped, then filtered, and folded if it was let through.
    let inputs = [100, 10, 0, 20, 1, 7, 30, 1, 9, 40, 0];
    let mut results = inputs.map(|input| folded.resume(input)).to_vec();
    assert_eq!(results.pop(), Some(Resumed::Return(100 + 7 + 9)));
    let yielded: Vec<_> = results.into_iter().filter_map(Resumed::as_yield).collect();
    assert_eq!(yielded, [0, 10, 1, 20, 20, 2, 30, 30, 3, 40]);

    let mut map = BTreeMap::from([(1, 'a'), (2, 'b'), (3, 'c')]);
    coroutine::scope(|scope| {
        let mut letters = scope.generator(|yielder| {
            map.retain(|number, letter| {
                yielder.suspend(*letter);
                number % 2 == 1
            });
        });
        assert_eq!(letters.by_ref().collect::<String>(), "abc");
    });
    assert_eq!(map.into_keys().collect::<Vec<_>>(), [1, 3]);
}

struct Ask<'a>(&'a Yielder<&'static str, &'static str>, &'static str);

impl fmt::Display for Ask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.suspend(self.1))
    }
}

#[test]
fn a_display_impl_may_suspend_for_its_text() {
    let letter = Coroutine::<&str, &str, String>::new(|yielder, _| {
        let mut text = format!("Dear {:>6},", Ask(yielder, "name"));
        write!(text, " your {} is {:.2}", Ask(yielder, "thing"), Ask(yielder, "colour"))
            .expect("writing to a String cannot fail");
        text
    });
    assert_eq!(letter.resume(""), Resumed::Yield("name"));
    assert_eq!(letter.resume("Lena"), Resumed::Yield("thing"));
    assert_eq!(letter.resume("weave"), Resumed::Yield("colour"));
    assert_eq!(letter.resume("red"), Resumed::Return("Dear   Lena, your weave is re".into()));
}

#[test]
fn a_panic_in_a_callback_leaves_the_resume() {
    let sort = Coroutine::<bool, (), ()>::new(|yielder, _| {
        shuffled(50).sort_by(|a, b| {
            assert!(yielder.suspend(()), "cannot compare");
            a.cmp(b)
        });
    });
    assert_eq!(sort.resume(true), Resumed::Yield(()));
    assert_eq!(sort.resume(true), Resumed::Yield(()));
    assert_eq!(panic_text(|| sort.resume(false)), "cannot compare");
    assert!(sort.is_done());
}
