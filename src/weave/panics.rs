//! Panics of a program that is explored: kept, and not printed.
//!
//! An exploration may see a million panics, and all of them but one are noise. So
//! there is a panic hook that, on an OS thread that explores, only keeps what the
//! panic says; elsewhere the hook that was there before is called.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::rc::Rc;
use std::sync::Once;

use super::engine::Engine;
use crate::kernel::{Payload, try_scheduler};

/// What a panic says, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Said {
    pub(super) message: String,
    pub(super) place: Option<(String, u32)>,
}

const NO_TEXT: &str = "a panic without a text";

thread_local! {
    static KEEPS: Cell<bool> = const { Cell::new(false) };
    /// The last of each green thread, by its number: they may be unwinding at once.
    static LAST: RefCell<Vec<(u64, Said)>> = const { RefCell::new(Vec::new()) };
    /// A panic has been kept in `LAST` since `forget`. That has a destructor, so each
    /// use of it costs a test of whether it is still there.
    static HAS_LAST: Cell<bool> = const { Cell::new(false) };
    /// The engine of the session that was made last, if that lives.
    static ENGINE: RefCell<Option<Rc<RefCell<Engine>>>> = const { RefCell::new(None) };
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.place {
            Some((file, line)) => write!(f, ", at {file}:{line}"),
            None => Ok(()),
        }
    }
}

/// The panic hook knows the engine of a session while this lives. That is for a whole
/// session, since to set it for each execution takes 20 instructions.
pub(super) struct Known {
    before: Option<Rc<RefCell<Engine>>>,
}

impl Known {
    pub(super) fn new(engine: &Rc<RefCell<Engine>>) -> Known {
        // At the end of the OS thread, the place may be gone.
        let before = ENGINE.try_with(|place| place.replace(Some(engine.clone())));
        Known { before: before.ok().flatten() }
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        let _ = ENGINE.try_with(|place| place.replace(self.before.take()));
    }
}

/// Panics of this OS thread are kept while this lives.
pub(super) struct Kept {
    before: bool,
}

impl Kept {
    // Inlined, so that the use of the thread-local variable is no call.
    #[inline]
    pub(super) fn new() -> Kept {
        static INSTALLED: Once = Once::new();
        // A thread that panics may not change the hook.
        let may_install = !INSTALLED.is_completed() && !std::thread::panicking();
        let install = || {
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
        Kept { before: KEEPS.replace(true) }
    }
}

impl Drop for Kept {
    #[inline]
    fn drop(&mut self) {
        KEEPS.set(self.before);
    }
}

fn keep(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|at| (at.file().to_owned(), at.line()));
    let message = text_of(info.payload()).to_owned();
    let number = try_scheduler().map_or(0, |scheduler| scheduler.current().id().number());
    // In a destructor during an unwinding, or where none may pass. No public name
    // tells these from others.
    let ends_process = message.starts_with("panic in a ")
        && place.as_ref().is_some_and(|(file, _)| file.ends_with("core/src/panicking.rs"));
    if ends_process {
        let schedule = ENGINE.with_borrow(|engine| {
            let engine = engine.as_ref()?.try_borrow().ok()?;
            Some(format!(
                "leno: to see it again: leno::weave::replay({:?}, program)\n",
                engine.schedule().to_string()
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
    let said = Said { message, place };
    ENGINE.with_borrow(|engine| {
        if let Some(Ok(mut engine)) = engine.as_ref().map(|engine| engine.try_borrow_mut())
            && let Some(recording) = &mut engine.recording
        {
            recording.panics(&said);
        }
    });
    HAS_LAST.set(true);
    LAST.with_borrow_mut(|last| last.push((number, said)));
}

/// Returns the text of a panic's payload, or [`NO_TEXT`].
/// (`PanicHookInfo::payload_as_str` is newer than the oldest supported Rust.)
fn text_of(payload: &(dyn Any + Send)) -> &str {
    match payload.downcast_ref::<String>() {
        Some(text) => text,
        None => payload.downcast_ref().copied().unwrap_or(NO_TEXT),
    }
}

/// What the last panic of this green thread has said.
fn take_last(number: u64) -> Option<Said> {
    LAST.with_borrow_mut(|last| {
        let place = last.iter().rposition(|(other, _)| *other == number);
        let said = place.map(|place| last.swap_remove(place).1);
        last.retain(|(other, _)| *other != number);
        said
    })
}

/// Forgets the panics of the last execution.
#[inline]
pub(super) fn forget() {
    if HAS_LAST.replace(false) {
        LAST.with_borrow_mut(Vec::clear);
    }
}

/// What a panic of this green thread with this payload has said.
pub(super) fn said_by(number: u64, payload: &Payload) -> Said {
    let text = text_of(&**payload);
    // One that was resumed has told the hook nothing, nor have those that met a
    // hook that others have installed since.
    let said = take_last(number).filter(|said| said.message == text);
    said.unwrap_or_else(|| Said { message: text.to_owned(), place: None })
}
