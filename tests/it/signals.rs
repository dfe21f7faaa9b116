//! Signals on coroutine stacks: a timer interrupts more than a million switches, and
//! its handler overwrites memory below the stack pointer. The sums computed meanwhile
//! must be right.

use std::cell::Cell;
use std::hint::black_box;
use std::io;
use std::mem;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use leno::coroutine::{Coroutine, Resumed};

use crate::oracle_coroutine::scaled;
use crate::support::in_child;

/// 10,000 signals per second.
const INTERVAL_NANOSECONDS: libc::c_long = 100_000;
/// The number of signals that must arrive on stacks of leno.
const ENOUGH_SIGNALS: usize = 500;
const SWITCHES: u32 = 10_000_000;

/// The bounds of the interrupted OS thread's stack.
static OWN_STACK: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];
static ON_OWN_STACK: AtomicUsize = AtomicUsize::new(0);
static ON_OTHER_STACKS: AtomicUsize = AtomicUsize::new(0);

/// Overwrites memory below its frame, a different amount each time.
extern "C" fn scribble(_signal: libc::c_int) {
    let here = 0u8;
    let address = (&raw const here).addr();
    let [low, high] = [0, 1].map(|end| OWN_STACK[end].load(Ordering::Relaxed));
    let count = if (low..high).contains(&address) { &ON_OWN_STACK } else { &ON_OTHER_STACKS };
    let times = count.fetch_add(1, Ordering::Relaxed);
    write_below(times % 12);
}

#[inline(never)]
fn write_below(depth: usize) {
    let mut bytes = [0u8; 400];
    black_box(&mut bytes).fill(0xa5);
    if depth > 0 {
        write_below(depth - 1);
    }
    black_box(&bytes);
}

fn check(result: libc::c_int, what: &str) {
    assert_eq!(result, 0, "{what}: {}", io::Error::last_os_error());
}

/// Starts a timer that sends SIGALRM to this OS thread. Without SA_ONSTACK the handler
/// runs on the current stack.
fn start_timer() {
    // SAFETY: each call is given structs that outlive it and whose zeroed form is
    // valid; the handler calls only async-signal-safe code.
    unsafe {
        let mut attributes: libc::pthread_attr_t = mem::zeroed();
        let (mut low, mut bytes) = (ptr::null_mut(), 0);
        check(libc::pthread_getattr_np(libc::pthread_self(), &mut attributes), "getattr");
        check(libc::pthread_attr_getstack(&attributes, &mut low, &mut bytes), "getstack");
        libc::pthread_attr_destroy(&mut attributes);
        OWN_STACK[0].store(low.addr(), Ordering::Relaxed);
        OWN_STACK[1].store(low.addr() + bytes, Ordering::Relaxed);

        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = scribble as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        check(libc::sigaction(libc::SIGALRM, &action, ptr::null_mut()), "sigaction");

        let mut event: libc::sigevent = mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGALRM;
        event.sigev_notify_thread_id = libc::gettid();
        let mut timer: libc::timer_t = mem::zeroed();
        check(libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer), "timer_create");
        let interval = libc::timespec { tv_sec: 0, tv_nsec: INTERVAL_NANOSECONDS };
        let every = libc::itimerspec { it_interval: interval, it_value: interval };
        check(libc::timer_settime(timer, 0, &every, ptr::null_mut()), "timer_settime");
    }
}

fn signals() -> usize {
    ON_OTHER_STACKS.load(Ordering::Relaxed)
}

/// More values of both kinds than there are registers.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Mixer {
    words: [u64; 14],
    floats: [f64; 10],
}

impl Mixer {
    fn new(seed: u64) -> Mixer {
        let words = std::array::from_fn(|index| seed.wrapping_mul(index as u64 + 0x9e37_79b9));
        Mixer { words, floats: std::array::from_fn(|index| (seed % 97 + index as u64) as f64) }
    }

