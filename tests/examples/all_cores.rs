//! The computation on all cores.

use super::{refuse, succeed};

const NAME: &str = "16_all_cores";

#[test]
fn primes_are_counted_on_one_core_and_all() {
    for (limit, count) in [("100_000", 9592), ("10", 4), ("0", 0)] {
        let printed = succeed(NAME, &[limit]);
        let begin =
            format!("{count} prime numbers below {}, with shards: ", limit.replace('_', ""));
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines.len(), 2, "{printed}");
        assert!(lines.iter().all(|line| line.starts_with(&begin)), "{printed}");
        assert!(lines[0].contains("shards: 1,"), "{printed}");
    }
}

#[test]
fn limits_that_are_no_number_are_refused() {
    refuse(NAME, &["many"], "the limit must be a number");
    refuse(NAME, &["1", "2"], "the limit must be a number");
}
