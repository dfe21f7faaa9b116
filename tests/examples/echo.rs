//! The output of the echo server and its clients.

use std::process::Command;

use super::{finish, path, refuse, runner, succeed};

const NAME: &str = "13_echo";

#[test]
fn all_requests_are_answered_and_waits_are_shown_half_way() {
    let text = succeed(NAME, &["7", "2_000"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "half-way:", "{text}");
    assert!(lines[1].ends_with(" of 16 green threads have waited for more than 0 s"), "{text}");
    assert!(lines[2].starts_with("  main "), "{text}");
    assert!(lines[3].contains("'server' (#2) "), "{text}");
    assert!(lines[3].contains(" for a connection to TcpListener 127.0.0.1:"), "{text}");
    assert!(text.contains("'client' (#"), "{text}");
    assert!(text.contains(" for bytes from TcpStream 127.0.0.1:"), "{text}");
    let last = lines[lines.len() - 1];
    let rate = last.strip_prefix("2000 requests over 7 connections: ");
    let rate = rate.and_then(|rate| rate.strip_suffix(" per second")).expect(&text);
    assert!(rate.parse::<u64>().is_ok_and(|rate| rate > 0), "{text}");
}

#[test]
fn there_may_be_fewer_requests_than_connections() {
    assert!(succeed(NAME, &["3", "1"]).contains("\n1 requests over 3 connections: "));
    assert!(succeed(NAME, &["1", "1"]).contains("\n1 requests over 1 connections: "));
}

#[test]
fn a_shortage_of_descriptors_is_an_error() {
    if runner().is_some() {
        return;
    }
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 100; exec \"$0\" 200 100000"]).arg(path(NAME));
    let ran = finish(command);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.starts_with("error: Too many open files"), "{}", ran.stderr);
    assert!(ran.stderr.contains("\n next: fewer connections"), "{}", ran.stderr);
}

#[test]
fn invalid_numbers_are_refused() {
    refuse(NAME, &["0"], "\"0\" is not a number of connections from 1 to 28000");
    refuse(NAME, &["28001"], "\"28001\" is not a number of connections");
    refuse(NAME, &["-1"], "\"-1\" is not a number of connections");
    refuse(NAME, &["1", "x"], "\"x\" is not a number of requests");
    refuse(NAME, &["1", "2", "3"], "two numbers are enough");
}
