//! Signals of the operating system, as messages that green threads wait for.
//!
//! [`ctrl_c`] waits for the first Ctrl-C. [`Signals`] receives any number of signals of several kinds, and
//! `select!` takes it as `readable(signals)`.
//!
//! **Handlers.** A receiver installs a handler for each of its signals, which replaces the default action: while
//! there is a receiver of SIGTERM, that signal ends nothing by itself. An earlier handler is called after the
//! receivers have been told. A later one is to call that of leno, as those of the crates `signal-hook` and tokio
//! do. When the last receiver of a signal is dropped, the signal has its earlier effect again; if a later handler
//! is there, both stay, since it may call that of leno.
//!
//! leno does not use signalfd(2). It needs a signal to be blocked on every OS thread, those of other libraries
//! included, and children inherit the mask: a child in which SIGTERM is blocked cannot be stopped by it. With
//! handlers no signal is blocked, and children have the default actions.
//!
//! **Coalescing.** A receiver notes that a signal has come, and not how often: signals of one kind that come
//! before the first of them is received are received once. Those of different kinds are all received, in the
//! order of their numbers. A signal is noted whether a runtime runs or not, from the moment at which the
//! receiver has been created. What has not been received when it is dropped is lost.
//!
//! **Several receivers** of a signal all receive it. Threads that share one receiver receive it once.
//!
//! **Fork.** A forked child has copies of the receivers, which receive the child's signals.
//!
//! **Virtual time** stands still while a green thread waits for a signal, and a program with such a thread is in no
//! deadlock.
//!
//! **Explorations.** In an exploration of [`leno::weave`](crate::weave) no receiver is created.
//!
//! # Examples
//!
//! A program that works until it is told to stop:
//!
//! ```
//! use leno::signal::{Signal, Signals};
//! use leno::time::Duration;
//!
//! leno::run(|| {
//!     let signals = Signals::new([Signal::INT, Signal::TERM, Signal::HUP])?;
//!     # unsafe { libc::raise(libc::SIGHUP); libc::raise(libc::SIGTERM) };
//!     let mut rounds = 0;
//!     loop {
//!         leno::select! {
//!             readable(signals) => match signals.recv()? {
//!                 Signal::HUP => println!("reading the settings again"),
//!                 signal => {
//!                     println!("{signal} after {rounds} rounds");
//!                     break;
//!                 }
//!             },
//!             default(Duration::from_millis(10)) => rounds += 1,
//!         }
//!     }
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```

#![forbid(unsafe_code)]

use std::fmt;
use std::io;

use crate::channel::Ready;
use crate::driver::io::signals::SignalSource;
use crate::driver::io::{Direction, Readiness};

/// The number of a signal. It prints as its name.
///
/// # Examples
///
/// ```
/// use leno::signal::Signal;
///
/// assert_eq!(Signal::TERM.to_string(), "SIGTERM");
/// assert_eq!(Signal::from(15), Signal::TERM);
/// assert_eq!(i32::from(Signal::TERM), 15);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

macro_rules! signals {
    ($($name:ident $number:ident $doc:literal;)*) => {
        impl Signal {
            $(
                #[doc = $doc]
                pub const $name: Signal = Signal(libc::$number);
            )*

            /// Returns the name, if it is one of the constants.
            fn name(self) -> Option<&'static str> {
                match self {
                    $(Signal::$name => Some(concat!("SIG", stringify!($name))),)*
                    _ => None,
                }
            }
        }
    };
}

signals! {
    HUP SIGHUP "The terminal was closed; to a daemon, a request to read its settings again.";
    INT SIGINT "Ctrl-C.";
    QUIT SIGQUIT "Ctrl-\\\\.";
    TERM SIGTERM "A request to end: that of kill(1), of systemd and of containers.";
    USR1 SIGUSR1 "For the program to define. [`dump_on_sigusr1`](crate::debug::dump_on_sigusr1) may use it as well.";
    USR2 SIGUSR2 "For the program to define.";
    ALRM SIGALRM "The end of a timer of alarm(2) or setitimer(2).";
    CHLD SIGCHLD "A child has ended or stopped. [`leno::process`](crate::process) needs no signal for that.";
    CONT SIGCONT "The process goes on after it was stopped.";
    TSTP SIGTSTP "Ctrl-Z. While it is received, it stops nothing.";
    TTIN SIGTTIN "A process in the background reads from the terminal.";
    TTOU SIGTTOU "A process in the background writes to the terminal.";
    WINCH SIGWINCH "The window of the terminal has another size.";
    PIPE SIGPIPE "A write to a pipe without a reader. Programs of Rust ignore it; the write fails.";
}

