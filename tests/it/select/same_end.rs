//! Several cases at one end of a channel.

use leno::channel::bounded;
use leno::{select, select_biased};

use super::story;

/// Which of two cases at one end of a channel ends a wait is as open as where both are ready.
#[test]
fn cases_at_one_end_of_a_channel_are_chosen_fairly() {
    const ROUNDS: u32 = 400;
    let first_of = |round: &dyn Fn() -> bool| (0..ROUNDS).filter(|_| round()).count();
    story(|| {
        let (sender, receiver) = bounded(0);
        let (answers, answer) = bounded(0);
        leno::scope(|scope| {
            scope.spawn(|| receiver.iter().for_each(drop));
            // The other side waits from the second round on, or this one does.
            for waits in [false, true] {
                let sends = first_of(&|| {
                    if !waits {
                        leno::yield_now();
                    }
                    select! { send(sender, ()) -> _ => true, send(sender, ()) -> _ => false }
                });
                assert!((100..300).contains(&sends), "{sends} of {ROUNDS}, {waits}");
            }
            scope.spawn(move || (0..ROUNDS).for_each(|_| answers.send(()).unwrap()));
            let received =
                first_of(&|| select! { recv(answer) -> _ => true, recv(answer) -> _ => false });
            assert!((100..300).contains(&received), "{received} of {ROUNDS}");
            let biased = first_of(&|| {
                select_biased! { send(sender, ()) -> _ => true, send(sender, ()) -> _ => false }
            });
            assert_eq!(biased, ROUNDS as usize);
            drop(sender);
        });
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
