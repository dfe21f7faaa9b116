//! What a network in memory is like.

use std::fmt;

/// A network in memory, as an [`Engine`](crate::net::Engine): sockets that reach each other, and nothing
/// outside the runtime. For tests of programs that use sockets, and for explorations, which repeat a
/// program: see [`Explorer::network`](crate::weave::Explorer::network).
///
/// Faults that the program has to cope with are off unless asked for. Where one may happen, whether it
/// does is chosen at random, by a generator that is the same in every run; an exploration tries both.
///
/// A socket of such a network can be used in its runtime only, and has no descriptor: `as_fd` panics.
/// There is no multicast. A wait for a socket that no other thread can end is a deadlock, and reported.
/// Virtual time passes. A program of several runtimes has as many networks.
///
/// # Examples
///
/// ```
/// use leno::net::{Engine, MemoryNetwork, TcpListener, TcpStream};
/// use std::io::{Read, Write};
///
/// let network = MemoryNetwork::new().short_transfers();
/// leno::Builder::new().engine(Engine::Memory(network)).run(|| {
///     // Nothing else on the machine has this port.
///     let listener = TcpListener::bind("127.0.0.1:80")?;
///     let client = leno::spawn(|| TcpStream::connect("127.0.0.1:80")?.write_all(b"hello"));
///     let mut text = String::new();
///     listener.accept()?.0.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     client.join().unwrap()
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryNetwork {
    pub(super) capacity: usize,
    pub(super) has_short_transfers: bool,
    pub(super) has_late_reports: bool,
    pub(super) has_late_connections: bool,
    pub(super) most_unanswered: u32,
    pub(super) most_aborts: u32,
    pub(super) most_resets: u32,
    pub(super) most_shortages: u32,
}

impl Default for MemoryNetwork {
    fn default() -> MemoryNetwork {
        MemoryNetwork::new()
    }
}

impl MemoryNetwork {
    /// Returns a network without faults. A stream has room for 64 KiB in each direction.
    ///
    /// # Examples
    ///
    /// See [`MemoryNetwork`].
    #[must_use]
    pub const fn new() -> MemoryNetwork {
        MemoryNetwork {
            capacity: 65_536,
            has_short_transfers: false,
            has_late_reports: false,
            has_late_connections: false,
            most_unanswered: 0,
            most_aborts: 0,
            most_resets: 0,
            most_shortages: 0,
        }
    }

    /// Sets the number of bytes that a stream has room for in each direction: a writer waits for the
    /// reader after so many.
    ///
    /// # Panics
    ///
    /// If it is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::MemoryNetwork;
    ///
    /// assert_ne!(MemoryNetwork::new().capacity(4), MemoryNetwork::new());
    /// ```
    #[must_use]
    pub const fn capacity(mut self, bytes: usize) -> MemoryNetwork {
        assert!(bytes > 0, "a stream without room for a byte carries none: give it at least 1");
        self.capacity = bytes;
        self
    }

    /// Lets calls on streams carry fewer bytes than they could, at times.
    ///
    /// # Examples
    ///
    /// See [`MemoryNetwork`].
    #[must_use]
    pub const fn short_transfers(mut self) -> MemoryNetwork {
        self.has_short_transfers = true;
        self
    }

    /// Lets reports that a socket is ready come later, at times, and after what has happened since. Each
    /// late report is a green thread, `report`, of which an exploration tries every order.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::MemoryNetwork;
    ///
    /// assert_ne!(MemoryNetwork::new().late_reports(), MemoryNetwork::new());
    /// ```
    #[must_use]
    pub const fn late_reports(mut self) -> MemoryNetwork {
        self.has_late_reports = true;
        self
    }

    /// Lets connections of TCP be made or refused later, at times. Each late answer is a green thread,
    /// `answer`, of which an exploration tries every order.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::MemoryNetwork;
    ///
    /// assert_ne!(MemoryNetwork::new().late_connections(), MemoryNetwork::new());
    /// ```
    #[must_use]
    pub const fn late_connections(mut self) -> MemoryNetwork {
        self.has_late_connections = true;
        self
    }

    /// Leaves at most this number of attempts to connect by TCP without an answer, whether or not a listener
    /// is there.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::{Engine, MemoryNetwork, TcpListener, TcpStream};
    /// use leno::time::{Duration, timeout};
    ///
    /// let network = Engine::Memory(MemoryNetwork::new().unanswered(1));
    /// leno::Builder::new().virtual_time().engine(network).run(|| {
    ///     let _listener = TcpListener::bind("127.0.0.1:80")?;
    ///     let connect = || timeout(Duration::from_secs(9), || TcpStream::connect("127.0.0.1:80"));
    ///     while connect().is_ok() {}
    ///     assert!(connect().is_ok(), "only one attempt is lost");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub const fn unanswered(mut self, most: u32) -> MemoryNetwork {
        self.most_unanswered = most;
        self
    }

    /// Resets at most this number of connections while they wait to be accepted. As on macOS and the BSDs,
    /// accept(2) fails with `ECONNABORTED`, upon which a listener of leno accepts the next connection; the
    /// client finds a reset.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::MemoryNetwork;
    ///
    /// assert_ne!(MemoryNetwork::new().aborts(1), MemoryNetwork::new());
    /// ```
    #[must_use]
    pub const fn aborts(mut self, most: u32) -> MemoryNetwork {
        self.most_aborts = most;
        self
    }

    /// Resets at most this number of connections, each at a call that reads or writes: that call and the
    /// next one of the peer fail, and what is under way is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::MemoryNetwork;
    ///
    /// assert_ne!(MemoryNetwork::new().resets(1), MemoryNetwork::new());
    /// ```
    #[must_use]
    pub const fn resets(mut self, most: u32) -> MemoryNetwork {
        self.most_resets = most;
        self
    }

    /// Lets at most this number of calls find that the process has no more descriptors (`EMFILE`), each
    /// where a socket is made or accepted.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::MemoryNetwork;
    ///
    /// assert_ne!(MemoryNetwork::new().shortages(1), MemoryNetwork::new());
    /// ```
    #[must_use]
    pub const fn shortages(mut self, most: u32) -> MemoryNetwork {
        self.most_shortages = most;
        self
    }
}

/// The code that makes it.
impl fmt::Display for MemoryNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = MemoryNetwork::new();
        f.write_str("leno::net::MemoryNetwork::new()")?;
        if self.capacity != default.capacity {
            write!(f, ".capacity({})", self.capacity)?;
        }
        if self.has_short_transfers {
            f.write_str(".short_transfers()")?;
        }
        if self.has_late_reports {
            f.write_str(".late_reports()")?;
        }
        if self.has_late_connections {
            f.write_str(".late_connections()")?;
        }
        if self.most_unanswered > 0 {
            write!(f, ".unanswered({})", self.most_unanswered)?;
        }
        if self.most_aborts > 0 {
            write!(f, ".aborts({})", self.most_aborts)?;
        }
        if self.most_resets > 0 {
            write!(f, ".resets({})", self.most_resets)?;
        }
        if self.most_shortages > 0 {
            write!(f, ".shortages({})", self.most_shortages)?;
        }
        Ok(())
    }
}
