//! The traits of streams, for the public types of sockets and pipes.

/// Defines reading, for a stream and for a reference to one.
macro_rules! reader_traits {
    ($($of:ty),*) => { $(
        /// Calls wait until there is something to read; 0 is the end.
        impl std::io::Read for $of {
            #[inline]
            #[track_caller]
            fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
                self.0.read(bytes)
            }

            #[track_caller]
            fn read_vectored(
                &mut self,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                self.0.read_vectored(buffers)
            }

            // As std's, but with the caller's line for reports.
            #[track_caller]
            fn read_exact(&mut self, mut bytes: &mut [u8]) -> std::io::Result<()> {
                while !bytes.is_empty() {
                    let count = self.0.read(bytes)?;
                    if count == 0 {
                        let text = "failed to fill whole buffer";
                        return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, text));
                    }
                    bytes = &mut bytes[count..];
                }
                Ok(())
            }
        }
    )* };
}

/// Defines writing, for a stream and for a reference to one.
macro_rules! writer_traits {
    ($($of:ty),*) => { $(
        /// Calls wait until there is room for a part of the bytes. After the other end
        /// has been closed they fail with [`BrokenPipe`](std::io::ErrorKind::BrokenPipe), without a
        /// signal.
        impl std::io::Write for $of {
            #[inline]
            #[track_caller]
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.write(bytes)
            }

            #[track_caller]
            fn write_vectored(
                &mut self,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                self.0.write_vectored(buffers)
            }

            #[track_caller]
            fn write_all(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
                // As std's, but with the caller's line for reports. A write of some bytes never returns 0.
                while !bytes.is_empty() {
                    bytes = &bytes[self.0.write(bytes)?..];
                }
                Ok(())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
    )* };
}

pub(crate) use {reader_traits, writer_traits};
