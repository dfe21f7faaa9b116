//! 1. Two routines on one OS thread, interleaved by a schedule.
//!
//! Routine A prints `1 2 3`, routine B prints `x y z`. Neither calls the other,
//! and neither has a reference to the other: each is a coroutine, a loop on a
//! stack of its own, which is suspended in the middle with `suspend` and
//! continues there, unchanged, when it is resumed. The schedule lists the
//! routine that takes each step:
//!
//! ```text
//! cargo run --example 01_interleave
//! cargo run --example 01_interleave -- ABABAB
//! cargo run --example 01_interleave -- A2 B2 A1 B1
//! cargo run --example 01_interleave -- A=123 B=xyz C=?! ABCABCBA
//! ```
//!
//! The first line of the output is the text that the routines print. The picture
//! below it shows the steps.

#[path = "shared/arguments.rs"]
mod arguments;
#[path = "shared/turns.rs"]
mod turns;

use std::fmt;
use std::process::ExitCode;

use leno::coroutine::Coroutine;

/// Creates a routine, which prints its steps and suspends itself after each.
fn routine(steps: &[char]) -> Coroutine<(), (), ()> {
    let steps = steps.to_vec();
    Coroutine::new(move |yielder, ()| {
        for step in steps {
            print!("{step}");
            yielder.suspend(());
        }
    })
}

fn main() -> ExitCode {
    let plan = match Plan::from_arguments() {
        Ok(plan) => plan,
        Err(mistake) => {
            eprintln!("error: {mistake}");
            return ExitCode::from(2);
        }
    };
    let routines: Vec<_> = plan.routines.iter().map(|(_, steps)| routine(steps)).collect();
    for &turn in &plan.schedule {
        routines[turn].resume(());
    }
    // Each routine is suspended after its last step. One more resume ends it.
    for routine in &routines {
        routine.resume(());
        assert!(routine.is_done());
    }
    println!("\n\n{}", picture(&plan));
    ExitCode::SUCCESS
}

// The demonstration ends here. The rest draws the picture and reads the arguments.

/// Returns the picture: a column for each routine, with time downwards.
fn picture(plan: &Plan) -> String {
    let mut left: Vec<_> = plan.routines.iter().map(|(_, steps)| steps.iter()).collect();
    let names: Vec<String> = plan.routines.iter().map(|(name, _)| name.to_string()).collect();
    let mut picture = format!("  step   {}\n", names.join("   "));
    let mut previous = plan.schedule[0];
    for (index, &turn) in plan.schedule.iter().enumerate() {
        let waits: Vec<bool> = left.iter().map(|steps| steps.len() > 0).collect();
        if turn != previous {
            picture += &format!("{:9}{}\n", "", crossing(previous, turn, &waits));
        }
        let step = left[turn].next().expect("the schedule fits");
        let mark = |column| match (column == turn, waits[column]) {
            (true, _) => step.to_string(),
            (false, true) => "┊".to_owned(),
            (false, false) => " ".to_owned(),
        };
        let columns: Vec<String> = (0..names.len()).map(mark).collect();
        picture += &format!("{:>6}   {}\n", index + 1, columns.join("   ").trim_end());
        previous = turn;
    }
    picture + "\n  ┊ has steps left, and waits on a stack of its own"
}

/// Returns the line in which control passes from one column to another, across the columns between.
fn crossing(from: usize, to: usize, waits: &[bool]) -> String {
    let (first, last) = (from.min(to), from.max(to));
    let corners = if from < to { ["╰", "╮"] } else { ["╭", "╯"] };
    let mut line = String::new();
    for (column, waits) in waits.iter().enumerate() {
        line += match (first < column && column < last, waits) {
            _ if column == first => corners[0],
            _ if column == last => corners[1],
            (true, true) => "┼",
            (true, false) => "─",
            (false, true) => "┊",
            (false, false) => " ",
        };
        line += if first <= column && column < last { "───" } else { "   " };
    }
    line.trim_end().to_owned()
}

/// The routines to interleave, and the schedule: the index of the routine that takes each step.
#[derive(Default)]
struct Plan {
    routines: Vec<(char, Vec<char>)>,
    schedule: Vec<usize>,
}

/// An error in the arguments, and advice for the next attempt.
struct Mistake {
    what: String,
    next: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n next: {}", self.what, self.next)
    }
}

fn mistake<T>(what: impl Into<String>, next: impl Into<String>) -> Result<T, Mistake> {
    Err(Mistake { what: what.into(), next: next.into() })
}

