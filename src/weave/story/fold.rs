//! Folds steps that are repeated many times.

/// The most steps of a repetition.
const LONGEST: usize = 64;
/// The least number of steps that a fold must save.
const LEAST_SAVED: usize = 10;

/// Consecutive steps, repeated `times` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) from: usize,
    /// The number of steps of one repetition.
    pub(super) steps: usize,
    pub(super) times: usize,
}

impl Run {
    /// Returns the beginning of the next run.
    pub(super) fn end(&self) -> usize {
        self.from + self.steps * self.times
    }
}

/// Splits steps into runs; equal steps have equal numbers. Steps without end may stop in the
/// middle of a repetition.
pub(super) fn fold(order: &[u32], is_endless: bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut place = 0;
    while place < order.len() {
        if let Some(run) = repeated(order, place) {
            runs.push(run);
            place = run.end();
            let rest = order.len() - place;
            if is_endless && rest < run.steps && order[place..] == order[run.from..][..rest] {
                break;
            }
            continue;
        }
        match runs.last_mut() {
            Some(last) if last.times == 1 => last.steps += 1,
            _ => runs.push(Run { from: place, steps: 1, times: 1 }),
        }
        place += 1;
    }
    runs
}

/// Returns the repetition that begins at `from` and reaches furthest; of several, the one with the
/// fewest steps.
fn repeated(order: &[u32], from: usize) -> Option<Run> {
    let rest = &order[from..];
    let longest = LONGEST.min(rest.len() / 2);
    let reach = |steps: usize| {
        let same = rest.iter().zip(&rest[steps..]).take_while(|(one, other)| one == other);
        same.count() + steps
    };
    let (reach, steps) =
        (1..=longest).map(|steps| (reach(steps), steps)).max_by_key(|&(reach, steps)| {
            let saved = reach / steps * steps - steps;
            (if saved >= LEAST_SAVED { reach } else { 0 }, usize::MAX - steps)
        })?;
    let times = reach / steps;
    (times > 2 && (times - 1) * steps >= LEAST_SAVED).then_some(Run { from, steps, times })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(order: &[u32]) -> Vec<(usize, usize, usize)> {
        fold(order, true).iter().map(|run| (run.from, run.steps, run.times)).collect()
    }

    #[test]
    fn steps_that_repeat_often_are_folded() {
        assert_eq!(runs(&[]), []);
        assert_eq!(runs(&[1, 2, 3]), [(0, 3, 1)]);
        assert_eq!(runs(&[1, 1, 1, 1]), [(0, 4, 1)], "not worth it");
        let long: Vec<u32> = [7, 8].into_iter().chain([1, 2, 3].repeat(10)).collect();
        assert_eq!(runs(&long), [(0, 2, 1), (2, 3, 10)]);
        let cut: Vec<u32> = long.iter().copied().chain([1, 2]).collect();
        assert_eq!(runs(&cut), [(0, 2, 1), (2, 3, 10)]);
        let ends: Vec<u32> = long.iter().copied().chain([4]).collect();
        assert_eq!(runs(&ends), [(0, 2, 1), (2, 3, 10), (32, 1, 1)]);
        assert_eq!(runs(&[5; 100_000]), [(0, 1, 100_000)]);
    }

    #[test]
    fn every_step_is_in_one_run() {
        for seed in 0..500_u32 {
            let order: Vec<u32> = (0..seed % 97).map(|n| (n * n * seed / 7) % 3 / 2).collect();
            let mut place = 0;
            for run in fold(&order, false) {
                assert_eq!(run.from, place);
                for step in 0..run.steps * run.times {
                    assert_eq!(order[place + step], order[place + step % run.steps]);
                }
                place = run.end();
            }
            assert_eq!(place, order.len());
        }
    }
}
