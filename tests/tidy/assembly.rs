//! Reads the assembly of a file of `arch/`, and checks the properties that a test cannot observe
//! reliably by running it.

use std::ops::Range;

/// An instruction or directive, and the place of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub text: String,
    pub range: Range<usize>,
}

/// An element of a region.
#[derive(Clone, Debug)]
pub enum Item {
    Instruction(Instruction),
    /// A call of a macro that contains instructions, such as `fp_env(save)`.
    Call(String),
}

/// The assembly of one function, or of one arm of a macro.
#[derive(Clone, Debug)]
pub struct Region {
    pub name: String,
    /// `Some(true)` if it exists only with the feature `fp-env`, `Some(false)` if only without it.
    pub fp_env: Option<bool>,
    pub items: Vec<Item>,
}

/// Returns all regions of a file, in order.
pub fn regions(source: &str) -> Vec<Region> {
    let mut found = Vec::new();
    let mut fp_env = None;
    let mut macro_name: Option<&str> = None;
    let mut current: Option<Region> = None;
    let mut in_literal = false;
    let mut offset = 0;
    for line in source.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let trimmed = line.trim();
        if in_literal || trimmed.starts_with('"') {
            let items = current.as_mut().map(|region| &mut region.items);
            in_literal = literal_line(line, start, in_literal, items);
        } else if line.starts_with("#[cfg(") {
            fp_env = Some(!trimmed.contains("not("));
        } else if let Some(name) = trimmed.strip_prefix("macro_rules! ") {
            macro_name = name.split_whitespace().next();
        } else if line.starts_with('}') {
            found.extend(current.take());
            (fp_env, macro_name) = (None, None);
        } else if let (Some(name), Some(arm)) = (macro_name, trimmed.strip_suffix(" => {")) {
            found.extend(current.take());
            current = Some(Region { name: format!("{name}{arm}"), fp_env, items: Vec::new() });
        } else if let Some(name) = function_name(line) {
            current = Some(Region { name: name.to_owned(), fp_env, items: Vec::new() });
        } else if let (Some(region), Some(call)) = (&mut current, macro_call(trimmed)) {
            region.items.push(Item::Call(call));
        }
    }
    found.retain(|region| !region.items.is_empty());
    found
}

/// Adds the instruction of one line of a string literal. Returns `true` if the literal is still open
/// after the line.
fn literal_line(line: &str, start: usize, was_open: bool, items: Option<&mut Vec<Item>>) -> bool {
    let begin = if was_open { 0 } else { line.find('"').map_or(0, |at| at + 1) };
    let end = line[begin..].find('"').map_or(line.len(), |at| begin + at);
    let text = line[begin..end].trim();
    if let Some(items) = items
        && !text.is_empty()
    {
        let at = start + begin + line[begin..end].find(text).unwrap_or(0);
        let (text, range) = (text.to_owned(), at..at + text.len());
        items.push(Item::Instruction(Instruction { text, range }));
    }
    end == line.len()
}

fn function_name(line: &str) -> Option<&str> {
    if line.starts_with(' ') {
        return None;
    }
    let (_, rest) = line.split_once("fn ")?;
    rest.split_once(['(', '<']).map(|(name, _)| name)
}

/// Returns the call in a line such as `fp_env!(save),`, which calls a macro that contains instructions.
fn macro_call(trimmed: &str) -> Option<String> {
    let (name, rest) = trimmed.split_once("!(")?;
    let argument = rest.strip_suffix("),")?;
    name.chars().all(|c| c.is_ascii_lowercase() || c == '_').then(|| format!("{name}({argument})"))
}

/// Returns the instructions of the region `name`, including those of the macros that it calls.
pub fn flatten(regions: &[Region], name: &str, fp_env: bool) -> Vec<Instruction> {
    let region = regions
        .iter()
        .find(|region| region.name == name && region.fp_env.is_none_or(|only| only == fp_env));
    let items = region.map_or(&[][..], |region| &region.items);
    let expand = |item: &Item| match item {
        Item::Instruction(instruction) => vec![instruction.clone()],
        Item::Call(call) => flatten(regions, call, fp_env),
    };
    items.iter().flat_map(expand).collect()
}

