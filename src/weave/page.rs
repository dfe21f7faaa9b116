//! The interactive page of the executions of a program.

mod collect;
mod explored;
mod html;
mod json;
pub(super) mod pages;
mod tree;

use std::fmt;

use super::explorer::Explorer;
use super::failure::Failure;
use super::options::Options;
use super::report::grouped;
use super::story::Story;
use collect::{Collection, relative};
use json::{array, quoted};

pub(super) use explored::{around, page};

/// The page of an exploration: an HTML file without dependencies, which opens from the disk.
///
/// [`Explorer::page`] makes it, and [`Story::to_html`] makes one of a single execution. It has
///
/// - the verdict, and each outcome with its count and schedule;
/// - an execution step by step, with the source lines, the values of named [`Shared`](super::Shared)
///   data, and those of [`show`](super::show);
/// - at each choice, the alternatives with the outcomes that are possible after each, and so the turn
///   from which every execution fails;
/// - all executions as a picture; two executions beside each other; goals for a learner.
///
/// Without scripts, the page shows the outcomes and one execution. The same program has the same page,
/// byte for byte.
///
/// The steps of at most 100,000 executions, or about 2 MiB, are in the page; the others are counted,
/// and the page says so. It does not know what is printed, or what threads share in an `Rc<Cell>`.
///
/// # Examples
///
/// ```
/// use leno::weave::{Explorer, Page, Shared};
///
/// let page: Page = Explorer::new().preemptive().page(|| {
///     let total = Shared::named("total", 0);
///     leno::scope(|scope| {
///         for _ in 0..2 {
///             scope.spawn(|| total.set(total.get() + 1));
///         }
///     });
///     total.into_inner()
/// });
/// assert_eq!(page.verdict(), "6 executions, 2 outcomes: complete");
/// assert!(page.to_html().starts_with("<!doctype html>"));
/// ```
#[derive(Clone)]
pub struct Page {
    verdict: String,
    title: String,
    test: Option<String>,
    /// The facts for the script, but the goals.
    json: String,
    outcomes: Vec<Row>,
    goals: Vec<(String, Vec<usize>)>,
    /// What is not in the page.
    cuts: Vec<String>,
    story: Option<Story>,
}

/// An outcome in the table of the page.
#[derive(Clone)]
struct Row {
    fails: bool,
    count: u64,
    label: String,
    schedule: String,
}

/// The executions of which a page is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    All,
    Reduced,
    Bounded,
    Sampled,
    /// Those around a failing one.
    Around,
    One,
}

impl Page {
    /// Returns the page of these executions. `order` has the outcomes that are no failures, in order.
    fn new(
        options: &Options,
        all: Collection,
        order: &[u32],
        story: Option<Story>,
        scope: Scope,
        is_exhausted: bool,
    ) -> Page {
        let failing =
            (0..all.outcomes.len()).filter(|&index| all.outcomes[index].failure.is_some());
        let order: Vec<usize> = failing
            .chain(order.iter().map(|&index| index as usize))
            .take(all.outcomes.len())
            .collect();
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| place[old] = new as u32);
        let rows: Vec<Row> = order
            .iter()
            .map(|&index| {
                let outcome = &all.outcomes[index];
                Row {
                    fails: outcome.failure.is_some(),
                    count: outcome.count,
                    label: outcome.label.clone(),
                    schedule: outcome.schedule.clone(),
                }
            })
            .collect();
        let verdict = verdict(&all, &rows, scope, is_exhausted);
        let cuts = cuts(&all, scope, is_exhausted);
        let current = std::thread::current();
        let test = current.name().filter(|name| *name != "main").map(str::to_owned);
        let title = test.clone().unwrap_or_else(|| "Interleavings".to_owned());
        let replay = options.replayed_by();
        let messages = order.iter().map(|&index| all.outcomes[index].failure.as_ref());
        let facts = Facts { all: &all, rows: &rows, place: &place, scope, is_exhausted };
        let json = facts.json(messages, &replay);
        Page { verdict, title, test, json, outcomes: rows, goals: Vec::new(), cuts, story }
    }

    /// Returns the result of the exploration in one sentence.
    ///
    /// # Examples
    ///
    /// ```
    /// let page = leno::weave::Explorer::new().page(|| 7);
    /// assert_eq!(page.verdict(), "1 execution, 1 outcome: complete");
    /// ```
    #[must_use]
    pub fn verdict(&self) -> &str {
        &self.verdict
    }

    /// Adds a goal for a learner: to choose turns that lead to an outcome that is `wanted`, judged by
    /// its text (that of `Debug`, or the title of a failure). A goal may be impossible. Without a goal,
    /// each failure and the rarest outcome are the goals.
    ///
    /// # Examples
    ///
    /// ```
    /// let page = leno::weave::Explorer::new().page(|| 7);
    /// let page = page.goal("Make it print 7", |outcome| outcome == "7");
    /// assert!(page.to_json().contains("Make it print 7"));
    /// ```
    #[must_use]
    pub fn goal(mut self, words: impl Into<String>, wanted: impl Fn(&str) -> bool) -> Page {
        let fits = |&index: &usize| wanted(&self.outcomes[index].label);
        let outcomes = (0..self.outcomes.len()).filter(fits).collect();
        self.goals.push((words.into(), outcomes));
        self
    }

    /// Returns the facts of the page as JSON. The key `format` is 1; it changes when a key changes its
    /// meaning.
    ///
    /// # Examples
    ///
    /// ```
    /// let page = leno::weave::Explorer::new().page(|| 7);
    /// assert!(page.to_json().starts_with("{\"format\":1,"));
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let goals = self.goals.iter().map(|(words, outcomes)| {
            format!("{{\"words\":{},\"outcomes\":{outcomes:?}}}", quoted(words))
        });
        format!(
            "{{\"format\":1,\"version\":{},\"title\":{},\"test\":{},\"verdict\":{},\"cuts\":{},\
             \"goals\":{},{}}}",
            quoted(env!("CARGO_PKG_VERSION")),
            quoted(&self.title),
            self.test.as_deref().map_or_else(|| "null".to_owned(), quoted),
            quoted(&self.verdict),
            array(self.cuts.iter().map(|cut| quoted(cut))),
            array(goals),
            self.json,
        )
    }

    /// Returns the page as an HTML file.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let page = leno::weave::Explorer::new().page(|| 7);
    /// std::fs::write("page.html", page.to_html())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn to_html(&self) -> String {
        html::html(self)
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("verdict", &self.verdict).finish_non_exhaustive()
    }
}

