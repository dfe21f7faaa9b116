//! Mistakes of files, planted in leno one at a time. The tests in `tests/files` run with each mistake. This
//! test fails if they do not find one.
//!
//! ```text
//! LENO_MUTANTS=files cargo test --test mutants
//! ```

use super::mistakes::{Mistake, mistake, try_mistakes};
use super::workshop::Kit;

pub const MISTAKES: &[Mistake] = &[
    mistake(
        "lent-frame-left",
        "{ if scheduler.block(wait, None) == Outcome::Interrupted { interrupted() } }",
        "a cancelled thread leaves a frame that is lent to the pool",
    ),
    mistake("left-while-opening", "{ $; true }", "a cancelled thread leaves a file that is opened"),
    mistake(
        "done-lost",
        "{ let it = $; scheduler.checkpoint(); it }",
        "a cancellation after a call takes what was done",
    ),
    mistake("stream-unawaited", "false", "a FIFO is read on the pool, and not waited for"),
    mistake("handler-stays", "false && $", "the handler of a signal stays after the last receiver"),
    mistake("later-handler-lost", "{ $; true }", "a handler that others have installed is removed"),
    mistake("reserved-received", "$ && false", "the watchdog's signal is received"),
    mistake("signal-reaches-parent", "{ $; true }", "a signal to a forked child wakes its parent"),
    mistake(
        "fork-shares-signals",
        "if false { $ }",
        "a forked child waits for its parent's signals",
    ),
    mistake(
        "taken-signal-chosen",
        "{ $; sys::wakeup::wait_for(self.subject.descriptor(), true, Some(0)) }",
        "a select returns for a signal that has been taken",
    ),
    mistake("terminal-unawaited", "if false { $ }", "a left call reads a terminal for ever"),
    mistake(
        "partial-line-taken",
        "{ $; self.buffer.take(seen, into); seen = 0; }",
        "a cancelled call loses the beginning of a line",
    ),
    mistake("lock-taken-twice", "true || $", "two threads have the lock of a standard stream"),
    mistake(
        "buffer-lost",
        "{ drop($); Taken(self, None) }",
        "the buffer of standard output is replaced",
    ),
    mistake("room-kept", "", "a cancelled read leaves room for more bytes behind"),
    mistake("stream-signals", "false", "a write to a FIFO without a reader sends a signal"),
    mistake(
        "copy-signals",
        "std::fs::copy(owned.0, owned.1)",
        "a copy to a FIFO without a reader sends a signal",
    ),
    mistake("pipe-blocks", "false", "a pipe stays in blocking mode"),
    mistake("given-up-unblocked", "{ let _ = $; false }", "a pipe that is given up does not block"),
    mistake("pipe-signals", "true", "SIGPIPE is taken to be ignored"),
    mistake("signal-left", "false", "the signal of a broken pipe comes later"),
    mistake("signal-stays-blocked", "", "SIGPIPE stays blocked after a write"),
    mistake("input-kept", "", "a wait for a child keeps its input open"),
    mistake(
        "outputs-in-turn",
        "{ let (mut output, mut error) = (output, error); output.read_to_end(&mut stdout)?; \
         drop(error.read_to_end(&mut stderr)?) }",
        "the two outputs of a child are read in turn",
    ),
    mistake("child-not-killed", "false", "a dropped child goes on, though it is to be killed"),
    mistake("killed-not-reaped", "{ let _ = $; false }", "a killed child stays a zombie"),
    mistake("output-stays-piped", "false", "a command keeps the pipe of its output"),
    mistake("choice-ignored", "true", "the output that the program has chosen is replaced"),
    mistake("child-in-exploration", "false", "an exploration starts a child"),
];

#[test]
fn every_mistake_of_files_is_found() {
    try_mistakes("files", &Kit::files(), MISTAKES);
}
