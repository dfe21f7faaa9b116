//! A ring with a few queues for a kernel, which fails, delays, ends and reorders as a test says. What becomes
//! ready is told by the test, or by epoll(7) for descriptors, of which it keeps duplicates: like io_uring(7),
//! it keeps the file open until the request has ended.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use super::super::epoll::Poller;
use super::super::events::{Event, Events};
use super::super::ring::{Completion, REMOVAL, Request, Ring, State};

/// More system calls than any test makes.
const MOST_CALLS: usize = 20_000;

/// What goes wrong in a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails with this error, and has submitted nothing.
    Fails(i32),
    /// It submits at most so many requests.
    Submits(usize),
    /// It puts at most so many completions into their queue, although there is room.
    Completes(usize),
    /// The request at this place, of all, ends with this result. None has asked for it.
    Ends(usize, i32),
}

/// What a ring is made with.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The room in the queue of requests, and in that of completions.
    pub(crate) requests: usize,
    pub(crate) completions: usize,
    /// What goes wrong in each system call, from the first one on.
    pub(crate) faults: VecDeque<Option<Fault>>,
    /// Which of the completions that may be next is next, each time; the oldest one afterwards.
    pub(crate) order: VecDeque<usize>,
    /// The answer to the removal of a request that is there.
    pub(crate) answer: i32,
    /// Descriptors are those of the system.
    pub(crate) is_real: bool,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            requests: 8,
            completions: 8,
            faults: VecDeque::new(),
            order: VecDeque::new(),
            answer: 0,
            is_real: true,
        }
    }
}

/// A poll request.
struct Poll {
    token: u64,
    /// A duplicate of its descriptor.
    file: Option<OwnedFd>,
}

/// What the ring and the test share.
pub(crate) struct Kernel {
    descriptor: OwnedFd,
    poller: Option<Poller>,
    pub(super) plan: Plan,
    pub(super) submission: VecDeque<Request>,
    polls: Vec<Poll>,
    /// Completions that the next system call puts into their queue.
    pub(super) work: Vec<Completion>,
    /// Completions without room in their queue.
    pub(super) overflown: VecDeque<Completion>,
    pub(super) completion: VecDeque<Completion>,
    /// The number of system calls.
    pub(super) calls: usize,
    /// The number of faults that have come.
    pub(super) failures: usize,
    /// The nanoseconds of each pause.
    pub(super) pauses: Vec<u64>,
    /// The number of calls that would have waited for ever.
    pub(super) sleeps: usize,
    /// What comes from outside while the runtime sleeps.
    arrivals: VecDeque<Box<dyn FnOnce()>>,
}

thread_local! {
    static NEXT: RefCell<Plan> = RefCell::default();
    static LAST: RefCell<Option<Rc<RefCell<Kernel>>>> = RefCell::default();
}

/// Sets the plan of the rings that this OS thread makes.
pub(crate) fn plan(plan: Plan) {
    NEXT.with(|next| next.replace(plan));
}

/// Returns what is behind the ring that this OS thread has made last.
pub(crate) fn kernel() -> Rc<RefCell<Kernel>> {
    LAST.with(|last| last.borrow().clone().expect("a ring has been made"))
}

impl Kernel {
    fn new(plan: Plan) -> io::Result<Kernel> {
        Ok(Kernel {
            descriptor: File::open("/dev/null")?.into(),
            poller: if plan.is_real { Some(Poller::new()?) } else { None },
            plan,
            submission: VecDeque::new(),
            polls: Vec::new(),
            work: Vec::new(),
            overflown: VecDeque::new(),
            completion: VecDeque::new(),
            calls: 0,
            failures: 0,
            pauses: Vec::new(),
            sleeps: 0,
            arrivals: VecDeque::new(),
        })
    }

    /// Returns the tokens of the poll requests, in order.
    pub(crate) fn tokens(&self) -> Vec<u64> {
        let mut tokens: Vec<u64> = self.polls.iter().map(|poll| poll.token).collect();
        tokens.sort_unstable();
        tokens
    }

