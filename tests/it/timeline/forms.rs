//! The forms of a timeline: within their limits, well formed, and with the same
//! events.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{recorded, spawn};
use leno::channel::bounded;
use leno::debug::{Recorder, Timeline};
use leno::thread;
use leno::time::{Duration, sleep};

/// Records threads that pass numbers along a chain, and a thread that is cancelled.
fn busy(count: usize) -> Timeline {
    recorded(|| {
        let (first, mut last) = bounded(1);
        for number in 0..count {
            let (sender, receiver) = bounded::<u32>(1);
            let previous = std::mem::replace(&mut last, receiver);
            spawn(&format!("worker number {number}"), move || {
                for value in previous {
                    sleep(Duration::from_micros(1 + u64::from(value % 3)));
                    sender.send(value).expect("the next thread receives");
                }
            });
        }
        let stuck = spawn("stuck", thread::park);
        spawn("source", move || (0..5).for_each(|value| first.send(value).unwrap()));
        assert_eq!(last.into_iter().count(), 5);
        stuck.cancel();
    })
}

fn json(timeline: &Timeline) -> Vec<Value> {
    let mut text = Vec::new();
    timeline.write_chrome_json(&mut text).unwrap();
    let trace: Value = serde_json::from_slice(&text).expect("valid JSON");
    assert_eq!(trace["displayTimeUnit"], "ns");
    trace["traceEvents"].as_array().expect("a list").clone()
}

/// Returns the value in thousandths of the format's unit.
fn nanos(value: &Value) -> u64 {
    (value.as_f64().expect("a number") * 1_000.0).round() as u64
}

/// Returns the beginning and the end of each part of a category, by track.
fn parts(events: &[Value], category: Option<&str>) -> BTreeMap<u64, Vec<(u64, u64)>> {
    let mut parts: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        if category.is_none_or(|category| event["cat"] == category) {
            let from = nanos(&event["ts"]);
            let part = (from, from + nanos(&event["dur"]));
            parts.entry(event["tid"].as_u64().unwrap()).or_default().push(part);
        }
    }
    parts
}

