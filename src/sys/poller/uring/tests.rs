//! The engine of io_uring on a ring that fails, delays, reorders and ends requests by itself: no request is
//! lost, each report of a registration that is there is delivered once and in order, and the engine neither
//! sleeps nor looks away while there is something to do.

use std::collections::VecDeque;
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::fake::{Fake, Fault, Kernel, Plan, kernel, plan};
use super::*;

/// What a test does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Adds a registration in this place, if there is none.
    Add(usize),
    Remove(usize),
    /// The kernel reports a change of the registration in this place.
    Report(usize),
    /// The kernel ends the request of this place by itself, with this result.
    End(usize, i32),
    Look,
    /// Waits without an end, if there is nothing.
    Sleep,
}

/// What a client knows of a place.
#[derive(Default)]
struct Place {
    generation: u64,
    is_there: bool,
    /// What the kernel has reported of this generation, and the client has not heard: by its directions.
    expected: VecDeque<(bool, bool)>,
}

struct World {
    uring: Uring<Fake>,
    kernel: Rc<RefCell<Kernel>>,
    places: Vec<Place>,
    /// The number of reports, by which two in a row differ.
    reports: usize,
    events: Events,
}

/// The flags of a report, and what it says of the two directions.
const REPORTS: [(libc::c_short, (bool, bool)); 3] = [
    (libc::POLLIN, (true, false)),
    (libc::POLLOUT, (false, true)),
    (libc::POLLIN | libc::POLLOUT, (true, true)),
];

impl World {
    fn new(settings: Plan, places: usize) -> World {
        plan(settings);
        let uring = Uring::new().unwrap();
        let places = (0..places).map(|_| Place::default()).collect();
        World { uring, kernel: kernel(), places, reports: 0, events: Events::default() }
    }

    fn token(&self, place: usize) -> u64 {
        self.places[place].generation << 32 | place as u64
    }

    /// Returns the tokens of the registrations of which the client awaits reports.
    fn awaited(&self) -> Vec<u64> {
        let is_awaited = |&place: &usize| self.places[place].is_there;
        let places = (0..self.places.len()).filter(is_awaited);
        let mut tokens: Vec<u64> = places.map(|place| self.token(place)).collect();
        tokens.sort_unstable();
        tokens
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Add(place) => {
                if !self.places[place].is_there {
                    self.places[place].is_there = true;
                    self.uring.add(-1, self.token(place));
                }
            }
            Step::Remove(place) => {
                let (token, faults) = (self.token(place), self.kernel.borrow().failures);
                if !self.places[place].is_there {
                    return;
                }
                assert!(self.uring.remove(token));
                let generation = self.places[place].generation + 1;
                self.places[place] = Place { generation, ..Place::default() };
                let kernel = self.kernel.borrow();
                if kernel.failures == faults && kernel.submission.is_empty() {
                    assert!(!kernel.tokens().contains(&token), "a removal waits for a look");
                }
            }
            Step::Report(place) => {
                let (flags, directions) = REPORTS[self.reports % REPORTS.len()];
                self.reports += 1;
                let token = self.token(place);
                if self.kernel.borrow_mut().report(token, i32::from(flags)) {
                    self.places[place].expected.push_back(directions);
                }
            }
            Step::End(place, result) => {
                let token = self.token(place);
                if self.kernel.borrow_mut().end(token, result) {
                    let failed = result < 0 || result & i32::from(libc::POLLERR) != 0;
                    let has = |flag| failed || result & i32::from(flag) != 0;
                    let directions = (has(libc::POLLIN), has(libc::POLLOUT));
                    self.places[place].expected.push_back(directions);
                }
            }
            Step::Look => self.look(Some(0)),
            Step::Sleep => {
                let sleeps = self.kernel.borrow().sleeps;
                self.look(None);
                if self.kernel.borrow().sleeps > sleeps {
                    self.check_rest();
                }
            }
        }
        self.check_news();
    }

    fn look(&mut self, nanos: Option<u64>) {
        let mut events = std::mem::take(&mut self.events);
        self.uring.wait(&mut events, nanos);
        for event in events.iter() {
            let place = (event.token & 0xffff_ffff) as usize;
            assert!(place < self.places.len(), "an answer to a removal is an event: {event:?}");
            if event.token != self.token(place) {
                continue;
            }
            let expected = self.places[place].expected.pop_front();
            assert_eq!(expected, Some((event.readable, event.writable)), "{event:?}");
            if event.is_last {
                self.uring.add(-1, event.token);
            }
        }
        self.events = events;
    }

    /// Checks that the engine knows of all that a look would do.
    fn check_news(&self) {
        let kernel = self.kernel.borrow();
        let (is_idle, is_all_sent) = (kernel.is_idle(), kernel.tokens() == self.awaited());
        drop(kernel);
        let has_news = self.uring.has_news();
        assert!(has_news || (is_idle && is_all_sent), "the engine looks away");
    }

    /// Checks that the kernel has just the requests that it is to have, and that all reports were heard.
    fn check_rest(&self) {
        let kernel = self.kernel.borrow();
        assert_eq!(kernel.tokens(), self.awaited(), "requests of the kernel");
        let is_heard = |place: &Place| place.expected.is_empty();
        assert!(self.places.iter().all(is_heard), "reports are lost");
        assert!(self.uring.queues.borrow().as_ref().unwrap().unsent.is_empty());
    }

    /// Lets no more go wrong, and looks until there is nothing. Then closes the ring.
    fn finish(mut self) {
        self.kernel.borrow_mut().plan.faults.clear();
        for _ in 0..1_000 {
            if !self.uring.has_news() {
                break;
            }
            self.look(Some(0));
        }
        assert!(!self.uring.has_news(), "the engine does not come to rest");
        self.check_rest();
        let sleeps = self.kernel.borrow().sleeps;
        self.look(None);
        assert_eq!(self.kernel.borrow().sleeps, sleeps + 1);
        self.uring.close();
        assert_eq!(self.kernel.borrow().tokens(), [], "the end of the runtime leaves requests");
    }
}

