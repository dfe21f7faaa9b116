//! A chat room: channels, select, timeouts and cancellation in one small program.
//!
//! ```sh
//! cargo run --example 06_chat
//! ```
//!
//! Every guest is a green thread that types, and another green thread that reads.
//! The room is one more green thread. It waits for three events at once: a line
//! from a guest, the bell, and half a minute of silence. All data goes through
//! channels; there is no lock, and nothing is `Send`.
//!
//! Time is virtual, so an evening of a minute takes no time, and every run prints
//! the same. Without the call of `virtual_time`, the program runs for a minute.

#[path = "shared/arguments.rs"]
mod arguments;

use leno::channel::{Receiver, Sender, bounded, tick, unbounded};
use leno::thread;
use leno::time::{Duration, Elapsed, Instant, sleep, timeout};

/// A message from a guest to the room.
enum Event {
    Enter(&'static str, Sender<String>),
    Say(&'static str, String),
    Leave(&'static str),
}

const SECOND: Duration = Duration::from_secs(1);

/// Passes each line on to all other guests, until all guests have left or half a minute has passed
/// without a line. Returns the number of lines.
fn room(events: &Receiver<Event>) -> usize {
    let mut guests: Vec<(&str, Sender<String>)> = Vec::new();
    let bell = tick(25 * SECOND);
    let mut lines = 0;
    loop {
        let (from, line) = leno::select! {
            recv(events) -> event => match event {
                // All guests have left.
                Err(_) => return lines,
                Ok(Event::Enter(name, inbox)) => {
                    guests.push((name, inbox));
                    (name, format!("* {name} comes in"))
                }
                Ok(Event::Say(name, text)) => {
                    lines += 1;
                    (name, format!("{name}: {text}"))
                }
                Ok(Event::Leave(name)) => {
                    guests.retain(|(other, _)| *other != name);
                    (name, format!("* {name} has left"))
                }
            },
            recv(bell) -> _ => ("", format!("* the bell: {} in the room", guests.len())),
            default(30 * SECOND) => return lines,
        };
        for (name, inbox) in &guests {
            // A guest who does not read misses lines; the room does not wait.
            if *name != from && inbox.try_send(line.clone()).is_err() {
                println!("      ({name} missed a line)");
            }
        }
    }
}

/// A guest's place in the room. Its destructor tells the room that the guest leaves, so a cancelled
/// guest leaves as well.
struct Seat {
    name: &'static str,
    door: Sender<Event>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.door.send(Event::Leave(self.name));
    }
}

impl Seat {
    fn take(name: &'static str, door: &Sender<Event>) -> (Seat, Receiver<String>) {
        let (inbox, lines) = bounded(3);
        let _ = door.send(Event::Enter(name, inbox));
        (Seat { name, door: door.clone() }, lines)
    }

    fn say(&self, text: &str) {
        let _ = self.door.send(Event::Say(self.name, text.to_owned()));
    }
}

/// Prints what a guest reads, with the time.
fn read(start: Instant, name: &str, lines: &Receiver<String>) {
    for line in lines {
        println!("{:>3} s  {name:<4}| {line}", start.elapsed().as_secs());
    }
}

/// Says the lines of a script, each after a pause.
fn type_lines(seat: &Seat, script: &[(u32, &str)]) {
    for (seconds, text) in script {
        sleep(*seconds * SECOND);
        seat.say(text);
    }
}

fn evening() {
    let start = Instant::now();
    let (door, events) = unbounded();

    // Ann reads in a green thread of her own, and types in this one.
    let (ann_door, bob_door, eve_door) = (door.clone(), door.clone(), door);
    thread::spawn(move || {
        let (seat, lines) = Seat::take("ann", &ann_door);
        let reader = thread::spawn(move || read(start, "ann", &lines));
        type_lines(&seat, &[(2, "hello?"), (10, "anybody know a good loom?")]);
        sleep(45 * SECOND);
        drop(seat);
        reader.join().expect("reading does not panic");
    });

    // Bob waits for a question, with a timeout.
    thread::spawn(move || {
        sleep(5 * SECOND);
        let (seat, lines) = Seat::take("bob", &bob_door);
        let question = timeout(20 * SECOND, || lines.iter().find(|line| line.ends_with('?')));
        match question {
            Ok(_) => seat.say("leno: it weaves 12xy3z"),
            Err(Elapsed) => seat.say("so quiet here"),
        }
        match timeout(20 * SECOND, || lines.iter().find(|line| line.ends_with('?'))) {
            Ok(_) => seat.say("another question!"),
            Err(Elapsed) => seat.say("so quiet here"),
        }
    });

    // Eve never stops until she is cancelled: the destructor of her seat leaves the room.
    let eve = thread::spawn(move || {
        let (seat, _never_read) = Seat::take("eve", &eve_door);
        loop {
            sleep(6 * SECOND);
            seat.say("buy my thread!");
        }
    });
    thread::spawn(move || {
        sleep(20 * SECOND);
        eve.cancel();
        assert!(eve.join().expect_err("she never returns").is::<thread::Cancelled>());
    });

    let lines = room(&events);
    println!("{:>3} s  the room closes after {lines} lines", start.elapsed().as_secs());
}

fn main() {
    arguments::arguments(
        "A chat room: channels, select, timeouts and cancellation, in virtual time.",
        "cargo run --example 06_chat",
    );
    leno::Builder::new().virtual_time().run(evening);
}
