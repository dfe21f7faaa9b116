//! Pipes.

#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;

use crate::driver::io::{Pipe, reader_traits, writer_traits};

/// Makes a pipe, as [`std::io::pipe`]: what is written to one end is read from the other.
///
/// A pipe has room for 64 KiB on Linux. The descriptors are closed in programs that this one executes.
///
/// # Errors
///
/// If the process has no more descriptors. In an exploration without a network.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// leno::run(|| {
///     let (mut reader, mut writer) = leno::io::pipe()?;
///     leno::spawn(move || writer.write_all(b"hello"));
///     let mut text = String::new();
///     reader.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = Pipe::pair(["PipeReader", "PipeWriter"])?;
    Ok((PipeReader(Arc::new(reader)), PipeWriter(Arc::new(writer))))
}

/// Defines what types around a [`Pipe`] have in common.
macro_rules! pipe_traits {
    ($($type:ty),*) => { $(
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
    )* };
}

pub(crate) use pipe_traits;

macro_rules! end_methods {
    ($type:ident, $example:literal) => {
        impl $type {
            /// Returns another reference to the end, which is closed with the last. Unlike std's, it
            /// costs no descriptor.
            ///
            /// # Errors
            ///
            /// None. The result is that of std.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// # std::io::Result::Ok(())
            /// ```
            pub fn try_clone(&self) -> io::Result<$type> {
                Ok($type(self.0.clone()))
            }
        }
    };
}

/// The end of a [`pipe`] that is read, as [`std::io::PipeReader`].
///
/// A read waits until there are bytes, and returns 0 once all writers are closed. A read that is cancelled
/// has taken nothing.
///
/// # Examples
///
/// See [`pipe`].
pub struct PipeReader(pub(crate) Arc<Pipe>);

/// The end of a [`pipe`] that is written to, as [`std::io::PipeWriter`].
///
/// A write waits until there is room for a part of the bytes, and for all of them if they are at most 4,096
/// (`PIPE_BUF` of Linux; at least 512): those are not mixed with the bytes of other writers.
///
/// # Examples
///
/// A child gets the end for both of its outputs. The command, which has them too, is dropped: the reader
/// waits until all are closed.
///
/// ```
/// use std::io::Read;
///
/// leno::run(|| {
///     let (mut reader, writer) = leno::io::pipe()?;
///     let mut command = std::process::Command::new("sh");
///     command.args(["-c", "echo one; echo two >&2"]).stdout(writer.try_clone()?).stderr(writer);
///     let mut child = command.spawn()?;
///     drop(command);
///     let mut text = String::new();
///     reader.read_to_string(&mut text)?;
///     assert_eq!(text, "one\ntwo\n");
///     child.wait()?;
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct PipeWriter(pub(crate) Arc<Pipe>);

end_methods!(PipeReader, "let clone = leno::io::pipe()?.0.try_clone()?;");
end_methods!(PipeWriter, "let clone = leno::io::pipe()?.1.try_clone()?;");
pipe_traits!(PipeReader, PipeWriter);
reader_traits!(PipeReader, &PipeReader);
writer_traits!(PipeWriter, &PipeWriter);
