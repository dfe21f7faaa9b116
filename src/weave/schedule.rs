//! Schedules: who was given each turn.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::name::Name;
use super::names::{Names, is_plain};
use crate::explore::{CLOCK, Choice};

/// Who is given each turn of a run at which several could have one.
///
/// It prints as a run of names, each with the number of turns in a row: `A2 B1`
/// gives two turns to `A`, then one to `B`. A turn that only one could have is not
/// listed. When the schedule is at its end, so is the choosing: from then on it is
/// first come, first served.
///
/// - A green thread that has no name is called by a letter: `A` is the first that
///   was spawned (number 2; the main one is `main`), and the one after `Z` is `AA`.
/// - One that has a name is called by it, in quotes unless it is made of letters
///   only: `producer2 'worker 1'3`.
/// - If two have the same name, they are called by their numbers: `#2`.
/// - `~` lets time pass ([`Explorer::timed`](super::Explorer::timed)), and `?1`
///   takes the alternative with that number, 0 being the first: which arm of a
///   `select!` goes on, of those that can.
/// - `preemptive:`, `fair:` and `timed:` before them say how the schedule was
///   found, since it makes choices in other places then.
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

/// Where choices are made, and among whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Rules {
    /// Before each operation.
    pub(super) preemptive: bool,
    /// One that yields lets others go first.
    pub(super) fair: bool,
    /// Time may pass while somebody can run.
    pub(super) timed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Turn {
    Thread(Who),
    Value(u32),
}

/// Whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Who {
    Named(Name),
    Numbered(u64),
    Clock,
}

impl Schedule {
    /// How many turns it gives.
    #[must_use]
    pub fn turns(&self) -> usize {
        self.turns.len()
    }

    /// How often it goes from one to another.
    #[must_use]
    pub fn switches(&self) -> usize {
        let threads: Vec<&Turn> =
            self.turns.iter().filter(|turn| matches!(turn, Turn::Thread(_))).collect();
        threads.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    /// The choices of one execution, with the names that its green threads had.
    pub(super) fn of(rules: Rules, made: &[Choice], names: &Names) -> Schedule {
        let turn = |choice: &Choice| match choice.number {
            Choice::VALUE => Turn::Value(choice.taken),
            number => Turn::Thread(names.who(u64::from(number))),
        };
        Schedule { rules, turns: made.iter().map(turn).collect() }
    }
}

impl Who {
    /// Is it the green thread with this number?
    pub(super) fn is(&self, number: u64, names: &Names) -> bool {
        match self {
            Who::Clock => number == CLOCK,
            Who::Numbered(own) => *own == number,
            Who::Named(name) => number != CLOCK && names.is(number, name),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Clock => f.write_str("~"),
            Who::Numbered(number) => write!(f, "#{number}"),
            Who::Named(name) if is_plain(name) => f.write_str(name),
            Who::Named(name) => {
                f.write_str("'")?;
                for c in name.chars() {
                    match c {
                        '\'' | '\\' => write!(f, "\\{c}")?,
                        '\n' => f.write_str("\\n")?,
                        _ => write!(f, "{c}")?,
                    }
                }
                f.write_str("'")
            }
        }
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
                // Each is a choice of its own: two in a row are not one more often.
                Turn::Value(value) => {
                    for _ in run {
                        write!(f, "{between}?{value}")?;
                        between = " ";
                    }
                }
                Turn::Thread(who) => {
                    write!(f, "{between}{who}")?;
                    // After a number, the count would be a part of it.
                    match who {
                        Who::Numbered(_) => write!(f, "*{}", run.len())?,
                        _ => write!(f, "{}", run.len())?,
                    }
                }
            }
            between = " ";
        }
        Ok(())
    }
}

/// The text is no [`Schedule`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseScheduleError {
    /// In characters, from the beginning of the text.
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

/// What is left of a text.
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

    /// A name, a number or `~`; `None` for a word that belongs to the rules.
    fn who(&mut self, from: &'a str) -> Result<Who, ParseScheduleError> {
        if self.take('~') {
            return Ok(Who::Clock);
        }
        if self.take('\'') {
            return Ok(Who::Named(self.quoted(from)?));
        }
        if self.take('#') {
            let number = self.number(from)?;
            self.take('*');
            return match number {
                Some(0) | None => Err(self.error(from, "has no number of a green thread")),
                Some(number) => Ok(Who::Numbered(number)),
            };
        }
        let name = self.take_while(is_letter);
        if name.is_empty() {
            return Err(self.error(from, "has no name"));
        }
        Ok(Who::Named(name.into()))
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
            let who = self.who(from)?;
            let count = self.number::<u32>(from)?.unwrap_or(1);
            if count == 0 {
                return Err(self.error(from, "gives no turn"));
            }
            if count as usize > MOST_TURNS.saturating_sub(schedule.turns.len()) {
                return Err(self.error(from, "gives more turns than a schedule can have"));
            }
            let turns = std::iter::repeat_n(Turn::Thread(who), count as usize);
            schedule.turns.extend(turns);
        }
        if self.rest.starts_with(|c: char| !c.is_whitespace()) {
            return Err(self.error(from, "goes on after its number"));
        }
        Ok(())
    }
}

/// A typing error must not fill the memory.
const MOST_TURNS: usize = 10_000_000;

fn is_letter(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '-'
}

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
            ["", "A2 B1", "'worker 1'3 #7 ?0 ~1", "preemptive: fair: timed: A1", r"'it\'s'1"]
        {
            let schedule: Schedule = text.parse().expect("a schedule");
            assert_eq!(schedule.to_string().parse(), Ok(schedule));
        }
        assert!("A1,B2".parse::<Schedule>().is_err());
        assert!("'open".parse::<Schedule>().is_err());
    }
}
