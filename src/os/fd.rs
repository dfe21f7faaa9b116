//! Conversions of sockets, pipes and files from and to descriptors, and the sockets, pipes and files of std.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use crate::driver::io::{Kind, Pipe, Socket};
use crate::fs::File;
use crate::io::{PipeReader, PipeWriter};
use crate::net::{TcpListener, TcpStream, UdpSocket};
use crate::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use crate::process::{ChildStderr, ChildStdin, ChildStdout};

/// Defines what goes by way of an [`OwnedFd`].
macro_rules! conversions_by_owned {
    ($($type:ident: $std:ty),*) => { $(
        /// As the conversion into an [`OwnedFd`].
        impl IntoRawFd for $type {
            fn into_raw_fd(self) -> RawFd {
                OwnedFd::from(self).into_raw_fd()
            }
        }

        /// As the conversion from an [`OwnedFd`].
        impl From<$std> for $type {
            fn from(it: $std) -> $type {
                OwnedFd::from(it).into()
            }
        }

        /// As the conversion into an [`OwnedFd`].
        impl From<$type> for $std {
            fn from(it: $type) -> $std {
                OwnedFd::from(it).into()
            }
        }
    )* };
}

macro_rules! conversions {
    ($($type:ident: $std:ty),*) => { $(
        /// The descriptor does not block, whatever the object's mode.
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        /// The descriptor does not block, whatever the object's mode.
        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.0.as_fd().as_raw_fd()
            }
        }

        /// Takes over a descriptor, with its timeouts. The descriptor does not block from now on; if
        /// it did not before, calls on the object fail in place of waiting.
        impl From<OwnedFd> for $type {
            fn from(descriptor: OwnedFd) -> $type {
                $type(Arc::new(Socket::take_over(Kind::$type, descriptor)))
            }
        }

        /// Gives the descriptor up, with its timeouts. It blocks again unless the object is set not to. If there are
        /// clones, it is a duplicate, and does not block.
        ///
        /// # Panics
        ///
        /// If there are clones, and the process has no more descriptors.
        impl From<$type> for OwnedFd {
            fn from(socket: $type) -> OwnedFd {
                Socket::give_up(socket.0)
            }
        }
    )*
        conversions_by_owned!($($type: $std),*);
    };
}

conversions!(
    TcpListener: std::net::TcpListener,
    TcpStream: std::net::TcpStream,
    UdpSocket: std::net::UdpSocket,
    UnixListener: std::os::unix::net::UnixListener,
    UnixStream: std::os::unix::net::UnixStream,
    UnixDatagram: std::os::unix::net::UnixDatagram
);

macro_rules! from_raw {
    ($($type:ident),*) => { $(
        /// As the conversion from an [`OwnedFd`].
        impl FromRawFd for $type {
            /// Takes over a descriptor.
            ///
            /// # Safety
            ///
            /// It must be open, and nothing else may own it.
            unsafe fn from_raw_fd(descriptor: RawFd) -> $type {
                // SAFETY: the caller's contract: the descriptor is open, and nothing else owns it.
                unsafe { OwnedFd::from_raw_fd(descriptor) }.into()
            }
        }
    )* };
}

from_raw!(
    TcpListener,
    TcpStream,
    UdpSocket,
    UnixListener,
    UnixStream,
    UnixDatagram,
    PipeReader,
    PipeWriter,
    File
);

macro_rules! pipe_conversions {
    ($($type:ident: $std:ty),*) => { $(
        /// The descriptor does not block once leno has read or written.
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        /// The descriptor does not block once leno has read or written.
        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.as_fd().as_raw_fd()
            }
        }

        /// Takes over a descriptor, which does not block from the first call on.
        impl From<OwnedFd> for $type {
            fn from(descriptor: OwnedFd) -> $type {
                $type(Arc::new(Pipe::take_over(stringify!($type), descriptor)))
            }
        }

        /// Gives the descriptor up, which blocks again. If there are clones, it is a duplicate, and does
        /// not block if one of them has read or written, or will.
        ///
        /// # Panics
        ///
        /// If there are clones, and the process has no more descriptors.
        impl From<$type> for OwnedFd {
            fn from(end: $type) -> OwnedFd {
                Pipe::give_up(end.0)
            }
        }

        /// For a standard stream of a child, as the conversion into an [`OwnedFd`].
        impl From<$type> for std::process::Stdio {
            fn from(end: $type) -> std::process::Stdio {
                OwnedFd::from(end).into()
            }
        }
    )*
        conversions_by_owned!($($type: $std),*);
    };
}

pipe_conversions!(
    PipeReader: std::io::PipeReader,
    PipeWriter: std::io::PipeWriter,
    ChildStdin: std::process::ChildStdin,
    ChildStdout: std::process::ChildStdout,
    ChildStderr: std::process::ChildStderr
);

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Takes over a file, and does not change its mode. Never waits.
impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> File {
        File(file.into())
    }
}

/// Gives the file up. Never waits.
impl From<File> for std::fs::File {
    fn from(file: File) -> std::fs::File {
        file.0.into_inner()
    }
}

/// As the conversion from a [`std::fs::File`].
impl From<OwnedFd> for File {
    fn from(descriptor: OwnedFd) -> File {
        std::fs::File::from(descriptor).into()
    }
}

/// As the conversion into a [`std::fs::File`].
impl From<File> for OwnedFd {
    fn from(file: File) -> OwnedFd {
        std::fs::File::from(file).into()
    }
}

/// As the conversion into a [`std::fs::File`].
impl IntoRawFd for File {
    fn into_raw_fd(self) -> RawFd {
        OwnedFd::from(self).into_raw_fd()
    }
}

/// For a standard stream of a child.
impl From<File> for std::process::Stdio {
    fn from(file: File) -> std::process::Stdio {
        std::fs::File::from(file).into()
    }
}
