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
        if self.most_resets > 0 {
            write!(f, ".resets({})", self.most_resets)?;
        }
        if self.most_shortages > 0 {
            write!(f, ".shortages({})", self.most_shortages)?;
        }
        Ok(())
    }
}
