//! Addresses, and the lookup of names.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::{iter, option, slice, vec};

use crate::bridge::unblock;
use crate::driver::io::refuse_if_controlled;
use crate::kernel::try_scheduler;

/// What can be made into addresses, as [`std::net::ToSocketAddrs`]. A name is looked up on the pool of
/// OS threads of [`unblock`](crate::unblock), so that only the green thread waits; outside a
/// runtime the OS thread waits.
///
/// # Examples
///
/// ```
/// use leno::net::ToSocketAddrs;
///
/// leno::run(|| {
///     let mut addresses = "localhost:80".to_socket_addrs()?;
///     assert!(addresses.all(|address| address.ip().is_loopback() && address.port() == 80));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub trait ToSocketAddrs {
    /// The addresses.
    type Iter: Iterator<Item = SocketAddr>;

    /// Returns the addresses. Looks a name up.
    ///
    /// # Errors
    ///
    /// If the text is no address and no name with a port, or the name is not found.
    ///
    /// # Cancellation
    ///
    /// A cancellation point for a name.
    #[track_caller]
    fn to_socket_addrs(&self) -> io::Result<Self::Iter>;
}

/// Looks a name up, as [`ToSocketAddrs::to_socket_addrs`] does.
///
/// # Errors
///
/// As [`ToSocketAddrs::to_socket_addrs`].
///
/// # Cancellation
///
/// A cancellation point for a name.
///
/// # Examples
///
/// ```
/// leno::run(|| {
///     let address = leno::net::lookup_host(("localhost", 80))?.next().unwrap();
///     assert!(address.ip().is_loopback());
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn lookup_host<T: ToSocketAddrs>(host: T) -> io::Result<T::Iter> {
    host.to_socket_addrs()
}

/// Looks a name up.
#[track_caller]
fn look_up(name: &str, port: u16) -> io::Result<vec::IntoIter<SocketAddr>> {
    let scheduler = try_scheduler();
    refuse_if_controlled(scheduler)?;
    let name = name.to_owned();
    let look_up = move || std::net::ToSocketAddrs::to_socket_addrs(&(&*name, port));
    if scheduler.is_some() { unblock(look_up) } else { look_up() }
}

/// Returns the only address.
fn only(address: SocketAddr) -> io::Result<option::IntoIter<SocketAddr>> {
    Ok(Some(address).into_iter())
}

macro_rules! addresses {
    ($($of:ty),*) => { $(
        impl ToSocketAddrs for $of {
            type Iter = option::IntoIter<SocketAddr>;

            fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
                only((*self).into())
            }
        }
    )* };
}

addresses!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl ToSocketAddrs for (&str, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    #[track_caller]
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(address) => Ok(vec![SocketAddr::new(address, port)].into_iter()),
            Err(_) => look_up(host, port),
        }
    }
}

impl ToSocketAddrs for (String, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    #[track_caller]
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (&*self.0, self.1).to_socket_addrs()
    }
}

impl ToSocketAddrs for str {
    type Iter = vec::IntoIter<SocketAddr>;

    #[track_caller]
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        if let Ok(address) = self.parse() {
            return Ok(vec![address].into_iter());
        }
        let invalid = |what: &str| {
            let text = format!("{what} in {self:?}: an address is HOST:PORT, as in localhost:80");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        let (host, port) = self.rsplit_once(':').ok_or_else(|| invalid("no port"))?;
        let port = port.parse().map_err(|_| invalid("invalid port"))?;
        (host, port).to_socket_addrs()
    }
}

impl ToSocketAddrs for String {
    type Iter = vec::IntoIter<SocketAddr>;

    #[track_caller]
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs()
    }
}

impl<'a> ToSocketAddrs for &'a [SocketAddr] {
    type Iter = iter::Cloned<slice::Iter<'a, SocketAddr>>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        Ok(self.iter().cloned())
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    type Iter = T::Iter;

    #[track_caller]
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs()
    }
}
