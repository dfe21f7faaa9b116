//! Schedules: the green thread that has each turn.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::name::Name;
use super::names::{Label, Names, is_letter};
use crate::explore::Choice;

/// The choices of one execution: the green thread that has each turn for which several were
/// enabled.
///
/// A schedule prints as a list of names, each with a number of consecutive turns: `A2 B1` gives
/// two turns to `A`, then one to `B`. A turn with a single enabled thread is not listed. After the
/// end of the schedule, threads run first come, first served.
///
/// - A green thread without a name is called by a letter: `A` is the first that was spawned
///   (number 2; the main thread is `main`), and `AA` comes after `Z`.
/// - A named green thread is called by its name, in quotes unless the name consists of letters:
///   `producer2 'worker 1'3`.
/// - Green threads with the same name are called by their numbers: `#2`.
/// - `~` lets time pass ([`Explorer::timed`](super::Explorer::timed)). `?1` takes the alternative
///   with that number, counted from 0: the arm of a `select!` among the arms that are ready.
/// - `preemptive:`, `fair:` and `timed:` at the beginning state the rules of the exploration
///   that found the schedule, since they determine where there are choices.
///
/// # Examples
///
/// ```
/// use leno::weave::Schedule;
///
/// let schedule: Schedule = "A2 B B 'worker 1'3".parse()?;
/// assert_eq!(schedule.to_string(), "A2 B2 'worker 1'3");
/// assert_eq!(schedule.turns(), 7);
/// # Ok::<(), leno::weave::ParseScheduleError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Schedule {
    pub(super) rules: Rules,
    pub(super) turns: Vec<Turn>,
}

/// The rules that determine where there are choices, and among which green threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Rules {
    /// There is a choice before each operation.
    pub(super) preemptive: bool,
    /// A green thread that yields repeatedly lets the others go first.
    pub(super) fair: bool,
    /// Time may pass while a green thread is enabled.
    pub(super) timed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Turn {
    Thread(Label),
    Value(u32),
}

impl Schedule {
    /// Returns the number of turns.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Schedule;
    ///
    /// let schedule: Schedule = "A2 B1".parse()?;
    /// assert_eq!(schedule.turns(), 3);
    /// # Ok::<(), leno::weave::ParseScheduleError>(())
    /// ```
    #[must_use]
    pub fn turns(&self) -> usize {
        self.turns.len()
    }

    /// Returns the number of times that a turn goes to another green thread than the turn
    /// before.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Schedule;
    ///
    /// let schedule: Schedule = "A2 B1 A1".parse()?;
    /// assert_eq!(schedule.switches(), 2);
    /// # Ok::<(), leno::weave::ParseScheduleError>(())
    /// ```
    #[must_use]
    pub fn switches(&self) -> usize {
        let threads: Vec<&Turn> =
            self.turns.iter().filter(|turn| matches!(turn, Turn::Thread(_))).collect();
        threads.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    /// Returns the schedule of these choices, with the names that the green threads had.
    pub(super) fn of(rules: Rules, made: &[Choice], names: &Names) -> Schedule {
        let turn = |choice: &Choice| match choice.number {
            Choice::VALUE => Turn::Value(choice.taken),
            number => Turn::Thread(names.label(u64::from(number))),
        };
        Schedule { rules, turns: made.iter().map(turn).collect() }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        let rules = [
            (self.rules.preemptive, "preemptive:"),
            (self.rules.fair && !self.rules.preemptive, "fair:"),
            (self.rules.timed, "timed:"),
        ];
        for (_, word) in rules.into_iter().filter(|(is_set, _)| *is_set) {
            write!(f, "{between}{word}")?;
            between = " ";
        }
        for run in self.turns.chunk_by(|one, next| one == next) {
            match &run[0] {
                // Each alternative is a choice of its own, so equal ones are not counted together.
                Turn::Value(value) => {
                    for _ in run {
                        write!(f, "{between}?{value}")?;
                        between = " ";
                    }
                }
                Turn::Thread(label) => {
                    write!(f, "{between}{label}")?;
                    // A count directly after a number would be read as a part of it.
                    match label {
                        Label::Numbered(_) => write!(f, "*{}", run.len())?,
                        _ => write!(f, "{}", run.len())?,
                    }
                }
            }
            between = " ";
        }
        Ok(())
    }
}

/// An error of parsing a [`Schedule`]. It says which word is wrong, and why.
///
/// # Examples
///
/// ```
/// use leno::weave::Schedule;
///
/// let error = "A2 B0".parse::<Schedule>().unwrap_err();
/// assert!(error.to_string().starts_with("`B0`, at character 4 of the schedule, gives no turn"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseScheduleError {
    /// The number of characters before the word.
    place: usize,
    word: String,
    what: &'static str,
}

