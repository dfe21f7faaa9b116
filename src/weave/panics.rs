//! Panics of a program that is explored: recorded, and not printed.
//!
//! An exploration may see a million panics, of which one is of interest. So there is a panic hook
//! that, on an OS thread that explores, only records the text of the panic. Elsewhere it calls
//! the hook that was installed before.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::rc::Rc;
use std::sync::Once;

use crate::kernel::thread_info::is_cancellation;
use crate::kernel::{Payload, try_scheduler};
use crate::runtime::panic_hook;

/// The message of a panic, and its file and line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PanicText {
    pub(super) message: String,
    pub(super) place: Option<(String, u32)>,
}

/// The part of the controller that the panic hook calls.
pub(super) trait PanicObserver {
    /// Returns the schedule of the current execution.
    fn schedule_text(&self) -> String;

    /// Notes that the current green thread begins to panic.
    fn panics(&mut self, text: &PanicText);
}

const NO_TEXT: &str = "a panic without a text";
const PASSED_ON: &str = "the cancellation of another green thread, passed on";

thread_local! {
    static KEEPS: Cell<bool> = const { Cell::new(false) };
    /// The last panic of each green thread, by its number: several may be unwinding at once.
    static LAST: RefCell<Vec<(u64, PanicText)>> = const { RefCell::new(Vec::new()) };
    /// `LAST` has an entry since the last call of `forget`. `LAST` has a destructor, so each use
    /// of it costs a test of whether it is still there.
    static HAS_LAST: Cell<bool> = const { Cell::new(false) };
    /// The controller of the executor that was made last, if that lives.
    static OBSERVER: RefCell<Option<Rc<RefCell<dyn PanicObserver>>>> =
        const { RefCell::new(None) };
}

impl fmt::Display for PanicText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.place {
            Some((file, line)) => write!(f, ", at {file}:{line}"),
            None => Ok(()),
        }
    }
}

/// Guard: the panic hook calls an observer while this lives. An executor holds it, and not each
/// execution, since setting the observer takes 20 instructions.
pub(super) struct ObservedPanics {
    before: Option<Rc<RefCell<dyn PanicObserver>>>,
}

impl ObservedPanics {
    pub(super) fn new(observer: Rc<RefCell<dyn PanicObserver>>) -> ObservedPanics {
        // At the end of the OS thread, the variable may be destroyed.
        let before = OBSERVER.try_with(|place| place.replace(Some(observer)));
        ObservedPanics { before: before.unwrap_or_default() }
    }
}

impl Drop for ObservedPanics {
    fn drop(&mut self) {
        let _ = OBSERVER.try_with(|place| place.replace(self.before.take()));
    }
}

/// Guard: panics of this OS thread are recorded while this lives.
pub(super) struct KeptPanics {
    before: bool,
}

impl KeptPanics {
    // Inlined, so that the use of the thread-local variable is no call.
    #[inline]
    pub(super) fn new() -> KeptPanics {
        static INSTALLED: Once = Once::new();
        // A thread that panics may not change the hook.
        let may_install = !INSTALLED.is_completed() && !std::thread::panicking();
        let install = || {
            // First, to be called for other panics, and to find std's hook in place.
            panic_hook::install();
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if KEEPS.get() {
                    keep(info);
                } else {
                    before(info);
                }
            }));
        };
        if may_install {
            INSTALLED.call_once(install);
        }
        KeptPanics { before: KEEPS.replace(true) }
    }
}

impl Drop for KeptPanics {
    #[inline]
    fn drop(&mut self) {
        KEEPS.set(self.before);
    }
}

/// Records a panic. If the panic ends the process, prints it instead, with the schedule.
fn keep(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|at| (at.file().to_owned(), at.line()));
    let message = message_of(info.payload()).to_owned();
    let number = try_scheduler().map_or(0, |scheduler| scheduler.current().id().number());
    // A panic in a destructor during unwinding, or in a function that cannot unwind. No public
    // name tells these panics from others.
    let ends_process = message.starts_with("panic in a ")
        && place.as_ref().is_some_and(|(file, _)| file.ends_with("core/src/panicking.rs"));
    if ends_process {
        let schedule = OBSERVER.with_borrow(|observer| {
            let observer = observer.as_ref()?.try_borrow().ok()?;
            Some(format!(
                "leno: to see it again: leno::weave::replay({:?}, program)\n",
                observer.schedule_text()
            ))
        });
        let last = take_last(number).map(|last| format!(": {last}")).unwrap_or_default();
        let _ = io::stderr().write_all(
            format!(
                "leno: the program that is explored ends the process by a {message}{last}\n{}",
                schedule.unwrap_or_default()
            )
            .as_bytes(),
        );
        return;
    }
    let text = PanicText { message, place };
    OBSERVER.with_borrow(|observer| {
        if let Some(Ok(mut observer)) = observer.as_ref().map(|observer| observer.try_borrow_mut())
        {
            observer.panics(&text);
        }
    });
    HAS_LAST.set(true);
    LAST.with_borrow_mut(|last| last.push((number, text)));
}

/// Returns the message in a panic's payload, or one of those above.
/// (`PanicHookInfo::payload_as_str` is newer than the oldest supported Rust.)
fn message_of(payload: &(dyn Any + Send)) -> &str {
    match payload.downcast_ref::<String>() {
        Some(message) => message,
        None if is_cancellation(payload) => PASSED_ON,
        None => payload.downcast_ref().copied().unwrap_or(NO_TEXT),
    }
}

/// Removes the panics of this green thread, and returns the last one.
fn take_last(number: u64) -> Option<PanicText> {
    LAST.with_borrow_mut(|last| {
        let place = last.iter().rposition(|(other, _)| *other == number);
        let text = place.map(|place| last.swap_remove(place).1);
        last.retain(|(other, _)| *other != number);
        text
    })
}

/// Forgets the panics of the last execution.
#[inline]
pub(super) fn forget() {
    if HAS_LAST.replace(false) {
        LAST.with_borrow_mut(Vec::clear);
    }
}

/// Returns the text of the panic of this green thread that has this payload.
pub(super) fn text_of(number: u64, payload: &Payload) -> PanicText {
    let message = message_of(&**payload);
    // The hook has not seen a panic that was resumed, or one that called a hook that the program
    // has installed since.
    let text = take_last(number).filter(|text| text.message == message);
    text.unwrap_or_else(|| PanicText { message: message.to_owned(), place: None })
}