impl Plan {
    fn from_arguments() -> Result<Plan, Mistake> {
        let mut plan = Plan::default();
        let mut schedule: Option<String> = None;
        for argument in arguments::arguments(ABOUT, USAGE) {
            let Some(argument) = argument.to_str() else {
                return mistake(format!("{argument:?} is not UTF-8"), USAGE);
            };
            if let Some((name, steps)) = argument.split_once('=') {
                plan.add(name, steps)?;
            } else {
                *schedule.get_or_insert_default() += argument;
            }
        }
        let own_routines = !plan.routines.is_empty();
        if !own_routines {
            plan.add("A", "123")?;
            plan.add("B", "xyz")?;
        }
        let schedule = schedule.unwrap_or_else(|| "AABBAB".to_owned());
        let schedule: String = turns::turns(&schedule).into_iter().collect();
        plan.set_schedule(&schedule).map_err(|what| {
            let mut arguments = String::new();
            for (name, steps) in plan.routines.iter().filter(|_| own_routines) {
                let steps = steps.iter().collect::<String>().replace('\'', r"'\''");
                arguments += &format!("'{name}={steps}' ");
            }
            arguments += &plan.fit(&schedule);
            let next = format!("try cargo run --example 01_interleave -- {arguments}");
            Mistake { what, next }
        })?;
        Ok(plan)
    }

    /// Adds a routine.
    fn add(&mut self, name: &str, steps: &str) -> Result<(), Mistake> {
        let mut letters = name.chars();
        let (Some(letter), None) = (letters.next().filter(|c| c.is_alphabetic()), letters.next())
        else {
            return mistake(format!("{name:?} is no name for a routine"), "use one letter: A=123");
        };
        if self.find(letter).is_some() {
            return mistake(format!("there are two routines {letter}"), "give them two names");
        }
        if steps.is_empty() {
            let next = format!("write them after the sign, each one character: {letter}=123");
            return mistake(format!("routine {letter} has no steps"), next);
        }
        if let Some(odd) = steps.chars().find(|c| c.is_whitespace() || c.is_control()) {
            let what = format!("routine {letter} has the step {odd:?}, which cannot be seen");
            return mistake(what, "use visible characters, each of them one step");
        }
        self.routines.push((letter, steps.chars().collect()));
        Ok(())
    }

    fn find(&self, letter: char) -> Option<usize> {
        self.routines.iter().position(|&(name, _)| name == letter)
    }

    /// Sets the schedule if it fits: every letter names a routine that has a step left, and at the
    /// end at most one routine has some, which it takes then.
    fn set_schedule(&mut self, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("the schedule is empty".to_owned());
        }
        let mut left: Vec<usize> = self.routines.iter().map(|(_, steps)| steps.len()).collect();
        for (place, letter) in text.chars().enumerate() {
            let here = |what| format!("{what}\n       {text}\n       {:place$}^", "");
            let Some(turn) = self.find(letter) else {
                return Err(here(format!("there is no routine {}", letter.escape_debug())));
            };
            if left[turn] == 0 {
                return Err(here(format!("routine {letter} is already over")));
            }
            left[turn] -= 1;
            self.schedule.push(turn);
        }
        let mut unfinished = (0..left.len()).filter(|&turn| left[turn] > 0);
        match (unfinished.next(), unfinished.next()) {
            (Some(turn), None) => {
                self.schedule.extend(vec![turn; left[turn]]);
                Ok(())
            }
            (None, _) => Ok(()),
            (Some(turn), Some(_)) => {
                let (name, steps) = &self.routines[turn];
                let rest: String = steps[steps.len() - left[turn]..].iter().collect();
                Err(format!("the schedule {text:?} is too short: routine {name} still has {rest}"))
            }
        }
    }

    /// Returns the fitting schedule that is closest to `text`: without the surplus letters, and with
    /// the missing letters at its end.
    fn fit(&self, text: &str) -> String {
        let mut fitting = String::new();
        let missing = self.routines.iter().flat_map(|(name, steps)| vec![*name; steps.len()]);
        for letter in text.chars().chain(missing) {
            let taken = fitting.chars().filter(|&other| other == letter).count();
            if self.find(letter).is_some_and(|turn| taken < self.routines[turn].1.len()) {
                fitting.push(letter);
            }
        }
        fitting
    }
}

const ABOUT: &str =
    "Interleaves the steps of routines by a schedule, such as AABBAB or A2 B2 A1 B1.";
const USAGE: &str = "cargo run --example 01_interleave -- [NAME=STEPS ...] [SCHEDULE]";
