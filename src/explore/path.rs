//! The path of a controlled run: its choices, kept where each switch can make them without a call.
//! Most choices of an exploration repeat the last execution, take the first alternative, or are
//! drawn.

#![forbid(unsafe_code)]

use super::enabled_set::EnabledSet;
use crate::runtime::random::Random;

/// One choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The number of the green thread that was chosen, or one of the constants below.
    pub(crate) number: u32,
    /// The index of the alternative that was taken, and the number of alternatives.
    pub(crate) taken: u32,
    pub(crate) of: u32,
    /// Alternatives from here on are explored by other workers.
    pub(crate) end: u32,
    /// A hash of the first threads among which the choice was.
    among: u32,
}

impl Choice {
    /// Stands for a choice of what the current thread does, not of a thread.
    pub(crate) const VALUE: u32 = u32::MAX;
    /// Stands for a thread that is unknown, since the alternative has not been taken yet.
    const UNSEEN: u32 = u32::MAX - 1;

    pub(crate) fn new(number: u32, taken: usize, of: usize) -> Choice {
        Choice { number, taken: taken as u32, of: of as u32, end: of as u32, among: 0 }
    }

    /// Forgets the thread: another alternative is taken than before.
    pub(crate) fn forget_thread(&mut self) {
        if self.number != Choice::VALUE {
            self.number = Choice::UNSEEN;
        }
    }

    /// Makes the same choice again. It must be among `of` alternatives with the hash `among`.
    #[inline(always)]
    fn repeat(
        &mut self,
        of: usize,
        among: u32,
        number: impl Fn(usize) -> u32,
    ) -> Result<usize, Differs> {
        let taken = self.taken as usize;
        // mistake: sets-compared-by-size
        if self.of as usize != of || self.among != among {
            return Err(Differs);
        }
        let number = number(taken);
        if self.number == Choice::UNSEEN {
            self.number = number;
        }
        if self.number != number {
            return Err(Differs);
        }
        Ok(taken)
    }
}

/// The most threads of a choice that are compared with those of the execution that is repeated.
const COMPARED: usize = 64;

/// Returns the hash of the threads at the first `of` places.
#[inline(always)]
fn among(of: usize, number: impl Fn(usize) -> u32) -> u32 {
    (0..of.min(COMPARED)).fold(0, |sum: u32, place| sum.wrapping_mul(0x0100_0193) ^ number(place))
}

/// A way to make a choice. Each is compiled where it is used, without the others.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// A choice of the last run is repeated, or there is only one alternative.
    Repeat,
    /// A choice is drawn.
    Draw,
    /// A choice is new, or its alternative is taken for the first time.
    Begin,
}

/// The error of a choice that cannot be repeated.
#[derive(Debug)]
pub(crate) struct Differs;

/// The choices of an execution: first those that it repeats, then the new ones.
pub(crate) struct ChoicePath {
    choices: Vec<Choice>,
    /// The number of choices that the run has made.
    depth: usize,
    steps: u64,
    /// The step from which on the controller is asked.
    asks_from: u64,
    /// New choices are drawn; otherwise they take the first alternative.
    is_drawn: bool,
    random: Random,
}

impl ChoicePath {
    pub(crate) fn new() -> ChoicePath {
        ChoicePath {
            choices: Vec::new(),
            depth: 0,
            steps: 0,
            asks_from: 0,
            is_drawn: false,
            random: Random::new(0),
        }
    }

    /// Begins a run that repeats the choices of the last one, and takes the first alternative after
    /// them.
    pub(crate) fn repeat(&mut self) {
        self.depth = 0;
        self.steps = 0;
        self.is_drawn = false;
        self.ask();
    }

    /// Begins a run that repeats nothing.
    pub(crate) fn start(&mut self) {
        self.choices.clear();
        self.repeat();
    }

    /// Returns the number of choices for which there is memory.
    pub(crate) fn room(&self) -> usize {
        self.choices.capacity()
    }

    /// Begins a run that repeats nothing and draws its choices.
    pub(crate) fn draw(&mut self, random: Random) {
        self.start();
        self.is_drawn = true;
        self.random = random;
    }

    /// Lets the path make the choices of this number of steps without the controller.
    pub(crate) fn go_alone(&mut self, steps: u64) {
        self.asks_from = steps.saturating_add(1);
    }

    /// Lets the controller make all choices from now on.
    pub(crate) fn ask(&mut self) {
        self.asks_from = 0;
    }

    /// Returns `true` if the path makes choices without the controller.
    pub(crate) fn is_alone(&self) -> bool {
        self.asks_from > 0
    }

    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    #[inline]
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Returns the number of choices of the run, if it was to repeat more.
    #[inline(always)]
    pub(crate) fn shorter(&self) -> Option<usize> {
        (self.depth < self.choices.len()).then_some(self.depth)
    }

    /// Returns the choices of the run up to now.
    pub(crate) fn made(&self) -> &[Choice] {
        &self.choices[..self.depth]
    }

    /// Returns the choices of the run, and those that are still to be repeated.
    pub(crate) fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// Returns the choices that the next run repeats, to be changed.
    pub(crate) fn choices_mut(&mut self) -> &mut Vec<Choice> {
        self.depth = 0;
        &mut self.choices
    }

