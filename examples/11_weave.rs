//! 11. All interleavings of two routines, and the schedule that prints a given text.
//!
//! Two routines print their letters, and yield between two letters. That is an
//! ordinary program, and `weave` runs it under every possible schedule:
//!
//! ```text
//! cargo run --release --example 11_weave
//! cargo run --release --example 11_weave -- A=123 B=xyz --want 12xy3z
//! cargo run --release --example 11_weave -- A=123 B=xyz --want 2x1yz3
//! cargo run --release --example 11_weave -- AABBAB
//! cargo run --release --example 11_weave -- --random --seed 7
//! cargo run --release --example 11_weave -- --want 12xy3z --svg story.svg
//! cargo run --release --example 11_weave -- --want 12xy3z --html page.html
//! ```

#[path = "shared/arguments.rs"]
mod arguments;
#[path = "shared/turns.rs"]
mod turns;

use std::process::ExitCode;
use std::{fmt, fs};

use leno::thread::{self, Builder};
use leno::weave::{self, Explorer, Schedule, Shared};

/// Runs the explored program, and returns the text that its routines print.
fn program(routines: &[Routine]) -> String {
    let out = Shared::named("out", String::new());
    thread::scope(|scope| {
        for routine in routines {
            let (name, out) = (routine.name.to_string(), &out);
            let letters = move || {
                for (index, letter) in routine.steps.chars().enumerate() {
                    if index > 0 {
                        thread::yield_now();
                    }
                    out.update(|out| out.push(letter));
                }
            };
            let spawned = Builder::new().name(name).spawn_scoped(scope, letters);
            spawned.expect("a stack for a routine");
        }
    });
    out.into_inner()
}

/// Prints every possible text, with its number of executions and a schedule.
fn list(plan: &Plan) {
    let report = weave::explore(|| program(&plan.routines));
    let (executions, texts) = (report.executions(), report.outcomes().len());
    println!("{executions} interleavings, {texts} texts\n");
    let digits = executions.to_string().len();
    for (text, outcome) in report.outcomes() {
        println!("{:>digits$} x  {text}   {}", outcome.count(), outcome.schedule());
    }
}

/// Finds a schedule that prints `wanted`, or proves that there is none.
fn find(plan: &Plan, wanted: &str) -> Option<Schedule> {
    let found = weave::find(|| program(&plan.routines), |text| text == wanted);
    match &found {
        Some(schedule) => {
            let text = weave::replay(schedule, || program(&plan.routines));
            println!("{text} is printed by the schedule {schedule}");
        }
        None => {
            let all = weave::explore(|| program(&plan.routines)).executions();
            println!("{wanted} is never printed: all {all} interleavings were tried");
        }
    }
    found
}

/// Follows a schedule.
fn follow(plan: &Plan, schedule: Schedule) -> Schedule {
    let text = weave::replay(&schedule, || program(&plan.routines));
    println!("{text} is printed by the schedule {schedule}");
    schedule
}

/// Draws a schedule at random.
fn draw(plan: &Plan, seed: u64) -> Schedule {
    let explorer = Explorer::new().random(seed).max_executions(1);
    let report = explorer.explore(|| program(&plan.routines));
    let (text, outcome) = report.outcomes().first_key_value().expect("nothing can fail here");
    println!("{text} is printed by the schedule {}, which seed {seed} drew", outcome.schedule());
    outcome.schedule().clone()
}

fn main() -> ExitCode {
    let done = Plan::from_arguments().and_then(|plan| plan.carry_out());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(mistake) => {
            eprintln!("error: {mistake}");
            ExitCode::from(2)
        }
    }
}

// The demonstration ends here. The rest draws the story and reads the arguments.

/// A green thread that prints letters.
struct Routine {
    name: char,
    steps: String,
}

/// The arguments.
#[derive(Default)]
struct Plan {
    routines: Vec<Routine>,
    schedule: Option<String>,
    wanted: Option<String>,
    is_random: bool,
    seed: Option<u64>,
    svg: Option<String>,
    html: Option<String>,
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

/// Writes a file.
fn write(path: &str, content: &str) -> Result<(), Mistake> {
    match fs::write(path, content) {
        Ok(()) => Ok(()),
        Err(error) => mistake(format!("cannot write {path}: {error}"), "choose another file"),
    }
}

const ABOUT: &str = "All interleavings of two routines, or the one of a schedule or a text.";
const USAGE: &str = "cargo run --release --example 11_weave -- [NAME=STEPS ...] [SCHEDULE | \
                     --want TEXT | --random [--seed N]] [--svg FILE] [--html FILE]";

/// The largest number of interleavings that is listed.
const MOST: u128 = 1_000_000;

impl Plan {
    fn carry_out(&self) -> Result<(), Mistake> {
        if let Some(path) = &self.html {
            let mut page = Explorer::new().page(|| program(&self.routines));
            if let Some(wanted) = &self.wanted {
                let is_wanted = |text: &str| text == format!("{wanted:?}");
                page = page.goal(format!("Make it print {wanted}"), is_wanted);
            }
            return write(path, &page.to_html());
        }
        let schedule = match (&self.wanted, &self.schedule) {
            (Some(wanted), _) => find(self, wanted),
            (None, Some(schedule)) => Some(follow(self, self.turns(schedule)?)),
            (None, None) if self.is_random => Some(draw(self, self.seed.unwrap_or(0))),
            (None, None) => {
                list(self);
                None
            }
        };
        let Some(schedule) = schedule else { return Ok(()) };
        let story = Explorer::new().story(&schedule, || program(&self.routines));
        println!("\n{story}");
        self.svg.as_ref().map_or(Ok(()), |path| write(path, &story.to_svg()))
    }