impl fmt::Display for ParseScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ParseScheduleError { place, word, what } = self;
        write!(
            f,
            "`{word}`, at character {} of the schedule, {what}; a schedule is a run of names, each \
             with the number of its turns, as in \"A2 B1 'worker 1'3\"",
            place + 1
        )
    }
}

impl Error for ParseScheduleError {}

/// A text, and the part of it that is not parsed yet.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn error(&self, from: &'a str, what: &'static str) -> ParseScheduleError {
        let place = self.text[..self.text.len() - from.len()].chars().count();
        let word = from.split_whitespace().next().unwrap_or_default().to_owned();
        ParseScheduleError { place, word, what }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn take(&mut self, prefix: char) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn number<T: FromStr>(&mut self, from: &'a str) -> Result<Option<T>, ParseScheduleError> {
        let digits = self.take_while(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Ok(None);
        }
        digits.parse().map(Some).map_err(|_| self.error(from, "has too large a number"))
    }

    fn quoted(&mut self, from: &'a str) -> Result<Name, ParseScheduleError> {
        let mut name = String::new();
        let mut chars = self.rest.char_indices();
        loop {
            match chars.next() {
                Some((at, '\'')) => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(Name::from(&*name));
                }
                Some((_, '\\')) => match chars.next() {
                    Some((_, 'n')) => name.push('\n'),
                    Some((_, c)) => name.push(c),
                    None => {}
                },
                Some((_, c)) => name.push(c),
                None => return Err(self.error(from, "has no closing quote")),
            }
        }
    }

    /// Reads a name, a number or `~`.
    fn label(&mut self, from: &'a str) -> Result<Label, ParseScheduleError> {
        if self.take('~') {
            return Ok(Label::Clock);
        }
        if self.take('\'') {
            return Ok(Label::Named(self.quoted(from)?));
        }
        if self.take('#') {
            let number = self.number(from)?;
            self.take('*');
            return match number {
                Some(0) | None => Err(self.error(from, "has no number of a green thread")),
                Some(number) => Ok(Label::Numbered(number)),
            };
        }
        let name = self.take_while(is_letter);
        if name.is_empty() {
            return Err(self.error(from, "has no name"));
        }
        Ok(Label::Named(name.into()))
    }

    fn word(&mut self, schedule: &mut Schedule) -> Result<(), ParseScheduleError> {
        let from = self.rest;
        let rules = &mut schedule.rules;
        for (word, rule) in [
            ("preemptive:", &mut rules.preemptive),
            ("fair:", &mut rules.fair),
            ("timed:", &mut rules.timed),
        ] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                *rule = true;
                self.rest = rest;
                return Ok(());
            }
        }
        if self.take('?') {
            let Some(value) = self.number(from)? else {
                return Err(self.error(from, "has no number of an alternative"));
            };
            schedule.turns.push(Turn::Value(value));
        } else {
            let label = self.label(from)?;
            let count = self.number::<u32>(from)?.unwrap_or(1);
            if count == 0 {
                return Err(self.error(from, "gives no turn"));
            }
            if count as usize > MOST_TURNS.saturating_sub(schedule.turns.len()) {
                return Err(self.error(from, "gives more turns than a schedule can have"));
            }
            let turns = std::iter::repeat_n(Turn::Thread(label), count as usize);
            schedule.turns.extend(turns);
        }
        if self.rest.starts_with(|c: char| !c.is_whitespace()) {
            return Err(self.error(from, "goes on after its number"));
        }
        Ok(())
    }
}

/// The most turns of a parsed schedule, so that a typing error does not exhaust the memory.
const MOST_TURNS: usize = 10_000_000;

impl FromStr for Schedule {
    type Err = ParseScheduleError;

    fn from_str(text: &str) -> Result<Schedule, ParseScheduleError> {
        let mut schedule = Schedule::default();
        let mut reader = Reader { text, rest: text.trim_start() };
        while !reader.rest.is_empty() {
            reader.word(&mut schedule)?;
            reader.rest = reader.rest.trim_start();
        }
        Ok(schedule)
    }
}

impl TryFrom<&str> for Schedule {
    type Error = ParseScheduleError;

    fn try_from(text: &str) -> Result<Schedule, ParseScheduleError> {
        text.parse()
    }
}

impl TryFrom<&String> for Schedule {
    type Error = ParseScheduleError;

    fn try_from(text: &String) -> Result<Schedule, ParseScheduleError> {
        text.parse()
    }
}

impl From<&Schedule> for Schedule {
    fn from(schedule: &Schedule) -> Schedule {
        schedule.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_and_written() {
        for text in
            ["", "A2 B1", "'worker 1'3 #7 ?0 ~1", "preemptive: timed: A1", "fair: A1", r"'it\'s'1"]
        {
            let schedule: Schedule = text.parse().expect("a schedule");
            assert_eq!(schedule.to_string().parse(), Ok(schedule));
        }
        assert!("A1,B2".parse::<Schedule>().is_err());
        assert!("'open".parse::<Schedule>().is_err());
    }
}