    /// Does little work for most inputs, so that most signals hit a switch.
    #[inline(always)]
    fn mix(&mut self, input: u64) -> u64 {
        if !input.is_multiple_of(16) {
            self.words[3] = self.words[3].rotate_left(5) ^ input;
            return self.words[3];
        }
        let mut carried = input;
        for word in &mut self.words {
            *word = (*word ^ carried).rotate_left(7).wrapping_mul(0x2545_f491_4f6c_dd1d);
            carried = *word;
        }
        for float in &mut self.floats {
            *float = (*float + (carried >> 60) as f64) * 0.5;
        }
        carried
    }
}

/// Resumes several coroutines in turn and repeats their sums on the OS thread's own
/// stack.
fn interrupt_coroutines() {
    let mut pairs: Vec<_> = (0..8u64)
        .map(|seed| {
            let coroutine = Coroutine::<u64, u64, Mixer>::new(move |yielder, first| {
                let mut mixer = Mixer::new(seed);
                let mut input = first;
                while input != 0 {
                    let answer = mixer.mix(input);
                    input = yielder.suspend(answer);
                }
                mixer
            });
            (coroutine, Mixer::new(seed))
        })
        .collect();
    let (wanted, mut resumes) = (scaled(SWITCHES) / 2, 0);
    while resumes < wanted || signals() < ENOUGH_SIGNALS {
        assert!(resumes < u32::MAX, "no signals arrive");
        for (coroutine, double) in &mut pairs {
            resumes += 1;
            let input = u64::from(resumes);
            assert_eq!(coroutine.resume(input), Resumed::Yield(double.mix(input)));
        }
    }
    for (coroutine, double) in pairs {
        assert_eq!(coroutine.resume(0), Resumed::Return(double));
    }
    println!("{} switches", 2 * resumes);
}

/// Runs green threads that yield between steps of their sums, and then repeats the
/// sums.
fn interrupt_green_threads() {
    const COUNT: u32 = 40;
    let wanted = scaled(SWITCHES) / COUNT;
    let switches = Rc::new(Cell::new(0));
    let counted = switches.clone();
    leno::run(|| {
        let handles: Vec<_> = (0..u64::from(COUNT))
            .map(|seed| {
                let switches = switches.clone();
                leno::spawn(move || {
                    let mut mixer = Mixer::new(seed);
                    let mut turns = 0;
                    while turns < wanted || signals() < ENOUGH_SIGNALS {
                        assert!(turns < u32::MAX, "no signals arrive");
                        turns += 1;
                        mixer.mix(u64::from(turns));
                        leno::yield_now();
                    }
                    switches.set(switches.get() + turns);
                    (turns, mixer)
                })
            })
            .collect();
        for (seed, handle) in handles.into_iter().enumerate() {
            let (turns, mixer) = handle.join().unwrap();
            let mut double = Mixer::new(seed as u64);
            (1..=turns).for_each(|turn| _ = double.mix(u64::from(turn)));
            assert_eq!(mixer, double);
        }
    });
    println!("{} switches", counted.get());
}

fn interrupted(test: &str, work: fn()) {
    let ended = in_child(test, &[], || {
        start_timer();
        work();
        let own = ON_OWN_STACK.load(Ordering::Relaxed);
        println!("{} signals on stacks of leno, {own} on the OS thread's own", signals());
        assert!(signals() >= ENOUGH_SIGNALS);
    });
    ended.assert_survived();
    let stdout = ended.stdout();
    let figures =
        stdout.lines().filter(|line| line.contains("switches") || line.contains("signals"));
    figures.for_each(|line| println!("{line}"));
}

#[test]
fn signals_on_coroutine_stacks_corrupt_nothing() {
    interrupted("signals::signals_on_coroutine_stacks_corrupt_nothing", interrupt_coroutines);
}

#[test]
fn signals_on_green_thread_stacks_corrupt_nothing() {
    interrupted("signals::signals_on_green_thread_stacks_corrupt_nothing", interrupt_green_threads);
}
