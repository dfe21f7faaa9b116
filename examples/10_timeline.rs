//! 10. A timeline: when each green thread ran and which thread woke which, in three forms.
//!
//! ```sh
//! cargo run --example 10_timeline                       into target/timeline
//! cargo run --example 10_timeline -- some/folder        or into another folder
//! ```
//!
//! A producer sends five parcels through a channel with room for two; a consumer
//! sleeps after each; a watchman sleeps in a loop. The run is printed as columns of
//! text. The folder gets `timeline.json`, which <https://ui.perfetto.dev> opens,
//! and `timeline.svg`, a picture.
//!
//! Time is virtual here, so every run is the same. A program with the real clock
//! is recorded in the same way.

#[path = "shared/arguments.rs"]
mod arguments;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leno::channel::bounded;
use leno::debug::{Recorder, Timeline};
use leno::thread::{self, JoinHandle};
use leno::time::{Duration, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Spawns a green thread with a name, which the timeline shows.
fn spawn<T: 'static>(name: &str, f: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(f);
    spawned.expect("there is room for one more stack")
}

fn program() {
    let (sender, parcels) = bounded(2);
    sender.set_name("parcels");
    spawn("producer", move || {
        for parcel in 1..=5 {
            sender.send(parcel).expect("the consumer is there");
        }
    });
    let consumer = spawn("consumer", move || {
        for _parcel in &parcels {
            sleep(2 * SECOND);
        }
    });
    let watchman = spawn("watchman", || {
        loop {
            sleep(3 * SECOND);
        }
    });
    consumer.join().expect("the consumer does not panic");
    watchman.cancel();
}

fn write(folder: &Path, timeline: &Timeline) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut json = BufWriter::new(File::create(folder.join("timeline.json"))?);
    timeline.write_chrome_json(&mut json)?;
    json.flush()?;
    let mut svg = BufWriter::new(File::create(folder.join("timeline.svg"))?);
    timeline.write_svg(&mut svg)?;
    svg.flush()
}

fn main() -> ExitCode {
    let about =
        "When each green thread ran and which woke which, as text, for Perfetto and as SVG.";
    let usage = "cargo run --example 10_timeline -- [FOLDER]";
    let mut arguments = arguments::arguments(about, usage).into_iter();
    let folder = arguments.next().map_or_else(|| PathBuf::from("target/timeline"), PathBuf::from);
    if arguments.next().is_some() || folder.as_os_str().is_empty() {
        eprintln!(
            "error: one folder is enough\n next: cargo run --example 10_timeline -- some/folder"
        );
        return ExitCode::from(2);
    }

    let recorder = Recorder::new();
    leno::Builder::new().virtual_time().recorder(&recorder).run(program);

    let timeline = recorder.timeline();
    print!("{timeline}");
    if let Err(error) = write(&folder, &timeline) {
        eprintln!("error: {}: {error}", folder.display());
        return ExitCode::FAILURE;
    }
    println!("\n{0}/timeline.json for https://ui.perfetto.dev, {0}/timeline.svg", folder.display());
    ExitCode::SUCCESS
}
