//! Copying from a reader to a writer.

#![forbid(unsafe_code)]

use std::io::{self, ErrorKind, Read, Write};

/// The size of the buffer. [`std::io::copy`] has 8 KiB, on the stack.
const BUFFER_BYTES: usize = 64 * 1024;

/// Copies all of a reader to a writer, and returns the number of bytes. The writer is flushed at the end.
///
/// It differs from [`std::io::copy`] by the size of its buffer: 64 KiB in the heap, so that a
/// connection takes a fraction of the system calls, and little of the stack.
///
/// # Errors
///
/// Those of reading and writing. Bytes that were read may not have been written then.
///
/// # Cancellation
///
/// As the reads and writes. What was read, and not written when the thread is unwound, is lost.
///
/// # Examples
///
/// ```
/// let mut written = Vec::new();
/// assert_eq!(leno::io::copy(&mut &b"hello"[..], &mut written)?, 5);
/// assert_eq!(written, b"hello");
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn copy<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: Read + ?Sized,
    W: Write + ?Sized,
{
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut copied = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => {
                writer.flush()?;
                return Ok(copied);
            }
            Ok(count) => {
                writer.write_all(&buffer[..count])?;
                copied += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
