//! Who has waited too long, and for what.

use std::fmt;
use std::time::Duration;

use crate::inspect;
use crate::kernel::scheduler;

/// Who has waited for longer than was asked; see [`stalled`]. It is for people to
/// read, by [`Display`](fmt::Display).
#[derive(Clone)]
pub struct Stalled(String);

/// Those green threads of the runtime that have waited for longer than
/// `older_than`: each with what it waits for, which was made or named where, is
/// held by whom since which line; and the cycle if they wait for each other.
/// `None` if there are none.
///
/// One that sleeps waits for nobody, and is not listed.
///
/// The moment at which a wait began is taken from a clock that is read when
/// nobody can run, and every 64 switches. So a wait may look older than it is, by
/// the time that those have taken, and never younger.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// use leno::debug;
/// use leno::time::Duration;
///
/// leno::Builder::new().virtual_time().run(|| {
///     let (orders, inbox) = leno::channel::bounded::<u32>(1);
///     let cook = leno::spawn(move || inbox.recv());
///     leno::sleep(Duration::from_secs(20));
///     let report = debug::stalled(Duration::from_secs(10)).expect("nobody has ordered");
///     assert!(report.to_string().contains("has waited 20 s for a message from a channel"));
///     drop(orders);
/// });
/// ```
#[must_use]
#[track_caller]
pub fn stalled(older_than: Duration) -> Option<Stalled> {
    inspect::stalled(scheduler("leno::debug::stalled"), older_than).map(Stalled)
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stalled").field(&self.0).finish()
    }
}
