//! Explorations of a listener with a limit.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use leno::net::{MemoryNetwork, TcpListener, TcpStream};
use leno::thread::JoinHandle;

use super::{audit, explorer, joined, results};
use crate::pairs::join;

const ADDRESS: &str = "127.0.0.1:80";

/// The listener, and the number of its connections that are open.
#[derive(Clone)]
struct Server(Rc<TcpListener>, Rc<Cell<usize>>);

/// A connection that is open.
struct Counted(Rc<Cell<usize>>);

impl Counted {
    fn new(open: Rc<Cell<usize>>, most: usize) -> Counted {
        open.set(open.get() + 1);
        assert!(open.get() <= most);
        Counted(open)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Server {
    /// Returns a server at which so many clients wait.
    fn new(most: usize, clients: usize) -> (Server, Vec<TcpStream>) {
        let listener = TcpListener::bind(ADDRESS).unwrap();
        listener.set_max_connections(most).unwrap();
        let clients = (0..clients).map(|_| TcpStream::connect(ADDRESS).unwrap()).collect();
        (Server(Rc::new(listener), Rc::default()), clients)
    }

    /// Returns a thread that serves one connection. Checks that no more are open than may be.
    fn serve(&self) -> JoinHandle<()> {
        let Server(listener, open) = self.clone();
        leno::spawn(move || {
            let _stream = listener.accept().unwrap();
            // Before the stream, also if the thread is cancelled.
            let _counted = Counted::new(open, listener.max_connections().unwrap());
            leno::yield_now();
        })
    }
}

#[test]
fn a_limit_holds_in_every_order() {
    let report = audit(MemoryNetwork::new(), || {
        let (server, _clients) = Server::new(1, 2);
        [server.serve(), server.serve()].into_iter().for_each(join);
    });
    assert!(report.executions() > 5);
}

/// Each permit of a cancelled thread, and each turn, goes to another.
#[test]
fn a_cancellation_at_the_limit_loses_no_turn() {
    let report = audit(MemoryNetwork::new(), || {
        let (server, _clients) = Server::new(1, 3);
        let [one, other] = [(); 2].map(|()| server.serve());
        one.cancel();
        let one = joined(one);
        join(other);
        // The permits are back.
        join(server.serve());
        one.is_some()
    });
    assert_eq!(results(&report), BTreeSet::from([false, true]));
}

#[test]
fn a_limit_is_changed_at_every_moment() {
    let report = explorer(MemoryNetwork::new()).reduced().explore(|| {
        let (server, _clients) = Server::new(1, 2);
        let (first, _) = server.0.accept().unwrap();
        let waiting = leno::spawn({
            let listener = server.0.clone();
            move || drop(listener.accept().unwrap())
        });
        server.0.set_max_connections(2).unwrap();
        join(waiting);
        drop(first);
    });
    assert!(report.failures().is_empty(), "{:?}", report.failures());
    assert!(report.is_complete());
}
