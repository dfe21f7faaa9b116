//! The server of HTTP: good and bad requests, slow and half-closed clients, limits, its end.

use std::env;
use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::listening::{Listening, PATIENCE, receive, send};
use super::{refuse, run};

const NAME: &str = "14_http";
const KEEP: &str = "keep-alive";
const CLOSE: &str = "close";
const BAD: &str = "400 Bad Request";
const TIMEOUT: &str = "408 Request Timeout";
const TOO_LARGE: &str = "413 Content Too Large";
const HEAD_TOO_LARGE: &str = "431 Request Header Fields Too Large";

/// Starts a server with the deadline of a request in seconds.
fn start(seconds: &str) -> Listening {
    Listening::start(NAME, &["127.0.0.1:0", seconds, "60"])
}

/// Returns an answer as the server sends it.
fn answer(code: &str, connection: &str, body: &str) -> String {
    let allow = if code.starts_with("405") { "allow: GET, HEAD, PUT, DELETE\r\n" } else { "" };
    let length = body.len();
    format!(
        "HTTP/1.1 {code}\r\nconnection: {connection}\r\n{allow}content-length: {length}\r\n\r\n{body}"
    )
}

/// Sends requests on a new connection, and returns all that comes back.
fn ask(server: &Listening, requests: impl AsRef<[u8]>) -> String {
    let stream = server.connect();
    send(&stream, requests);
    stream.shutdown(Shutdown::Write).expect("it is connected");
    receive(&stream)
}

/// Checks that the next bytes are these.
#[track_caller]
fn expect(mut stream: &TcpStream, text: &str) {
    let mut bytes = vec![0; text.len()];
    stream.read_exact(&mut bytes).expect("an answer in time");
    assert_eq!(String::from_utf8_lossy(&bytes), text);
}

