//! The dump of all green threads.

use std::cell::RefCell;
use std::hint::black_box;
use std::panic;
use std::rc::Rc;

use leno::channel::bounded;
use leno::coroutine::Generator;
use leno::debug;
use leno::thread::{self, Builder, JoinHandle};
use leno::time::Duration;

use super::{block, functions, short};
use crate::support::{OnDrop, on_foreign_stack};

const SECOND: Duration = Duration::from_secs(1);

#[inline(never)]
fn parks_here() {
    thread::park();
    black_box(());
}

#[inline(never)]
fn goes_down(levels: u32, f: &mut dyn FnMut()) {
    let room = black_box([0u8; 1000]);
    if levels == 0 {
        f()
    } else {
        goes_down(levels - 1, black_box(f))
    }
    black_box(room);
}

#[inline(never)]
fn dumps_here() -> String {
    black_box(debug::dump()).to_string()
}

fn named(name: &str, f: impl FnOnce() + 'static) -> JoinHandle<()> {
    Builder::new().name(name.to_owned()).spawn(f).unwrap()
}

struct ParksWhenDropped;

impl Drop for ParksWhenDropped {
    fn drop(&mut self) {
        parks_here();
    }
}

const LINE_BEFORE: u32 = line!();

/// Spawns a thread for each kind of wait. Returns the parked threads.
fn one_of_each_kind() -> [JoinHandle<()>; 3] {
    let parked = named("parked", || goes_down(3, &mut parks_here));
    named("sleeper", || leno::sleep(3 * SECOND));
    named("receiver", || {
        let (sender, receiver) = bounded::<u8>(0);
        receiver.set_name("nothing");
        assert!(receiver.recv_timeout(2 * SECOND).is_err());
        drop(sender);
    });
    let generator = named("generator", || {
        let numbers = Generator::new(|numbers| {
            numbers.suspend(1);
            let inner = Generator::new(|inner| {
                parks_here();
                inner.suspend(2);
            });
            inner.for_each(|number| numbers.suspend(number));
        });
        assert_eq!(numbers.sum::<i32>(), 3);
    });
    let unwinding = named("unwinding", || {
        let unwound = panic::catch_unwind(|| {
            let _parks = ParksWhenDropped;
            panic::resume_unwind(Box::new("and the destructor parks"));
        });
        assert!(unwound.is_err());
    });
    [parked, generator, unwinding]
}

/// The lines of [`one_of_each_kind`].
const ONE_OF_EACH_KIND: [u32; 2] = [LINE_BEFORE, line!()];

/// Checks that the outermost frame is the spawned closure, which is in
/// [`one_of_each_kind`].
fn assert_outermost_is_here(block: &str) {
    let place = block.lines().rfind(|line| line.trim_start().starts_with("at ")).expect(block);
    let line = place.trim_start().strip_prefix("at tests/it/debug/dump.rs:").expect(block);
    let line: u32 = line.split(':').next().unwrap().parse().expect(block);
    let [from, to] = ONE_OF_EACH_KIND;
    assert!((from..to).contains(&line), "{block}");
}

fn the_generator_and_the_destructor_are_shown(dump: &str) {
    let generator = block(dump, "'generator' (#5)");
    assert_outermost_is_here(generator);
    let generator = short(generator);
    assert_eq!(generator[..2], ["parks_here", "closure"], "{dump}");
    assert_eq!(generator.last(), Some(&"closure"), "{dump}");
    assert!(generator.len() >= 4, "two generators and the sum: {dump}");

    let unwinding = block(dump, "'unwinding' (#6)");
    assert_outermost_is_here(unwinding);
    let unwinding = short(unwinding);
    assert_eq!(unwinding[0], "parks_here", "{dump}");
    // The compiler may merge the destructor with its caller, and the name of that depends on it.
    assert!(["drop", "drop_in_place", "drop_glue"].contains(&unwinding[1]), "{dump}");
    assert_eq!(unwinding.last(), Some(&"closure"), "{dump}");
}

