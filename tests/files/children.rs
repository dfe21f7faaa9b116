//! Child processes: their ends, their streams, and what they and other code do to the parent.

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;

use leno::os::unix::process::{CommandExt, ExitStatusExt};
use leno::process::{Child, Command, Stdio};
use leno::time::{Duration, timeout};

use crate::pairs::{join, run_by_system};
use crate::support::{assert_cancelled, in_child};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Starts a child that goes on until its input ends.
fn waiting_child() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

fn signal(child: &Child, number: i32) {
    // SAFETY: the child has not been waited for, so the number is its own.
    assert_eq!(unsafe { libc::kill(child.id() as i32, number) }, 0);
}

#[test]
fn the_status_of_a_child_is_that_of_std() {
    run_by_system(|| {
        assert!(Command::new("true").status().unwrap().success());
        assert_eq!(shell("exit 7").status().unwrap().code(), Some(7));
        assert_eq!(shell("kill -KILL $$").status().unwrap().signal(), Some(libc::SIGKILL));
        // An emulator tells std that the program has been started.
        let by_std = std::process::Command::new("/no/such/program").output().map(drop);
        let output = Command::new("/no/such/program").output().map(drop);
        let kinds = [output, by_std].map(|result| result.map_err(|error| error.kind()));
        assert_eq!(kinds[0], kinds[1]);
        let mut command = shell("echo $0 $FIRST $SECOND $(pwd)");
        command.arg("name").env_clear().env("FIRST", "1").envs([("SECOND", "2")]);
        command.env("PATH", std::env::var_os("PATH").unwrap()).current_dir("/");
        assert_eq!(command.output().unwrap().stdout, b"name 1 2 /\n");
        assert_eq!(command.get_program(), "sh");
        assert_eq!(command.get_args().count(), 3);
        let mut child = shell("exit 1").spawn().unwrap();
        assert_eq!(child.wait().unwrap(), child.wait().unwrap());
        assert_eq!(child.try_wait().unwrap(), Some(child.wait().unwrap()));
        child.kill().unwrap();
    });
}

#[test]
fn other_threads_run_while_one_waits_for_a_child() {
    run_by_system(|| {
        let mut child = waiting_child();
        let mut input = child.stdin.take();
        let turns = Rc::new(Cell::new(0));
        let count = turns.clone();
        leno::spawn(move || {
            for _ in 0..10 {
                leno::sleep(Duration::from_millis(1));
                count.set(count.get() + 1);
            }
            drop(input.take());
        });
        assert!(child.try_wait().unwrap().is_none());
        assert!(child.wait().unwrap().success());
        assert_eq!(turns.get(), 10);
    });
}

#[test]
fn a_wait_closes_the_input_of_the_child() {
    run_by_system(|| {
        assert!(waiting_child().wait().unwrap().success());
        assert!(waiting_child().wait_with_output().unwrap().status.success());
    });
}

/// A pipe has room for 64 KiB, so the child waits unless both are read.
#[test]
fn both_outputs_of_a_child_are_read_at_once() {
    const SCRIPT: &str = "yes | head -c 300000; yes n | head -c 300000 >&2;
        yes | head -c 300000; exec >&-; yes n | head -c 300000 >&2";
    let check = || {
        let output = shell(SCRIPT).output().unwrap();
        assert!(output.status.success());
        assert_eq!((output.stdout.len(), output.stderr.len()), (600_000, 600_000));
        assert!(output.stdout.starts_with(b"y\n") && output.stderr.starts_with(b"n\n"));
    };
    run_by_system(check);
    // Outside a runtime, too.
    check();
}

#[test]
fn output_leaves_the_streams_of_the_command_as_they_were() {
    in_child("children::output_leaves_the_streams_of_the_command_as_they_were", &[], || {
        leno::run(|| {
            let mut command = shell("cat; echo hello");
            assert_eq!(command.output().unwrap().stdout, b"hello\n");
            let mut child = command.spawn().unwrap();
            assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
            child.wait().unwrap();
            // What the program has chosen is kept.
            let output = command.stdout(Stdio::null()).output().unwrap();
            assert!(output.stdout.is_empty());
        });
    })
    .assert_survived();
}

