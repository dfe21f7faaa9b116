//! A program that demands `Send` of its types is told, once for each type, what to do.
// error: E0277
// each says: belongs to the green threads of one OS thread: another OS thread cannot
// says: `leno::channel::Sender<Box<
// says: Mutex<u32>` belongs
// says: Condvar` belongs
use leno::channel::Sender;
use leno::sync::{Arc, Condvar, Mutex};

type Job = Box<dyn FnOnce() + Send>;

struct ThreadPool {
    jobs: Sender<Job>,
    done: Arc<(Mutex<u32>, Condvar)>,
}

trait Service: Send + Sync {
    fn submit(&self, job: Job);
}

impl Service for ThreadPool {
    fn submit(&self, job: Job) {
        self.jobs.send(job).unwrap();
    }
}

fn main() {
    let done = Arc::new((Mutex::new(0), Condvar::new()));
    let pool = ThreadPool { jobs: leno::channel::unbounded().0, done: done.clone() };
    pool.submit(Box::new(move || *done.0.lock().unwrap() += 1));
    drop(pool.done);
}
