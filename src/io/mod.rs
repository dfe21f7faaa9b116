//! The standard streams, pipes, waiting for descriptors of all kinds, copying between streams, and the halves of
//! streams.
//!
//! The sockets of [`leno::net`](crate::net) and the ends of a [`pipe`] wait by themselves. [`Watched`] is for
//! other descriptors that can be polled: those of a C library (libpq, ALSA), of inotify(7), a device.
//!
//! # Examples
//!
//! ```
//! use leno::net::{TcpListener, TcpStream};
//! use std::io::{self, Write};
//! use std::net::Shutdown;
//!
//! // A proxy: what comes from either side goes to the other.
//! fn relay(one: &TcpStream, other: &TcpStream) -> io::Result<(u64, u64)> {
//!     let pass = |from: &TcpStream, to: &TcpStream| -> io::Result<u64> {
//!         let count = leno::io::copy(&mut &*from, &mut &*to)?;
//!         to.shutdown(Shutdown::Write)?;
//!         Ok(count)
//!     };
//!     leno::scope(|scope| {
//!         let back = scope.spawn(|| pass(other, one));
//!         let forth = pass(one, other)?;
//!         Ok((forth, back.join().unwrap()?))
//!     })
//! }
//! # leno::run(|| {
//! #     let listener = TcpListener::bind("127.0.0.1:0")?;
//! #     let pair = || io::Result::Ok((TcpStream::connect(listener.local_addr()?)?, listener.accept()?.0));
//! #     let ((mut client, one), (other, server)) = (pair()?, pair()?);
//! #     client.write_all(b"hello")?;
//! #     client.shutdown(Shutdown::Write)?;
//! #     server.shutdown(Shutdown::Write)?;
//! #     assert_eq!(relay(&one, &other)?, (5, 0));
//! #     io::Result::Ok(())
//! # })?;
//! # io::Result::Ok(())
//! ```

mod copy;
mod pipe;
mod split;
mod stdin;
mod stdout;
mod turns;
mod watched;

pub use copy::copy;
pub(crate) use pipe::pipe_traits;
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use split::{Duplex, ReadHalf, ReuniteError, WriteHalf, split};
pub use stdin::{Stdin, StdinLock, stdin};
pub use stdout::{Stderr, StderrLock, Stdout, StdoutLock, stderr, stdout};
pub use watched::Watched;