#[test]
fn a_filter_is_written_to_and_read() {
    run_by_system(|| {
        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let writing = leno::spawn(move || input.write_all(&vec![b'x'; 500_000]).unwrap());
        let mut bytes = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
        join(writing);
        assert_eq!(bytes.len(), 500_000);
        assert!(child.wait().unwrap().success());
    });
}

#[test]
fn the_output_of_a_child_is_the_input_of_another() {
    run_by_system(|| {
        let mut first = shell("echo b; echo a").stdout(Stdio::piped()).spawn().unwrap();
        let mut second = Command::new("sort");
        let output = second.stdin(first.stdout.take().unwrap()).output().unwrap();
        assert_eq!(output.stdout, b"a\nb\n");
        assert!(first.wait().unwrap().success());
    });
}

#[test]
fn a_select_waits_for_a_child() {
    run_by_system(|| {
        let mut child = waiting_child();
        let mut input = child.stdin.take();
        let ended = |child: &Child, after: Duration| {
            leno::select! {
                readable(child) => true,
                default(after) => false,
            }
        };
        assert!(!ended(&child, Duration::from_millis(5)));
        leno::spawn(move || drop(input.take()));
        assert!(ended(&child, Duration::from_secs(60)));
        assert!(child.wait().unwrap().success());
        assert!(ended(&child, Duration::from_secs(60)));
        // One that was never waited for in a select.
        let mut child = shell("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(ended(&child, Duration::from_secs(60)));
    });
}

#[test]
fn a_cancelled_wait_leaves_the_child() {
    run_by_system(|| {
        let soon = Duration::from_millis(10);
        let mut child = waiting_child();
        let input = child.stdin.take();
        assert!(timeout(soon, || child.wait()).is_err());
        assert!(child.try_wait().unwrap().is_none());
        drop(input);
        assert!(child.wait().unwrap().success());
    });
}

/// Returns `true` while a process has this number, be it a zombie.
fn exists(id: u32) -> bool {
    // SAFETY: signal 0 is sent to no process.
    unsafe { libc::kill(id as i32, 0) == 0 }
}

#[test]
fn a_dropped_child_goes_on_unless_it_is_to_be_killed() {
    run_by_system(|| {
        let child = waiting_child();
        let id = child.id();
        let Child { stdin, .. } = child;
        leno::sleep(Duration::from_millis(5));
        assert!(exists(id));
        drop(stdin);
        // SAFETY: the status is not wanted.
        assert_eq!(unsafe { libc::waitpid(id as i32, std::ptr::null_mut(), 0) }, id as i32);

        let child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
        let id = child.id();
        drop(child);
        while exists(id) {
            leno::yield_now();
        }
        // A cancelled call drops it.
        let ids = Rc::new(Cell::new(0));
        let told = ids.clone();
        let thread = leno::spawn(move || {
            let mut command = Command::new("sleep");
            let child = command.arg("1000").stdout(Stdio::piped()).kill_on_drop(true).spawn();
            let child = child.unwrap();
            told.set(child.id());
            child.wait_with_output().map(drop)
        });
        leno::yield_now();
        thread.cancel();
        assert_cancelled(thread);
        while exists(ids.get()) {
            leno::yield_now();
        }
    });
}

/// Alone in a process, since other tests open descriptors meanwhile.
#[test]
#[cfg(target_os = "linux")]
fn no_descriptor_leaks_into_a_child() {
    in_child("children::no_descriptor_leaks_into_a_child", &[], || {
        let listed = |output: std::io::Result<std::process::Output>| {
            String::from_utf8(output.unwrap().stdout).unwrap()
        };
        let before = listed(std::process::Command::new("ls").arg("/proc/self/fd").output());
        leno::run(|| {
            let (reader, _writer) = leno::io::pipe().unwrap();
            let listener = leno::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let _file = leno::fs::File::open(std::env::current_exe().unwrap()).unwrap();
            let mut other = waiting_child();
            let input = other.stdin.take();
            let soon = Duration::from_millis(5);
            assert!(timeout(soon, || (&reader).read(&mut [0])).is_err());
            assert!(timeout(soon, || listener.accept()).is_err());
            assert!(timeout(soon, || other.wait()).is_err());
            assert_eq!(listed(Command::new("ls").arg("/proc/self/fd").output()), before);
            drop(input);
            other.wait().unwrap();
        });
    })
    .assert_survived();
}

#[test]
fn a_thousand_children_are_waited_for() {
    run_by_system(|| {
        let total = Rc::new(Cell::new(0));
        for _ in 0..10 {
            let mut inputs = Vec::new();
            let mut waits = Vec::new();
            for _ in 0..100 {
                let mut child = shell("read line; exit 3");
                let mut child = child.stdin(Stdio::piped()).spawn().unwrap();
                inputs.push(child.stdin.take());
                let total = total.clone();
                waits.push(leno::spawn(move || {
                    assert_eq!(child.wait().unwrap().code(), Some(3));
                    total.set(total.get() + 1);
                }));
            }
            leno::yield_now();
            drop(inputs);
            waits.into_iter().for_each(join);
        }
        assert_eq!(total.get(), 1000);
    });
}

#[test]
fn a_child_that_closes_its_streams_lives_on() {
    run_by_system(|| {
        let mut command = shell("exec >&- 2>&-; read line; exit 5");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut bytes = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
        child.stderr.take().unwrap().read_to_end(&mut bytes).unwrap();
        assert!(bytes.is_empty() && child.try_wait().unwrap().is_none());
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(5));
    });
}

