//! 7. Green threads in another event loop.
//!
//! A window system, a game or a server has an event loop of its own, around
//! poll(2) or a similar call. It can keep this loop: a `Runtime` runs its green
//! threads until none can continue, and returns how long the host may sleep. Its
//! descriptor is readable when there is work, here because a typist on another
//! OS thread requests it.
//!
//! ```text
//! cargo run --example 07_embed
//! ```

#[path = "shared/arguments.rs"]
mod arguments;

use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::mpsc;
use std::time::Duration;

use leno::channel::{self, Receiver};
use leno::thread::Builder;
use leno::{Handle, Runtime};

fn main() -> io::Result<()> {
    arguments::arguments(
        "Green threads in the event loop of another program.",
        "cargo run --example 07_embed",
    );
    let (mut keyboard, keys) = io::pipe()?;
    let runtime = Runtime::new();
    let handle = runtime.handle();
    let (spoken, hears) = mpsc::channel();
    let typist = std::thread::spawn(move || type_words(keys, &hears, &handle));

    let (sender, words) = channel::unbounded();
    let mut sender = Some(sender);
    Builder::new().name("speaker".to_owned()).spawn_on(&runtime, move || speak(&words, &spoken))?;

    // The host's own loop.
    while runtime.run_until_stalled() {
        let work = runtime.as_fd();
        let source = sender.is_some().then(|| keyboard.as_fd());
        let [has_keys, _] = poll([source, Some(work)], runtime.next_deadline())?;
        if has_keys {
            match read(&mut keyboard)? {
                Some(word) => {
                    println!("host     reads {word:?}");
                    sender.as_ref().map(|sender| sender.send(word));
                }
                // The speaker finds its channel disconnected.
                None => sender = None,
            }
        }
    }
    typist.join().expect("the typist comes to its end");
    println!("host     is alone");
    Ok(())
}

/// Says each word, syllable by syllable, as a green thread.
fn speak(words: &Receiver<String>, spoken: &mpsc::Sender<()>) {
    for word in words {
        for syllable in word.split('-') {
            leno::sleep(Duration::from_millis(5));
            println!("speaker  says {syllable:?}");
        }
        spoken.send(()).expect("the typist listens");
    }
    println!("speaker  has nothing more to say");
}

/// Types words on another OS thread, and spawns a green thread that applauds.
fn type_words(mut keys: impl Write, hears: &mpsc::Receiver<()>, handle: &Handle) {
    for word in ["a-lo-ha", "wo-ven"] {
        keys.write_all(word.as_bytes()).expect("the host reads");
        hears.recv().expect("the speaker speaks");
        let applause = move || println!("typist   applauds {word:?}");
        handle.spawn(applause).expect("the runtime is there").join().expect("it ends");
    }
}

/// Returns the next word, or `None` at the end.
fn read(keyboard: &mut PipeReader) -> io::Result<Option<String>> {
    let mut bytes = [0; 64];
    let count = keyboard.read(&mut bytes)?;
    Ok((count > 0).then(|| String::from_utf8_lossy(&bytes[..count]).into_owned()))
}

/// Sleeps until one of the descriptors is readable, or for `timeout`. Returns `true` for each
/// readable descriptor. A missing descriptor is never readable.
fn poll<const N: usize>(
    descriptors: [Option<BorrowedFd<'_>>; N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut polled = descriptors.map(|descriptor| libc::pollfd {
        fd: descriptor.map_or(-1, |descriptor| descriptor.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    // Rounded up to a millisecond, because an early return would cost one more iteration.
    let milliseconds = timeout.map_or(-1, |timeout| timeout.as_micros().div_ceil(1000) as i32);
    // SAFETY: the pointer and the count are those of the live array `polled`.
    let count = unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, milliseconds) };
    if count == -1 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
        return Err(io::Error::last_os_error());
    }
    Ok(polled.map(|polled| polled.revents != 0))
}
