//! 17. A server of HTTP/1.1 on all cores, which is replaced by a new version while it serves.
//!
//! ```text
//! cargo run --release --example 17_workers
//! curl http://127.0.0.1:8080/worker
//! kill -HUP $(pgrep -o 17_workers)
//! ```
//!
//! The program starts itself once for each core. These workers are processes with a runtime each, and
//! share nothing but the listener, which the master keeps open. The master starts a worker
//! again if it ends; on SIGHUP it replaces them one by one, and no connection is refused. Ctrl-C stops
//! them.
//!
//! A worker that is to stop accepts no more, and answers the requests that are on the way on its
//! connections, the last one on each with `connection: close`.

#[path = "shared/arguments.rs"]
mod arguments;
#[path = "shared/http.rs"]
mod http;

use std::collections::BTreeMap;
use std::io;
use std::process::{self, ExitCode};
use std::rc::Rc;

use http::{Server, accept};
use leno::thread;
use leno::time::Duration;
use leno::workers::{Worker, Workers};

/// How long a connection waits for a request, and how long a request may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Serves in a worker until it is to stop.
fn serve(worker: &Worker) {
    let text = format!("worker {} (process {})\n", worker.id(), process::id());
    let pages = BTreeMap::from([("/worker".to_owned(), text.into_bytes())]);
    let server = Rc::new(Server::new(DEADLINE, Some(pages)));
    let acceptor = thread::spawn({
        let (listener, server) = (worker.listener(0), server.clone());
        move || accept(&listener, &server)
    });
    worker.ready();
    worker.stopping().wait();
    acceptor.cancel();
    let _ = acceptor.join();
    server.stop(DEADLINE);
}

fn run(address: &str, count: Option<usize>) -> io::Result<()> {
    let workers = count.map_or_else(Workers::per_core, Workers::new);
    // Connections that are left when `serve` ends are cancelled.
    let workers = workers.runtime(leno::Builder::new().cancel_rest());
    let workers = workers.log(|line| println!("{line}")).listen(address)?;
    workers.run(|worker| {
        serve(&worker);
        io::Result::Ok(())
    })
}

fn main() -> ExitCode {
    const USAGE: &str = "cargo run --release --example 17_workers -- [ADDRESS:PORT [WORKERS]]";
    let about = "A server of HTTP/1.1 on all cores, by default on 127.0.0.1:8080.";
    let arguments = arguments::arguments(about, USAGE);
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let count =
        |text: &str| text.parse().ok().filter(|&count: &usize| (1..=1_000).contains(&count));
    let settings = match &texts[..] {
        [] => Some(("127.0.0.1:8080", None)),
        [address] => Some((&**address, None)),
        [address, workers] => count(workers).map(|count| (&**address, Some(count))),
        _ => None,
    };
    let Some((address, count)) = settings else {
        eprintln!("error: an address and a number of workers, 1000 at most\n next: {USAGE}");
        return ExitCode::from(2);
    };
    match run(address, count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "error: {address}: {error}\n next: another address, or port 0 for a free one"
            );
            ExitCode::from(1)
        }
    }
}
