//! Sockets of UDP.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::Location;
use std::sync::Arc;

use super::{ToSocketAddrs, each, ip, no_addresses};
use crate::driver::io::{Address, Choice, Group, Kind, Socket};

/// A socket of UDP, as [`std::net::UdpSocket`].
///
/// # Examples
///
/// ```
/// use leno::net::UdpSocket;
///
/// leno::run(|| {
///     let one = UdpSocket::bind("127.0.0.1:0")?;
///     let other = UdpSocket::bind("127.0.0.1:0")?;
///     let address = other.local_addr()?;
///     leno::spawn(move || one.send_to(b"hello", address));
///     let (count, _sender) = other.recv_from(&mut [0; 9])?;
///     assert_eq!(count, 5);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UdpSocket(pub(crate) Arc<Socket>);

impl UdpSocket {
    /// Makes a socket at the first of the addresses that can be had. Port 0 lets the operating system
    /// choose one.
    ///
    /// # Errors
    ///
    /// Those of socket(2) and bind(2) for the last address; of the lookup of a name; if there is no
    /// address.
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(address: A) -> io::Result<UdpSocket> {
        let at = Location::caller();
        let bind = |address| Socket::bind(Kind::UdpSocket, &address, at);
        Ok(UdpSocket(Arc::new(each(address, bind)?)))
    }