/// A number as sigaction(2) takes it, for signals without a constant here: `SIGRTMIN` and others of libc.
impl From<i32> for Signal {
    fn from(number: i32) -> Signal {
        Signal(number)
    }
}

/// The number as kill(2) takes it.
impl From<Signal> for i32 {
    fn from(signal: Signal) -> i32 {
        signal.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signal({self})")
    }
}

/// A receiver of signals. It takes a descriptor.
///
/// It may be shared and sent to other OS threads. `select!` waits for a signal as `readable(signals)`; one of
/// the calls that take it comes after that.
///
/// # Examples
///
/// See the [module](self).
pub struct Signals(SignalSource);

impl Signals {
    /// Returns a receiver of these signals.
    ///
    /// # Errors
    ///
    /// SIGKILL and SIGSTOP cannot be received, nor can SIGSEGV, SIGBUS, SIGILL and SIGFPE, which faults of the
    /// running code raise; nor SIGURG while leno's watchdog uses it. If the process has no more descriptors. In an
    /// exploration.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::signal::{Signal, Signals};
    ///
    /// let _signals = Signals::new([Signal::INT, Signal::TERM])?;
    /// let error = Signals::new([Signal::from(libc::SIGKILL)]).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new(signals: impl IntoIterator<Item = Signal>) -> io::Result<Signals> {
        let numbers: Vec<i32> = signals.into_iter().map(i32::from).collect();
        SignalSource::new(&numbers, |number| Signal(number).to_string()).map(Signals)
    }

    /// Waits for a signal, and returns it. Outside a runtime the OS thread waits.
    ///
    /// # Errors
    ///
    /// If the runtime cannot wait for descriptors.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. A call that is cancelled has taken no signal.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::signal::{Signal, Signals};
    ///
    /// leno::run(|| {
    ///     let signals = Signals::new([Signal::USR1])?;
    ///     let told = leno::spawn(move || signals.recv());
    ///     # unsafe { libc::raise(libc::SIGUSR1) };
    ///     assert_eq!(told.join().unwrap()?, Signal::USR1);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn recv(&self) -> io::Result<Signal> {
        self.0.take().map(Signal)
    }

    /// Returns a signal if one has come. Never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::signal::{Signal, Signals};
    ///
    /// let signals = Signals::new([Signal::USR1, Signal::USR2])?;
    /// # unsafe { libc::raise(libc::SIGUSR2); libc::raise(libc::SIGUSR1); libc::raise(libc::SIGUSR2) };
    /// // SIGUSR2 has come twice, and SIGUSR1 once.
    /// assert_eq!(signals.try_recv(), Some(Signal::USR1));
    /// assert_eq!(signals.try_recv(), Some(Signal::USR2));
    /// assert_eq!(signals.try_recv(), None);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_recv(&self) -> Option<Signal> {
        self.0.try_take().map(Signal)
    }
}

/// A select waits until a signal has come.
impl Ready for Signals {
    /// No write is waited for.
    #[track_caller]
    fn readiness(&self, _: Direction) -> Readiness<'_> {
        self.0.readiness()
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signals({})", self.0)
    }
}

/// Waits for Ctrl-C.
///
/// Before and after the call, Ctrl-C has its earlier effect, and ends the program as a rule: so does a second
/// Ctrl-C while the program stops. A program that receives several of them has a [`Signals`].
///
/// # Errors
///
/// As [`Signals::new`] and [`Signals::recv`].
///
/// # Cancellation
///
/// A cancellation point. A Ctrl-C that comes at the same time as the cancellation may be lost.
///
/// # Examples
///
/// ```
/// leno::run(|| {
///     let server = leno::spawn(|| leno::thread::park());
///     # leno::spawn(|| unsafe { libc::raise(libc::SIGINT) });
///     leno::signal::ctrl_c()?;
///     println!("stopping");
///     server.cancel();
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn ctrl_c() -> io::Result<()> {
    Signals::new([Signal::INT])?.recv().map(drop)
}
