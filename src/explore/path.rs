//! The choices of a directed run, kept where each switch can make them without a
//! call: most choices of an exploration are made by repeating the last execution,
//! by going on with the first who can, or by chance.

#![forbid(unsafe_code)]

use super::enabled_set::EnabledSet;
use super::random::Random;

/// One choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The number of the green thread that was chosen, or one of those below.
    pub(crate) number: u32,
    /// Which of how many.
    pub(crate) taken: u32,
    pub(crate) of: u32,
    /// Alternatives from here on are for others to try.
    pub(crate) end: u32,
    /// Tells those among whom the choice was from others.
    among: u32,
}

impl Choice {
    /// Not a green thread was chosen, but what the one that runs does.
    pub(crate) const VALUE: u32 = u32::MAX;
    /// It is to be seen whose turn this alternative is.
    const UNSEEN: u32 = u32::MAX - 1;

    pub(crate) fn new(number: u32, taken: usize, of: usize) -> Choice {
        Choice { number, taken: taken as u32, of: of as u32, end: of as u32, among: 0 }
    }

    /// Another alternative is taken than the one that was seen.
    pub(crate) fn forget_who(&mut self) {
        if self.number != Choice::VALUE {
            self.number = Choice::UNSEEN;
        }
    }

    /// Makes the same choice again, which is among so many and among these.
    #[inline(always)]
    fn repeat(
        &mut self,
        of: usize,
        among: u32,
        number: impl Fn(usize) -> u32,
    ) -> Result<usize, Differs> {
        let taken = self.taken as usize;
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

/// Tells the green threads at `of` places from others.
#[inline(always)]
fn among(of: usize, number: impl Fn(usize) -> u32) -> u32 {
    (0..of).fold(0, |sum: u32, place| sum.wrapping_mul(0x0100_0193) ^ number(place))
}

/// A way to make a choice. Each is compiled where it is used, with nothing of the others.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// A choice of the last run is repeated, or there is only one alternative.
    Repeat,
    /// By chance.
    Draw,
    /// It is new, or its alternative is taken for the first time.
    Begin,
}

/// What was to be repeated cannot be.
#[derive(Debug)]
pub(crate) struct Differs;

/// The choices of an execution: first those that it repeats, then those that are
/// new.
pub(crate) struct ChoicePath {
    choices: Vec<Choice>,
    /// How many of them the run has come to.
    depth: usize,
    steps: u64,
    /// From this step on, the director is asked.
    asks_from: u64,
    /// What is new is drawn, and not the first alternative.
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

    /// A run begins that repeats the choices of the last one. What comes after them
    /// is the first alternative.
    pub(crate) fn repeat(&mut self) {
        self.depth = 0;
        self.steps = 0;
        self.is_drawn = false;
        self.ask();
    }

    /// A run begins that repeats nothing.
    pub(crate) fn start(&mut self) {
        self.choices.clear();
        self.repeat();
    }

    /// For how many choices there is memory.
    pub(crate) fn room(&self) -> usize {
        self.choices.capacity()
    }

    /// As [`ChoicePath::start`], and choices are drawn.
    pub(crate) fn draw(&mut self, random: Random) {
        self.start();
        self.is_drawn = true;
        self.random = random;
    }

    /// The director is not asked for so many steps.
    pub(crate) fn go_alone(&mut self, steps: u64) {
        self.asks_from = steps.saturating_add(1);
    }

    /// The director makes all choices from now on.
    pub(crate) fn ask(&mut self) {
        self.asks_from = 0;
    }

    /// Does it make choices, as long as nobody has to be asked?
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

    /// The number of choices of the run, if it was to repeat more than that.
    #[inline(always)]
    pub(crate) fn shorter(&self) -> Option<usize> {
        (self.depth < self.choices.len()).then_some(self.depth)
    }

    /// The choices of the run up to now.
    pub(crate) fn made(&self) -> &[Choice] {
        &self.choices[..self.depth]
    }

    /// These, and what is still to be repeated.
    pub(crate) fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// To change what the next run repeats.
    pub(crate) fn choices_mut(&mut self) -> &mut Vec<Choice> {
        self.depth = 0;
        &mut self.choices
    }

    /// The next step: who has it, by the place. `None` if the director is to say, for
    /// whatever reason.
    #[inline(always)]
    pub(super) fn next(&mut self, enabled: &EnabledSet<'_>) -> Option<usize> {
        let next = self.next_at_once(enabled).or_else(|| self.next_drawn(enabled));
        next.or_else(|| self.next_with_care(enabled))
    }

    /// As [`ChoicePath::next`], but only this way.
    #[inline(always)]
    pub(super) fn next_by(&mut self, way: Way, enabled: &EnabledSet<'_>) -> Option<usize> {
        match way {
            Way::Repeat => self.next_at_once(enabled),
            Way::Draw => self.next_drawn(enabled),
            Way::Begin => self.next_where_new(enabled),
        }
    }

    /// As [`ChoicePath::next`], but gives up, and leaves everything as it is, where there
    /// is more to do than to repeat a choice. It calls nothing and needs few registers, so
    /// that a function that uses it needs no frame for that.
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
            // Where choices are drawn, there is none to be repeated.
            let choice = self.choices.get(self.depth)?;
            let taken = choice.taken as usize;
            // In this order, each is compared in memory and takes no register.
            if of as u32 != choice.of || number(taken) != choice.number {
                return None;
            }
            self.depth += 1;
            taken
        };
        self.steps = steps;
        Some(place)
    }

    /// As [`ChoicePath::next_at_once`], after that has given up: draws a choice, if choices are
    /// drawn and there is room to keep it.
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

    /// As [`ChoicePath::next_at_once`], after that has given up: makes a choice that is new, or
    /// whose alternative is taken for the first time. `None` if the director is to say;
    /// then nothing has been done. It calls nothing, either.
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

    /// A choice among `of`, which are at least one. `number` says who is at a place.
    ///
    /// # Errors
    ///
    /// If it repeats one that was another. How many there are and who is taken is
    /// always compared; who the others are, where another alternative is taken for
    /// the first time.
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

    /// A choice was made by the director.
    #[inline(always)]
    pub(crate) fn push(&mut self, choice: Choice) {
        self.choices.push(choice);
        self.depth = self.choices.len();
    }
}