    fn from_arguments() -> Result<Plan, Mistake> {
        let mut plan = Plan::default();
        let mut arguments = arguments::arguments(ABOUT, USAGE).into_iter();
        while let Some(argument) = arguments.next() {
            let Some(argument) = argument.to_str() else {
                return mistake(format!("{argument:?} is not UTF-8"), USAGE);
            };
            let mut value = |what: &str| match arguments.next().map(|value| value.into_string()) {
                Some(Ok(value)) => Ok(value),
                Some(Err(odd)) => mistake(format!("{odd:?} is not UTF-8"), USAGE),
                None => mistake(format!("{argument} needs {what} behind it"), USAGE),
            };
            match argument {
                "--want" => plan.wanted = Some(value("a text")?),
                "--svg" => plan.svg = Some(value("the name of a file")?),
                "--html" => plan.html = Some(value("the name of a file")?),
                "--random" => plan.is_random = true,
                "--seed" => {
                    let text = value("a number")?;
                    let Ok(seed) = text.parse() else {
                        return mistake(format!("{text:?} is no seed"), "a number, as --seed 7");
                    };
                    plan.seed = Some(seed);
                }
                _ => match argument.split_once('=') {
                    Some((name, steps)) => plan.add(name, steps)?,
                    None if argument.starts_with('-') => {
                        return mistake(format!("{argument:?} is no option"), USAGE);
                    }
                    None => plan.schedule.get_or_insert_default().push_str(argument),
                },
            }
        }
        if plan.routines.is_empty() {
            plan.add("A", "123")?;
            plan.add("B", "xyz")?;
        }
        plan.check()?;
        Ok(plan)
    }

    /// Adds a routine.
    fn add(&mut self, name: &str, steps: &str) -> Result<(), Mistake> {
        let mut letters = name.chars();
        let (Some(letter), None) = (letters.next().filter(|c| c.is_alphabetic()), letters.next())
        else {
            return mistake(format!("{name:?} is no name for a routine"), "use one letter: A=123");
        };
        if self.routines.iter().any(|routine| routine.name == letter) {
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
        self.routines.push(Routine { name: letter, steps: steps.to_owned() });
        Ok(())
    }

    /// Returns the schedule of the turns that a text lists.
    fn turns(&self, text: &str) -> Result<Schedule, Mistake> {
        let mut left: Vec<(char, usize)> =
            self.routines.iter().map(|it| (it.name, it.steps.chars().count())).collect();
        let mut choices = Vec::new();
        for letter in turns::turns(text) {
            let has_choice = left.iter().filter(|(_, steps)| *steps > 0).count() > 1;
            let Some((_, steps)) = left.iter_mut().find(|(name, _)| *name == letter) else {
                return mistake(format!("there is no routine {letter:?}"), USAGE);
            };
            if *steps == 0 {
                return mistake(format!("routine {letter} is already over"), "give fewer turns");
            }
            *steps -= 1;
            // `weave` lists only the turns of which another one was possible.
            choices.extend(has_choice.then(|| letter.to_string()));
        }
        if left.iter().filter(|(_, steps)| *steps > 0).count() > 1 {
            let what = format!("the schedule {text:?} leaves more than one routine with steps");
            return mistake(what, "give more turns; those of the last routine can be left out");
        }
        Ok(choices.join(" ").parse().expect("letters are names of threads"))
    }

    fn check(&self) -> Result<(), Mistake> {
        let ways = [self.wanted.is_some(), self.is_random, self.schedule.is_some()];
        if ways.into_iter().filter(|is_given| *is_given).count() > 1 {
            let what = "--want, --random and a schedule each name an interleaving";
            return mistake(what, "choose one of them");
        }
        if self.seed.is_some() && !self.is_random {
            return mistake("--seed without --random draws nothing", "add --random");
        }
        if self.svg.is_some() && ways == [false; 3] {
            return mistake(
                "--svg draws one interleaving, and this lists all",
                "say which one with a schedule or --want TEXT, or add --random",
            );
        }
        if let Some(wanted) = &self.wanted {
            let sorted = |text: String| {
                let mut letters: Vec<char> = text.chars().collect();
                letters.sort_unstable();
                letters
            };
            let all: String = self.routines.iter().map(|routine| &*routine.steps).collect();
            if sorted(wanted.clone()) != sorted(all.clone()) {
                let next = format!("each of the letters {all} once, in any order");
                return mistake(format!("{wanted:?} has other letters than the routines"), next);
            }
        }
        let count = self.count();
        if !self.is_random && self.schedule.is_none() && count.is_none_or(|count| count > MOST) {
            let count = count.map_or("very many".to_owned(), |count| count.to_string());
            return mistake(
                format!("there are {count} interleavings"),
                "give shorter routines, or draw one with --random",
            );
        }
        Ok(())
    }

    /// Returns the number of interleavings, a multinomial coefficient, if it fits.
    fn count(&self) -> Option<u128> {
        let mut total: u128 = 0;
        let mut count: u128 = 1;
        for routine in &self.routines {
            for step in 1..=routine.steps.chars().count() as u128 {
                total += 1;
                count = count.checked_mul(total)? / step;
            }
        }
        Some(count)
    }
}
