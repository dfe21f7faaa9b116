//! A select that is not biased: each case that can go on does so as often as any
//! other, whatever stands beside it.

use leno::channel::{Receiver, bounded, never};

const ROUNDS: u32 = 3_000;

/// How often each of three receivers was chosen, of which all or the outer two
/// had a message each time.
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
fn about(count: u32, expected: u32) {
    // Five times the standard deviation of so many draws, and the draws are the
    // same in every run.
    assert!(count.abs_diff(expected) < 150, "{count} of {ROUNDS}, not {expected}");
}

#[test]
fn each_case_that_can_go_on_is_as_likely_as_any_other() {
    for count in chosen(true) {
        about(count, ROUNDS / 3);
    }
    let [first, middle, last] = chosen(false);
    assert_eq!(middle, 0);
    about(first, ROUNDS / 2);
    about(last, ROUNDS / 2);
}
