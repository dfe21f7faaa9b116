//! Replacing workers while they work.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::harness::{
    Master, is_child, is_emulated, request, scenario, scenario_by, serve, workers,
};

/// Makes requests with some OS threads while `f` runs. Returns the number of answers.
///
/// # Panics
///
/// If a connection is refused or reset, or an answer is not complete.
fn under_load(address: SocketAddr, f: impl FnOnce()) -> usize {
    let (is_over, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = request(address);
                    assert!(answer.is_ok(), "{answer:?}");
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        f();
        is_over.store(true, Ordering::Relaxed);
    });
    answers.into_inner()
}

/// Replaces both workers of a master ten times under load.
#[track_caller]
fn loses_nothing(mut master: Master) {
    let address = master.address();
    master.ready(2);
    let answers = under_load(address, || {
        for _ in 0..10 {
            master.signal(libc::SIGHUP);
            master.line("has replaced 2 of 2 workers");
        }
    });
    assert!(answers > 0);
    let ended = master.stop();
    assert_eq!(ended.count(" is ready"), 22);
    assert_eq!(ended.count("exit status: 0"), 22, "{}", ended.output);
    assert_eq!(ended.count("failed"), 0, "{}", ended.output);
}

#[test]
fn no_connection_is_lost_in_replacements() {
    loses_nothing(
        scenario(|| workers(2).listen("127.0.0.1:0")?.run(|worker| serve(worker))).start(),
    );
}

#[test]
fn no_connection_is_lost_with_a_listener_each() {
    loses_nothing(
        scenario(|| workers(2).listen_each("127.0.0.1:0")?.run(|worker| serve(worker))).start(),
    );
}

/// The environment variable with the address to which a worker connects before it is ready.
const GATE: &str = "LENO_WORKERS_GATE";

#[test]
fn an_order_during_a_replacement_is_done_after_it() {
    let gate = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut scenario = scenario(|| {
        workers(1).listen("127.0.0.1:0")?.run(|worker| {
            let gate = env::var(GATE).expect("a gate");
            leno::net::TcpStream::connect(&*gate)?.read_exact(&mut [0])?;
            serve(worker)
        })
    });
    scenario.command.env(GATE, gate.local_addr().unwrap().to_string());
    let mut master = scenario.start();
    let wait = || gate.accept().unwrap().0;
    let open = |mut stream: TcpStream| stream.write_all(&[0]).unwrap();
    open(wait());
    let address = master.address();
    master.ready(1);
    let (_, first) = request(address).unwrap();
    master.signal(libc::SIGHUP);
    let second = wait();
    // One more is noted, and another one would add nothing to that.
    master.signal(libc::SIGUSR2);
    master.line("master replaces the workers");
    master.line("master replaces the workers");
    master.signal(libc::SIGHUP);
    master.line("master is replacing the workers");
    // The old one goes on until the new one is ready.
    assert_eq!(request(address).unwrap().1, first);
    open(second);
    open(wait());
    master.line("has replaced 1 of 1 workers");
    master.line("has replaced 1 of 1 workers");
    let ended = master.stop();
    assert_eq!(ended.count("starts as process"), 3, "{}", ended.output);
}

#[test]
fn a_stop_ends_a_replacement() {
    let gate = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut scenario = scenario(|| {
        workers(2).listen("127.0.0.1:0")?.run(|worker| {
            let gate = env::var(GATE).expect("a gate");
            leno::net::TcpStream::connect(&*gate)?.read_exact(&mut [0])?;
            serve(worker)
        })
    });
    scenario.command.env(GATE, gate.local_addr().unwrap().to_string());
    let mut master = scenario.start();
    for _ in 0..2 {
        gate.accept().unwrap().0.write_all(&[0]).unwrap();
    }
    master.ready(2);
    master.signal(libc::SIGHUP);
    let mut new = gate.accept().unwrap().0;
    master.signal(libc::SIGTERM);
    master.line("stops the workers");
    new.write_all(&[0]).unwrap();
    let ended = master.end();
    assert!(ended.status.success());
    assert_eq!(ended.count("exit status: 0"), 3, "{}", ended.output);
}

