//! Finds green threads that do not let others run, from another OS thread.
//!
//! ```text
//!   the runtime's OS thread              the OS thread that watches
//!
//!   every switch counts a pop  <-------  reads the count now and then
//!                                        the same for too long:
//!                                        asks, in SAMPLE
//!   handler of SIGURG          <-------  interrupts it
//!     still the same count?
//!     the current thread and
//!     its frames: into SAMPLE  ------->  a Hog
//! ```
//!
//! A switch does nothing for this: it counts in any case. Only the runtime's own OS thread can
//! tell which instruction it is at, so it looks itself, in a signal handler.

use std::cell::RefCell;
use std::io;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::kernel::features::SchedulerState;
use crate::kernel::{Scheduler, ThreadId, try_scheduler};
use crate::sys::interrupt::{self, OsThread};
use crate::sys::signal;

/// The time that the runtime's OS thread has to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// The number of times that an OS thread is asked where it is in a frame without a caller.
const ATTEMPTS: u32 = 100;

const MOST_FRAMES: usize = 128;
const MOST_NAME_BYTES: usize = 128;

/// A green thread that has run for too long.
pub(crate) struct Hog {
    pub(crate) id: ThreadId,
    /// The first bytes of the name.
    pub(crate) name: Option<String>,
    pub(crate) spawned_at: &'static Location<'static>,
    /// The time for which it has run, at least.
    pub(crate) has_run: Duration,
    /// The addresses of its frames, the innermost first.
    pub(crate) frames: Vec<usize>,
    pub(crate) has_more_frames: bool,
}

/// The watches of a runtime, which end when it is dropped.
#[derive(Default)]
pub(crate) struct Watched {
    watches: RefCell<Vec<Arc<Shared>>>,
    /// OS threads that watch until the runtime ends, and print reports.
    watching: RefCell<Vec<JoinHandle<()>>>,
}

// SAFETY: no other type has slot 7, and every scheduler gets such a state.
unsafe impl SchedulerState for Watched {
    const SLOT: usize = 7;
}

/// Makes the end of the runtime wait for a report that this OS thread prints just then.
pub(super) fn wait_at_the_end(scheduler: &Scheduler, watching: JoinHandle<()>) {
    scheduler.state::<Watched>().watching.borrow_mut().push(watching);
}