/// Checks that a server still answers, and ends as it should.
fn ends_well(server: Listening) {
    assert_eq!(ask(&server, "GET /none HTTP/1.0\r\n\r\n"), answer("404 Not Found", CLOSE, ""));
    server.signal(libc::SIGTERM);
    let ran = server.end();
    assert_eq!((ran.status, &*ran.stderr), (0, ""));
    assert!(ran.stdout.starts_with("stopping\n"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with(" requests answered\n"), "{}", ran.stdout);
}

/// Requests of all kinds on one connection, and their answers.
const MIXED: &str = "\
    PUT /one HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nfirst\
    PUT /two HTTP/1.1\r\nhost:h\r\nTransfer-Encoding: Chunked\r\n\r\n\
    3;quick\r\nsec\r\n0003\r\nond\r\n0\r\nX-More: 1\r\n\r\n\
    GET /one HTTP/1.1\r\nHost: h\r\n\r\n\
    \r\nHEAD /two HTTP/1.1\r\nHost: h\r\n\r\n\
    POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na=b\
    PUT /one HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nagain\
    GET / HTTP/1.1\nHost: h\nConnection: nonsense, Close\n\n";

fn mixed_answers() -> String {
    let head = answer("200 OK", KEEP, "second").replace("second", "");
    [
        answer("201 Created", KEEP, ""),
        answer("201 Created", KEEP, ""),
        answer("200 OK", KEEP, "first"),
        head,
        answer("405 Method Not Allowed", KEEP, ""),
        "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
        answer("200 OK", KEEP, ""),
        answer("200 OK", CLOSE, "/one\n/two\n"),
    ]
    .concat()
}

/// Takes the pages away again.
fn clear(server: &Listening) {
    let delete = |path| format!("DELETE {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    let deleted = ask(server, delete("/one") + &delete("/two"));
    assert_eq!(deleted, answer("200 OK", KEEP, "").repeat(2));
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let server = start("60");
    assert_eq!(ask(&server, MIXED), mixed_answers());
    let many = ask(&server, "GET /one HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1_000));
    assert_eq!(many, answer("200 OK", KEEP, "again").repeat(1_000));
    ends_well(server);
}

#[test]
fn requests_may_be_split_at_every_byte() {
    let server = start("60");
    for middle in 1..MIXED.len() {
        let stream = server.connect();
        send(&stream, &MIXED[..middle]);
        sleep(Duration::from_millis(1));
        send(&stream, &MIXED[middle..]);
        assert_eq!(receive(&stream), mixed_answers(), "split at {middle}");
        clear(&server);
    }
    let stream = server.connect();
    for byte in MIXED.bytes() {
        send(&stream, [byte]);
        sleep(Duration::from_millis(1));
    }
    assert_eq!(receive(&stream), mixed_answers());
    ends_well(server);
}

/// Bad requests, with the status of the answer, after which the connection ends.
const BAD_REQUESTS: &[(&str, &str)] = &[
    ("\0\r\n\r\n", BAD),
    ("GET\r\n\r\n", BAD),
    ("GET / HTTP/1.1\r\n\r\n", BAD),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", BAD),
    ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", BAD),
    ("GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", BAD),
    ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505 HTTP Version Not Supported"),
    ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\n", BAD),
    ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx", BAD),
    ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\nx", BAD),
    ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx", BAD),
    ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", BAD),
    ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\nx", TOO_LARGE),
    ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\nx", TOO_LARGE),
    (
        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\n",
        BAD,
    ),
    ("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
    (
        "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "501 Not Implemented",
    ),
];

/// Bad bodies in chunks.
const BAD_CHUNKS: &[(&str, &str)] = &[
    ("\r\n\r\n", BAD),
    (";x\r\n\r\n", BAD),
    ("x\r\n", BAD),
    ("-1\r\n", BAD),
    ("0x1\r\nx\r\n", BAD),
    ("1\r\nxy\r\n0\r\n\r\n", BAD),
    ("1\r\nxyz0\r\n\r\n", BAD),
    ("1\nx\r\n0\r\n\r\n", BAD),
    ("1;a\nb\r\nx\r\n0\r\n\r\n", BAD),
    ("100001\r\n", TOO_LARGE),
    ("ffffffffffffffff\r\n", TOO_LARGE),
    ("fffffffffffffffff\r\n", BAD),
    ("0\r\nodd trailer\r\n\r\n", BAD),
];

#[test]
fn bad_requests_are_refused_and_end_the_connection() {
    let server = start("60");
    let refuses = |request: &str, code| {
        // What comes behind a bad request is not taken for a request.
        let asked = format!("{request}GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(ask(&server, asked), answer(code, CLOSE, ""), "{request:?}");
    };
    for (request, code) in BAD_REQUESTS {
        refuses(request, code);
    }
    for (body, code) in BAD_CHUNKS {
        let head = "PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        refuses(&(head.to_owned() + body), code);
    }
    assert_eq!(ask(&server, "GET / HTTP/1.0\r\n\r\n"), answer("200 OK", CLOSE, ""));
    ends_well(server);
}

#[test]
fn heads_that_never_end_are_refused() {
    let server = start("60");
    let long = "x".repeat(1_000_000);
    let head = "GET / HTTP/1.1\r\nHost: h\r\n";
    let put = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for endless in [
        format!("GET /{long}"),
        "\r\n".repeat(1_000_000),
        format!("{head}X-Long: {long}"),
        format!("{head}{}", "a: b\r\n".repeat(1_000_000)),
        format!("{put}1;{long}"),
        format!("{put}0\r\nX-Long: {long}"),
    ] {
        let answered = ask(&server, &endless);
        assert_eq!(answered, answer(HEAD_TOO_LARGE, CLOSE, ""), "{}", &endless[..60]);
    }
    ends_well(server);
}

/// The answer is not lost although the client sends all of the body before it reads.
#[test]
fn bodies_that_are_too_large_are_refused() {
    let server = start("60");
    let body = "x".repeat(3_000_000);
    let length = body.len();
    let known = format!("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}");
    assert_eq!(ask(&server, known), answer(TOO_LARGE, CLOSE, ""));
    let chunks = format!("10000\r\n{}\r\n", &body[..0x10000]).repeat(17);
    let head = "PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(ask(&server, head.to_owned() + &chunks), answer(TOO_LARGE, CLOSE, ""));
    // A body of the largest size is accepted.
    let fits = chunks[..chunks.len() / 17 * 16].to_owned() + "0\r\n\r\n";
    assert_eq!(ask(&server, head.to_owned() + &fits), answer("201 Created", KEEP, ""));
    assert_eq!(
        ask(&server, "GET /x HTTP/1.0\r\n\r\n"),
        answer("200 OK", CLOSE, &body[..1024 * 1024])
    );
    ends_well(server);
}

#[test]
fn pages_are_limited_in_number() {
    let server = start("60");
    let put = |number| format!("PUT /{number} HTTP/1.1\r\nHost: h\r\n\r\n");
    let answers = ask(&server, (0..101).map(put).collect::<String>() + &put(7));
    let expected = [
        answer("201 Created", KEEP, "").repeat(100),
        answer("507 Insufficient Storage", KEEP, ""),
        answer("200 OK", KEEP, ""),
    ];
    assert_eq!(answers, expected.concat());
    ends_well(server);
}

#[test]
fn slow_clients_meet_the_deadline_and_stop_no_others() {
    let server = start("1");
    let start = Instant::now();
    let slow = [
        "GET / HTTP/1.1\r\nHost: some.host.with.a.long.name\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nsome bytes and more of them",
        "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxx\r\n2\r\nxx\r\n",
    ]
    .map(|request| {
        let stream = server.connect();
        let (at_once, later) = request.split_at(request.len() - 20);
        send(&stream, at_once);
        (stream, later)
    });
    // Each byte arrives in time, and all of them do not.
    for index in 0..15 {
        for (stream, later) in &slow {
            send(stream, &later[index..=index]);
        }
        let others = ask(&server, "GET / HTTP/1.0\r\n\r\n");
        assert_eq!(others, answer("200 OK", CLOSE, ""));
        sleep(Duration::from_millis(100));
    }
    for (stream, _) in &slow {
        assert_eq!(receive(stream), answer(TIMEOUT, CLOSE, ""));
    }
    assert!(start.elapsed() < PATIENCE);
    // A connection without a request ends without an answer.
    assert_eq!(receive(&server.connect()), "");
    let stream = server.connect();
    send(&stream, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(receive(&stream), answer("200 OK", KEEP, ""));
    ends_well(server);
}

#[test]
fn half_closed_connections_get_their_answers() {
    let server = start("60");
    assert_eq!(ask(&server, ""), "");
    for half in [
        "GET / HT",
        "GET / HTTP/1.1\r\nHost: h\r\n",
        "PUT / HTTP/1.0\r\ncontent-length: 9\r\n\r\nx",
    ] {
        assert_eq!(ask(&server, half), answer(BAD, CLOSE, ""), "{half:?}");
    }
    // A client that has gone altogether.
    for _ in 0..20 {
        let stream = server.connect();
        send(&stream, "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(100));
    }
    ends_well(server);
}

#[test]
fn a_client_that_does_not_read_meets_the_deadline() {
    let server = start("1");
    let put =
        format!("PUT /x HTTP/1.0\r\nContent-Length: 1000000\r\n\r\n{}", "x".repeat(1_000_000));
    assert_eq!(ask(&server, put), answer("201 Created", CLOSE, ""));
    let mut stream = server.connect();
    send(&stream, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n".repeat(100));
    sleep(Duration::from_millis(1_500));
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert!(bytes.len() < 99_000_000, "{}", bytes.len());
    ends_well(server);
}

#[test]
fn connections_beyond_the_limit_wait_for_a_place() {
    let server = start("60");
    let mut open: Vec<TcpStream> = (0..500).map(|_| server.connect()).collect();
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let served = answer("200 OK", KEEP, "");
    for stream in &open {
        send(stream, request);
        expect(stream, &served);
    }
    let late = server.connect();
    send(&late, request);
    late.set_read_timeout(Some(Duration::from_millis(200))).expect("it is no zero");
    let error = (&late).read(&mut [0]).expect_err("there is no place");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    late.set_read_timeout(Some(PATIENCE)).expect("it is no zero");
    open.pop();
    expect(&late, &served);
    drop(open);
    ends_well(server);
}

#[test]
fn a_signal_ends_the_server_after_the_requests_that_have_begun() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let server = start("60");
        let (idle, new, late) = (server.connect(), server.connect(), server.connect());
        send(&idle, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        expect(&idle, &answer("200 OK", KEEP, ""));
        send(&late, "G");
        // It comes after the others, so they have been accepted when it is answered.
        let begun = server.connect();
        let head = "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        send(&begun, head);
        expect(&begun, "HTTP/1.1 100 Continue\r\n\r\n");
        server.signal(signal);
        // They wait for a request.
        assert_eq!(receive(&idle), "");
        assert_eq!(receive(&new), "");
        // Nothing listens any more.
        let refused = TcpStream::connect(&server.address).expect_err("it is stopping");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        send(&late, "ET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(receive(&late), answer("200 OK", CLOSE, ""));
        // A request behind the last one is not answered.
        send(&begun, "xyGET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(receive(&begun), answer("201 Created", CLOSE, ""));
        drop((late, begun));
        let ran = server.end();
        assert_eq!((ran.status, &*ran.stderr), (0, ""));
        assert_eq!(ran.stdout, "stopping\n3 requests answered\n");
    }
}

#[test]
fn the_end_takes_no_longer_than_the_deadline() {
    let server = start("0.5");
    let stuck = server.connect();
    send(&stuck, "GET / HTTP/1.1\r\n");
    // It comes later, so the other one has begun when it is answered.
    assert_eq!(ask(&server, "GET / HTTP/1.0\r\n\r\n"), answer("200 OK", CLOSE, ""));
    server.signal(libc::SIGTERM);
    assert_eq!(receive(&stuck), answer(TIMEOUT, CLOSE, ""));
    // The client does not close the connection.
    assert_eq!(server.end().stdout, "stopping\n2 requests answered\n");
}

/// A request is received, and an answer is not taken.
#[test]
fn requests_that_take_too_long_are_cancelled_after_a_signal() {
    let server = Listening::start(NAME, &["127.0.0.1:0", "600", "0.5"]);
    let body = "x".repeat(1_000_000);
    let put = format!("PUT /x HTTP/1.0\r\nContent-Length: 1000000\r\n\r\n{body}");
    assert_eq!(ask(&server, put), answer("201 Created", CLOSE, ""));
    let deaf = server.connect();
    send(&deaf, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n".repeat(100));
    expect(&deaf, "HTTP/1.1 200 OK\r\n");
    let half = server.connect();
    let head = "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    send(&half, head);
    expect(&half, "HTTP/1.1 100 Continue\r\n\r\n");
    server.signal(libc::SIGTERM);
    assert_eq!(receive(&half), "");
    let ran = server.end();
    assert_eq!((ran.status, &*ran.stderr), (0, ""));
    assert!(ran.stdout.starts_with("stopping\ncancelling 2 connections\n"), "{}", ran.stdout);
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let server = start("600");
    let half = server.connect();
    let head = "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    send(&half, head);
    expect(&half, "HTTP/1.1 100 Continue\r\n\r\n");
    server.signal(libc::SIGTERM);
    // Nothing listens any more, so the signal has been received.
    while TcpStream::connect(&server.address).is_ok() {
        sleep(Duration::from_millis(1));
    }
    server.signal(libc::SIGTERM);
    assert_eq!(server.ending_signal(), Some(libc::SIGTERM));
}

#[test]
fn invalid_arguments_are_refused() {
    let many = ["127.0.0.1:0", "1", "2", "3"];
    refuse(NAME, &many, "an address and two numbers of seconds are enough");
    for seconds in ["0", "-1", "x", "", "1e99", "nan"] {
        refuse(NAME, &["127.0.0.1:0", seconds], &format!("{seconds:?} is not a number of seconds"));
        let words = format!("{seconds:?} is not a number of seconds");
        refuse(NAME, &["127.0.0.1:0", "1", seconds], &words);
    }
    let server = start("1");
    for address in ["nonsense", "127.0.0.1:99999", &*server.address] {
        let ran = run(NAME, &[address]);
        assert_eq!((ran.status, &*ran.stdout), (1, ""), "{}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("error: {address}: ")), "{}", ran.stderr);
    }
}

/// Runs curl, and returns its output.
fn curl(arguments: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "60", "--noproxy", "*"]).args(arguments);
    let output = curl.output().expect("curl runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn curl_puts_and_gets_pages() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        assert!(env::var_os("CI").is_none(), "CI needs curl");
        eprintln!("curl is not installed, so it has not tried the server.");
        return;
    }
    let server = start("60");
    let url = |path: &str| format!("http://{}{path}", server.address);
    let file = |name: &str, size: usize| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, "0123456789".repeat(size / 10)).expect("the folder can be written to");
        path.into_os_string().into_string().expect("the path is UTF-8")
    };
    let (small, large) = (file("small", 1_000_000), file("large", 2_000_000));
    let code = ["-o", "/dev/null", "-w", "%{http_code} %{num_connects} "];
    let with = |more: &[&str]| curl(&[&code[..], more].concat());
    let (page, none, chunks) = (url("/page"), url("/none"), url("/chunks"));

    assert_eq!(with(&["-T", &small, &page]), "201 1 ");
    assert_eq!(curl(&[&page]), "0123456789".repeat(100_000));
    // Without its length, a body is sent in chunks; curl waits for the server to agree.
    let chunked = ["-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue"];
    assert_eq!(with(&[&chunked[..], &["-T", &small, &chunks]].concat()), "201 1 ");
    assert_eq!(curl(&[&chunks]), "0123456789".repeat(100_000));
    assert_eq!(with(&["-T", &large, &page]), "413 1 ");
    assert_eq!(with(&["-H", "Expect:", "-T", &large, &page]), "413 1 ");
    assert_eq!(with(&["-I", &page]), "200 1 ");
    assert_eq!(with(&["-d", "a=b", &page]), "405 1 ");
    assert_eq!(with(&["--http1.0", &page]), "200 1 ");
    let two = ["-o", "/dev/null", &page, &none];
    assert_eq!(with(&two), "200 1 404 0 ", "one connection serves two requests");
    assert_eq!(with(&["-X", "DELETE", &page]), "200 1 ");
    assert_eq!(curl(&[&url("/")]), "/chunks\n");
    ends_well(server);
}