#[test]
fn the_chrome_format_is_well_formed() {
    let events = json(&busy(4));
    let times = events.iter().filter_map(|event| event.get("ts")).map(nanos);
    assert!(times.is_sorted(), "viewers read the events in order");
    assert!(events.iter().all(|event| event["pid"] == 1 && event["name"].is_string()));
    for (track, parts) in parts(&events, None) {
        // The parts of a green thread are contiguous.
        for pair in parts.windows(2) {
            assert_eq!(pair[0].1, pair[1].0, "track {track}: {pair:?}");
        }
        assert!(parts.iter().all(|(from, to)| from < to), "track {track}: no length");
    }
    let mut running: Vec<_> = parts(&events, Some("runs")).into_values().flatten().collect();
    running.sort_unstable();
    assert!(running.len() > 40);
    // The OS thread runs one green thread at a time.
    assert!(running.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{running:?}");
}

#[test]
fn arrows_lead_from_wakers_to_woken_threads() {
    let events = json(&busy(3));
    let running = parts(&events, Some("runs"));
    let of_phase = |phase: &str| -> BTreeMap<u64, &Value> {
        let events = events.iter().filter(|event| event["ph"] == phase);
        events.map(|event| (event["id"].as_u64().unwrap(), event)).collect()
    };
    let (starts, ends) = (of_phase("s"), of_phase("f"));
    assert!(starts.len() > 10 && starts.keys().eq(ends.keys()));
    for (id, start) in starts {
        let end = ends[&id];
        assert_eq!((&start["name"], &start["cat"]), (&end["name"], &end["cat"]));
        assert_eq!(end["bp"], "e");
        let (from, to) = (nanos(&start["ts"]), nanos(&end["ts"]));
        assert!(from < to);
        let parts = |event: &Value| &running[&event["tid"].as_u64().unwrap()];
        assert!(parts(start).iter().any(|part| (part.0..part.1).contains(&from)), "{start}");
        assert!(parts(end).iter().any(|part| part.0 == to), "{end}");
    }
}

#[test]
fn any_thread_name_can_be_shown() {
    let name = "a \"quoted\" \\ name\nin <two> lines & \t\u{1} – ✓";
    let timeline = recorded(|| spawn(name, || ()).join().unwrap());
    let events = json(&timeline);
    let named = events.iter().find(|event| event["tid"] == 2 && event["name"] == "thread_name");
    assert_eq!(named.unwrap()["args"]["name"], format!("{name} #2"));

    let svg = picture(&timeline);
    assert!(svg.contains("name\u{fffd}in &lt;two&gt; lines &amp; "), "{svg}");

    let text = timeline.text(200, 10);
    assert_eq!(text.lines().count(), 1 + 3 + 2, "a line is a row: {text}");
}

#[test]
fn duplicate_names_get_a_number() {
    let timeline = recorded(|| {
        for name in ["twin", "single", "twin"] {
            spawn(name, || ());
        }
    });
    let title = timeline.text(120, 10).lines().next().unwrap().to_owned();
    let expected = ["time", "main", "twin", "#2", "single", "twin", "#4"];
    assert_eq!(title.split_whitespace().collect::<Vec<_>>(), expected);
}

#[test]
fn the_text_keeps_its_width_and_length() {
    for workers in [1, 5, 40] {
        let timeline = busy(workers);
        let all = timeline.text(400, usize::MAX).lines().count() - 3;
        for width in [0, 60, 80, 100, 133, 400] {
            let text = timeline.text(width, 25);
            let rows: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
            assert!(rows.len() <= 26);
            for row in &rows {
                assert!(row.chars().count() <= width.max(60), "{width}: {row}");
            }
            if let Some(rest) = all.checked_sub(25).filter(|rest| *rest > 0) {
                let count =
                    text.lines().find_map(|line| line.strip_suffix(" more rows are left out"));
                let count: usize = count.expect("the number of rows").trim().parse().unwrap();
                assert!(count >= rest, "{text}");
            }
        }
    }
    let text = busy(40).text(80, 1_000);
    assert!(text.lines().next().unwrap().ends_with(" +37"), "{text}");
    assert!(text.contains(" stands for the green threads from worker number "), "{text}");
    assert!(text.contains("to source, for which there is no room"), "{text}");
}

#[test]
fn the_system_clock_shows_running_times() {
    let recorder = Recorder::new();
    leno::Builder::new().recorder(&recorder).run(|| {
        spawn("other", || std::thread::sleep(Duration::from_millis(2))).join().unwrap();
    });
    let text = recorder.timeline().text(100, 100);
    let mut lines = text.lines();
    let title: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(title, ["time", "for", "main", "other"]);
    let other = lines.find(|line| line.contains("ends")).unwrap();
    let ran: String = other.chars().skip(11).take(11).collect();
    let (number, unit) = ran.trim().split_once(' ').expect("a duration");
    assert!(unit != "ms" || number.parse::<f64>().unwrap() >= 2.0, "{text}");
    assert!(["ms", "s"].contains(&unit), "{text}");
}

#[test]
fn the_picture_has_a_bar_for_each_turn() {
    let timeline = busy(2);
    let svg = picture(&timeline);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    let running: usize =
        parts(&json(&timeline), Some("runs")).into_values().map(|parts| parts.len()).sum();
    // The first rectangle is the background.
    assert_eq!(svg.matches("<rect ").count() - 1, running);
    assert_eq!(svg.matches("<circle ").count(), 4, "a circle for each spawn");
    assert!(!svg.contains("left out"), "{svg}");
}

fn picture(timeline: &Timeline) -> String {
    let mut svg = Vec::new();
    timeline.write_svg(&mut svg).unwrap();
    String::from_utf8(svg).unwrap()
}

#[test]
fn a_picture_has_a_maximum_size() {
    let long = recorded(|| {
        spawn("other", || (0..200).for_each(|_| leno::yield_now()));
        (0..200).for_each(|_| leno::yield_now());
    });
    let long = picture(&long);
    assert_eq!(long.matches("<rect ").count() - 1, 240);
    assert!(long.contains(" more bars are left out"), "{long}");
    let high = picture(&busy(60));
    assert_eq!(high.matches("class=\"name\"").count(), 24);
    assert!(high.contains(" 39 more green threads are left out"), "{high}");
}
