//! Connecting to several addresses, of which the first that accepts is taken (RFC 8305).

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::time::Duration;

use super::no_addresses;
use crate::channel::{Ready, Select};
use crate::driver::io::{
    Address, Connecting, Direction, Kind, Readiness, Socket, says_little, wait_for_any,
};
use crate::kernel::try_scheduler;
use crate::time::Instant;

/// The time that an attempt has before the next one begins: that of RFC 8305, section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

impl Ready for Connecting {
    #[track_caller]
    fn readiness(&self, _direction: Direction) -> Readiness<'_> {
        Connecting::readiness(self)
    }
}

/// Returns the addresses in the order of the attempts: the families take turns, and that of the first
/// address begins.
fn interleaved(addresses: impl Iterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut families: [VecDeque<_>; 2] = Default::default();
    let mut first = None;
    for address in addresses {
        let first = *first.get_or_insert(address.is_ipv6());
        families[usize::from(address.is_ipv6() != first)].push_back(address);
    }
    let mut all = VecDeque::new();
    while families.iter().any(|family| !family.is_empty()) {
        all.extend(families.iter_mut().filter_map(VecDeque::pop_front));
    }
    all
}

/// The attempts to connect.
struct Race {
    /// The addresses that are left.
    addresses: VecDeque<SocketAddr>,
    attempts: Vec<Connecting>,
    /// When the next attempt begins.
    due: Instant,
    /// The error to be returned if all attempts fail.
    failure: Option<io::Error>,
    at: &'static Location<'static>,
}

/// Returns a socket that is connected to the first of the addresses that accepts.
///
/// # Errors
///
/// See [`TcpStream::connect_happy`](super::TcpStream::connect_happy).
#[track_caller]
pub(super) fn connect(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<Socket> {
    let mut race = Race {
        addresses: interleaved(addresses),
        attempts: Vec::new(),
        due: Instant::now(),
        failure: None,
        at: Location::caller(),
    };
    loop {
        if let Some(socket) = race.begin_due() {
            return Ok(socket);
        }
        if race.attempts.is_empty() {
            return Err(race.failure.unwrap_or_else(no_addresses));
        }
        race.wait();
        if let Some(socket) = race.look() {
            return Ok(socket);
        }
    }
}

impl Race {
    /// Notes that an attempt has failed: the next one is due.
    fn failed(&mut self, error: io::Error) {
        // mistake: failure-waits
        self.due = Instant::now();
        if self.failure.as_ref().is_none_or(says_little) || !says_little(&error) {
            self.failure = Some(error);
        }
    }

    /// Begins the attempts that are due. Returns the socket of one that has succeeded at once.
    fn begin_due(&mut self) -> Option<Socket> {
        while self.due <= Instant::now()
            && let Some(address) = self.addresses.pop_front()
        {
            let address = Address::Ip(address);
            let begun = Connecting::one_of_several(Kind::TcpStream, &address, self.at)
                .map(|attempt| (attempt.look(self.at).err(), attempt));
            match begun {
                Ok((None, attempt)) => return Some(attempt.into_socket()),
                Ok((Some(error), attempt)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.attempts.push(attempt);
                    self.due = Instant::now() + ATTEMPT_DELAY;
                }
                Ok((Some(error), _)) | Err(error) => self.failed(error),
            }
        }
        None
    }

    /// Waits until one of the attempts has ended, or the next one is due.
    #[track_caller]
    fn wait(&self) {
        let due = (!self.addresses.is_empty()).then_some(self.due);
        if try_scheduler().is_none() {
            let patience = due.map(|due| due.saturating_duration_since(Instant::now()));
            return wait_for_any(&self.attempts, patience);
        }
        let mut select = Select::new_biased();
        for attempt in &self.attempts {
            select.writable(attempt);
        }
        match due {
            // The deadline is no error: the next attempt is due.
            Some(due) => drop(select.ready_deadline(due)),
            None => drop(select.ready()),
        }
    }

    /// Returns the socket of an attempt that has succeeded. Gives those up that have failed.
    fn look(&mut self) -> Option<Socket> {
        for place in (0..self.attempts.len()).rev() {
            match self.attempts[place].look(self.at) {
                Ok(()) => return Some(self.attempts.swap_remove(place).into_socket()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.attempts.remove(place);
                    self.failed(error);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_keep_their_order() {
        let order = |texts: &[&str]| {
            let addresses = texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 80));
            let ordered = interleaved(addresses).into_iter();
            ordered.map(|address| address.ip().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(order(&[]), [""; 0]);
        assert_eq!(order(&["::1", "::2", "1.1.1.1"]), ["::1", "1.1.1.1", "::2"]);
        assert_eq!(order(&["1.1.1.1", "::1", "::2", "::3"]), ["1.1.1.1", "::1", "::2", "::3"]);
        assert_eq!(order(&["1.1.1.1", "1.1.1.2"]), ["1.1.1.1", "1.1.1.2"]);
    }
}
