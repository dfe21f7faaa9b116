//! Valgrind knows leno's stacks as stacks, so a program full of switches runs clean
//! under it.
//!
//! Without the annotations Valgrind takes a switch for a huge frame, prints "client
//! switching stacks?", and reports false errors.

use std::env;
use std::hint::black_box;
use std::panic::{self, AssertUnwindSafe};
use std::process::{Command, Stdio};

use leno::coroutine::{Coroutine, Generator};
use leno::stack::{MIN_STACK_BYTES, Stack};

const CHILD: &str = "LENO_UNDER_VALGRIND";

const EMULATOR: &str = "Valgrind does not run under an emulator";

/// Returns the reason why Valgrind cannot run here, if there is one.
fn obstacle() -> Option<&'static str> {
    if env::var_os("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").is_some()
        && cfg!(target_arch = "aarch64")
    {
        return Some(EMULATOR);
    }
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    (!version.is_ok_and(|status| status.success())).then_some("Valgrind is not installed")
}

#[test]
#[cfg_attr(
    target_env = "musl",
    ignore = "Valgrind replaces the allocator of dynamic programs only"
)]
fn a_run_under_valgrind_is_clean() {
    if env::var_os(CHILD).is_some() {
        return scenario();
    }
    if let Some(obstacle) = obstacle() {
        let is_allowed = env::var_os("CI").is_none() || cfg!(target_os = "macos");
        assert!(is_allowed || obstacle == EMULATOR, "CI needs Valgrind: {obstacle}");
        eprintln!("Valgrind was not run: {obstacle}.");
        return;
    }
    let itself = env::current_exe().expect("the test has a path");
    let output = Command::new("valgrind")
        .args(["--error-exitcode=9", "-q"])
        .arg(itself)
        .args(["--exact", "a_run_under_valgrind_is_clean", "--test-threads=1", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("valgrind starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{stderr}", output.status);
    // A line that begins with dashes is about Valgrind itself: it may not know epoll_pwait2(2), and then
    // answers that there is no such call, as an old kernel does.
    let messages: Vec<&str> = stderr.lines().filter(|line| !line.starts_with("--")).collect();
    assert!(messages.is_empty(), "Valgrind has printed messages:\n{}", messages.join("\n"));
}

/// Recurses with an array in each frame, and calls `bottom` in the deepest.
#[inline(never)]
fn frames(depth: u32, bottom: &dyn Fn()) -> u64 {
    let mut array = [u64::from(depth); 30];
    black_box(&mut array);
    if depth == 0 {
        bottom();
    } else {
        array[7] = frames(depth - 1, bottom);
    }
    black_box(&array).iter().sum()
}

fn scenario() {
    coroutines_at_every_depth();
    a_tree_of_generators();
    an_unwound_coroutine();
    green_threads();
    explorations();
    #[cfg(feature = "net")]
    sockets();
    let at_its_end = || {
        green_threads();
        explorations();
    };
    std::thread::spawn(at_its_end).join().expect("the OS thread returns");
    coroutines_at_every_depth();
}

fn coroutines_at_every_depth() {
    for bytes in [MIN_STACK_BYTES, 1 << 20] {
        let stack = Stack::new(bytes).expect("there is room");
        let coroutine = Coroutine::<u64, u64, u64>::with_stack(stack, |yielder, first| {
            let mut sum = first;
            for depth in 0..20 {
                let total = std::cell::Cell::new(sum);
                sum = frames(depth, &|| total.set(yielder.suspend(total.get())));
                sum += total.get();
            }
            sum
        });
        while !coroutine.is_done() {
            assert!(coroutine.high_water() > 0);
            black_box(frames(3, &|| {
                black_box(coroutine.resume(1));
            }));
        }
    }
}

fn a_tree_of_generators() {
    fn tree(depth: u32) -> Generator<u32> {
        Generator::new(move |yielder| {
            yielder.suspend(1);
            if depth > 0 {
                (0..2).for_each(|_| tree(depth - 1).for_each(|n| yielder.suspend(n)));
            }
        })
    }
    assert_eq!(tree(5).sum::<u32>(), 63);
}

fn an_unwound_coroutine() {
    let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
        let _kept = Box::new([1, 2, 3]);
        frames(10, &|| yielder.suspend(()));
    });
    coroutine.resume(());
    drop(coroutine);
    let panics = Coroutine::<(), (), ()>::new(|_, ()| panic::resume_unwind(Box::new(1)));
    assert!(panic::catch_unwind(AssertUnwindSafe(|| panics.resume(()))).is_err());
}

fn green_threads() {
    leno::run(|| {
        let handles: Vec<_> = (0..50)
            .map(|number| {
                leno::spawn(move || {
                    frames(number % 20, &leno::yield_now);
                    Box::new(number)
                })
            })
            .collect();
        let sum: u32 = handles
            .into_iter()
            .map(|handle| *handle.join().expect("the green thread returns"))
            .sum();
        assert_eq!(sum, 49 * 50 / 2);
    });
}

/// Connects, cancels and echoes, by the engine of the system and by epoll. One OS thread does all:
/// Valgrind lets no other run while one waits for a ring.
#[cfg(feature = "net")]
fn sockets() {
    use std::io::{Read, Write};

    use leno::net::{Engine, TcpListener, TcpStream};

    fn echo() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let address = listener.local_addr().expect("it has an address");
        let server = leno::spawn(move || {
            for _ in 0..10 {
                let (mut stream, _) = listener.accept().expect("a connection");
                let mut clone = stream.try_clone().expect("a clone needs no descriptor");
                leno::spawn(move || std::io::copy(&mut stream, &mut clone));
            }
        });
        for number in 0..10 {
            let mut stream = TcpStream::connect(address).expect("the server listens");
            let mut clone = stream.try_clone().expect("a clone needs no descriptor");
            let cancelled = leno::spawn(move || clone.read(&mut [0]));
            leno::yield_now();
            cancelled.cancel();
            assert!(cancelled.join().is_err());
            let (bytes, mut echoed) = ([number; 20_000], [0; 20_000]);
            stream.write_all(&bytes).expect("the server reads");
            stream.read_exact(&mut echoed).expect("the server answers");
            assert_eq!(bytes, echoed);
            let limit = leno::time::Duration::from_millis(1);
            assert!(leno::time::timeout(limit, || stream.read(&mut [0])).is_err());
        }
        server.join().expect("the green thread returns");
    }

    leno::run(echo);
    leno::Builder::new().engine(Engine::Epoll).run(echo);
}

/// Explores twice: the second exploration reuses the state of the first, and the end of
/// the OS thread frees it.
fn explorations() {
    for _ in 0..2 {
        let report = leno::weave::explore(|| {
            leno::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(leno::yield_now);
                }
            });
        });
        assert_eq!(report.executions(), 6);
    }
}
