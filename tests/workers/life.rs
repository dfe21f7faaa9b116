//! Starts, ends and failures.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{answer, other_than, request, scenario, serve, signal, workers};

#[test]
fn workers_answer_until_the_master_is_told_to_stop() {
    let mut master =
        scenario(|| workers(2).listen("127.0.0.1:0")?.run(|worker| serve(worker))).start();
    let address = master.address();
    master.ready(2);
    let (id, process) = request(address).unwrap();
    assert!(id < 2);
    assert_ne!(process, master.id());
    // A request that has begun is answered.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GE").unwrap();
    other_than(address, &HashSet::new());
    master.signal(libc::SIGINT);
    master.line("stops the workers");
    stream.write_all(b"T\n").unwrap();
    answer(&mut stream).unwrap();
    let ended = master.end();
    assert!(ended.status.success());
    assert_eq!(ended.count("exit status: 0"), 2, "{}", ended.output);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_worker_that_was_killed_is_replaced() {
    let mut master =
        scenario(|| workers(1).listen("127.0.0.1:0")?.run(|worker| serve(worker))).start();
    let address = master.address();
    master.ready(1);
    let (_, first) = request(address).unwrap();
    // In the middle of a request.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GE").unwrap();
    assert_eq!(other_than(address, &HashSet::new()), first);
    signal(first, libc::SIGKILL);
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "the connection has ended");
    // This waits in the listener, which the master keeps.
    let (id, second) = request(address).unwrap();
    assert_eq!(id, 0);
    assert_ne!(first, second);
    master.line("signal: 9");
    master.line("starts again in 100ms");
    master.stop();
}

#[test]
fn a_worker_that_is_terminated_ends_its_requests() {
    let mut master =
        scenario(|| workers(1).listen("127.0.0.1:0")?.run(|worker| serve(worker))).start();
    let address = master.address();
    master.ready(1);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GE").unwrap();
    let (_, first) = request(address).unwrap();
    // These are for the master.
    signal(first, libc::SIGHUP);
    signal(first, libc::SIGUSR2);
    assert_eq!(request(address).unwrap().1, first);
    signal(first, libc::SIGTERM);
    stream.write_all(b"T\n").unwrap();
    assert_eq!(answer(&mut stream).unwrap().1, first);
    other_than(address, &HashSet::from([first]));
    master.line("exit status: 0");
    master.stop();
}

#[test]
fn a_master_gives_up_and_tells_why() {
    let ended = scenario(|| {
        workers(2).run(|worker| match worker.id() {
            0 => Err(io::Error::other("no room\nat all")),
            _ => {
                worker.ready();
                worker.stopping().wait();
                Ok(())
            }
        })
    })
    .start()
    .end();
    assert_eq!(ended.status.code(), Some(1));
    let reason = "no room\\nat all (exit status: 1)";
    assert_eq!(ended.count(&format!("worker 0 has failed to start: {reason}")), 5);
    assert_eq!(ended.count("worker 0 starts again in "), 4);
    // The other one was stopped, and not killed.
    assert_eq!(ended.count("exit status: 0"), 1, "{}", ended.output);
    assert_eq!(ended.count("error: worker 0 has failed to start 5 times in a row"), 1);
}

#[test]
fn ends_before_readiness_are_failures() {
    let ended = scenario(|| {
        workers(1).run(|_| -> io::Result<()> { Ok(()) })?;
        unreachable!()
    })
    .start()
    .end();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.count("it ended before it called Worker::ready"), 6, "{}", ended.output);
}

#[test]
fn a_panic_at_the_start_is_told() {
    let ended =
        scenario(|| workers(1).run(|_| -> io::Result<()> { panic!("no file") })).start().end();
    assert_eq!(ended.count("has failed to start: it has panicked: no file (exit status: 101)"), 5);
}

#[test]
fn a_program_that_never_becomes_a_worker_fails() {
    let ended = scenario(|| {
        if leno::workers::is_worker() {
            std::process::exit(3);
        }
        workers(1).run(|worker| serve(worker))
    })
    .start()
    .end();
    let failures = ended.count("failed to start: it ended before it was ready (exit status: 3)");
    assert_eq!(failures, 5, "{}", ended.output);
}

#[test]
fn a_worker_that_is_never_ready_is_killed() {
    let ended = scenario(|| {
        workers(1).ready_within(Duration::from_millis(50)).run(|worker| {
            worker.stopping().wait();
            leno::thread::park();
            io::Result::Ok(())
        })
    })
    .start()
    .end();
    assert_eq!(ended.count("it was not ready within 50ms, and has been killed"), 6);
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn a_worker_that_does_not_stop_is_killed() {
    let mut master = scenario(|| {
        workers(1).stop_within(Duration::from_millis(50)).run(|worker| -> io::Result<()> {
            worker.ready();
            loop {
                leno::thread::park();
            }
        })
    })
    .start();
    master.ready(1);
    let ended = master.stop();
    assert_eq!(ended.count("it did not end within 50ms"), 1);
    assert_eq!(ended.count("signal: 9"), 1);
}

#[test]
fn a_second_signal_kills() {
    let mut master = scenario(|| {
        workers(1).stop_within(Duration::from_secs(600)).run(|worker| -> io::Result<()> {
            worker.ready();
            loop {
                leno::thread::park();
            }
        })
    })
    .start();
    master.ready(1);
    master.signal(libc::SIGTERM);
    master.line("stops the workers");
    master.signal(libc::SIGTERM);
    let ended = master.end();
    assert!(ended.status.success());
    assert_eq!(ended.count("the master was told twice"), 1);
}

#[test]
fn workers_end_with_a_master_that_is_killed() {
    let mut master = scenario(|| {
        workers(3).stop_within(Duration::from_millis(50)).run(|worker| -> io::Result<()> {
            worker.ready();
            match worker.id() {
                // It ends by itself.
                0 => worker.stopping().wait(),
                // They do not: one waits, one computes.
                1 => leno::thread::park(),
                _ => loop {
                    std::hint::spin_loop();
                },
            }
            Ok(())
        })
    })
    .start();
    master.ready(3);
    master.signal(libc::SIGKILL);
    // The workers have its output, too: that has an end when all have ended.
    master.end();
}
