//! Workers that compute.

use std::io;
use std::process;
use std::time::Duration;

use leno::workers::Pool;

use crate::harness::{scenario, workers};

/// Does a job of these tests.
fn work(job: &[u8]) -> Vec<u8> {
    match job {
        b"panic" => panic!("a bad job"),
        b"die" => process::abort(),
        b"hang" => loop {
            std::hint::spin_loop();
        },
        b"process" => process::id().to_le_bytes().to_vec(),
        _ => job.iter().rev().copied().collect(),
    }
}

/// Runs `f` in a master with a pool, and expects it to end well.
macro_rules! with_pool {
    ($count:expr, $f:expr) => {{
        let ended = scenario(|| {
            leno::run(|| {
                // Without an image of the process that aborts.
                let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                // SAFETY: setrlimit reads a live structure.
                unsafe { libc::setrlimit(libc::RLIMIT_CORE, &limit) };
                let pool = workers($count).pool(work)?;
                let f: fn(&Pool) -> io::Result<()> = $f;
                f(&pool)
            })
        })
        .start()
        .end();
        assert!(ended.status.success(), "{}\n{}", ended.status, ended.output);
        ended
    }};
}

#[test]
fn results_come_to_their_callers() {
    let ended = with_pool!(2, |pool| {
        leno::scope(|scope| {
            for n in 0..50_u8 {
                scope.spawn(move || {
                    let job: Vec<u8> = (0..=n).cycle().take(usize::from(n) * 10_000).collect();
                    let result = pool.call(job.clone()).unwrap();
                    assert!(job.iter().rev().eq(&result));
                });
            }
        });
        assert_eq!(pool.call([])?, []);
        Ok(())
    });
    assert_eq!(ended.count("starts as process"), 2, "{}", ended.output);
    // Without jobs they end by themselves.
    assert_eq!(ended.count("exit status: 0"), 2, "{}", ended.output);
}

#[test]
fn a_job_that_panics_fails_alone() {
    let ended = with_pool!(1, |pool| {
        let before = pool.call("process")?;
        let error = pool.call("panic").unwrap_err();
        assert_eq!(error.to_string(), "the job has panicked: a bad job");
        assert_eq!(pool.call("process")?, before);
        Ok(())
    });
    assert_eq!(ended.count("starts as process"), 1);
}

#[test]
fn a_job_that_ends_its_process_fails_alone() {
    let ended = with_pool!(1, |pool| {
        let error = pool.call("die").unwrap_err().to_string();
        assert!(error.starts_with("the worker has ended during the job (signal: 6"), "{error}");
        assert_eq!(pool.call("abc")?, b"cba");
        Ok(())
    });
    assert_eq!(ended.count("starts as process"), 2, "{}", ended.output);
}

#[test]
fn a_job_that_is_cancelled_is_killed() {
    let ended = with_pool!(1, |pool| {
        let before = pool.call("process")?;
        let late = leno::time::timeout(Duration::from_millis(20), || pool.call("hang"));
        assert!(late.is_err());
        assert_ne!(pool.call("process")?, before);
        // One that waits for its turn costs nothing.
        leno::scope(|scope| {
            let hanging = scope.spawn(|| pool.call("hang").map(drop));
            leno::yield_now();
            let waiting = scope.spawn(|| pool.call("hang").map(drop));
            leno::yield_now();
            waiting.cancel();
            hanging.cancel();
        });
        assert_eq!(pool.call("abc")?, b"cba");
        Ok(())
    });
    assert_eq!(ended.count("its job was cancelled"), 2, "{}", ended.output);
    assert_eq!(ended.count("starts as process"), 3, "{}", ended.output);
}

#[test]
fn a_pool_that_cannot_start_tells_why() {
    let ended = scenario(|| {
        if leno::workers::is_worker() {
            process::exit(3);
        }
        leno::run(|| workers(1).pool(work).map(drop))
    })
    .start()
    .end();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.count("error: worker 0 has failed to start 5 times in a row"), 1);
    assert_eq!(ended.count("exit status: 3"), 6, "{}", ended.output);
}