/// Takes the steps. Returns the number of system calls.
fn run(settings: &Plan, places: usize, steps: &[Step]) -> usize {
    let mut world = World::new(settings.clone(), places);
    steps.iter().for_each(|&step| world.take(step));
    let calls = world.kernel.borrow().calls;
    world.finish();
    calls
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else { return vec![Vec::new()] };
    let insert = |shorter: Vec<usize>| {
        (0..count).map(move |place| {
            let mut longer = shorter.clone();
            longer.insert(place, last);
            longer
        })
    };
    permutations(last).into_iter().flat_map(insert).collect()
}

/// Returns what can happen to a registration besides reports.
fn disturbances(place: usize) -> [Vec<Step>; 4] {
    [
        vec![Step::Remove(place)],
        // The place is taken again at once.
        vec![Step::Remove(place), Step::Add(place)],
        vec![Step::End(place, i32::from(libc::POLLIN))],
        vec![Step::End(place, -libc::ECANCELED)],
    ]
}

/// Returns the cases with so many registrations: their reports in each order, with a disturbance of each of
/// them at each place, and with a look at the end or after each step.
fn cases(count: usize) -> Vec<Vec<Step>> {
    let mut found = Vec::new();
    for order in permutations(count) {
        let reports: Vec<Step> = order.into_iter().map(Step::Report).collect();
        for place in 0..count {
            for at in 0..=count {
                for disturbance in disturbances(place) {
                    let mut middle = reports.clone();
                    middle.splice(at..at, disturbance);
                    let adds = (0..count).map(Step::Add).chain([Step::Look]);
                    let often = middle.iter().flat_map(|&step| [step, Step::Sleep]);
                    found.push(adds.clone().chain(often).collect());
                    found.push(adds.chain(middle).chain([Step::Look, Step::Sleep]).collect());
                }
            }
        }
    }
    found
}

const ERRORS: [i32; 4] = [libc::EAGAIN, libc::EBUSY, libc::EINTR, libc::ENOMEM];

fn settings(requests: usize, completions: usize) -> Plan {
    Plan { requests, completions, is_real: false, ..Plan::default() }
}

#[test]
fn reports_and_removals_in_each_order_are_right() {
    for (requests, completions) in [(1, 1), (2, 3), (8, 8)] {
        for answer in [0, -libc::EALREADY] {
            let settings = Plan { answer, ..settings(requests, completions) };
            for count in 1..=4 {
                for steps in cases(count) {
                    run(&settings, count, &steps);
                }
            }
        }
    }
}

#[test]
fn each_failure_of_each_system_call_loses_nothing() {
    let errors = ERRORS.map(Fault::Fails);
    let others = [Fault::Submits(0), Fault::Submits(1), Fault::Completes(0), Fault::Completes(1)];
    for (requests, completions) in [(1, 2), (8, 1)] {
        let well = settings(requests, completions);
        for count in [1, 2, 3] {
            for steps in cases(count) {
                let calls = run(&well, count, &steps);
                for (at, &fault) in (0..calls)
                    .flat_map(|at| errors.iter().chain(&others).map(move |fault| (at, fault)))
                {
                    let before = std::iter::repeat_n(None, at);
                    for times in [1, 4] {
                        let faults = before.clone().chain(std::iter::repeat_n(Some(fault), times));
                        let settings = Plan { faults: faults.collect(), ..well.clone() };
                        run(&settings, count, &steps);
                    }
                }
            }
        }
    }
}

#[test]
fn a_request_without_room_waits_for_the_next_look() {
    let faults = std::iter::repeat_n(Some(Fault::Fails(libc::EAGAIN)), 3).collect();
    let mut world = World::new(Plan { faults, ..settings(1, 8) }, 3);
    for step in [Step::Add(0), Step::Add(1), Step::Remove(0)] {
        world.take(step);
    }
    assert_eq!(world.kernel.borrow().tokens(), []);
    assert_eq!(world.kernel.borrow().failures, 3);
    world.take(Step::Look);
    assert_eq!(world.kernel.borrow().tokens(), [world.token(1)]);
    world.finish();
}