    /// Returns the place of the thread that has the next step; `None` if the controller has to
    /// choose.
    #[inline(always)]
    pub(super) fn next(&mut self, enabled: &EnabledSet<'_>) -> Option<usize> {
        let next = self.next_at_once(enabled).or_else(|| self.next_drawn(enabled));
        next.or_else(|| self.next_with_care(enabled))
    }

    /// Makes a choice as [`ChoicePath::next`] does, but only this way.
    #[inline(always)]
    pub(super) fn next_by(&mut self, way: Way, enabled: &EnabledSet<'_>) -> Option<usize> {
        match way {
            Way::Repeat => self.next_at_once(enabled),
            Way::Draw => self.next_drawn(enabled),
            Way::Begin => self.next_where_new(enabled),
        }
    }

    /// Repeats a choice. Returns `None` and changes nothing where there is more to do. It calls
    /// nothing and needs few registers, so a function that uses it needs no frame for it.
    #[inline(always)]
    fn next_at_once(&mut self, enabled: &EnabledSet<'_>) -> Option<usize> {
        let of = enabled.len();
        let number = |place| enabled.number(place) as u32;
        let steps = self.steps + 1;
        if steps >= self.asks_from {
            return None;
        }
        let place = if of == 1 {
            0
        } else {
            // Where choices are drawn, there are none to be repeated.
            let choice = self.choices.get(self.depth)?;
            let taken = choice.taken as usize;
            // In this order, each is compared in memory and takes no register.
            // mistake: repetition-unchecked
            if of as u32 != choice.of || number(taken) != choice.number {
                return None;
            }
            self.depth += 1;
            taken
        };
        self.steps = steps;
        Some(place)
    }

    /// Draws a choice, if choices are drawn and there is room to keep it. Called after
    /// [`ChoicePath::next_at_once`].
    #[inline(always)]
    fn next_drawn(&mut self, enabled: &EnabledSet<'_>) -> Option<usize> {
        let of = enabled.len();
        let steps = self.steps + 1;
        let has_room = self.choices.len() < self.choices.capacity();
        if steps >= self.asks_from || of < 2 || !self.is_drawn || !has_room {
            return None;
        }
        self.steps = steps;
        Some(self.draw_one(of, |place| enabled.number(place) as u32))
    }

    #[inline(always)]
    pub(super) fn is_drawn(&self) -> bool {
        self.is_drawn
    }

    /// Makes a choice that is new, or takes an alternative for the first time. Returns `None` and
    /// changes nothing if the controller has to choose. It calls nothing, either. Called after
    /// [`ChoicePath::next_at_once`].
    #[inline(always)]
    fn next_where_new(&mut self, enabled: &EnabledSet<'_>) -> Option<usize> {
        let of = enabled.len();
        let number = |place| enabled.number(place) as u32;
        let steps = self.steps + 1;
        if steps >= self.asks_from || of < 2 || self.is_drawn {
            return None;
        }
        let among = among(of, number);
        let place = if let Some(choice) = self.choices.get_mut(self.depth) {
            let taken = choice.repeat(of, among, number).ok()?;
            self.depth += 1;
            taken
        } else if self.choices.len() < self.choices.capacity() {
            self.push(Choice { among, ..Choice::new(number(0), 0, of) });
            0
        } else {
            return None;
        };
        self.steps = steps;
        Some(place)
    }

    #[inline(never)]
    fn next_with_care(&mut self, enabled: &EnabledSet<'_>) -> Option<usize> {
        self.steps += 1;
        match enabled.len() {
            _ if self.steps >= self.asks_from => None,
            1 => Some(0),
            of => self.choose(of, |place| enabled.number(place) as u32).ok(),
        }
    }

    #[inline(always)]
    fn draw_one(&mut self, of: usize, number: impl Fn(usize) -> u32) -> usize {
        let taken = self.random.below(of);
        self.push(Choice::new(number(taken), taken, of));
        taken
    }

    /// Makes a choice among `of` alternatives, at least one. `number` returns the thread at a place.
    ///
    /// # Errors
    ///
    /// [`Differs`] if the number of alternatives or the chosen thread does not match the choice
    /// that is repeated. The others of the first [`COMPARED`] threads are compared where an
    /// alternative is taken for the first time.
    #[inline]
    pub(crate) fn choose(
        &mut self,
        of: usize,
        number: impl Fn(usize) -> u32,
    ) -> Result<usize, Differs> {
        if self.is_drawn {
            return Ok(self.draw_one(of, number));
        }
        let among = among(of, &number);
        let Some(choice) = self.choices.get_mut(self.depth) else {
            self.push(Choice { among, ..Choice::new(number(0), 0, of) });
            return Ok(0);
        };
        let taken = choice.repeat(of, among, number)?;
        self.depth += 1;
        Ok(taken)
    }

    /// Adds a choice that the controller has made, among `of` alternatives. Another run can repeat it.
    pub(crate) fn push_taken(&mut self, taken: usize, of: usize, number: impl Fn(usize) -> u32) {
        self.push(Choice { among: among(of, &number), ..Choice::new(number(taken), taken, of) });
    }

    /// Adds a choice that the controller has made.
    #[inline(always)]
    pub(crate) fn push(&mut self, choice: Choice) {
        self.choices.push(choice);
        self.depth = self.choices.len();
    }
}