impl Watched {
    /// Ends all watches.
    pub(crate) fn end(&self) {
        for shared in self.watches.take() {
            shared.close();
        }
        // The process may end after this, and would cut a report off.
        for watching in self.watching.take() {
            let _ = watching.join();
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.end();
    }
}

/// A watch over a runtime, from any OS thread.
pub(super) struct Watch {
    shared: Arc<Shared>,
    limit: Duration,
    seen: Progress,
    /// The time since which the counts have been the same.
    since: Instant,
    has_reported: bool,
}

/// Ends a [`Watch`].
pub(crate) struct WatchEnd(Arc<Shared>);

impl WatchEnd {
    pub(crate) fn end(&self) {
        self.0.close();
    }
}

struct Shared {
    /// `None` once the runtime or the watch has ended. While this is locked, the scheduler that
    /// it points to exists.
    target: Mutex<Option<Target>>,
    ended: Condvar,
}

/// A runtime that is watched.
struct Target {
    /// The counts of pops of its run queues.
    pops: [*const AtomicUsize; 2],
    is_away: *const AtomicBool,
    serial: u64,
    thread: OsThread,
}

// SAFETY: it points to atomics of a scheduler, which takes the target away before it is dropped.
unsafe impl Send for Target {}

/// The counts of pops; `None` while the runtime sleeps, or its host does
/// something else.
type Progress = Option<[usize; 2]>;

impl Target {
    fn progress(&self) -> Progress {
        // SAFETY: the scheduler exists while the lock of `Shared` is held.
        let (is_away, pops) =
            unsafe { ((*self.is_away).load(Ordering::Relaxed), self.pops.map(|pops| &*pops)) };
        (!is_away).then(|| pops.map(|pops| pops.load(Ordering::Relaxed)))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Target>> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().take();
        self.ended.notify_all();
    }
}

/// Lets another OS thread watch this runtime, until one of the two ends.
pub(super) fn begin_watch(scheduler: &Scheduler, limit: Duration) -> io::Result<(Watch, WatchEnd)> {
    interrupt::install(on_interrupt)?;
    let thread = interrupt::prepare_this_thread()?;
    // The unwinder sets itself up at its first use, which must not be in a handler.
    backtrace::trace(|_| false);
    let target = Target {
        pops: scheduler.pops().map(ptr::from_ref),
        is_away: ptr::from_ref(scheduler.is_away()),
        serial: scheduler.serial(),
        thread,
    };
    let shared = Arc::new(Shared { target: Mutex::new(Some(target)), ended: Condvar::new() });
    let mut watches = scheduler.state::<Watched>().watches.borrow_mut();
    watches.retain(|watch| watch.lock().is_some());
    watches.push(shared.clone());
    let watch = Watch {
        shared: shared.clone(),
        limit,
        seen: None,
        since: Instant::now(),
        has_reported: false,
    };
    Ok((watch, WatchEnd(shared)))
}

impl Watch {
    /// Waits for the next hog. Each is reported once, until another thread runs. Returns `None` if
    /// the runtime or the watch has ended.
    pub(super) fn next_hog(&mut self) -> Option<Hog> {
        let period = (self.limit / 4).clamp(Duration::from_millis(1), Duration::from_millis(250));
        let shared = self.shared.clone();
        let mut target = shared.lock();
        loop {
            let found = target.as_ref().and_then(|target| self.look(target));
            if target.is_none() || found.is_some() {
                return found;
            }
            let waited = shared.ended.wait_timeout(target, period);
            target = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn look(&mut self, target: &Target) -> Option<Hog> {
        let progress = target.progress();
        if progress != self.seen {
            self.seen = progress;
            self.since = Instant::now();
            self.has_reported = false;
        }
        let has_run = self.since.elapsed();
        if self.has_reported || has_run < self.limit {
            return None;
        }
        let hog = ask(target, progress?, has_run)?;
        self.has_reported = true;
        Some(hog)
    }
}

/// A question to one OS thread of this process, and the answer. There is one at a time, and no
/// lock: a handler must not wait.
struct Sample {
    /// A [`step`].
    step: AtomicU32,
    /// The OS thread that is asked.
    thread: AtomicU32,
    serial: AtomicU64,
    /// The counts of pops when the question was asked: they are the same as long as the green
    /// thread in question has not let others run.
    pops: [AtomicUsize; 2],
    number: AtomicU64,
    spawned_at: AtomicPtr<Location<'static>>,
    name: [AtomicU8; MOST_NAME_BYTES],
    /// `usize::MAX` if there is no name.
    name_bytes: AtomicUsize,
    frames: [AtomicUsize; MOST_FRAMES],
    /// More than [`MOST_FRAMES`] if there are more.
    frame_count: AtomicUsize,
}

mod step {
    /// There is no question.
    pub(crate) const IDLE: u32 = 0;
    pub(crate) const ASKED: u32 = 1;
    /// The handler is writing the answer.
    pub(crate) const ANSWERING: u32 = 2;
    pub(crate) const ANSWERED: u32 = 3;
    /// Another green thread runs by now.
    pub(crate) const OVER: u32 = 4;
    /// There is an answer, of one frame, which has no caller. The OS thread is probably in the
    /// middle of a switch, so it is asked again.
    pub(crate) const NO_CALLER: u32 = 5;
}

static SAMPLE: Sample = Sample {
    step: AtomicU32::new(step::IDLE),
    thread: AtomicU32::new(0),
    serial: AtomicU64::new(0),
    pops: [const { AtomicUsize::new(0) }; 2],
    number: AtomicU64::new(0),
    spawned_at: AtomicPtr::new(ptr::null_mut()),
    name: [const { AtomicU8::new(0) }; MOST_NAME_BYTES],
    name_bytes: AtomicUsize::new(usize::MAX),
    frames: [const { AtomicUsize::new(0) }; MOST_FRAMES],
    frame_count: AtomicUsize::new(0),
};

/// The lock of [`SAMPLE`] among watches.
static TURN: Mutex<()> = Mutex::new(());

/// Asks the OS thread of `target` what it is doing. Returns `None` if another thread runs by now,
/// or if there is no answer: the OS thread may have blocked the signal.
fn ask(target: &Target, pops: [usize; 2], has_run: Duration) -> Option<Hog> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    SAMPLE.thread.store(target.thread.number().cast_unsigned(), Ordering::Relaxed);
    SAMPLE.serial.store(target.serial, Ordering::Relaxed);
    for (place, pops) in SAMPLE.pops.iter().zip(pops) {
        place.store(pops, Ordering::Relaxed);
    }
    for attempt in 1..=ATTEMPTS {
        SAMPLE.step.store(step::ASKED, Ordering::Release);
        if !target.thread.interrupt() {
            break;
        }
        match wait_for_answer() {
            // A pause, so that a loop is not interrupted at the same instruction again.
            step::NO_CALLER if attempt < ATTEMPTS => thread::sleep(Duration::from_micros(50)),
            step::ANSWERED | step::NO_CALLER => return Some(SAMPLE.hog(target.serial, has_run)),
            _ => break,
        }
    }
    SAMPLE.step.store(step::IDLE, Ordering::Release);
    None
}

/// Waits until the handler has finished, or takes the question back.
fn wait_for_answer() -> u32 {
    let start = Instant::now();
    loop {
        match SAMPLE.step.load(Ordering::Acquire) {
            step::ASKED if start.elapsed() > PATIENCE => {
                let taken_back = SAMPLE.step.compare_exchange(
                    step::ASKED,
                    step::IDLE,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                if taken_back.is_ok() {
                    return step::IDLE;
                }
            }
            step::ASKED | step::ANSWERING => thread::sleep(Duration::from_micros(100)),
            answer => return answer,
        }
    }
}

impl Sample {
    fn hog(&self, runtime: u64, has_run: Duration) -> Hog {
        let name = match self.name_bytes.load(Ordering::Relaxed) {
            usize::MAX => None,
            count => {
                let bytes = self.name[..count].iter().map(|byte| byte.load(Ordering::Relaxed));
                Some(String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned())
            }
        };
        let count = self.frame_count.load(Ordering::Relaxed);
        let frames = self.frames[..count.min(MOST_FRAMES)].iter();
        Hog {
            id: ThreadId { runtime, number: self.number.load(Ordering::Relaxed) },
            name,
            // SAFETY: the handler has stored a location, and all locations are static.
            spawned_at: unsafe { &*self.spawned_at.load(Ordering::Relaxed) },
            has_run,
            frames: frames.map(|frame| frame.load(Ordering::Relaxed)).collect(),
            has_more_frames: count > MOST_FRAMES,
        }
    }

    fn set_name(&self, name: Option<&str>) {
        let bytes = name.map_or(&[][..], str::as_bytes);
        for (place, byte) in self.name.iter().zip(bytes) {
            place.store(*byte, Ordering::Relaxed);
        }
        let count = name.map_or(usize::MAX, |name| name.len().min(MOST_NAME_BYTES));
        self.name_bytes.store(count, Ordering::Relaxed);
    }
}

/// Answers the question in [`SAMPLE`], if it is for this OS thread.
///
/// # Safety
///
/// Only the operating system may call it, as the handler that [`interrupt::install`] installs.
unsafe extern "C" fn on_interrupt(
    _signal: libc::c_int,
    _info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    signal::keeping_errno(|| {
        // Any process can send the signal, and an OS thread may have the number of one that has
        // ended.
        let this_thread = OsThread::current().number().cast_unsigned();
        let is_asked = SAMPLE.thread.load(Ordering::Relaxed) == this_thread
            && SAMPLE
                .step
                .compare_exchange(
                    step::ASKED,
                    step::ANSWERING,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                )
                .is_ok();
        if is_asked {
            // SAFETY: the operating system passes the context.
            let at = unsafe { interrupt::instruction_pointer(context) };
            SAMPLE.step.store(answer(at), Ordering::Release);
        }
    });
}

/// Fills [`SAMPLE`] with what this OS thread was doing when the handler
/// interrupted it, at the instruction at `at`.
///
/// It reads only what this OS thread writes, and nothing that takes more than one store to change:
/// a switch counts the pop before it changes anything else, so if the count is still the same, no
/// switch has begun.
fn answer(at: usize) -> u32 {
    fence(Ordering::Acquire);
    let Some(scheduler) = try_scheduler() else { return step::OVER };
    let pops = scheduler.pops();
    let same = |(pops, asked): (&AtomicUsize, &AtomicUsize)| {
        pops.load(Ordering::Relaxed) == asked.load(Ordering::Relaxed)
    };
    if scheduler.serial() != SAMPLE.serial.load(Ordering::Relaxed)
        || scheduler.is_away().load(Ordering::Relaxed)
        || !pops.into_iter().zip(&SAMPLE.pops).all(same)
    {
        return step::OVER;
    }
    let control = scheduler.current();
    SAMPLE.number.store(control.number(), Ordering::Relaxed);
    SAMPLE.spawned_at.store(ptr::from_ref(control.spawned_at()).cast_mut(), Ordering::Relaxed);
    SAMPLE.set_name(if control.number() == 1 { Some("main") } else { control.name() });
    // It may still be in a switch between coroutines, where the frame has no caller. With musl no
    // frame has one.
    let is_alone = trace(at) == 1 && cfg!(not(target_env = "musl"));
    if is_alone { step::NO_CALLER } else { step::ANSWERED }
}

/// Walks the stack that the handler has interrupted at `at`. Returns the number of frames.
///
/// This calls the C runtime's unwinder. It allocates nothing, and it looks up
/// unwind tables with `_dl_find_object`, which glibc 2.35 and later document as
/// async-signal-safe; so does the unwinder of GCC 12 and later. With older ones,
/// and with musl, it calls `dl_iterate_phdr`, which takes a lock that its own OS
/// thread may take again; only a program that is hogging in the middle of dlopen(3)
/// could show it a half-written list. The tables that Rust writes hold at every
/// instruction, and in the middle of a switch leno's say that the frame has no caller.
///
/// With musl the walk ends at the handler: neither the code by which musl returns from a
/// signal nor the rest of musl, where a call that blocks is interrupted, has unwind tables.
fn trace(at: usize) -> usize {
    let mut count = 0;
    let mut is_below = true;
    let mut push = |address: usize| {
        if let Some(place) = SAMPLE.frames.get(count) {
            place.store(address, Ordering::Relaxed);
        }
        count += 1;
        count <= MOST_FRAMES
    };
    // SAFETY: the synchronisation that is left out is for unwinders that share state, which those
    // of Unix systems do not.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            let address = frame.ip().addr();
            // The frames of the handler come first.
            is_below &= address != at;
            is_below || (address != 0 && push(address))
        });
    }
    if is_below {
        push(at);
    }
    SAMPLE.frame_count.store(count, Ordering::Relaxed);
    count
}
