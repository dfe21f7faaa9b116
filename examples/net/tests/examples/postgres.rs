//! The client of PostgreSQL, by a server of its own.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::process::{Folder, Process, tool};

const PACKAGE: &str = "postgresql";
const PASSWORD: &str = "with spaces";

/// The number of the user and group without rights, which PostgreSQL runs as if the tests run as root.
/// It refuses to run as root.
const UNPRIVILEGED: u32 = 65534;

fn is_root() -> bool {
    // SAFETY: it has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// Returns the command of a program of PostgreSQL, in its folder.
fn program(name: &str, folder: &Folder) -> Command {
    let mut command = tool(name, PACKAGE);
    command.current_dir(&folder.0).env_remove("PGDATA");
    if is_root() {
        command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
    }
    command
}

/// Makes a database with the user "leno" and its password.
fn make_database(folder: &Folder) -> String {
    let (data, password) = (folder.path("data"), folder.path("password"));
    fs::write(&password, PASSWORD).unwrap();
    if is_root() {
        chown(&folder.0, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
    }
    let mut command = program("initdb", folder);
    command.args(["--pgdata", &data, "--username", "leno", "--pwfile", &password, "--no-sync"]);
    command.args(["--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale"]);
    let ran = Process::start(command).end();
    assert_eq!(ran.status, Some(0), "{}{}", ran.stdout, ran.stderr);
    data
}

#[test]
fn green_threads_share_a_connection_to_postgresql() {
    let folder = Folder::new("postgres");
    let data = make_database(&folder);
    let command = |port: u16| {
        let mut command = program("postgres", &folder);
        command.args(["-D", &data, "-h", "127.0.0.1", "-k", &folder.path(""), "-F"]);
        command.args(["-p", &port.to_string(), "-c", "log_statement=all"]);
        command.args(["-c", "log_connections=on", "-c", "log_disconnections=on"]);
        command
    };
    let ready = "database system is ready to accept connections";
    let (mut server, port) = Process::on_free_port(command, ready);
    let config = format!("host=localhost port={port} user=leno dbname=postgres password=");

    let valid = format!("{config}'{PASSWORD}'");
    let output = Process::example("postgres", &[&valid]).succeeds();
    let lines: Vec<&str> = output.lines().collect();
    assert!(lines[0].starts_with("PostgreSQL "), "{output}");
    let beginning = "20 green threads, one connection: 200 rows inserted, ";
    assert!(lines[1].starts_with(beginning), "{output}");
    let sums = "the table has 200 rows of 20 green threads, with the sum 900";
    assert_eq!(lines[2..], [sums, "1 / 0: division by zero"]);
    // The server has seen the end of the session, and not that of its connection only.
    server.line_with("disconnection: session time").unwrap_or_else(|ran| panic!("{}", ran.stderr));

    let error = Process::example("postgres", &[&format!("{config}wrong")]).fails(1);
    assert!(error.contains("password authentication failed for user \"leno\""), "{error}");
    server.signal(libc::SIGINT);
    let ran = server.end();
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let count = |text: &str| ran.stderr.matches(text).count();
    assert_eq!(count("connection authorized: user=leno"), 1, "{}", ran.stderr);
    assert_eq!(count(": INSERT INTO visits"), 200, "{}", ran.stderr);
    assert_eq!(count("unexpected EOF on client connection"), 0, "{}", ran.stderr);
}
