//! The chat server: a conversation, many clients at once, clients that do not read, bad input.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::{iter, thread};

use super::listening::Listening;
use super::{refuse, run};

const NAME: &str = "15_chat_server";

struct Client {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Client {
    fn of(stream: TcpStream) -> Client {
        let lines = BufReader::new(stream.try_clone().expect("there are descriptors"));
        let mut client = Client { stream, lines };
        client.hears("* what is your name?");
        client
    }

    /// Connects a client, and has it come in.
    fn new(server: &Listening, name: &str) -> Client {
        let mut client = Client::of(server.connect());
        client.says(name);
        client.hears(&format!("* {name} comes in"));
        client
    }

    fn says(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\n").as_bytes()).expect("the server listens");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line in time");
        line.trim_end_matches('\n').to_owned()
    }

    #[track_caller]
    fn hears(&mut self, line: &str) {
        assert_eq!(self.line(), line);
    }

    #[track_caller]
    fn hears_no_more(mut self) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("the end in time");
        assert_eq!(rest, "");
    }
}

fn start() -> Listening {
    Listening::start(NAME, &["127.0.0.1:0"])
}

#[test]
fn clients_talk_and_leave() {
    let server = start();
    let mut ann = Client::new(&server, "ann");
    let mut bob = Client::of(server.connect());
    for name in ["", "b b", "b/b", "a_name_of_more_than_20_characters", "/quit"] {
        bob.says(name);
        bob.hears("* a name has 1 to 20 letters and digits");
    }
    bob.says("ann");
    bob.hears("* this name is taken");
    bob.says("bob\r");
    for client in [&mut ann, &mut bob] {
        client.hears("* bob comes in");
    }
    bob.says("/who");
    bob.hears("* here: ann, bob");
    ann.says("");
    ann.says("  a tab\tand an escape \x1b[31m  ");
    for client in [&mut ann, &mut bob] {
        client.hears("ann: a taband an escape [31m");
    }
    bob.says("/when");
    bob.hears("* there are /who and /quit");
    bob.says("/quit");
    bob.hears("* bye");
    bob.hears_no_more();
    ann.hears("* bob has left");
    // The name can be taken again.
    let bob = Client::new(&server, "bob");
    ann.hears("* bob comes in");
    drop(bob);
    ann.hears("* bob has left");
    // The last line may be without an end, and an end of what a client sends is no end of its reading.
    ann.stream.write_all(b"bye").expect("the server listens");
    ann.stream.shutdown(Shutdown::Write).expect("it is connected");
    ann.hears("ann: bye");
    ann.hears_no_more();
}

/// Says lines, and returns those that are heard from others.
fn chat(mut client: Client, said: &str, lines: usize) -> BTreeMap<String, Vec<String>> {
    let mut stream = client.stream.try_clone().expect("there are descriptors");
    thread::scope(|scope| {
        // All at once, and not line by line.
        scope.spawn(move || stream.write_all(said.as_bytes()).expect("the server listens"));
        let mut heard: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut count = 0;
        while count < lines {
            let line = client.line();
            assert_ne!(line, "", "the client was dropped");
            if let Some((name, text)) = line.split_once(": ") {
                heard.entry(name.to_owned()).or_default().push(text.to_owned());
                count += 1;
            }
        }
        // It leaves when all have heard all.
        client.says("/who");
        while !client.line().starts_with("* here: ") {}
        heard
    })
}

#[test]
fn many_clients_hear_all_in_order() {
    const CLIENTS: usize = 40;
    // All of them together are more than a queue holds.
    const LINES: usize = 300;
    let server = start();
    let names: Vec<String> = (0..CLIENTS).map(|number| format!("client{number}")).collect();
    let clients: Vec<Client> = names.iter().map(|name| Client::new(&server, name)).collect();
    let said: Vec<String> = (0..LINES).map(|number| number.to_string()).collect();
    let text = said.join("\n") + "\n";
    let all = thread::scope(|scope| {
        let all: Vec<_> = clients
            .into_iter()
            .map(|client| scope.spawn(|| chat(client, &text, CLIENTS * LINES)))
            .collect();
        all.into_iter().map(|one| one.join().expect("it hears all")).collect::<Vec<_>>()
    });
    for heard in all {
        assert_eq!(heard.len(), CLIENTS);
        assert_eq!(heard.values().collect::<BTreeSet<_>>(), BTreeSet::from([&said]));
        assert!(names.iter().all(|name| heard.contains_key(name)));
    }
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_stops_no_others() {
    // All of them are more than a queue and the buffers of a connection hold, and a part is less.
    const PARTS: usize = 40;
    const PART: usize = 500;
    let server = start();
    let mut slow = Client::new(&server, "slow");
    let mut quick = Client::new(&server, "quick");
    let mut speaker = Client::new(&server, "speaker");
    quick.hears("* speaker comes in");
    let line = "x".repeat(1_000);
    for _ in 0..PARTS {
        let part = format!("{line}\n").repeat(PART);
        speaker.stream.write_all(part.as_bytes()).expect("the server listens");
        for client in [&mut quick, &mut speaker] {
            let said = iter::repeat_with(|| client.line()).filter(|line| !line.starts_with('*'));
            assert!(said.take(PART).all(|said| said == format!("speaker: {line}")));
        }
    }
    // Its connection ends before the lines do.
    let mut bytes = Vec::new();
    if let Err(error) = slow.lines.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    assert!(bytes.len() < PARTS * PART * line.len(), "{}", bytes.len());
    let mut new = Client::new(&server, "new");
    new.says("/who");
    assert!(!new.line().contains("slow"));
    server.signal(libc::SIGKILL);
    assert_eq!(server.output(), "slow does not read\n");
}

#[test]
fn bad_input_ends_its_client_only() {
    let server = start();
    let mut ann = Client::new(&server, "ann");
    let mut endless = Client::new(&server, "endless");
    ann.hears("* endless comes in");
    endless.stream.write_all(&[b'x'; 5_000]).expect("the server listens");
    ann.hears("* endless has left");
    let mut odd = Client::new(&server, "odd");
    ann.hears("* odd comes in");
    odd.stream.write_all(b"no \xff text \0\n").expect("the server listens");
    ann.hears("odd: no \u{fffd} text");
    odd.hears("odd: no \u{fffd} text");
    // A client that has gone before it has a name.
    drop(server.connect());
    // One that goes away with lines that it has not read: a reset.
    ann.says("unread");
    ann.hears("ann: unread");
    drop(odd);
    ann.hears("* odd has left");
    ann.says("/who");
    ann.hears("* here: ann");
}

#[test]
fn invalid_arguments_are_refused() {
    refuse(NAME, &["127.0.0.1:0", "1"], "one address is enough");
    let server = start();
    for address in ["nonsense", &server.address] {
        let ran = run(NAME, &[address]);
        assert_eq!((ran.status, &*ran.stdout), (1, ""), "{}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("error: {address}: ")), "{}", ran.stderr);
    }
}