    /// Sets what goes wrong from now on.
    pub(crate) fn set_faults(&mut self, faults: VecDeque<Option<Fault>>) {
        self.plan.faults = faults;
    }

    /// Calls `arrival` when the runtime has no more to do, and sleeps.
    pub(crate) fn arrive(&mut self, arrival: impl FnOnce() + 'static) {
        self.arrivals.push_back(Box::new(arrival));
    }

    /// Returns `true` if there is nothing to submit and nothing to find.
    pub(crate) fn is_idle(&self) -> bool {
        let is_all_found = self.work.is_empty() && self.overflown.is_empty();
        self.submission.is_empty() && self.completion.is_empty() && is_all_found
    }

    /// Reports a change. Returns `false` if there is no request with this token.
    pub(super) fn report(&mut self, token: u64, flags: i32) -> bool {
        let is_there = self.polls.iter().any(|poll| poll.token == token);
        if is_there {
            self.work.push(Completion { token, result: flags, is_last: false });
        }
        is_there
    }

    /// Ends a request with this result. Returns `false` if there is none.
    pub(super) fn end(&mut self, token: u64, result: i32) -> bool {
        let Some(place) = self.polls.iter().position(|poll| poll.token == token) else {
            return false;
        };
        let Poll { file, .. } = self.polls.remove(place);
        if let (Some(poller), Some(file)) = (&self.poller, file) {
            poller.remove(file.as_raw_fd());
        }
        self.work.push(Completion { token, result, is_last: true });
        true
    }

    fn execute(&mut self, request: Request) {
        match request {
            Request::Poll { descriptor, token, .. } => {
                assert!(
                    self.polls.iter().all(|poll| poll.token != token),
                    "{token} is there twice"
                );
                let mut file = None;
                if let Some(poller) = &self.poller {
                    // SAFETY: the descriptor is open: the engine has it from its owner, or it is closed.
                    let opened = unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned();
                    let Ok(opened) = opened else {
                        return self.work.push(Completion {
                            token,
                            result: -libc::EBADF,
                            is_last: true,
                        });
                    };
                    poller.add(opened.as_raw_fd(), token).expect("it can be polled");
                    file = Some(opened);
                }
                self.polls.push(Poll { token, file });
            }
            Request::Remove { token } => {
                let is_there = self.end(token, -libc::ECANCELED);
                let result = if is_there { self.plan.answer } else { -libc::ENOENT };
                self.work.push(Completion { token: REMOVAL, result, is_last: true });
            }
            Request::RemoveAll => {
                for token in self.tokens() {
                    self.end(token, -libc::ECANCELED);
                }
                self.work.push(Completion { token: REMOVAL, result: 0, is_last: true });
            }
        }
    }

    /// Reports what epoll tells.
    fn poll(&mut self) {
        let mut events = Events::default();
        if let Some(poller) = &self.poller {
            poller.wait(&mut events, Some(0));
        }
        for event in events.iter() {
            self.report(event.token, flags(event));
        }
    }

    /// Returns the completion that is put into the queue next. Those of one request are in order.
    fn next_work(&mut self) -> Completion {
        let first_of_each = |&place: &usize| {
            let token = self.work[place].token;
            self.work[..place].iter().all(|earlier| earlier.token != token)
        };
        let first: Vec<usize> = (0..self.work.len()).filter(first_of_each).collect();
        let choice = self.plan.order.pop_front().unwrap_or(0);
        self.work.remove(first[choice % first.len()])
    }

    /// Puts completions into their queue, at most so many of those that it has not seen.
    fn complete(&mut self, most: usize) {
        self.poll();
        for _ in 0..most.min(self.work.len()) {
            let next = self.next_work();
            self.overflown.push_back(next);
        }
        while self.completion.len() < self.plan.completions
            && let Some(next) = self.overflown.pop_front()
        {
            self.completion.push_back(next);
        }
    }