    /// Waits for a datagram. Returns the number of its bytes, and the sender's address. What has no room
    /// in `bytes` is lost.
    ///
    /// # Errors
    ///
    /// Those of recvfrom(2).
    ///
    /// # Cancellation
    ///
    /// A cancellation point. No datagram is received and lost.
    ///
    /// # Examples
    ///
    /// ```
    /// let one = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let other = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// one.send_to(b"hello", other.local_addr()?)?;
    /// assert_eq!(other.recv_from(&mut [0; 9])?, (5, one.local_addr()?));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn recv_from(&self, bytes: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (count, sender) = self.0.receive_from(bytes, true)?;
        Ok((count, ip(sender)?))
    }

    /// Waits for a datagram, as [`recv_from`](UdpSocket::recv_from). The next call receives the same one.
    ///
    /// # Errors
    ///
    /// Those of recvfrom(2).
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// let one = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let other = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// one.send_to(b"hello", other.local_addr()?)?;
    /// assert_eq!(other.peek_from(&mut [0; 9])?, (5, one.local_addr()?));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn peek_from(&self, bytes: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (count, sender) = self.0.receive_from(bytes, false)?;
        Ok((count, ip(sender)?))
    }

    /// Sends a datagram to the first of the addresses. Waits while there is no room for it. Returns the
    /// number of bytes.
    ///
    /// # Errors
    ///
    /// Those of sendto(2): if the datagram is too large, `EMSGSIZE`; if an earlier one was refused,
    /// [`io::ErrorKind::ConnectionRefused`]. Of the lookup of a name; if there is no address.
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// let one = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let other = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// assert_eq!(one.send_to(b"hello", other.local_addr()?)?, 5);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn send_to<A: ToSocketAddrs>(&self, bytes: &[u8], address: A) -> io::Result<usize> {
        match address.to_socket_addrs()?.next() {
            Some(address) => self.0.send_to(bytes, &Address::Ip(address)),
            None => Err(no_addresses()),
        }
    }

    /// Returns the address of the peer, which [`connect`](UdpSocket::connect) has set.
    ///
    /// # Errors
    ///
    /// Those of getpeername(2): without a peer, [`io::ErrorKind::NotConnected`].
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// assert!(socket.peer_addr().is_err());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        ip(self.0.peer_addr()?)
    }

    /// Returns the address of the socket.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// assert!(socket.local_addr()?.ip().is_loopback());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip(self.0.local_addr()?)
    }

    /// Sets the peer, to the first of the addresses that the system takes: [`send`](UdpSocket::send) sends
    /// to it, and datagrams of others are not received. Never waits, except to look a name up.
    ///
    /// # Errors
    ///
    /// Those of connect(2) for the last address; of the lookup of a name; if there is no address.
    ///
    /// # Examples
    ///
    /// ```
    /// let one = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let other = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// one.connect(other.local_addr()?)?;
    /// assert_eq!(one.peer_addr()?, other.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(&self, address: A) -> io::Result<()> {
        each(address, |address| self.0.set_peer(&address))
    }

    /// Sends a datagram to the peer. Waits while there is no room for it. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// Those of send(2); see [`send_to`](UdpSocket::send_to). Without a peer.
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// let one = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let other = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// one.connect(other.local_addr()?)?;
    /// assert_eq!(one.send(b"hello")?, 5);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send_datagram(bytes)
    }

    /// Waits for a datagram of the peer. Returns the number of its bytes. What has no room in `bytes` is
    /// lost.
    ///
    /// # Errors
    ///
    /// Those of recv(2).
    ///
    /// # Cancellation
    ///
    /// A cancellation point. No datagram is received and lost.
    ///
    /// # Examples
    ///
    /// ```
    /// let one = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let other = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// one.connect(other.local_addr()?)?;
    /// other.connect(one.local_addr()?)?;
    /// one.send(b"hello")?;
    /// assert_eq!(other.recv(&mut [0; 9])?, 5);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn recv(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.receive_datagram(bytes)
    }

    /// Waits for a datagram of the peer, as [`recv`](UdpSocket::recv). The next call receives the same one.
    ///
    /// # Errors
    ///
    /// Those of recv(2).
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// let one = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let other = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// one.connect(other.local_addr()?)?;
    /// other.connect(one.local_addr()?)?;
    /// one.send(b"hello")?;
    /// assert_eq!(other.peek(&mut [0; 9])?, 5);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.peek(bytes)
    }

    /// Sets whether datagrams may be sent to broadcast addresses (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_broadcast(true)?;
    /// assert!(socket.broadcast()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_broadcast(&self, is_on: bool) -> io::Result<()> {
        self.0.set(Choice::Broadcast, is_on.into())
    }

    /// Returns whether datagrams may be sent to broadcast addresses (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let _is_on: bool = socket.broadcast()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn broadcast(&self) -> io::Result<bool> {
        Ok(self.0.get(Choice::Broadcast)? != 0)
    }

    /// Sets whether this host receives what it sends to groups of IPv4 (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_multicast_loop_v4(true)?;
    /// assert!(socket.multicast_loop_v4()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_multicast_loop_v4(&self, is_on: bool) -> io::Result<()> {
        self.0.set(Choice::MulticastLoopV4, is_on.into())
    }

    /// Returns whether this host receives what it sends to groups of IPv4 (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// assert!(socket.multicast_loop_v4()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        Ok(self.0.get(Choice::MulticastLoopV4)? != 0)
    }

    /// Sets the time to live of packets to groups of IPv4 (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_multicast_ttl_v4(7)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_multicast_ttl_v4(&self, value: u32) -> io::Result<()> {
        self.0.set(Choice::MulticastTtlV4, value)
    }

    /// Returns the time to live of packets to groups of IPv4 (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = leno::net::UdpSocket::bind("127.0.0.1:0")?;
    /// assert_eq!(socket.multicast_ttl_v4()?, 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.0.get(Choice::MulticastTtlV4)
    }

    /// Sets whether this host receives what it sends to groups of IPv6 (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = leno::net::UdpSocket::bind("[::1]:0")?;
    /// socket.set_multicast_loop_v6(false)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_multicast_loop_v6(&self, is_on: bool) -> io::Result<()> {
        self.0.set(Choice::MulticastLoopV6, is_on.into())
    }

    /// Returns whether this host receives what it sends to groups of IPv6 (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = leno::net::UdpSocket::bind("[::1]:0")?;
    /// assert!(socket.multicast_loop_v6()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        Ok(self.0.get(Choice::MulticastLoopV6)? != 0)
    }

    /// Joins a group of IPv4 (`IP_ADD_MEMBERSHIP`), on the interface with this address; on any, if it is
    /// `0.0.0.0`.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::{Ipv4Addr, UdpSocket};
    ///
    /// let socket = UdpSocket::bind("0.0.0.0:0")?;
    /// let group = Ipv4Addr::new(224, 0, 0, 123);
    /// if socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_ok() {
    ///     socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.0.join(Group::V4(group, interface))
    }

    /// Joins a group of IPv6, on the interface with this index; on any, if it is 0.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::{Ipv6Addr, UdpSocket};
    ///
    /// let socket = UdpSocket::bind("[::]:0")?;
    /// let group: Ipv6Addr = "ff02::123".parse().unwrap();
    /// if socket.join_multicast_v6(&group, 0).is_ok() {
    ///     socket.leave_multicast_v6(&group, 0)?;
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.0.join(Group::V6(group, interface))
    }

    /// Leaves a group of IPv4 (`IP_DROP_MEMBERSHIP`), on the interface with this address; on any, if it is
    /// `0.0.0.0`.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::{Ipv4Addr, UdpSocket};
    ///
    /// let socket = UdpSocket::bind("0.0.0.0:0")?;
    /// let group = Ipv4Addr::new(224, 0, 0, 123);
    /// if socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_ok() {
    ///     socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.0.leave(Group::V4(group, interface))
    }

    /// Leaves a group of IPv6, on the interface with this index; on any, if it is 0.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::net::{Ipv6Addr, UdpSocket};
    ///
    /// let socket = UdpSocket::bind("[::]:0")?;
    /// let group: Ipv6Addr = "ff02::123".parse().unwrap();
    /// if socket.join_multicast_v6(&group, 0).is_ok() {
    ///     socket.leave_multicast_v6(&group, 0)?;
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.0.leave(Group::V6(group, interface))
    }
}

socket_methods!(UdpSocket, "let socket = leno::net::UdpSocket::bind(\"127.0.0.1:0\")?;");
timeout_methods!(UdpSocket, "let socket = leno::net::UdpSocket::bind(\"127.0.0.1:0\")?;");
ttl_methods!(UdpSocket, "let socket = leno::net::UdpSocket::bind(\"127.0.0.1:0\")?;");