#[test]
fn the_dump_shows_every_kind_of_thread() {
    leno::Builder::new().virtual_time().run(|| {
        let handles = one_of_each_kind();
        leno::sleep(SECOND);
        named("ready", || leno::yield_now());
        leno::yield_now();
        named("new", || ());
        // The first dump may be the deepest use of the stack.
        dumps_here();
        let mut dumps = Vec::new();
        for _ in 0..2 {
            dumps.push(dumps_here());
        }
        assert_eq!(dumps[0], dumps[1], "a dump changes nothing");
        let dump = &dumps[0];
        assert!(dump.starts_with("dump of 8 green threads\n\n  main  is running\n"), "{dump}");

        let main = short(block(dump, "main"));
        assert_eq!(main[0], "dumps_here", "{dump}");
        assert!(main.contains(&"the_dump_shows_every_kind_of_thread"));
        // The remaining frames belong to the test harness.
        assert!(main.len() <= 6, "frames that are not the program's: {dump}");

        let parked = block(dump, "'parked' (#2)");
        assert!(parked.contains("  has waited 1.0 s for unpark  at tests/it/debug/dump.rs:"));
        assert!(parked.contains("\n                 spawned                      at tests/it/"));
        // An unoptimised build has a shim between the recursion and the closure.
        let without_shim = |block| -> Vec<&str> {
            short(block).into_iter().filter(|name| *name != "call_mut").collect()
        };
        let down = "goes_down";
        assert_eq!(
            without_shim(parked),
            ["parks_here", down, down, down, down, "closure"],
            "{dump}"
        );
        assert_outermost_is_here(parked);

        let sleeper = block(dump, "'sleeper' (#3)");
        assert!(sleeper.contains("has waited 1.0 s for the end of its sleep"), "{dump}");
        assert_eq!(short(sleeper), ["closure"], "{dump}");
        assert_outermost_is_here(sleeper);
        let receiver = block(dump, "'receiver' (#4)");
        assert!(receiver.contains("has waited 1.0 s for a message from channel 'nothing'"));
        assert_eq!(short(receiver), ["closure"], "{dump}");
        assert_outermost_is_here(receiver);

        the_generator_and_the_destructor_are_shown(dump);

        let ready = block(dump, "'ready' (#7)");
        assert!(ready.starts_with("  'ready' (#7)  is ready\n"), "{dump}");
        assert_eq!(functions(ready).len(), 1, "{dump}");
        let new = block(dump, "'new' (#8)");
        assert!(new.starts_with("  'new' (#8)  is ready, and has not begun\n"), "{dump}");
        assert_eq!(functions(new), [""; 0]);

        for handle in handles {
            handle.thread().unpark();
            handle.join().unwrap();
        }
    });
}

#[test]
fn the_alternate_form_shows_all_frames() {
    leno::run(|| {
        let parked = leno::spawn(parks_here);
        leno::yield_now();
        let dump = format!("{:#}", debug::dump());
        let all = functions(block(&dump, "#2"));
        let place = |name: &str| {
            let found = all.iter().position(|function| function.contains(name));
            found.unwrap_or_else(|| panic!("no {name} in\n{dump}"))
        };
        // With line tables, the first function is `trace`, without its crate.
        assert!(place("trace") == 0 && place("coroutine_root") > 0, "{dump}");
        assert!(place("coroutine_root") < place("parks_here"), "{dump}");
        assert!(place("parks_here") < place("thread_root"), "{dump}");
        assert_eq!(place("thread_root"), all.len() - 1, "the last frame: {dump}");
        assert!(all.iter().all(|function| function.starts_with("0x")), "{dump}");
        parked.thread().unpark();
    });
}

/// Returns the number before "KiB" and these words.
fn kibibytes(block: &str, words: &str) -> f64 {
    let (before, _) = block.split_once(&format!(" KiB{words}")).expect(block);
    before.rsplit(' ').next().unwrap().parse().expect(block)
}

#[test]
fn the_dump_shows_the_use_of_stacks() {
    leno::run(|| {
        let deep = |levels, parks: bool| {
            leno::spawn(move || {
                goes_down(levels, &mut || {
                    if parks {
                        parks_here()
                    }
                });
                parks_here();
            })
        };
        let handles =
            [(0, true), (40, true), (40, false)].map(|(levels, parks)| deep(levels, parks));
        let in_a_coroutine = leno::spawn(|| {
            let mut numbers = Generator::<()>::new(|_| goes_down(40, &mut parks_here));
            assert_eq!(numbers.next(), None);
        });
        leno::yield_now();
        let dump = dumps_here();
        let used = |thread: &str| {
            let block = block(&dump, thread);
            assert_eq!(kibibytes(block, "\n"), 256.0, "{dump}");
            (kibibytes(block, " in use"), kibibytes(block, " at most"))
        };
        let [shallow, deep, was_deep, elsewhere] = ["#2", "#3", "#4", "#5"].map(used);
        assert!(shallow.0 > 0.1 && shallow.0 < 16.0, "{dump}");
        assert!(deep.0 >= 40.0 && deep.0 < 250.0, "{dump}");
        assert!(was_deep.0 < 16.0 && was_deep.1 >= 40.0, "{dump}");
        // The stack of the coroutine is not counted.
        assert!(elsewhere.0 > 0.1 && elsewhere.0 < 16.0, "{dump}");
        for (in_use, at_most) in [shallow, deep, was_deep, elsewhere] {
            assert!(in_use <= at_most, "{dump}");
        }
        for handle in handles.iter().chain([&in_a_coroutine]) {
            handle.thread().unpark();
            leno::yield_now();
            handle.thread().unpark();
        }
    });
}

