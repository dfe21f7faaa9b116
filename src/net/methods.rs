//! Methods that several kinds of sockets share.

/// Defines the methods of every socket. `$example` makes a socket with the name `socket`.
macro_rules! socket_methods {
    ($type:ident, $example:literal) => {
        impl $type {
            /// Returns another reference to the socket. Both have the same options, and the descriptor is
            /// closed with the last. Unlike std's, it costs no descriptor.
            ///
            /// # Errors
            ///
            /// None. The result is that of std.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// let clone = socket.try_clone()?;
            /// assert_eq!(clone.take_error()?.is_none(), true);
            /// # std::io::Result::Ok(())
            /// ```
            pub fn try_clone(&self) -> std::io::Result<$type> {
                Ok($type(self.0.clone()))
            }

            /// Returns and removes the error that the operating system has noted for the socket
            /// (`SO_ERROR`).
            ///
            /// # Errors
            ///
            /// Those of getsockopt(2).
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// assert!(socket.take_error()?.is_none());
            /// # std::io::Result::Ok(())
            /// ```
            pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
                self.0.take_error()
            }

            /// Sets whether calls that would block fail with
            /// [`WouldBlock`](std::io::ErrorKind::WouldBlock) in place of waiting. Holds for all
            /// clones. Such a call never switches and is no cancellation point, so a loop of them lets
            /// no other green thread run without [`yield_now`](crate::yield_now).
            ///
            /// # Errors
            ///
            /// None: this is a flag of the object. The result is that of std.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// socket.set_nonblocking(true)?;
            /// # std::io::Result::Ok(())
            /// ```
            pub fn set_nonblocking(&self, nonblocking: bool) -> std::io::Result<()> {
                self.0.set_nonblocking(nonblocking);
                Ok(())
            }
        }

        impl crate::channel::Ready for $type {
            fn readiness(
                &self,
                direction: crate::driver::io::Direction,
            ) -> crate::driver::io::Readiness<'_> {
                self.0.readiness(direction)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// Defines the timeouts of sockets that read and write.
macro_rules! timeout_methods {
    ($type:ident, $example:literal) => {
        impl $type {
            /// Sets the time after which a call that reads or receives, and has to wait, fails with
            /// [`WouldBlock`](std::io::ErrorKind::WouldBlock), as std's do on Unix. `None`, the
            /// default, waits for ever. It is measured by the runtime's clock, and holds for all
            /// clones.
            ///
            /// # Errors
            ///
            /// If the timeout is zero.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// socket.set_read_timeout(Some(std::time::Duration::from_millis(5)))?;
            /// # std::io::Result::Ok(())
            /// ```
            pub fn set_read_timeout(
                &self,
                timeout: Option<std::time::Duration>,
            ) -> std::io::Result<()> {
                self.0.set_timeout(true, timeout)
            }

            /// Sets the time after which a call that writes or sends, and has to wait, fails; see
            #[doc = concat!("[`set_read_timeout`](", stringify!($type), "::set_read_timeout).")]
            ///
            /// # Errors
            ///
            /// If the timeout is zero.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// assert!(socket.set_write_timeout(Some(std::time::Duration::ZERO)).is_err());
            /// # std::io::Result::Ok(())
            /// ```
            pub fn set_write_timeout(
                &self,
                timeout: Option<std::time::Duration>,
            ) -> std::io::Result<()> {
                self.0.set_timeout(false, timeout)
            }

            /// Returns the timeout of calls that read.
            ///
            /// # Errors
            ///
            /// None. The result is that of std.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// assert_eq!(socket.read_timeout()?, None);
            /// # std::io::Result::Ok(())
            /// ```
            pub fn read_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
                Ok(self.0.timeout(true))
            }

            /// Returns the timeout of calls that write.
            ///
            /// # Errors
            ///
            /// None. The result is that of std.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// assert_eq!(socket.write_timeout()?, None);
            /// # std::io::Result::Ok(())
            /// ```
            pub fn write_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
                Ok(self.0.timeout(false))
            }
        }
    };
}

/// Defines the limit of listeners.
macro_rules! limit_methods {
    ($type:ident, $example:literal) => {
        impl $type {
            /// Allows at most this number of the accepted connections to be open at once. While there are as
            /// many, [`accept`](Self::accept) and [`incoming`](Self::incoming) wait until one is closed, and
            /// a select finds the listener not readable; further peers wait in the backlog. Threads
            /// that wait go on in the order in which they came. Holds for all clones. By default there is
            /// no limit. A limit costs an accept and a close one lock each.
            ///
            /// A connection counts until its last clone is dropped, on whatever OS thread, or its
            /// descriptor is given up by a conversion ([`IntoRawFd`](std::os::fd::IntoRawFd), or into a
            /// socket of std). Connections that were accepted before the first call do not count. The limit
            /// may be changed at any time: a lower one closes no connection.
            ///
            /// A program that keeps the connections that `accept` waits for, and closes none, waits for ever.
            /// The wait is named in reports, as "one of 100 connections of" the listener. It counts as one
            /// that another OS thread may end, so it is no deadlock, except on a
            /// [network in memory](crate::net::MemoryNetwork).
            ///
            /// # Errors
            ///
            /// If the number is zero: [`InvalidInput`](std::io::ErrorKind::InvalidInput).
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// socket.set_max_connections(100)?;
            /// assert_eq!(socket.max_connections(), Some(100));
            /// assert!(socket.set_max_connections(0).is_err());
            /// # std::io::Result::Ok(())
            /// ```
            pub fn set_max_connections(&self, most: usize) -> std::io::Result<()> {
                self.0.set_most_connections(most)
            }

            /// Returns the number of accepted connections that may be open at once; `None` if no limit
            /// was set.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// assert_eq!(socket.max_connections(), None);
            /// # std::io::Result::Ok(())
            /// ```
            pub fn max_connections(&self) -> Option<usize> {
                self.0.most_connections()
            }
        }
    };
}

/// Defines the time to live of packets.
macro_rules! ttl_methods {
    ($type:ident, $example:literal) => {
        impl $type {
            /// Sets the time to live of packets (`IP_TTL`).
            ///
            /// # Errors
            ///
            /// Those of setsockopt(2).
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// socket.set_ttl(42)?;
            /// assert_eq!(socket.ttl()?, 42);
            /// # std::io::Result::Ok(())
            /// ```
            pub fn set_ttl(&self, ttl: u32) -> std::io::Result<()> {
                self.0.set($crate::driver::io::Choice::Ttl, ttl)
            }

            /// Returns the time to live of packets (`IP_TTL`).
            ///
            /// # Errors
            ///
            /// Those of getsockopt(2).
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// assert!(socket.ttl()? > 0);
            /// # std::io::Result::Ok(())
            /// ```
            pub fn ttl(&self) -> std::io::Result<u32> {
                self.0.get($crate::driver::io::Choice::Ttl)
            }
        }
    };
}