/// What the script of a page is told.
struct Facts<'a> {
    all: &'a Collection,
    rows: &'a [Row],
    /// The place of each outcome in the rows.
    place: &'a [u32],
    scope: Scope,
    is_exhausted: bool,
}

impl Facts<'_> {
    fn json<'f>(
        &self,
        failures: impl Iterator<Item = Option<&'f Failure>>,
        replay: &str,
    ) -> String {
        let all = self.all;
        let outcomes = self.rows.iter().zip(failures).map(|(row, failure)| {
            let fails = failure.map_or_else(String::new, |failure| {
                format!(",\"fails\":true,\"message\":{}", quoted(&relative(failure.message())))
            });
            format!(
                "{{\"label\":{},\"count\":{},\"schedule\":{}{fails}}}",
                quoted(&row.label),
                row.count,
                quoted(&row.schedule),
            )
        });
        let lanes = all.lanes.iter().map(|lane| {
            format!("{{\"number\":{},\"label\":{}}}", lane.number, quoted(&lane.label))
        });
        let mut files = vec![String::from("{"); all.files.texts().len()];
        for ((file, line), text) in &all.lines {
            let lines = &mut files[*file as usize];
            let comma = if lines.len() > 1 { "," } else { "" };
            lines.push_str(&format!("{comma}\"{line}\":{}", quoted(text)));
        }
        let files = all
            .files
            .texts()
            .iter()
            .zip(files)
            .map(|(name, lines)| format!("{{\"name\":{},\"lines\":{lines}}}}}", quoted(name)));
        let rules = all.outcomes.first().map_or("", |outcome| rules(&outcome.schedule));
        // mistake: page-proves-all
        let proves = self.scope == Scope::All || self.scope == Scope::Around;
        format!(
            "\"executions\":{},\"unit\":{},\"complete\":{},\"proves\":{proves},\"rules\":{},\
             \"replay\":{},\"threads\":{},\"outcomes\":{},\"files\":{},\"steps\":{},\"values\":{},\
             \"strings\":{},\"tree\":{}",
            all.executions,
            quoted(unit(self.scope, 2)),
            self.is_exhausted && self.scope == Scope::All,
            quoted(rules),
            quoted(replay),
            array(lanes),
            array(outcomes),
            array(files),
            array(all.steps.texts().iter().cloned()),
            array(all.values.texts().iter().cloned()),
            array(all.strings.texts().iter().map(|text| quoted(text))),
            quoted(&all.tree.encode(|outcome| self.place[outcome as usize])),
        )
    }
}