/// A closed socket would stay open.
#[test]
fn a_removal_does_not_wait_for_a_look() {
    for fault in [Fault::Fails(libc::EINTR), Fault::Submits(1), Fault::Completes(0)] {
        let mut world = World::new(settings(4, 8), 3);
        for step in [Step::Add(0), Step::Add(1), Step::Look, Step::Add(2)] {
            world.take(step);
        }
        let removed = world.token(0);
        world.kernel.borrow_mut().set_faults([Some(fault)].into());
        world.take(Step::Remove(0));
        assert!(!world.kernel.borrow().tokens().contains(&removed), "{fault:?}");
        world.finish();
    }
}

/// A host sleeps in place of the runtime.
#[test]
fn flushing_sends_all_requests() {
    let mut world = World::new(settings(2, 8), 4);
    (0..4).for_each(|place| world.take(Step::Add(place)));
    world.uring.flush();
    assert_eq!(world.kernel.borrow().tokens(), world.awaited());
    let calls = world.kernel.borrow().calls;
    world.uring.flush();
    assert_eq!(world.kernel.borrow().calls, calls, "nothing was to be sent");
    world.finish();
}

/// A runtime that has nothing else to do would try again at once, for as long as the shortage lasts.
#[test]
fn a_lasting_shortage_is_met_by_pauses() {
    for (requests, fault) in
        [(1, Fault::Fails(libc::ENOMEM)), (8, Fault::Fails(libc::EAGAIN)), (8, Fault::Submits(0))]
    {
        let mut world = World::new(settings(requests, 8), 3);
        world.take(Step::Add(0));
        world.take(Step::Look);
        world.kernel.borrow_mut().set_faults(std::iter::repeat_n(Some(fault), 100).collect());
        (1..3).for_each(|place| world.take(Step::Add(place)));
        let pauses = |world: &World| std::mem::take(&mut world.kernel.borrow_mut().pauses);
        world.look(Some(0));
        assert_eq!(pauses(&world), [], "a look waits");
        (0..6).for_each(|_| world.look(None));
        assert_eq!(pauses(&world), [1, 2, 4, 8, 16, 16].map(|millis| millis * 1_000_000));
        world.look(Some(9));
        assert_eq!(pauses(&world), [9], "a pause ends with the time");
        // What is watched already is heard.
        world.take(Step::Report(0));
        world.look(None);
        assert!(world.places[0].expected.is_empty(), "a report is not heard");
        pauses(&world);
        world.kernel.borrow_mut().set_faults(VecDeque::new());
        (0..3).for_each(|_| world.look(None));
        assert_eq!(pauses(&world), [], "all could be sent");
        world.kernel.borrow_mut().set_faults(std::iter::repeat_n(Some(fault), 2).collect());
        world.take(Step::Remove(1));
        world.look(None);
        assert_eq!(pauses(&world), [1_000_000], "a new shortage begins with a long pause");
        world.finish();
    }
}

#[test]
fn a_new_ring_has_no_requests_of_the_old_one() {
    let faults = std::iter::repeat_n(Some(Fault::Fails(libc::ENOMEM)), 3).collect();
    let mut world = World::new(Plan { faults, ..settings(1, 8) }, 3);
    (0..3).for_each(|place| world.take(Step::Add(place)));
    plan(settings(8, 8));
    world.uring.renew().unwrap();
    world.kernel = kernel();
    assert!(!world.uring.has_news());
    for place in &mut world.places {
        place.is_there = false;
    }
    world.take(Step::Add(2));
    world.finish();
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..8usize).prop_map(Step::Add),
        2 => (0..8usize).prop_map(Step::Remove),
        6 => (0..8usize).prop_map(Step::Report),
        1 => (0..8usize, any::<bool>()).prop_map(|(place, is_cancelled)| {
            Step::End(place, if is_cancelled { -libc::ECANCELED } else { i32::from(libc::POLLOUT) })
        }),
        2 => Just(Step::Look),
        1 => Just(Step::Sleep),
    ]
}

fn any_fault() -> impl Strategy<Value = Option<Fault>> {
    let error = proptest::sample::select(&ERRORS[..]);
    prop_oneof![
        2 => Just(None),
        2 => error.prop_map(|error| Some(Fault::Fails(error))),
        1 => (0..4usize).prop_map(|most| Some(Fault::Submits(most))),
        1 => (0..4usize).prop_map(|most| Some(Fault::Completes(most))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_steps_and_failures_lose_nothing(
        steps in vec(any_step(), 0..200),
        faults in vec(any_fault(), 0..200),
        order in vec(0..8usize, 0..200),
        requests in 1..6usize,
        completions in 1..6usize,
    ) {
        let (faults, order) = (faults.into(), order.into());
        let settings = Plan { faults, order, ..settings(requests, completions) };
        run(&settings, 8, &steps);
    }
}