#[test]
fn the_dump_shows_a_thread_on_a_foreign_stack() {
    leno::run(|| {
        let grown = named("grown", || on_foreign_stack(parks_here));
        let in_between = named("in between", || {
            on_foreign_stack(|| {
                let inner = Generator::<()>::new(|_| parks_here());
                assert_eq!(inner.count(), 0);
            });
        });
        leno::yield_now();
        let dump = dumps_here();
        for thread in ["'grown' (#2)", "'in between' (#3)"] {
            let block = block(&dump, thread);
            assert!(block.contains("stack: left for one that is not leno's, "), "{dump}");
            let most = kibibytes(block, " at most");
            assert!(most > 0.1 && most < 256.0, "{dump}");
            assert!(block.contains("parks_here"), "{dump}");
        }
        for thread in [grown, in_between] {
            thread.thread().unpark();
            thread.join().unwrap();
        }
    });
}

/// Parks in a recursion of this depth, in which each level uses some hundred bytes.
#[inline(never)]
fn parks_at(level: u32) {
    let room = black_box([0u8; 200]);
    if level == 0 {
        thread::park()
    } else {
        parks_at(level - 1)
    }
    black_box(room);
}

#[test]
fn a_nearly_full_stack_is_not_inspected() {
    leno::run(|| {
        let mut found = false;
        // The depth increases by single levels, so that none of them overflows first.
        for level in 0..100 {
            let fuller = Builder::new().stack_size(1).spawn(move || parks_at(level)).unwrap();
            leno::yield_now();
            let dump = dumps_here();
            let block = dump.split("\n\n").nth(2).expect(&dump);
            fuller.thread().unpark();
            fuller.join().unwrap();
            let Some((_, why)) = block.split_once("\n      no backtrace: ") else {
                assert!(short(block).starts_with(&["parks_at"]), "{dump}");
                continue;
            };
            let (left, rest) = why.split_once(' ').expect(why);
            assert!((100..16_384).contains(&left.parse::<usize>().expect(why)), "{dump}");
            assert_eq!(rest, "bytes of its stack are left, too few");
            found = true;
            break;
        }
        assert!(found, "{}", dumps_here());
    });
}

#[test]
fn a_dump_works_in_coroutines_and_panics() {
    leno::run(|| {
        let parked = leno::spawn(parks_here);
        leno::yield_now();
        let little = Builder::new().stack_size(1).spawn(dumps_here).unwrap().join().unwrap();
        let in_a_coroutine =
            leno::spawn(|| Generator::new(|dumps| dumps.suspend(dumps_here())).next().unwrap());
        let in_a_coroutine = in_a_coroutine.join().unwrap();
        let panicking = Rc::<RefCell<String>>::default();
        let dump = panicking.clone();
        let panicked = leno::spawn(move || {
            let _dumps = OnDrop(|| drop(dump.replace(dumps_here())));
            panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.join().is_err());
        for dump in [little, in_a_coroutine, panicking.take()] {
            assert_eq!(short(block(&dump, "#2")), ["parks_here"], "{dump}");
            let running = dump.split("\n\n").find(|block| block.contains("  is running\n"));
            assert!(short(running.expect(&dump)).starts_with(&["dumps_here"]), "{dump}");
        }
        parked.thread().unpark();
    });
}

#[test]
fn a_deep_recursion_is_cut_off() {
    leno::run(|| {
        let deep = Builder::new().stack_size(8 << 20);
        let deep = deep.spawn(|| goes_down(1_000, &mut parks_here)).unwrap();
        leno::yield_now();
        let dump = dumps_here();
        let block = block(&dump, "#2");
        assert!(block.ends_with("\n         ... and more"), "{dump}");
        assert!(functions(block).len() > 200, "{dump}");
        deep.thread().unpark();
    });
}