#[test]
fn a_stopped_child_has_not_ended() {
    run_by_system(|| {
        let mut child = waiting_child();
        let input = child.stdin.take();
        signal(&child, libc::SIGSTOP);
        assert!(timeout(Duration::from_millis(20), || child.wait()).is_err());
        assert!(child.try_wait().unwrap().is_none());
        signal(&child, libc::SIGCONT);
        drop(input);
        assert!(child.wait().unwrap().success());
        // A stopped one can be killed.
        let mut child = waiting_child();
        let _input = child.stdin.take();
        signal(&child, libc::SIGSTOP);
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn a_child_that_ignores_a_signal_is_killed() {
    run_by_system(|| {
        let mut command = shell("trap '' TERM; echo ready; read line; read line");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        output.read_exact(&mut [0; 6]).unwrap();
        let _input = child.stdin.take();
        signal(&child, libc::SIGTERM);
        assert!(timeout(Duration::from_millis(20), || child.wait()).is_err());
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn a_child_that_other_code_reaps_is_an_error() {
    run_by_system(|| {
        let reaped = |child: &Child| {
            // SAFETY: the status is not wanted.
            unsafe { libc::waitpid(child.id() as i32, std::ptr::null_mut(), 0) };
        };
        let mut child = shell("true").spawn().unwrap();
        reaped(&child);
        assert_eq!(child.wait().unwrap_err().raw_os_error(), Some(libc::ECHILD));
        assert_eq!(child.try_wait().unwrap_err().raw_os_error(), Some(libc::ECHILD));
        // During the wait.
        let mut child = waiting_child();
        let (input, id) = (child.stdin.take(), child.id() as i32);
        let waiting = leno::spawn(move || child.wait().map_err(|error| error.raw_os_error()));
        leno::yield_now();
        drop(input);
        // SAFETY: the status is not wanted.
        unsafe { libc::waitpid(id, std::ptr::null_mut(), 0) };
        assert_eq!(join(waiting), Err(Some(libc::ECHILD)));
    });
}

#[test]
fn a_closure_and_a_group_are_set_for_a_child() {
    run_by_system(|| {
        let mut command = shell("echo $$; ps -o pgid= -p $$ 2>/dev/null || echo $$");
        command.process_group(0).arg0("name");
        // SAFETY: the closure does nothing.
        unsafe { command.pre_exec(|| Ok(())) };
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(numbers[0], numbers[1]);
        // SAFETY: the closure only makes an error.
        unsafe { command.pre_exec(|| Err(ErrorKind::PermissionDenied.into())) };
        assert!(command.spawn().is_err());
    });
}

#[test]
fn a_stalled_wait_for_a_child_is_named() {
    run_by_system(|| {
        let mut child = waiting_child();
        let (input, id) = (child.stdin.take(), child.id());
        let waiting = leno::spawn(move || child.wait().map(drop));
        leno::yield_now();
        let report = leno::debug::stalled(Duration::ZERO).expect("one waits").to_string();
        assert!(report.contains(&format!("the end of Child {id}")), "{report}");
        drop(input);
        join(waiting).unwrap();
    });
}

#[test]
fn an_exploration_starts_no_child() {
    leno::weave::check(|| {
        let error = Command::new("true").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    });
}