/// Returns the rules at the beginning of a schedule's text.
fn rules(schedule: &str) -> &str {
    let words = schedule.split_inclusive(' ');
    let is_rule = |word: &&str| ["preemptive:", "fair:", "timed:"].contains(&word.trim_end());
    let bytes: usize = words.take_while(is_rule).map(str::len).sum();
    schedule[..bytes].trim_end()
}

fn unit(scope: Scope, count: u64) -> &'static str {
    match (scope, count) {
        (Scope::Reduced, 1) => "class",
        (Scope::Reduced, _) => "classes",
        (_, 1) => "execution",
        _ => "executions",
    }
}

/// Returns the result in a sentence.
fn verdict(all: &Collection, rows: &[Row], scope: Scope, is_exhausted: bool) -> String {
    let failed: u64 = rows.iter().filter(|row| row.fails).map(|row| row.count).sum();
    let total: u64 = rows.iter().map(|row| row.count).sum();
    let counted = |count: u64| format!("{} {}", grouped(count), unit(scope, count));
    let more = match scope {
        _ if total > all.executions => "the program does not repeat itself",
        Scope::One => "one execution",
        Scope::Sampled => "drawn at random",
        Scope::Around => "around one that fails",
        Scope::All | Scope::Reduced if is_exhausted => "complete",
        Scope::Bounded if is_exhausted => "all with so few switches",
        _ => "there are more",
    };
    match rows.first() {
        Some(first) if first.fails => {
            let others = rows.iter().filter(|row| row.fails).count() - 1;
            let label = first.label.split_once(": ").map_or(&*first.label, |(_, rest)| rest);
            let others = match others {
                0 => String::new(),
                1 => ", and 1 other failure".to_owned(),
                _ => format!(", and {} other failures", grouped(others as u64)),
            };
            let fail = if failed == 1 && total == 1 { "fails" } else { "fail" };
            format!("{} of {} {fail}: {label}{others} ({more})", grouped(failed), counted(total))
        }
        _ if scope == Scope::One => "1 execution, which does not fail".to_owned(),
        _ => {
            let outcomes = rows.len() as u64;
            let noun = if outcomes == 1 { "outcome" } else { "outcomes" };
            format!("{}, {} {noun}: {more}", counted(total), grouped(outcomes))
        }
    }
}

/// Returns what the page does not show, in sentences.
fn cuts(all: &Collection, scope: Scope, is_exhausted: bool) -> Vec<String> {
    let mut cuts = Vec::new();
    match scope {
        Scope::Reduced => cuts.push(
            "Of executions that differ only in the order of independent steps, one is here."
                .to_owned(),
        ),
        Scope::Sampled => cuts.push("The executions were drawn at random.".to_owned()),
        Scope::Bounded => {
            cuts.push("Only executions with a bounded number of switches are here.".to_owned());
        }
        Scope::Around => cuts.push(
            "These are executions that begin like the failing one; there are others.".to_owned(),
        ),
        Scope::One => {
            cuts.push("This is one execution; other orders are not in this page.".to_owned());
        }
        Scope::All if !is_exhausted => {
            cuts.push("The exploration ended early, so there are more executions.".to_owned());
        }
        Scope::All => {}
    }
    if all.cut > 0 {
        cuts.push(format!(
            "The steps of {} executions are not in this page. Copy the schedule at the choice where \
             they begin, and continue from there with leno::weave::replay.",
            grouped(all.cut)
        ));
    }
    if all.has_long_value {
        cuts.push(format!("Values are cut after {} characters.", collect::MOST_VALUE));
    }
    cuts.push(
        "Not observed: what is printed, and what threads share in an Rc, Cell or static. \
         leno::weave::show(name, &value) shows such a value."
            .to_owned(),
    );
    cuts
}

impl Story {
    /// Returns the story as an interactive [`Page`], an HTML file.
    ///
    /// # Examples
    ///
    /// ```
    /// let story = leno::weave::story("", || leno::yield_now());
    /// assert!(story.to_html().starts_with("<!doctype html>"));
    /// ```
    #[must_use]
    pub fn to_html(&self) -> String {
        explored::of_story(self).to_html()
    }
}

impl Explorer {
    /// Runs the program under every schedule of this explorer, as [`explore`](Explorer::explore) does,
    /// and returns the [`Page`] of the executions. To record each step makes an exploration several
    /// times slower.
    ///
    /// # Panics
    ///
    /// Inside a runtime.
    ///
    /// # Examples
    ///
    /// See [`Page`].
    #[track_caller]
    pub fn page<F, T>(&self, program: F) -> Page
    where
        F: Fn() -> T,
        T: Ord + fmt::Debug,
    {
        super::executor::assert_outside_runtimes("leno::weave::Explorer::page");
        page(self.options(), &program)
    }
}
