//! Descriptors, limits, and what starts a master.

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

use leno::os::unix::net::UnixListener;
use leno::workers::{Worker, is_worker};

use crate::harness::{command, request, scenario, serve, workers};

/// Returns what the open descriptors of this process refer to, in words of the system.
fn descriptors() -> Vec<String> {
    let folder = fs::read_dir("/proc/self/fd").expect("the system lists descriptors");
    let numbers = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let named = numbers.filter_map(|number| {
        let name = fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
        Some(format!("{number}={}", name.display()))
    });
    named.filter(|it| !it.ends_with("/fd")).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_gets_only_what_is_meant_for_it() {
    let mut master = scenario(|| {
        let before = descriptors();
        let count = |before: &[String]| {
            before.iter().filter(|it| it.contains("socket:") || it.contains("anon")).count()
        };
        if is_worker() {
            println!("at the start: {} of {before:?}", count(&before));
        }
        workers(2).listen("127.0.0.1:0")?.run(|worker| {
            // What another program gets.
            let listed = Command::new("ls").args(["-l", "/proc/self/fd"]).output()?;
            let text = String::from_utf8_lossy(&listed.stdout).into_owned();
            println!("in a child: {}", text.matches("socket:").count());
            serve(worker)
        })
    })
    .start();
    master.ready(2);
    master.signal(libc::SIGHUP);
    master.line("has replaced 2 of 2 workers");
    let ended = master.stop();
    // The stream to the master, and the listener.
    assert_eq!(ended.count("at the start: 2 of"), 4, "{}", ended.output);
    assert_eq!(ended.count("in a child: 0"), 4, "{}", ended.output);
}

#[test]
fn a_program_of_a_worker_is_neither_worker_nor_master() {
    let mut master = scenario(|| {
        if env::var_os("LENO_WORKERS_INNER").is_some() {
            // It would start itself for ever.
            let refused = workers(1).run(|worker| serve(worker)).unwrap_err().to_string();
            println!("inside: {} {}", is_worker(), refused.contains("Command::env_remove"));
            std::process::exit(0);
        }
        workers(1).run(|worker| {
            assert!(is_worker());
            let mut inner = command(&env::current_exe()?);
            // Something else is open under the number of the stream to the master.
            let handover = env::var("LENO_WORKER").expect("it is a worker");
            let stream: i32 =
                handover.split(' ').nth(1).expect("a stream").parse().expect("a number");
            // SAFETY: dup2 is async-signal-safe. The number is in use, so std has not taken it.
            unsafe {
                inner.pre_exec(move || match libc::dup2(0, stream) {
                    -1 => Err(io::Error::last_os_error()),
                    _ => Ok(()),
                });
            }
            inner.args(env::args_os().skip(1)).env("LENO_WORKERS_INNER", "1").spawn()?.wait()?;
            worker.ready();
            worker.stopping().wait();
            io::Result::Ok(())
        })
    })
    .start();
    master.line("inside: false true");
    master.stop();
}

#[test]
fn a_master_needs_few_descriptors() {
    let mut scenario = scenario(|| workers(2).listen("127.0.0.1:0")?.run(|worker| serve(worker)));
    let limit = libc::rlimit { rlim_cur: 64, rlim_max: 64 };
    // SAFETY: setrlimit is async-signal-safe, and reads a live structure.
    unsafe {
        scenario.command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_NOFILE, &limit) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    let mut master = scenario.start();
    let address = master.address();
    master.ready(2);
    // A descriptor that each of them left would be too many.
    for _ in 0..20 {
        master.signal(libc::SIGHUP);
        master.line("has replaced 2 of 2 workers");
    }
    request(address).unwrap();
    assert_eq!(master.stop().count("failed"), 0);
}

/// Returns a scenario's command behind a shell that sets what systemd sets. Its listener is the standard input
/// of the shell.
fn by_systemd(command: &Command, process: &str) -> Command {
    let mut shell = Command::new("sh");
    let script =
        format!("LENO_PID={process} LISTEN_PID={process} LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0");
    shell.args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

#[test]
fn a_listener_of_systemd_is_used() {
    let mut scenario = scenario(|| {
        workers(2).listen("127.0.0.1:1")?.listen("127.0.0.1:0")?.run(|worker| serve(worker))
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    scenario.command = by_systemd(&scenario.command, "$$");
    let mut master = scenario.start_with(OwnedFd::from(listener).into());
    assert_eq!(master.address(), address);
    assert_ne!(master.address(), address);
    master.ready(2);
    request(address).unwrap();
    master.signal(libc::SIGHUP);
    master.line("has replaced 2 of 2 workers");
    request(address).unwrap();
    master.stop();
}

#[test]
fn a_listener_for_another_process_is_left_alone() {
    let mut scenario = scenario(|| workers(1).listen("127.0.0.1:0")?.run(|worker| serve(worker)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = listener.local_addr().unwrap();
    scenario.command = by_systemd(&scenario.command, "1");
    let mut master = scenario.start_with(OwnedFd::from(listener).into());
    assert_ne!(master.address(), other);
    master.ready(1);
    master.stop();
}

#[test]
#[cfg(target_os = "linux")]
fn what_does_not_listen_is_refused() {
    let mut scenario = scenario(|| workers(1).listen("127.0.0.1:0")?.run(|worker| serve(worker)));
    let (stream, _other) = UnixStream::pair().unwrap();
    scenario.command = by_systemd(&scenario.command, "$$");
    let ended = scenario.start_with(OwnedFd::from(stream).into()).end();
    assert_eq!(ended.status.code(), Some(1));
    let error = "error: descriptor 3 of LISTEN_FDS is not a listening socket";
    assert_eq!(ended.count(error), 1, "{}", ended.output);
}

/// The environment variable with the path of a listener.
const SOCKET: &str = "LENO_WORKERS_SOCKET";

#[test]
fn a_listener_can_be_of_the_unix_domain() {
    fn greet(worker: Worker) -> io::Result<()> {
        let listener = worker.unix_listener(1);
        assert_eq!(worker.listener(0).take_error()?.map(|it| it.kind()), None);
        let acceptor = leno::spawn(move || -> io::Result<()> {
            loop {
                listener.accept()?.0.write_all(b"hello")?;
            }
        });
        worker.ready();
        worker.stopping().wait();
        acceptor.cancel();
        Ok(())
    }
    let mut scenario = scenario(|| {
        // Made by the master only: a worker would find the path in use.
        let bind = || UnixListener::bind(env::var(SOCKET).expect("a path"));
        workers(2).listen("127.0.0.1:0")?.listen_with(bind)?.run(greet)
    });
    let path = env::temp_dir().join(format!("leno-workers-{}.socket", std::process::id()));
    scenario.command.env(SOCKET, &path);
    let mut master = scenario.start();
    master.line(&format!("listens on {}", path.display()));
    master.ready(2);
    for _ in 0..10 {
        let mut text = String::new();
        UnixStream::connect(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }
    fs::remove_file(&path).unwrap();
    master.stop();
}

#[test]
fn workers_of_nothing_are_refused() {
    let refused = std::panic::catch_unwind(|| leno::workers::Workers::new(0));
    assert!(refused.is_err());
    let inside = std::panic::catch_unwind(|| leno::run(|| workers(1).run(|worker| serve(worker))));
    assert!(inside.is_err());
}

#[test]
fn an_exploration_starts_no_worker() {
    leno::weave::explore(|| {
        let error = workers(1).run(|worker| serve(worker)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    });
}
