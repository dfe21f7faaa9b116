//! Timelines: the recorded events, and their forms.

mod forms;

use leno::channel::bounded;
use leno::debug::{self, Recorder, Timeline};
use leno::thread::{self, JoinHandle};
use leno::time::{Duration, sleep, timeout};
use leno::{Builder, Policy, Runtime};

use crate::support::{caught, panic_text};

fn spawn<T: 'static>(name: &str, f: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    thread::Builder::new().name(name.to_owned()).spawn(f).expect("a stack is available")
}

/// Records a run with virtual time from beginning to end.
fn recorded(program: impl FnOnce()) -> Timeline {
    let recorder = Recorder::new();
    Builder::new().virtual_time().recorder(&recorder).run(program);
    recorder.timeline()
}

/// Returns the rows of the text, without the title, the legend, and the places in the
/// source.
fn rows(timeline: &Timeline) -> Vec<String> {
    let text = timeline.text(120, usize::MAX);
    let rows = text.lines().skip(1).take_while(|line| !line.is_empty());
    rows.map(|row| match row.find(".rs:").and_then(|at| row[..at].rfind(" (")) {
        Some(at) => row[..at].to_owned(),
        None => row.to_owned(),
    })
    .collect()
}

#[track_caller]
fn assert_rows(timeline: &Timeline, expected: &[&str]) {
    let rows = rows(timeline);
    assert_eq!(rows, expected, "\n{}", rows.join("\n"));
}

#[test]
fn each_row_shows_a_turn_and_its_end() {
    let timeline = recorded(|| {
        let (sender, receiver) = bounded(1);
        sender.set_name("lane");
        let producer = spawn("producer", move || {
            for number in 0..2 {
                sender.send(number).unwrap();
            }
        });
        sleep(Duration::from_millis(3));
        receiver.recv().unwrap();
        leno::yield_now();
        producer.join().unwrap();
    });
    assert_rows(
        &timeline,
        &[
            "          0  █─────○         sleeps",
            "             ┊     █         waits for room in channel 'lane'",
            "       3 ms  *     ┊         the clock",
            "             █─────▶         yields",
            "             │     █         ends",
            "             █               returns",
        ],
    );
}

#[test]
fn cancellations_deadlines_and_panics_are_shown() {
    let timeline = recorded(|| {
        let parked = spawn("parked", thread::park);
        let late = spawn("late", || timeout(Duration::from_secs(1), thread::park));
        let panics = spawn("panics", || panic!("expected"));
        assert!(caught(leno::yield_now).is_ok());
        parked.cancel();
        assert!(parked.join().is_err());
        assert!(late.join().unwrap().is_err());
        assert!(panics.join().is_err());
    });
    assert_rows(
        &timeline,
        &[
            "          0  █─────○───────○─────○       yields",
            "             │     █       │     │       waits for unpark",
            "             │     ┊       █     │       waits for unpark",
            "             │     ┊       ┊     █       panics, ends",
            "             █─────×       ┊             cancelled, waits for the end of parked",
            "             ◀─────█       ┊             is unwound, ends",
            "             █             ┊             waits for the end of late",
            "        1 s  ┊             ×             the clock, out of time",
            "             ◀─────────────█             ends",
            "             █                           returns",
        ],
    );
}

#[test]
fn a_panic_of_the_main_green_thread_is_shown() {
    let recorder = Recorder::new();
    let run = || Builder::new().recorder(&recorder).virtual_time().run(|| panic!("expected"));
    assert!(caught(run).is_err());
    assert_rows(&recorder.timeline(), &["          0  █     panics, returns"]);
}

#[test]
fn a_yield_of_the_only_thread_is_no_switch() {
    let timeline = recorded(|| (0..1_000).for_each(|_| leno::yield_now()));
    assert_rows(&timeline, &["          0  █     returns"]);
}

#[test]
fn earlier_waits_are_known() {
    Builder::new().virtual_time().run(|| {
        let waits = spawn("waits", thread::park);
        leno::yield_now();
        let ready = spawn("ready", || ());
        let (value, timeline) = debug::record(|| {
            waits.thread().unpark();
            ready.join().unwrap();
            7
        });
        assert_eq!(value, 7);
        waits.join().unwrap();
        assert_rows(
            &timeline,
            &[
                "          0  █─────▶      │      waits for the end of ready",
                "             ◀─────┼──────█      ends",
                "             │     █             ends",
                "             █",
            ],
        );
    });
}

#[test]
fn a_panic_ends_a_recording() {
    leno::run(|| {
        let text = panic_text(|| debug::record(|| panic!("in the middle")));
        assert_eq!(text, "in the middle");
        let recorder = Recorder::new();
        recorder.start();
        leno::yield_now();
        assert!(recorder.is_recording());
        recorder.stop();
        assert!(!recorder.is_recording());
        let length = recorder.timeline().len();
        spawn("unseen", || ()).join().unwrap();
        assert_eq!(recorder.timeline().len(), length);
    });
}

