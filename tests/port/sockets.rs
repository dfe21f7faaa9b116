//! A program for std's sockets: a phone book that is asked over TCP, through a proxy, and is found
//! over UDP. `tests/port.rs` ports it to leno.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket,
};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const CLIENTS: u16 = 5;
const PATIENCE: Duration = Duration::from_secs(30);

/// What the threads of the server share.
#[derive(Default)]
struct Book {
    numbers: Mutex<BTreeMap<String, String>>,
    is_closed: AtomicBool,
}

/// Answers the lines of a client.
fn answer(book: &Book, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let mut numbers = book.numbers.lock().unwrap();
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["set", name, number] => {
                let old = numbers.insert(name.to_owned(), number.to_owned());
                writeln!(out, "{old:?}")?;
            }
            ["get", name] => writeln!(out, "{:?}", numbers.get(name))?,
            ["list"] => {
                for (name, number) in &*numbers {
                    writeln!(out, "{name} {number}")?;
                }
                return out.shutdown(Shutdown::Write);
            }
            _ => writeln!(out, "what?")?,
        }
    }
    Ok(())
}

/// Serves each client in a thread of its own, until the book is closed.
fn serve(book: Arc<Book>, listener: TcpListener) -> io::Result<usize> {
    let mut threads = Vec::new();
    for stream in listener.incoming() {
        let stream = stream?;
        if book.is_closed.load(Ordering::SeqCst) {
            break;
        }
        let book = book.clone();
        threads.push(thread::spawn(move || answer(&book, stream)));
    }
    let count = threads.len();
    for thread in threads {
        thread.join().unwrap()?;
    }
    Ok(count)
}

/// Passes one connection on, in both directions at once.
fn proxy(listener: TcpListener, to: SocketAddr) -> io::Result<(u64, u64)> {
    let (mut client, _) = listener.accept()?;
    let mut server = TcpStream::connect_timeout(&to, PATIENCE)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let there = thread::spawn(move || {
        let count = io::copy(&mut from_client, &mut to_server);
        to_server.shutdown(Shutdown::Write).and(count)
    });
    let back = io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)?;
    Ok((there.join().unwrap()?, back))
}

/// Tells clients where the book is, until the other end of `stop` is closed.
fn direct(socket: UdpSocket, book: SocketAddr, mut stop: UnixStream) -> io::Result<usize> {
    let mut count = 0;
    let stopper = socket.try_clone()?;
    let stopping = thread::spawn(move || -> io::Result<()> {
        assert_eq!(stop.read(&mut [0])?, 0);
        stopper.send_to(b"stop", stopper.local_addr()?).map(drop)
    });
    let mut question = [0; 64];
    loop {
        let (length, client) = socket.recv_from(&mut question)?;
        match &question[..length] {
            b"where?" => count += socket.send_to(book.to_string().as_bytes(), client)?.min(1),
            b"stop" => break,
            _ => {}
        }
    }
    stopping.join().unwrap()?;
    Ok(count)
}

/// Asks over UDP where the book is.
fn find(directory: SocketAddr) -> io::Result<SocketAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(directory)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(b"nonsense")?;
    socket.send(b"where?")?;
    let mut answer = [0; 64];
    assert!(socket.peek(&mut answer)? > 0);
    let length = socket.recv(&mut answer)?;
    let text = str::from_utf8(&answer[..length]).unwrap();
    Ok(text.to_socket_addrs()?.next().unwrap())
}

/// Makes a client that enters a number and reads that of the first client.
fn client(number: u16, book: SocketAddr) -> JoinHandle<io::Result<Vec<String>>> {
    let builder = thread::Builder::new().name(format!("client {number}"));
    let ask = move || {
        let stream = TcpStream::connect(book)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut lines = BufReader::new(&stream).lines();
        let mut answers = Vec::new();
        for question in [&*format!("set name{number} {}", 100 * number), "get name0", "get nix", ""]
        {
            writeln!(&stream, "{question}")?;
            answers.push(lines.next().unwrap()?);
        }
        Ok(answers)
    };
    builder.spawn(ask).unwrap()
}

pub fn main() {
    let book = Arc::new(Book::default());
    let listener = TcpListener::bind("localhost:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn({
        let book = book.clone();
        move || serve(book, listener)
    });
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let directory = socket.local_addr().unwrap();
    assert_eq!(directory.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let (go, stop) = UnixStream::pair().unwrap();
    let director = thread::spawn(move || direct(socket, address, stop));

    // The first client enters its number before the others ask for it.
    println!("{:?}", client(0, find(directory).unwrap()).join().unwrap().unwrap());
    let clients: Vec<_> =
        (1..CLIENTS).map(|number| client(number, find(directory).unwrap())).collect();
    let answers: Vec<_> = clients.into_iter().map(|one| one.join().unwrap().unwrap()).collect();
    println!("{:?}, {}", answers[0], answers.iter().all(|answer| *answer == answers[0]));
    drop(go);
    println!("{} clients asked where", director.join().unwrap().unwrap());

    let outside = TcpListener::bind("127.0.0.1:0").unwrap();
    let outer = outside.local_addr().unwrap();
    let proxy = thread::spawn(move || proxy(outside, address));
    let mut stream = TcpStream::connect(outer).unwrap();
    stream.write_all(b"list\n").unwrap();
    let mut list = String::new();
    stream.read_to_string(&mut list).unwrap();
    println!("{list:?}");
    assert_eq!(stream.peer_addr().unwrap(), outer);
    drop(stream);
    println!("{:?}", proxy.join().unwrap().unwrap());

    book.is_closed.store(true, Ordering::SeqCst);
    // The last connection makes the server look.
    let mut last = TcpStream::connect(address).unwrap();
    println!("{} clients", server.join().unwrap().unwrap());
    println!("{:?}", last.read(&mut [0]));
    println!("{:?}", TcpStream::connect(address).unwrap_err().kind());
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    silent.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    println!("{:?}", silent.recv(&mut [0]).unwrap_err().kind());
}
