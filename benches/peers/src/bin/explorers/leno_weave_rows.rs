//! Rows of leno.

use leno::weave::{Explorer, Report};

use crate::Explored;
use crate::programs::{DRAWN, DRAWN_LONG, FEW, MANY, SEED};

crate::programs::programs!(leno);
crate::programs::larger_programs!(leno);

fn explored(report: &Report<()>) -> Explored {
    assert!(report.failures().is_empty(), "{report}");
    Explored { executions: report.executions(), outcomes: None }
}

fn told(report: &Report<Vec<u8>>) -> Explored {
    assert!(report.failures().is_empty(), "{report}");
    Explored { executions: report.executions(), outcomes: Some(report.outcomes().len()) }
}

pub fn steps<const THREADS: usize>() -> Explored {
    explored(&leno::weave::explore(larger_programs::steps::<THREADS>))
}

pub fn yields() -> Explored {
    explored(&leno::weave::explore(|| programs::yields(FEW)))
}

pub fn yields_told() -> Explored {
    told(&leno::weave::explore(programs::yields_told))
}

pub fn locks() -> Explored {
    explored(&Explorer::new().preemptive().explore(programs::locks))
}

pub fn locks_reduced() -> Explored {
    explored(&Explorer::new().preemptive().reduced().explore(programs::locks))
}

pub fn locks_told() -> Explored {
    told(&Explorer::new().preemptive().explore(programs::locks_told))
}

pub fn locks_told_reduced() -> Explored {
    told(&Explorer::new().preemptive().reduced().explore(programs::locks_told))
}

pub fn buffer() -> Explored {
    let explorer = Explorer::new().random(SEED).max_executions(DRAWN);
    explored(&explorer.explore(larger_programs::buffer))
}

pub fn buffer_preemptive() -> Explored {
    let explorer = Explorer::new().preemptive().random(SEED).max_executions(DRAWN);
    explored(&explorer.explore(larger_programs::buffer))
}

pub fn long() -> Explored {
    let explorer = Explorer::new().random(SEED).max_executions(DRAWN_LONG);
    explored(&explorer.explore(|| programs::yields(MANY)))
}

pub fn long_preemptive() -> Explored {
    let explorer = Explorer::new().preemptive().random(SEED).max_executions(DRAWN_LONG);
    explored(&explorer.explore(|| programs::yields(MANY)))
}

pub fn long_depth_first() -> Explored {
    let explorer = Explorer::new().max_executions(DRAWN_LONG);
    explored(&explorer.explore(|| programs::yields(MANY)))
}
