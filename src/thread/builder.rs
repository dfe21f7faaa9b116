//! Green threads with a name or a stack of another size.

use std::io;

use super::JoinHandle;
use crate::kernel::scheduler;
use crate::runtime::Runtime;
#[cfg(doc)]
use crate::stack::Stack;

/// Settings for a new green thread, as [`std::thread::Builder`].
///
/// # Examples
///
/// ```
/// use leno::thread;
///
/// leno::run(|| -> std::io::Result<()> {
///     let handle = thread::Builder::new()
///         .name("parser")
///         .stack_size(1 << 20)
///         .spawn(|| thread::current().name().map(str::to_owned))?;
///     assert_eq!(handle.join().unwrap().as_deref(), Some("parser"));
///     Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder spawns nothing until `spawn` is called"]
pub struct Builder {
    pub(super) name: Option<String>,
    pub(super) stack_bytes: Option<usize>,
}

impl Builder {
    /// A builder for a green thread without a name, on a stack of
    /// [`DEFAULT_STACK_BYTES`](crate::stack::DEFAULT_STACK_BYTES).
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Names the green thread, for reports.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = Some(name.into());
        self
    }

    /// The usable size of the stack in bytes; see [`Stack::new`].
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_bytes = Some(bytes);
        self
    }

    /// Spawns the green thread; see [`spawn`](super::spawn).
    ///
    /// # Errors
    ///
    /// As [`Stack::new`].
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let scheduler = scheduler("leno::thread::Builder::spawn");
        let stack = scheduler.stack(self.stack_bytes)?;
        Ok(JoinHandle::new(scheduler.spawn(stack, self.name, f)))
    }

    /// Spawns the green thread on a runtime that its host drives. It begins with
    /// the host's next call of
    /// [`run_until_stalled`](crate::Runtime::run_until_stalled).
    ///
    /// # Errors
    ///
    /// As [`Stack::new`].
    #[track_caller]
    pub fn spawn_on<F, T>(self, runtime: &Runtime, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        runtime.spawn_on(self.stack_bytes, self.name, f).map(JoinHandle::new)
    }
}
