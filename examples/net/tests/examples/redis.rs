//! The client of Redis by `redis-server`, and the server by `redis-benchmark` and `redis-cli`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::process::{Folder, PATIENCE, Process, tool};

/// Returns what `redis-cli` prints for a command.
fn ask(port: &str, command: &[&str]) -> String {
    let mut cli = tool("redis-cli", "redis-tools");
    cli.args(["-p", port]).args(command);
    Process::start(cli).succeeds()
}

#[test]
fn green_threads_share_a_connection_to_redis() {
    let folder = Folder::new("redis");
    let command = |port: u16| {
        let mut command = tool("redis-server", "redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.arg("--dir").arg(&folder.0);
        command
    };
    let (server, port) = Process::on_free_port(command, "Ready to accept connections");
    let (port, address) = (&*port.to_string(), &*format!("127.0.0.1:{port}"));

    let output = Process::example("redis_client", &[address]).succeeds();
    assert!(output.starts_with("50 green threads, one connection: "), "{output}");
    assert!(output.contains("\n15001 commands in "), "{output}");
    // All green threads have asked before the one that sends has its turn.
    assert!(output.contains(" writes, at most 50 in one\n"), "{output}");
    assert!(output.ends_with("\nleno:counter: from 0 to 5000\n"), "{output}");

    // The connection of the example, and that of this question.
    let stats = ask(port, &["INFO", "stats"]);
    assert!(stats.contains("total_connections_received:2\r\n"), "{stats}");
    assert_eq!(ask(port, &["GET", "leno:counter"]), "5000\n");
    assert_eq!(ask(port, &["GET", "leno:thread:49"]), "49/99\n");

    // An error of the server is that of the command.
    assert_eq!(
        ask(port, &["LPUSH", "leno:thread:1", "x"]),
        "WRONGTYPE Operation against a key holding the wrong kind of value\n\n"
    );
    ask(port, &["SET", "leno:counter", "many"]);
    let error = Process::example("redis_client", &[address, "1", "1"]).fails(1);
    assert!(error.contains("invalid digit"), "{error}");
    server.signal(libc::SIGTERM);
    let ran = server.end();
    assert_eq!(ran.status, Some(0), "{}", ran.stdout);
}

#[test]
fn those_that_wait_hear_of_the_end_of_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        // The first command is answered. Nothing comes for those of the green threads.
        let mut bytes = [0; 4096];
        assert!(stream.read(&mut bytes).unwrap() > 0);
        stream.write_all(b"$-1\r\n").unwrap();
        assert!(stream.read(&mut bytes).unwrap() > 0);
    });
    let error = Process::example("redis_client", &[&address]).fails(1);
    assert_eq!(error, "the connection to the server has failed");
    server.join().unwrap();
}

#[test]
fn the_tools_of_redis_use_the_server() {
    let (server, address) = Process::listening("redis_server", &["127.0.0.1:0"]);
    let port = address.rsplit(':').next().unwrap();
    for pipelined in ["1", "16"] {
        let mut benchmark = tool("redis-benchmark", "redis-tools");
        benchmark.args(["-p", port, "-t", "ping,set,get,incr", "-n", "4800", "-c", "50"]);
        let ran = Process::start({
            benchmark.args(["-P", pipelined, "--csv"]);
            benchmark
        })
        .end();
        assert_eq!(ran.status, Some(0), "{}{}", ran.stdout, ran.stderr);
        for test in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR"] {
            assert!(ran.stdout.contains(&format!("\n\"{test}\",\"")), "{}", ran.stdout);
        }
    }
    assert_eq!(ask(port, &["GET", "counter:__rand_int__"]), "9600\n");
    assert_eq!(ask(port, &["GET", "nothing"]), "\n");
    assert_eq!(ask(port, &["SET", "text", "a b"]), "OK\n");
    assert_eq!(ask(port, &["PING", "hello"]), "hello\n");
    assert_eq!(ask(port, &["INCR", "text"]), "ERR value is not an integer or out of range\n\n");
    assert_eq!(ask(port, &["DEL", "text"]), "ERR this example has PING, GET, SET and INCR\n\n");
    let output = Process::example("redis_client", &[&address]).succeeds();
    assert!(output.ends_with("\nleno:counter: from 0 to 5000\n"), "{output}");
    // A client that says nothing does not keep the server from its end.
    let mut idle = TcpStream::connect(&address).unwrap();
    idle.write_all(b"PING\r\n").unwrap();
    idle.read_exact(&mut [0; 7]).unwrap();
    server.signal(libc::SIGINT);
    assert_eq!(server.succeeds(), format!("listening on {address}\nstopping\n"));
}

#[test]
fn replies_do_not_wait_for_the_rest_of_a_command() {
    let (_server, address) = Process::listening("redis_server", &["127.0.0.1:0"]);
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut expect = |sent: &str, received: &str| {
        stream.write_all(sent.as_bytes()).unwrap();
        let mut bytes = vec![0; received.len()];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), received);
    };
    expect("PING\r\nINCR n\r\n*2\r\n$3\r\nGE", "+PONG\r\n:1\r\n");
    expect("T\r\n$1\r\nn\r\n", "$1\r\n1\r\n");
    expect("$x\r\n", "-ERR not the protocol of Redis: ");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("\r\n"), "{rest}");
}
