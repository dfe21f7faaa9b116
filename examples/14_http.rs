//! 14. A server of HTTP/1.1, which keeps pages in memory.
//!
//! ```text
//! cargo run --release --example 14_http
//! curl -T README.md http://127.0.0.1:8080/readme
//! curl http://127.0.0.1:8080/readme
//! ```
//!
//! Each connection is a green thread, and its code reads from top to bottom: wait for a request,
//! receive its head and its body, answer, begin again. The pages are plain data without a lock,
//! because green threads switch only where they wait.
//!
//! A client may be slow, stop in the middle, or send what is no request. Everything that a
//! connection keeps has a limit, and one deadline around all that receives a request unwinds it
//! wherever it waits.
//!
//! Ctrl-C or SIGTERM ends the server. Connections that wait for a request end after a second. A
//! request that has begun is answered, if that takes no longer than a grace period; then it is cancelled,
//! wherever it waits. A second signal ends the process at once. All but the start and the end is in
//! `shared/http.rs`.

#[path = "shared/arguments.rs"]
mod arguments;
#[path = "shared/http.rs"]
mod http;

use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use http::{Server, accept};
use leno::net::TcpListener;
use leno::signal::{Signal, Signals};
use leno::thread;
use leno::time::Duration;

/// Serves until a signal comes, and for at most `grace` after it. The connections that are left are for the
/// caller to cancel.
fn run(address: &str, grace: Duration, server: &Rc<Server>) -> io::Result<()> {
    let signals = Signals::new([Signal::INT, Signal::TERM])?;
    let listener = TcpListener::bind(address)?;
    println!("listening on http://{}", listener.local_addr()?);
    let acceptor = thread::spawn({
        let server = server.clone();
        move || accept(&listener, &server)
    });
    signals.recv()?;
    // From here on, they have their usual effect.
    drop(signals);
    println!("stopping");
    acceptor.cancel();
    // No connection begins after this.
    let _ = acceptor.join();
    let left = server.stop(grace);
    if left > 0 {
        println!("cancelling {left} connections");
    }
    Ok(())
}

const ABOUT: &str = "A server of HTTP/1.1, by default on 127.0.0.1:8080, with a deadline of 10 s, and \
                     of 5 s after Ctrl-C.";
const USAGE: &str = "cargo run --release --example 14_http -- [ADDRESS:PORT [SECONDS [GRACE]]]";

fn main() -> ExitCode {
    let (address, deadline, grace) = match settings() {
        Ok(settings) => settings,
        Err(what) => {
            eprintln!("error: {what}\n next: {USAGE}");
            return ExitCode::from(2);
        }
    };
    let server = Rc::new(Server::new(deadline, None));
    // When `run` returns, the connections that are left are cancelled, and waited for.
    if let Err(error) = leno::Builder::new().cancel_rest().run(|| run(&address, grace, &server)) {
        eprintln!("error: {address}: {error}\n next: another address, or port 0 for a free one");
        return ExitCode::from(1);
    }
    println!("{} requests answered", server.answered.get());
    ExitCode::SUCCESS
}

/// Returns the address, the deadline of a request, and the grace period.
fn settings() -> Result<(String, Duration, Duration), String> {
    let arguments = arguments::arguments(ABOUT, USAGE);
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    if texts.len() > 3 {
        return Err("an address and two numbers of seconds are enough".to_owned());
    }
    let text = |index: usize, default| texts.get(index).map_or(default, |text| &**text);
    let seconds = |text: &str| {
        let time = text.parse().ok().and_then(|it| Duration::try_from_secs_f64(it).ok());
        let time = time.filter(|time| !time.is_zero());
        time.ok_or_else(|| format!("{text:?} is not a number of seconds"))
    };
    Ok((text(0, "127.0.0.1:8080").to_owned(), seconds(text(1, "10"))?, seconds(text(2, "5"))?))
}
