//! A client of PostgreSQL: `tokio-postgres` on sockets of leno, without the runtime of tokio.
//!
//! ```text
//! cargo run --manifest-path examples/net/Cargo.toml --bin postgres -- "host=localhost user=me"
//! ```
//!
//! tokio-postgres is made of futures. `leno::block_on` runs one in a green thread, which then waits as
//! it does for everything else. The library's `Connection`, a future that lasts as long as the
//! connection, has a green thread of its own. Those that ask share a `Client`, and the library sends
//! their queries without waiting for the results of earlier ones.
//!
//! A future needs a stream that reports readiness to a waker. [`for_futures`] makes one of a blocking
//! stream: a pipe in memory, and two green threads that carry bytes between its other end and the
//! socket. That suits any library of futures that takes a stream.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use leno::net::{Shutdown, TcpStream};
use leno::time::Instant;
use leno::{block_on, thread};
use leno_net_examples::{Example, Result, number, with_sources};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

/// The number of bytes that may be on their way in either direction.
const PIPE_BYTES: usize = 64 * 1024;
/// The number of rows that each green thread inserts.
const ROWS: i32 = 10;

/// Makes a stream for futures of a socket. The connection ends when it is dropped.
fn for_futures(stream: TcpStream) -> io::Result<DuplexStream> {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let (mut outgoing, mut incoming): (ReadHalf<_>, WriteHalf<_>) = tokio::io::split(far);
    let mut reader = stream.try_clone()?;
    thread::spawn(move || {
        let mut buffer = vec![0; PIPE_BYTES];
        // At the end, or after an error, the future finds the end of the pipe.
        while let Ok(count @ 1..) = reader.read(&mut buffer)
            && block_on(incoming.write_all(&buffer[..count])).is_ok()
        {}
        let _ = block_on(incoming.shutdown());
    });
    thread::spawn(move || {
        let mut buffer = vec![0; PIPE_BYTES];
        while let Ok(count @ 1..) = block_on(outgoing.read(&mut buffer))
            && (&stream).write_all(&buffer[..count]).is_ok()
        {}
        let _ = stream.shutdown(Shutdown::Both);
    });
    Ok(near)
}

/// Connects to the first host of the settings.
fn connect(config: &Config) -> Result<Client> {
    let host = match config.get_hosts() {
        [Host::Tcp(host), ..] => host,
        _ => return Err("a host with an address of TCP is needed".into()),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let stream = TcpStream::connect((&**host, port));
    let stream = stream.map_err(|error| format!("{host}:{port}: {error}"))?;
    stream.set_nodelay(true)?;
    let (client, connection) = block_on(config.connect_raw(for_futures(stream)?, NoTls))?;
    // It ends when the client is dropped. An error is also that of the query that is under way.
    thread::spawn(|| block_on(connection).is_ok());
    Ok(client)
}

/// Inserts rows.
fn insert(client: &Client, thread: i32) -> std::result::Result<u64, tokio_postgres::Error> {
    let statement = "INSERT INTO visits (thread, number) VALUES ($1, $2)";
    let statement = block_on(client.prepare(statement))?;
    (0..ROWS).map(|number| block_on(client.execute(&statement, &[&thread, &number]))).sum()
}

fn run((config, threads): (Config, i32)) -> Result {
    let client = &connect(&config)?;
    let version: String = block_on(client.query_one("SHOW server_version", &[]))?.try_get(0)?;
    println!("PostgreSQL {version}");
    // The table is only in this session, and goes with it.
    let table = "CREATE TEMPORARY TABLE visits (thread int, number int)";
    block_on(client.batch_execute(table))?;
    let start = Instant::now();
    let rows = leno::scope(|scope| {
        let threads: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || insert(client, thread))).collect();
        let rows = threads.into_iter().map(|it| Ok(it.join().map_err(|_| "it has panicked")??));
        rows.sum::<Result<u64>>()
    })?;
    let rate = rows as f64 / start.elapsed().as_secs_f64();
    println!("{threads} green threads, one connection: {rows} rows inserted, {rate:.0} per second");
    let sums = "SELECT count(*), count(DISTINCT thread), sum(number) FROM visits";
    let sums = block_on(client.query_one(sums, &[]))?;
    let [count, threads, sum] = [sums.try_get(0)?, sums.try_get(1)?, sums.try_get::<_, i64>(2)?];
    println!("the table has {count} rows of {threads} green threads, with the sum {sum}");
    let error = block_on(client.query_one("SELECT 1 / 0", &[])).err();
    let error = error.as_ref().and_then(|error| error.as_db_error());
    println!("1 / 0: {}", error.map_or("no error", |error| error.message()));
    Ok(())
}

fn settings(arguments: &[&str]) -> std::result::Result<(Config, i32), String> {
    let (config, threads) = match *arguments {
        [] => ("host=127.0.0.1 user=postgres", "20"),
        [config] => (config, "20"),
        [config, threads] => (config, threads),
        _ => return Err("the connection and a number are enough".to_owned()),
    };
    let parsed = config.parse::<Config>();
    let config = parsed.map_err(|error| format!("{config:?}: {}", with_sources(&error)))?;
    let threads = number(threads, 100_000, "green threads")?;
    Ok((config, threads as i32))
}

const EXAMPLE: Example = Example {
    about: "A client of PostgreSQL: by default 20 green threads that insert 10 rows each.",
    usage: "cargo run --manifest-path examples/net/Cargo.toml --bin postgres -- \
            [\"host=... port=... user=... password=... dbname=...\" [GREEN_THREADS]]",
    advice: "the server's host, port, user and password, as libpq takes them",
};

fn main() -> ExitCode {
    EXAMPLE.start(settings, |settings| leno::Builder::new().cancel_rest().run(|| run(settings)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use leno::net::TcpListener;
    use std::time::Duration;

    #[test]
    fn a_stream_that_is_dropped_ends_its_connection() {
        let received = leno::run(|| {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let mut near = for_futures(TcpStream::connect(listener.local_addr()?)?)?;
            let (mut server, _) = listener.accept()?;
            server.set_read_timeout(Some(Duration::from_secs(60)))?;
            server.write_all(b"welcome")?;
            let mut text = [0; 7];
            block_on(near.read_exact(&mut text))?;
            // More than the pipe holds.
            block_on(near.write_all(&vec![1; 3 * PIPE_BYTES]))?;
            drop(near);
            let mut bytes = Vec::new();
            server.read_to_end(&mut bytes)?;
            io::Result::Ok((text, bytes.len()))
        });
        assert_eq!(received.unwrap(), (*b"welcome", 3 * PIPE_BYTES));
    }
}