    /// Does what a system call does. `wanted` is the number of completions to wait for.
    fn enter(&mut self, wanted: usize) -> io::Result<usize> {
        self.calls += 1;
        assert!(self.calls < MOST_CALLS, "the runtime does not come to rest");
        let fault = self.plan.faults.pop_front().flatten();
        self.failures += usize::from(fault.is_some());
        let (mut count, mut most) = (self.submission.len(), usize::MAX);
        match fault {
            Some(Fault::Fails(error)) => return Err(io::Error::from_raw_os_error(error)),
            Some(Fault::Submits(least)) => count = count.min(least),
            Some(Fault::Completes(least)) => most = least.max(wanted),
            Some(Fault::Ends(place, result)) if !self.polls.is_empty() => {
                let token = self.polls[place % self.polls.len()].token;
                self.end(token, result);
            }
            _ => {}
        }
        let is_rest_left = count < self.submission.len();
        for _ in 0..count {
            let request = self.submission.pop_front().expect("it has been counted");
            self.execute(request);
        }
        // Completions are not looked for then, and not waited for.
        if is_rest_left && count == 0 {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        if !is_rest_left {
            self.complete(most);
            self.sleeps += usize::from(self.completion.len() < wanted);
        }
        Ok(count)
    }
}

/// Returns the flags of poll(2) for an event.
fn flags(event: Event) -> i32 {
    let flag = |is_set: bool, flag: libc::c_short| if is_set { i32::from(flag) } else { 0 };
    flag(event.readable, libc::POLLIN)
        | flag(event.writable, libc::POLLOUT)
        | flag(event.read_closed, libc::POLLRDHUP)
        | flag(event.write_closed, libc::POLLHUP)
}

/// A ring, of the test's making.
pub(crate) struct Fake(Rc<RefCell<Kernel>>, OwnedFd);

impl Ring for Fake {
    fn new() -> io::Result<Fake> {
        let kernel = Kernel::new(NEXT.with(RefCell::take))?;
        let descriptor = kernel.descriptor.try_clone()?;
        let kernel = Rc::new(RefCell::new(kernel));
        LAST.with(|last| last.replace(Some(kernel.clone())));
        Ok(Fake(kernel, descriptor))
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.1.as_fd()
    }

    fn push(&mut self, request: Request) -> bool {
        let kernel = &mut *self.0.borrow_mut();
        let has_room = kernel.submission.len() < kernel.plan.requests;
        if has_room {
            kernel.submission.push_back(request);
        }
        has_room
    }

    fn state(&mut self) -> State {
        let kernel = &mut *self.0.borrow_mut();
        kernel.poll();
        State {
            has_requests: !kernel.submission.is_empty(),
            has_completions: !kernel.completion.is_empty(),
            has_overflown: !kernel.overflown.is_empty(),
            has_work: !kernel.work.is_empty(),
        }
    }

    fn enter(&mut self) -> io::Result<usize> {
        self.0.borrow_mut().enter(0)
    }

    fn wait(&mut self, nanos: Option<u64>) -> io::Result<usize> {
        let sleeps = self.0.borrow().sleeps;
        let count = self.0.borrow_mut().enter(1)?;
        while self.0.borrow().plan.is_real
            && self.0.borrow().sleeps > sleeps
            && self.0.borrow().completion.is_empty()
        {
            // What ends the wait is in this OS thread, but for what arrives.
            let arrival = self.0.borrow_mut().arrivals.pop_front();
            match (arrival, nanos) {
                (Some(arrival), _) => arrival(),
                (None, Some(_)) => break,
                (None, None) => panic!("the runtime sleeps for ever"),
            }
            self.0.borrow_mut().complete(usize::MAX);
        }
        Ok(count)
    }

    fn pause(&mut self, nanos: u64) {
        self.0.borrow_mut().pauses.push(nanos);
        self.0.borrow_mut().complete(usize::MAX);
    }

    fn take(&mut self, most: usize, each: impl FnMut(Completion)) {
        let completion = &mut self.0.borrow_mut().completion;
        let count = most.min(completion.len());
        completion.drain(..count).for_each(each);
    }

    fn abandon(self) {}
}