/// The functions with assembly that switches contexts.
pub const SWITCHING: [&str; 6] =
    ["switch", "resume", "suspend", "leave", "coroutine_root", "thread_root"];

const LANDING_PADS: [&str; 4] = ["endbr64", "hint #34", "hint #36", "hint #38"];
const TRAPS: [&str; 2] = ["ud2", "brk #1"];

fn is_code(text: &str) -> bool {
    !text.starts_with('.') && !text.ends_with(':') && !text.starts_with("//")
}

/// Returns all complaints about the assembly of a file.
pub fn complaints(source: &str) -> Vec<String> {
    let regions = regions(source);
    let mut found = Vec::new();
    for (name, fp_env) in SWITCHING.iter().flat_map(|name| [(*name, false), (*name, true)]) {
        let all = flatten(&regions, name, fp_env);
        let code: Vec<&str> = all.iter().map(|instruction| &*instruction.text).collect();
        if code.is_empty() {
            found.push(format!("{name}: no assembly was found"));
        }
        let of_function = (landing_pads(name, &code).into_iter())
            .chain(below_the_stack_pointer(&code))
            .chain(returns(&code))
            .map(|complaint| format!("{name}: {complaint}"));
        found.extend(of_function);
    }
    found.sort();
    found.dedup();
    found
}

/// Finds targets of jumps that do not begin with a landing pad, and unreachable code that does not
/// begin with a trap.
fn landing_pads(name: &str, code: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let first = code.iter().find(|text| is_code(text));
    if name.ends_with("_root") && !first.is_some_and(|text| LANDING_PADS.contains(text)) {
        found.push("it is jumped to, and does not begin with a landing pad".to_owned());
    }
    let labels = code.iter().enumerate().filter(|(_, text)| text.ends_with(':'));
    for (index, label) in labels.filter(|(_, label)| !is_only_jumped_to(label, code)) {
        let next = code[index..].iter().find(|text| is_code(text));
        if !next.is_some_and(|text| LANDING_PADS.contains(text) || TRAPS.contains(text)) {
            found.push(format!("no landing pad, nor a trap, after the label {label}"));
        }
        let before = code[..index].iter().rfind(|text| is_code(text));
        if next.is_some_and(|text| LANDING_PADS.contains(text))
            && !before.is_some_and(|text| TRAPS.contains(text))
        {
            found.push(format!("no trap before the label {label}"));
        }
    }
    found
}

/// Returns `true` if only direct jumps, which need no landing pad, lead to the label, and its address is
/// not taken.
fn is_only_jumped_to(label: &str, code: &[&str]) -> bool {
    let number = label.trim_end_matches(':');
    let names = |text: &str| {
        [format!("{number}f"), format!("{number}b")]
            .iter()
            .any(|name| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name))
    };
    let takes_address = |text: &str| text.starts_with("lea ") || text.starts_with("adr ");
    let mut mentions = code.iter().filter(|text| names(text)).peekable();
    mentions.peek().is_some() && !mentions.any(|text| takes_address(text))
}

/// Finds uses of memory below the stack pointer, which a signal handler may overwrite.
fn below_the_stack_pointer(code: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut left_behind = false;
    for text in code.iter().filter(|text| is_code(text)) {
        if text.contains("[rsp - ") || text.contains("[sp, #-") && !text.ends_with("]!") {
            found.push(format!("`{text}` uses what is below the stack pointer"));
        }
        if left_behind && (text.contains("[x3") || text.contains("[rcx")) {
            found.push(format!("`{text}` reads a context that the stack pointer has left"));
        }
        left_behind |= text.starts_with("add sp, x3") || text.starts_with("lea rsp, [rcx");
    }
    found
}

/// Finds returns and calls, which the processor predicts in pairs.
fn returns(code: &[&str]) -> Vec<String> {
    let pairs_with_a_call = ["ret", "call", "bl", "blr"];
    code.iter()
        .filter(|text| pairs_with_a_call.contains(&text.split_whitespace().next().unwrap_or("")))
        .map(|text| format!("`{text}` would upset the prediction of returns"))
        .collect()
}
