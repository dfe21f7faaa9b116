//! Fairness of an unbiased select: each ready case is chosen equally often, whatever
//! its position.

use leno::channel::{Receiver, bounded, never};

const ROUNDS: u32 = 3_000;

/// Returns how often each of three receivers was chosen. The middle one has messages
/// only if the argument is `true`.
fn chosen(middle_has_messages: bool) -> [u32; 3] {
    leno::run(|| {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| bounded(1)).unzip();
        let mut counts = [0; 3];
        for _ in 0..ROUNDS {
            for (index, sender) in senders.iter().enumerate() {
                if index != 1 || middle_has_messages {
                    let _ = sender.try_send(());
                }
            }
            let index = leno::select! {
                recv(receivers[0]) -> _ => 0,
                recv(receivers[1]) -> _ => 1,
                recv(never::<()>()) -> _ => unreachable!(),
                recv(receivers[2]) -> _ => 2,
            };
            counts[index] += 1;
        }
        drop::<Vec<Receiver<()>>>(receivers);
        counts
    })
}

#[track_caller]
fn assert_near(count: u32, expected: u32) {
    // The tolerance is five times the standard deviation. The random numbers are the
    // same in every run.
    assert!(count.abs_diff(expected) < 150, "{count} of {ROUNDS}, not {expected}");
}

#[test]
fn each_ready_case_is_equally_likely() {
    for count in chosen(true) {
        assert_near(count, ROUNDS / 3);
    }
    let [first, middle, last] = chosen(false);
    assert_eq!(middle, 0);
    assert_near(first, ROUNDS / 2);
    assert_near(last, ROUNDS / 2);
}
