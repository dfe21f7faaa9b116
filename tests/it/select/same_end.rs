//! Several cases at one end of a channel.

use leno::channel::bounded;
use leno::{select, select_biased};

use super::{SECOND, sleep, story};

/// Which of two cases at one end of a channel ends a wait is as open as where both are ready.
#[test]
fn cases_at_one_end_of_a_channel_are_chosen_fairly() {
    const ROUNDS: u32 = 400;
    let first_of = |round: &dyn Fn() -> bool| (0..ROUNDS).filter(|_| round()).count();
    story(|| {
        let (sender, receiver) = bounded(0);
        let (answers, answer) = bounded(0);
        // The other side comes late, so that the select waits; or it is there first.
        for is_late in [true, false] {
            let pause = move || if is_late { sleep(SECOND) } else { leno::yield_now() };
            leno::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..2 * ROUNDS {
                        pause();
                        receiver.recv().unwrap();
                    }
                    for _ in 0..ROUNDS {
                        pause();
                        answers.send(()).unwrap();
                    }
                });
                let turn = || (0..3).for_each(|_| leno::yield_now());
                let sent = first_of(&|| {
                    turn();
                    select! { send(sender, ()) -> _ => true, send(sender, ()) -> _ => false }
                });
                let biased = first_of(&|| {
                    turn();
                    select_biased! { send(sender, ()) -> _ => true, send(sender, ()) -> _ => false }
                });
                let received = first_of(&|| {
                    turn();
                    select! { recv(answer) -> _ => true, recv(answer) -> _ => false }
                });
                let text = format!("{sent}, {biased}, {received} of {ROUNDS}; late: {is_late}");
                assert!([sent, received].iter().all(|first| (100..300).contains(first)), "{text}");
                assert_eq!(biased, ROUNDS as usize, "{text}");
            });
        }
    });
}

#[cfg(feature = "weave")]
#[test]
fn an_exploration_chooses_among_cases_that_wait() {
    let report = leno::weave::explore(|| {
        let (sender, receiver) = bounded(0);
        let other = leno::spawn(move || receiver.recv());
        // It waits in some executions, and finds a receiver in others.
        let sent = select! { send(sender, 1) -> _ => 1, send(sender, 2) -> _ => 2 };
        assert_eq!(other.join().unwrap(), Ok(sent));
        sent
    });
    let counts: Vec<u64> = report.outcomes().values().map(|outcome| outcome.count()).collect();
    assert!(counts.len() == 2 && counts[0] == counts[1], "{report}");
}