#[test]
fn a_second_recorder_takes_over() {
    leno::run(|| {
        let (first, second) = (Recorder::new(), Recorder::new());
        first.start();
        second.start();
        assert!(!first.is_recording() && second.is_recording());
        spawn("seen", || ()).join().unwrap();
        first.stop();
        assert!(second.is_recording());
        assert_eq!(first.timeline().len(), 1);
        assert!(second.timeline().text(80, 10).contains("seen"));
        // Switching back starts a new recording.
        second.stop();
        first.start();
        leno::yield_now();
        assert!(!first.timeline().text(80, 10).contains("seen"));
    });
}

#[test]
fn a_recorder_outlives_a_failed_run() {
    let recorder = Recorder::new();
    let builder = Builder::new().virtual_time().recorder(&recorder);
    let text = panic_text(|| builder.run(|| spawn("stuck", thread::park).join().unwrap()));
    assert!(text.starts_with("deadlock"));
    let rows = rows(&recorder.timeline());
    assert!(rows.iter().any(|row| row.contains("the runtime, forced to end")), "{rows:?}");
    assert!(rows.iter().any(|row| row.contains("is unwound, ends")), "{rows:?}");
    // The next run replaces the recording.
    Builder::new().recorder(&recorder).run(|| ());
    assert!(!recorder.timeline().to_string().contains("stuck"));
}

#[test]
fn the_host_and_other_os_threads_are_shown() {
    let recorder = Recorder::new();
    let runtime = Builder::new().recorder(&recorder).build();
    let parked =
        thread::Builder::new().name("parked".to_owned()).spawn_on(&runtime, thread::park).unwrap();
    assert!(runtime.run_until_stalled());
    let (handle, id) = (runtime.handle(), parked.thread().id());
    std::thread::spawn(move || handle.unpark(id)).join().unwrap();
    assert!(!runtime.run_until_stalled());
    parked.join().unwrap();
    let text = recorder.timeline().text(100, 100);
    assert!(text.contains("○             the host"), "{text}");
    assert!(text.contains("*             another OS thread"), "{text}");
    assert_eq!(text.matches("returns").count(), 2, "{text}");
    // Another runtime on this OS thread is not recorded.
    let length = recorder.timeline().len();
    let other = Runtime::new();
    other.run(|| spawn("unseen", || ()).join().unwrap());
    assert_eq!(recorder.timeline().len(), length);
}

#[test]
fn a_recorder_keeps_the_latest_events() {
    let recorder = Recorder::with_limit(100);
    Builder::new().virtual_time().recorder(&recorder).run(|| {
        for number in 0..1_000 {
            spawn(&format!("n{number}"), || ()).join().unwrap();
        }
    });
    let timeline = recorder.timeline();
    assert_eq!(timeline.len(), 100);
    assert!(timeline.forgotten() > 5_000);
    let text = timeline.text(200, 1_000);
    assert!(text.contains("earlier events have been forgotten"), "{text}");
    assert!(!text.contains("n1 ") && text.contains("n999"), "{text}");
    let mut json = Vec::new();
    timeline.write_chrome_json(&mut json).unwrap();
    let json = String::from_utf8(json).unwrap();
    let tracks = json.matches("thread_name").count();
    assert!(tracks < 40, "{tracks} tracks, with threads that ended long ago");
}

#[test]
fn an_empty_timeline_can_be_shown() {
    let timeline = Recorder::new().timeline();
    assert!(timeline.is_empty());
    assert_eq!(timeline.to_string(), "nothing was recorded\n");
    let mut json = Vec::new();
    timeline.write_chrome_json(&mut json).unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
    let mut svg = Vec::new();
    timeline.write_svg(&mut svg).unwrap();
    assert!(svg.starts_with(b"<svg"));
}

#[test]
fn recording_does_not_change_a_run() {
    let run = |builder: Builder| {
        let order = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let log = order.clone();
        builder.virtual_time().run(move || {
            for name in 0..5u64 {
                let log = log.clone();
                leno::spawn(move || {
                    for step in 0..4 {
                        log.borrow_mut().push((name, step));
                        sleep(Duration::from_millis(name * step % 3));
                    }
                });
            }
        });
        order.take()
    };
    for seed in 0..20 {
        let policy = || Policy::random(seed);
        let plain = run(Builder::new().policy(policy()));
        assert_eq!(run(Builder::new().policy(policy()).recorder(&Recorder::new())), plain);
    }
    assert_eq!(run(Builder::new().recorder(&Recorder::new())), run(Builder::new()));
}

#[test]
fn recording_needs_a_runtime() {
    let needs =
        |name| format!("leno::debug::{name} needs a runtime: call it from inside leno::run");
    assert_eq!(panic_text(|| Recorder::new().start()), needs("Recorder::start"));
    assert_eq!(panic_text(|| debug::record(|| ())), needs("record"));
    // Stopping needs no runtime.
    Recorder::new().stop();
}
