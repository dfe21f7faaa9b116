//! Bad weather: a proxy in a runtime of its own, which splits, delays and resets.

use std::cell::Cell;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;

use leno::channel;
use leno::time::Duration;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::streams::{Stream, size};

/// What happens to the bytes of one direction.
#[derive(Clone, Debug)]
pub struct Way {
    /// The sizes of reads and writes, and the pauses after them. Later ones are large, and without a
    /// pause.
    pieces: Vec<(usize, Pause)>,
    /// The connection is reset after so many bytes.
    pub cut_after: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub enum Pause {
    None,
    Turn,
    Micros(u16),
}

impl Pause {
    pub fn any() -> impl Strategy<Value = Pause> {
        let micros = (0..300u16).prop_map(Pause::Micros);
        prop_oneof![Just(Pause::None), Just(Pause::Turn), micros]
    }

    pub fn make(self) {
        match self {
            Pause::None => {}
            Pause::Turn => leno::yield_now(),
            Pause::Micros(count) => leno::sleep(Duration::from_micros(count.into())),
        }
    }
}

impl Way {
    pub fn any() -> impl Strategy<Value = Way> {
        let pieces = vec((size(20_000), Pause::any()), 0..40);
        (pieces, option::weighted(0.15, size(100_000)))
            .prop_map(|(pieces, cut_after)| Way { pieces, cut_after })
    }
}

/// Why a way has ended.
enum Ended {
    AtTheEnd,
    /// The plan wants a reset, or an end has met one.
    Cut,
}

/// Forwards bytes between two streams in both directions. Returns `true` if the connection was cut.
pub fn proxy(streams: [Stream; 2], ways: &[Way; 2]) -> bool {
    let streams = Rc::new(streams);
    let (sender, ended) = channel::unbounded();
    let threads = [0, 1].map(|from| {
        let (streams, way, sender) = (streams.clone(), ways[from].clone(), sender.clone());
        leno::spawn(move || {
            let way_ended = match forward(&streams[from], &streams[1 - from], &way) {
                Ok(way_ended) => way_ended,
                Err(_) => Ended::Cut,
            };
            sender.send(way_ended).unwrap();
        })
    });
    let is_cut = (0..2).any(|_| matches!(ended.recv().unwrap(), Ended::Cut));
    if is_cut {
        for stream in &*streams {
            // What is not read or sent yet is lost, and the peer is sent a reset.
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }
    for thread in threads {
        thread.cancel();
        let _ = thread.join();
    }
    is_cut
}

fn forward(from: &Stream, to: &Stream, way: &Way) -> io::Result<Ended> {
    let mut pieces = way.pieces.iter().copied();
    let mut next = || pieces.next().unwrap_or((65_536, Pause::None));
    let mut buffer = vec![0; 65_536];
    let forwarded = Cell::new(0);
    loop {
        let (size, pause) = next();
        let count = from.read(&mut buffer[..size])?;
        pause.make();
        if count == 0 {
            to.shutdown(Shutdown::Write)?;
            return Ok(Ended::AtTheEnd);
        }
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let (size, pause) = next();
            let left = way.cut_after.map_or(usize::MAX, |after| after - forwarded.get());
            let count = to.write(&rest[..rest.len().min(size).min(left)])?;
            forwarded.set(forwarded.get() + count);
            if way.cut_after == Some(forwarded.get()) {
                return Ok(Ended::Cut);
            }
            rest = &rest[count..];
            pause.make();
        }
    }
}
