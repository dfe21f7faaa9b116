//! A client of Redis, for many green threads over one connection.
//!
//! ```text
//! redis-server --save '' &
//! cargo run --manifest-path examples/net/Cargo.toml --bin redis_client
//! ```
//!
//! A call of [`Client::ask`] looks like a function that sends a command and waits for the reply. One
//! green thread sends: whatever commands are waiting leave in one write, so 50 green threads that ask
//! cost few system calls. Another one receives. Redis replies in the order of the commands, so each reply
//! is for the caller that has waited longest.
//!
//! A caller that is cancelled, or out of time, just leaves. Its reply comes all the same, keeps
//! the order, and is dropped.

use std::cell::Cell;
use std::io::{BufReader, Write};
use std::process::ExitCode;
use std::rc::Rc;

use leno::channel::{Receiver, Sender, bounded, unbounded};
use leno::net::{Shutdown, TcpStream};
use leno::thread;
use leno::time::{Duration, Instant, timeout};
use leno_net_examples::resp::Value;
use leno_net_examples::{Example, Result, number};

const PATIENCE: Duration = Duration::from_secs(60);
const COUNTER: &str = "leno:counter";

/// A command, and where its reply goes.
type Request = (Value, Sender<Value>);

struct Client {
    requests: Sender<Request>,
    counts: Rc<Counts>,
}

/// What the sending green thread has done.
#[derive(Default)]
struct Counts {
    commands: Cell<usize>,
    writes: Cell<usize>,
    most_in_one_write: Cell<usize>,
}

impl Client {
    fn connect(address: &str) -> Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let counts = Rc::new(Counts::default());
        let (requests, to_send) = unbounded();
        let (callers, waiting) = unbounded();
        thread::spawn({
            let (stream, counts) = (stream.try_clone()?, counts.clone());
            move || {
                send(&stream, &to_send, &callers, &counts);
                // The receiver finds the end, when all replies have come.
                let _ = stream.shutdown(Shutdown::Write);
            }
        });
        thread::spawn(move || {
            receive(&stream, &waiting);
            // The sender fails, and then each call of `ask`.
            let _ = stream.shutdown(Shutdown::Both);
        });
        Ok(Client { requests, counts })
    }

    /// Sends a command, and waits for the reply.
    ///
    /// # Errors
    ///
    /// If the connection has failed, or there is no reply in time, or it is an error.
    fn ask<const N: usize>(&self, words: [&str; N]) -> Result<Value> {
        // Room for the reply, so that the receiver never waits.
        let (sender, reply) = bounded(1);
        let failed = "the connection to the server has failed";
        self.requests.send((Value::command(words), sender)).map_err(|_| failed)?;
        let reply = timeout(PATIENCE, || reply.recv()).map_err(|_| "no reply in time")?;
        match reply.map_err(|_| failed)? {
            Value::Error(text) => Err(text.into()),
            value => Ok(value),
        }
    }
}

/// Sends commands, until there is no client, or the connection fails.
fn send(
    mut stream: &TcpStream,
    requests: &Receiver<Request>,
    callers: &Sender<Sender<Value>>,
    counts: &Counts,
) {
    let mut bytes = Vec::new();
    while let Ok(first) = requests.recv() {
        bytes.clear();
        let mut count = 0;
        for (command, caller) in [first].into_iter().chain(requests.try_iter()) {
            // Into memory, which has no errors.
            let _ = command.write(&mut bytes);
            count += 1;
            // The receiver knows the caller before the reply can come.
            if callers.send(caller).is_err() {
                return;
            }
        }
        counts.commands.update(|commands| commands + count);
        counts.writes.update(|writes| writes + 1);
        counts.most_in_one_write.update(|most| most.max(count));
        if stream.write_all(&bytes).is_err() {
            return;
        }
    }
}

/// Hands each reply to the caller that has waited longest. When it returns, those that are left get
/// an error, because the other ends of their channels are dropped.
fn receive(stream: &TcpStream, callers: &Receiver<Sender<Value>>) {
    let mut reader = BufReader::new(stream);
    while let Ok(Some(reply)) = Value::read(&mut reader) {
        let Ok(caller) = callers.try_recv() else { return };
        // A caller that has left takes none.
        let _ = caller.send(reply);
    }
}

/// Counts to a number, and checks that the replies are those to its own commands.
fn work(client: &Client, name: usize, rounds: usize) -> Result {
    let key = format!("leno:thread:{name}");
    for round in 0..rounds {
        let value = format!("{name}/{round}");
        client.ask(["SET", &key, &value])?;
        client.ask(["INCR", COUNTER])?;
        let reply = client.ask(["GET", &key])?;
        if reply != Value::String(value.clone().into()) {
            return Err(format!("the reply {reply:?} is not {value:?}").into());
        }
    }
    Ok(())
}

fn counter(client: &Client) -> Result<i64> {
    match client.ask(["GET", COUNTER])? {
        Value::Nil => Ok(0),
        Value::String(digits) => Ok(str::from_utf8(&digits)?.parse()?),
        other => Err(format!("the counter is {other:?}").into()),
    }
}

fn run((address, threads, rounds): (String, usize, usize)) -> Result {
    let client = Client::connect(&address).map_err(|error| format!("{address}: {error}"))?;
    let client = &client;
    let before = counter(client)?;
    let start = Instant::now();
    leno::scope(|scope| {
        let threads: Vec<_> =
            (0..threads).map(|name| scope.spawn(move || work(client, name, rounds))).collect();
        let mut results = threads.into_iter().map(|it| it.join().map_err(|_| "it has panicked")?);
        results.try_for_each(|result| result)
    })?;
    let rate = (3 * threads * rounds) as f64 / start.elapsed().as_secs_f64();
    let Counts { commands, writes, most_in_one_write } = &*client.counts;
    println!(
        "{threads} green threads, one connection: {rate:.0} commands per second\n\
         {} commands in {} writes, at most {} in one\n\
         {COUNTER}: from {before} to {}",
        commands.get(),
        writes.get(),
        most_in_one_write.get(),
        counter(client)?,
    );
    Ok(())
}

fn settings(arguments: &[&str]) -> std::result::Result<(String, usize, usize), String> {
    let (address, threads, rounds) = match *arguments {
        [] => ("127.0.0.1:6379", "50", "100"),
        [address] => (address, "50", "100"),
        [address, threads] => (address, threads, "100"),
        [address, threads, rounds] => (address, threads, rounds),
        _ => return Err("an address and two numbers are enough".to_owned()),
    };
    let threads = number(threads, 100_000, "green threads")?;
    Ok((address.to_owned(), threads, number(rounds, 1_000_000, "rounds")?))
}

const EXAMPLE: Example = Example {
    about: "A client of Redis: by default 50 green threads, 100 rounds of three commands each.",
    usage: "cargo run --manifest-path examples/net/Cargo.toml --bin redis_client -- \
            [HOST:PORT [GREEN_THREADS [ROUNDS]]]",
    advice: "start a server by `redis-server --save ''`, or by `--bin redis_server` on port 6380",
};

fn main() -> ExitCode {
    EXAMPLE.start(settings, |settings| leno::Builder::new().cancel_rest().run(|| run(settings)))
}
