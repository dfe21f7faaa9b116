//! The output of the examples of foreign loops and futures.

use super::succeed;

#[test]
fn a_loop_around_poll_hosts_green_threads() {
    let expected = [
        "host     reads \"a-lo-ha\"",
        "speaker  says \"a\"",
        "speaker  says \"lo\"",
        "speaker  says \"ha\"",
        "typist   applauds \"a-lo-ha\"",
        "host     reads \"wo-ven\"",
        "speaker  says \"wo\"",
        "speaker  says \"ven\"",
        "typist   applauds \"wo-ven\"",
        "speaker  has nothing more to say",
        "host     is alone",
    ];
    assert_eq!(succeed("07_embed", &[]).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn green_threads_await_async_channels_and_timers() {
    let expected = [
        "waiter  orders apple",
        "waiter  orders plum",
        "guest   eats apple cake",
        "guest   eats plum cake",
        "main    two tables served, 2 cakes eaten",
        "main    the bell stays silent",
    ];
    assert_eq!(succeed("08_async_bridge", &[]).lines().collect::<Vec<_>>(), expected);
}