/// Returns a path for a folder of a test.
fn scratch_path(name: &str) -> PathBuf {
    env::temp_dir().join(format!("leno-workers-{name}-{}", std::process::id()))
}

/// The environment variable with a path: if there is a file, a worker fails.
const OBSTACLE: &str = "LENO_WORKERS_OBSTACLE";

#[test]
fn a_failed_replacement_changes_nothing() {
    let mut scenario = scenario(|| {
        workers(2).listen("127.0.0.1:0")?.run(|worker| {
            if fs::exists(env::var(OBSTACLE).expect("a path"))? {
                return Err(io::Error::other("an obstacle"));
            }
            serve(worker)
        })
    });
    let folder = scratch_path("obstacle");
    fs::create_dir_all(&folder).unwrap();
    let obstacle = folder.join("obstacle");
    scenario.command.env(OBSTACLE, &obstacle);
    let mut master = scenario.start();
    let address = master.address();
    master.ready(2);
    fs::write(&obstacle, "").unwrap();
    master.signal(libc::SIGHUP);
    master.line("worker 0 is not replaced");
    master.line("has replaced 0 of 2 workers");
    request(address).unwrap();
    fs::remove_file(&obstacle).unwrap();
    master.signal(libc::SIGHUP);
    master.line("has replaced 2 of 2 workers");
    request(address).unwrap();
    fs::remove_dir_all(folder).unwrap();
    let ended = master.stop();
    assert_eq!(ended.count("starts as process"), 5, "{}", ended.output);
}

#[test]
fn workers_run_the_program_that_has_come_to_its_path() {
    let folder = scratch_path("program");
    let path = folder.join("program");
    // By another process: one that a test of this process starts meanwhile would have the file open for writing.
    let copy = || {
        let copy = Command::new("cp").arg(env::current_exe().unwrap()).arg(&path).status();
        assert!(copy.unwrap().success());
    };
    if !is_child() {
        fs::create_dir_all(&folder).unwrap();
        copy();
    }
    let scenario = scenario_by(&path, || {
        workers(1).listen("127.0.0.1:0")?.run(|worker| {
            let own = fs::metadata("/proc/self/exe");
            let number = own.map(|it| std::os::unix::fs::MetadataExt::ino(&it))?;
            println!("a worker of file {number}.");
            serve(worker)
        })
    });
    if is_emulated() {
        // What runs is the emulator.
        return fs::remove_dir_all(folder).unwrap();
    }
    let number = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).unwrap());
    let mut master = scenario.start();
    master.line(&format!("a worker of file {}.", number()));
    master.ready(1);
    // Another file is at the path, while the first one is in use.
    fs::rename(&path, folder.join("old")).unwrap();
    copy();
    fs::remove_file(folder.join("old")).unwrap();
    master.signal(libc::SIGHUP);
    master.line(&format!("a worker of file {}.", number()));
    master.line("has replaced 1 of 1 workers");
    // There is none.
    fs::remove_file(&path).unwrap();
    master.signal(libc::SIGHUP);
    master.line("worker 0 is not replaced");
    master.line("has replaced 0 of 1 workers");
    fs::remove_dir_all(folder).unwrap();
    master.stop();
}

#[test]
fn replaced_workers_have_other_processes() {
    let mut master =
        scenario(|| workers(1).listen("127.0.0.1:0")?.run(|worker| serve(worker))).start();
    let address = master.address();
    master.ready(1);
    let mut processes = HashSet::from([request(address).unwrap().1]);
    for _ in 0..3 {
        master.signal(libc::SIGUSR2);
        master.line("exit status: 0");
        assert!(processes.insert(request(address).unwrap().1), "{processes:?}");
    }
    master.stop();
}
