//! Datagrams: each is whole, in its place, or not there.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use leno::net::UdpSocket;
use leno::os::unix::net::UnixDatagram;
use leno::sync::Semaphore;
use leno::time::Duration;
use proptest::collection::vec;
use proptest::prelude::*;

use super::persist::{Interruption, Progress, persist, stopped};
use super::proxy::Pause;
use super::run_cases;
use crate::pairs::join;

/// The number of datagrams that are under way at most, so that the system drops none.
const WINDOW: usize = 8;

pub enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

macro_rules! on_each {
    ($self:expr, $socket:ident => $call:expr) => {
        match $self {
            Socket::Udp($socket) => $call,
            Socket::Unix($socket) => $call,
        }
    };
}

impl Socket {
    pub fn pair(is_unix: bool) -> (Socket, Socket) {
        if is_unix {
            let (one, other) = UnixDatagram::pair().unwrap();
            return (Socket::Unix(one), Socket::Unix(other));
        }
        let [one, other] = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        one.connect(other.local_addr().unwrap()).unwrap();
        other.connect(one.local_addr().unwrap()).unwrap();
        (Socket::Udp(one), Socket::Udp(other))
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        on_each!(self, socket => socket.send(bytes))
    }

    fn receive(&self, bytes: &mut [u8]) -> io::Result<usize> {
        on_each!(self, socket => socket.recv(bytes))
    }

    fn set_timeouts(&self, timeout: Option<Duration>) {
        on_each!(self, socket => {
            socket.set_read_timeout(timeout).unwrap();
            socket.set_write_timeout(timeout).unwrap();
        });
    }
}

/// Returns the datagram of this number.
fn datagram(number: usize) -> Vec<u8> {
    let size = number * 7_919 % 3_000;
    (0..size).map(|place| (number * 31 + place * 17 + (place >> 8)) as u8).collect()
}

/// One direction, as the model knows it.
pub struct Flow {
    /// The numbers of the datagrams that are to arrive, in order.
    arriving: Vec<usize>,
    count: usize,
    sent: Cell<usize>,
    received: Cell<usize>,
    room: Semaphore,
}

impl Flow {
    /// Returns a direction of `count` datagrams, of which the weather drops some.
    pub fn new(count: usize, is_dropped: impl Fn(usize) -> bool) -> Rc<Flow> {
        let arriving = (0..count).filter(|&number| !is_dropped(number)).collect();
        let (sent, received) = Default::default();
        Rc::new(Flow { arriving, count, sent, received, room: Semaphore::new(WINDOW) })
    }

    fn send(&self, socket: &Socket) -> Progress {
        while self.sent.get() < self.count {
            let Ok(room) = self.room.acquire() else { unreachable!("it is not closed") };
            match socket.send(&datagram(self.sent.get())) {
                Ok(_) => {
                    // The weather gives room for what it drops.
                    room.forget();
                    self.sent.set(self.sent.get() + 1);
                }
                Err(error) => return stopped(error),
            }
        }
        Progress::Done
    }

    fn receive(&self, socket: &Socket) -> Progress {
        let mut bytes = [0; 4_096];
        while self.received.get() < self.arriving.len() {
            match socket.receive(&mut bytes) {
                Ok(count) => {
                    let number = self.arriving[self.received.get()];
                    assert!(bytes[..count] == datagram(number), "not datagram {number}");
                    self.received.set(self.received.get() + 1);
                    self.room.add_permits(1);
                }
                Err(error) => return stopped(error),
            }
        }
        Progress::Done
    }
}

/// Sends and receives all datagrams. Returns the number of interruptions.
pub fn run_flow(
    flow: &Rc<Flow>,
    sender: Socket,
    receiver: Socket,
    sending: Vec<Interruption>,
    receiving: Vec<Interruption>,
) -> u64 {
    let sending = leno::spawn({
        let (flow, sender, mut interruptions) =
            (flow.clone(), Rc::new(sender), sending.into_iter());
        let limited = sender.clone();
        move || {
            let limit = |timeout| limited.set_timeouts(timeout);
            persist(1, || interruptions.next(), limit, move || flow.send(&sender))
        }
    });
    let (receiver, flow) = (Rc::new(receiver), flow.clone());
    let (limited, mut interruptions) = (receiver.clone(), receiving.into_iter());
    let limit = |timeout| limited.set_timeouts(timeout);
    // One thread: a second one would wait for a datagram that does not come.
    let calls = move || flow.receive(&receiver);
    persist(1, || interruptions.next(), limit, calls) + join(sending)
}

#[derive(Clone, Debug)]
struct Plan {
    is_unix: bool,
    count: usize,
    sending: Vec<Interruption>,
    receiving: Vec<Interruption>,
    /// What happens to each datagram, over and over: it is dropped after the pause, or forwarded.
    weather: Vec<(bool, Pause)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let interruptions = || vec(Interruption::any(), 0..60);
    let weather = vec((prop::bool::weighted(0.1), Pause::any()), 1..20);
    (any::<bool>(), 1..150usize, interruptions(), interruptions(), weather).prop_map(
        |(is_unix, count, sending, receiving, weather)| Plan {
            is_unix,
            count,
            sending,
            receiving,
            weather,
        },
    )
}

fn exchange(plan: &Plan) -> u64 {
    let (sender, near) = Socket::pair(plan.is_unix);
    let (far, receiver) = Socket::pair(plan.is_unix);
    let weather_of = |number: usize| plan.weather[number % plan.weather.len()];
    let flow = Flow::new(plan.count, |number| weather_of(number).0);
    let forwarder = leno::spawn({
        let (plan, flow) = (plan.clone(), flow.clone());
        move || {
            for number in 0..plan.count {
                let (is_dropped, pause) = plan.weather[number % plan.weather.len()];
                let mut bytes = [0; 4_096];
                let count = near.receive(&mut bytes).unwrap();
                pause.make();
                if is_dropped {
                    flow.room.add_permits(1);
                } else {
                    far.send(&bytes[..count]).unwrap();
                }
            }
        }
    });
    let (sending, receiving) = (plan.sending.clone(), plan.receiving.clone());
    let interrupted = run_flow(&flow, sender, receiver, sending, receiving);
    join(forwarder);
    interrupted
}

#[test]
fn random_datagrams_are_whole_or_not_there() {
    let name = "random_datagrams_are_whole_or_not_there";
    let interruptions = run_cases(name, 30, plan(), exchange);
    assert!(interruptions > 0, "nothing was interrupted");
}
