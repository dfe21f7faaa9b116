//! TLS: the server by `openssl s_client`, the client by `openssl s_server`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::process::{Folder, PATIENCE, Process, tool};

const CONVERSATION: &str = "\
leno -> onel
a green thread for each connection -> noitcennoc hcae rof daerht neerg a
the end -> dne eht
";

/// Makes a certificate for localhost. Returns the paths of the files with it and with its key.
pub fn make_certificate(folder: &Folder) -> [String; 2] {
    let made = generate_simple_self_signed(["localhost".to_owned()]);
    let CertifiedKey { cert, signing_key } = made.unwrap();
    let files = [("certificate.pem", cert.pem()), ("key.pem", signing_key.serialize_pem())];
    files.map(|(name, pem)| {
        let path = folder.path(name);
        fs::write(&path, pem).unwrap();
        path
    })
}

#[test]
fn a_server_and_its_clients_run_in_one_program() {
    let output = Process::example("tls", &[]).succeeds();
    let (first, rest) = output.split_once('\n').unwrap();
    assert_eq!(first, "TLSv1_3, TLS13_AES_256_GCM_SHA384");
    let rest = rest.strip_prefix(CONVERSATION).expect(&output);
    assert!(rest.starts_with("the same for 20 of 20 connections at once, in "), "{output}");
}

#[test]
fn openssl_talks_to_the_server() {
    let folder = Folder::new("tls-server");
    let certificate = folder.path("server.pem");
    let (mut server, address) = Process::listening("tls", &["serve", "127.0.0.1:0", &certificate]);
    // What is no TLS ends its own connection only.
    let mut other = TcpStream::connect(&address).unwrap();
    other.set_read_timeout(Some(PATIENCE)).unwrap();
    other.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    other.read_to_end(&mut Vec::new()).unwrap();
    assert!(server.line_with("corrupt message").is_ok());

    for version in ["-tls1_2", "-tls1_3"] {
        let mut command = tool("openssl", "openssl");
        command.args(["s_client", "-connect", &address, "-CAfile", &certificate]);
        command.args(["-verify_return_error", "-verify_hostname", "localhost", version, "-quiet"]);
        let mut client = Process::start(command);
        for (line, reversed) in [("hello", "olleh\n"), ("", "\n"), ("äöü", "üöä\n")] {
            client.say(line);
            let answer = client.line_with(reversed.trim_end());
            let answer = answer.unwrap_or_else(|ran| panic!("{version}: {}", ran.stderr));
            assert!(answer.ends_with(reversed), "{answer}");
        }
        drop(client);
    }
    server.signal(libc::SIGTERM);
    let output = server.succeeds();
    assert!(output.ends_with("stopping\n"), "{output}");
}

#[test]
fn the_client_talks_to_openssl() {
    let folder = Folder::new("tls-client");
    let [certificate, key] = make_certificate(&folder);
    let mut command = tool("openssl", "openssl");
    command.args(["s_server", "-rev", "-accept", "127.0.0.1:0", "-cert", &certificate]);
    command.args(["-key", &key]);
    let mut server = Process::start(command);
    let line = server.line_with("ACCEPT 127.0.0.1:").unwrap_or_else(|ran| panic!("{}", ran.stderr));
    let address = format!("localhost:{}", line.trim_end().rsplit(':').next().unwrap());

    let output = Process::example("tls", &["connect", &address, &certificate]).succeeds();
    assert_eq!(output, format!("TLSv1_3, TLS13_AES_256_GCM_SHA384\n{CONVERSATION}"));
    let other = Folder::new("tls-client-other");
    let [foreign, _] = make_certificate(&other);
    let error = Process::example("tls", &["connect", &address, &foreign]).fails(1);
    assert!(error.contains("invalid peer certificate"), "{error}");
}
