//! The mutants: small changes to the files of `arch/`, each of which the suite must detect.

use std::ops::Range;

use super::assembly::{self, Instruction, Item, Region};

/// A change to a file.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The function or macro that the change is in.
    pub place: String,
    pub before: String,
    /// A description of the change.
    pub what: String,
    range: Range<usize>,
    replacement: String,
    /// `Some(true)` if only builds with the feature `fp-env` contain the change, `Some(false)` if only
    /// builds without it do.
    pub fp_env: Option<bool>,
    /// `true` if the change shows only if the compiler keeps values in registers.
    pub optimised: bool,
}

impl Mutant {
    pub fn apply(&self, source: &str) -> String {
        let (before, after) = (&source[..self.range.start], &source[self.range.end..]);
        format!("{before}{}{after}", self.replacement)
    }
}

/// The differences between the instruction sets.
pub struct Dialect {
    pub name: &'static str,
    /// Pairs of a register and a register that replaces it.
    mistaken: &'static [(&'static str, &'static str)],
    /// The field of `Saved` with the floating-point environment, and wrong values of it in a first
    /// context.
    environment: (&'static str, &'static [&'static str]),
    /// The registers that are declared clobbered.
    clobbers: &'static [&'static str],
}

pub const X86_64: Dialect = Dialect {
    name: "x86_64",
    mistaken: &[("rbp", "rbx"), ("rbx", "rbp"), ("rax", "rdx"), ("rcx", "rdi"), ("rdx", "rcx")],
    environment: ("fp_environment", &["0x0000_037f_0000_3f80", "0x0000_077f_0000_1f80"]),
    clobbers: &["\"r12\"", "\"r13\"", "\"r14\"", "\"r15\""],
};

pub const AARCH64: Dialect = Dialect {
    name: "aarch64",
    mistaken: &[
        ("x29", "x19"),
        ("x19", "x29"),
        ("x9", "x10"),
        ("x10", "x9"),
        ("x16", "x17"),
        ("x2", "x3"),
        ("x3", "x2"),
        ("lr", "x10"),
    ],
    environment: ("fpcr", &["1 << 22"]),
    clobbers: &[
        "\"x20\"", "\"x21\"", "\"x22\"", "\"x23\"", "\"x24\"", "\"x25\"", "\"x26\"", "\"x27\"",
        "\"x28\"",
    ],
};

/// Returns all mutants of a file.
///
/// # Panics
///
/// If the file does not define `Saved` with a `first` context, or has no switch.
pub fn mutants(dialect: &Dialect, source: &str) -> Vec<Mutant> {
    let mut all = Vec::new();
    for region in assembly::regions(source) {
        let switches = |name: &str| assembly::SWITCHING.contains(&name) || name.contains('(');
        if switches(&region.name) {
            of_region(dialect, source, &region, &mut all);
        }
    }
    swapped_fields(source, &mut all);
    wrong_environments(dialect, source, &mut all);
    for register in dialect.clobbers {
        undeclared(source, &format!("lateout({register}) _,"), &mut all);
    }
    let abi = source.find("clobber_abi(").expect("a switch names the ABI's clobbers");
    let end = abi + source[abi..].find('\n').expect("a line ends");
    undeclared(source, &source[abi..end], &mut all);
    all
}

/// Adds a mutant of each function that declares `clobber`, without this declaration.
fn undeclared(source: &str, clobber: &str, all: &mut Vec<Mutant>) {
    for (at, _) in source.match_indices(clobber) {
        let function = source[..at].rfind("unsafe fn ").expect("only a function clobbers");
        let name = source[function + "unsafe fn ".len()..].split(['(', '<']).next();
        all.push(Mutant {
            place: name.unwrap_or_default().to_owned(),
            before: clobber.to_owned(),
            what: "not declared".to_owned(),
            range: at..at + clobber.len(),
            replacement: String::new(),
            fp_env: None,
            optimised: true,
        });
    }
}

/// Adds a mutant for each pair of neighbouring fields of `Saved` that every build has, in the opposite
/// order.
fn swapped_fields(source: &str, all: &mut Vec<Mutant>) {
    let start = source.find("struct Saved {\n").expect("there are saved words");
    let end = start + source[start..].find("\n}").expect("a struct ends");
    let lines: Vec<&str> = source[start..end].lines().collect();
    for pair in lines.windows(2) {
        if pair.iter().all(|line| line.ends_with(',') && !line.contains("//")) {
            let both = pair.join("\n");
            let at = start + source[start..end].find(&both).expect("both lines are there");
            let swapped = format!("{}\n{}", pair[1], pair[0]);
            all.push(of_saved(source, at..at + both.len(), swapped, None));
        }
    }
}

/// Adds the mutants with a wrong floating-point environment in a first context.
fn wrong_environments(dialect: &Dialect, source: &str, all: &mut Vec<Mutant>) {
    let (field, values) = dialect.environment;
    let first = source.find("fn first(").expect("there is a first context");
    let field = format!("{field}: ");
    let start = first + source[first..].find(&field).expect("it has an environment") + field.len();
    let end = start + source[start..].find([',', ' ', '\n']).expect("a value ends");
    for value in values {
        all.push(of_saved(source, start..end, (*value).to_owned(), Some(true)));
    }
}

fn of_saved(
    source: &str,
    range: Range<usize>,
    replacement: String,
    fp_env: Option<bool>,
) -> Mutant {
    Mutant {
        place: "Saved".to_owned(),
        before: one_line(&source[range.clone()]),
        what: format!("becomes `{}`", one_line(&replacement)),
        range,
        replacement,
        fp_env,
        optimised: false,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns `true` if a line is to be mutated. Without labels, and without the directives that begin and
/// end unwind tables, the file does not build. Alignment changes only the time of a switch, and so does
/// the value that the link is compared with: at worst it is stored once more.
pub fn is_mutable(text: &str) -> bool {
    let frames = [".cfi_startproc", ".cfi_endproc"];
    let is_only_time = text.starts_with(".p2align") || text == "ldr x10, [x2]";
    !text.ends_with(':') && !text.starts_with("//") && !frames.contains(&text) && !is_only_time
}

fn of_region(dialect: &Dialect, source: &str, region: &Region, all: &mut Vec<Mutant>) {
    let instructions: Vec<&Instruction> = (region.items.iter())
        .filter_map(|item| match item {
            Item::Instruction(instruction) if is_mutable(&instruction.text) => Some(instruction),
            _ => None,
        })
        .collect();
    let mutant = |range: Range<usize>, replacement: String, what: String| Mutant {
        place: region.name.clone(),
        before: one_line(&source[range.clone()]),
        what,
        range,
        replacement,
        fp_env: region.fp_env,
        optimised: false,
    };
    for instruction in &instructions {
        let changed = |replacement: String| {
            let what = format!("becomes `{}`", replacement.replace('\n', "; "));
            mutant(instruction.range.clone(), replacement, what)
        };
        all.push(mutant(
            instruction.range.clone(),
            deletion(&instruction.text),
            "deleted".to_owned(),
        ));
        all.extend(wrong_numbers(&instruction.text).into_iter().map(changed));
        all.extend(wrong_registers(dialect, &instruction.text).into_iter().map(changed));
        all.extend(late_adjustment(&instruction.text).map(changed));
    }
    let stack: Vec<&&Instruction> =
        instructions.iter().filter(|instruction| order_matters(&instruction.text)).collect();
    for pair in stack.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        let between = &source[first.range.end..second.range.start];
        let replacement = format!("{}{between}{}", second.text, first.text);
        let what = format!("swapped with `{}`", second.text);
        let both = mutant(first.range.start..second.range.end, replacement, what);
        all.push(Mutant { before: first.text.clone(), ..both });
    }
}

/// Returns the replacement of a deleted instruction, which still names the operand, because the
/// compiler requires it.
fn deletion(text: &str) -> String {
    let operand = text.find('{').zip(text.find('}'));
    operand.map_or_else(String::new, |(open, close)| format!("// {}", &text[open..=close]))
}

/// Returns `true` if the effect of an instruction depends on its position: pushes, pops, adjustments, and
/// the two instructions that pass the stack pointer on.
fn order_matters(text: &str) -> bool {
    let starts =
        ["push", "pop", "sub rsp", "add rsp", "mov rsp", "mov [", "stp", "mov x9", "str x9"];
    // A root may write to its control block at any point.
    let is_in_control_block = text.starts_with("mov [rbp");
    let matters = starts.iter().any(|start| text.starts_with(start)) || text.starts_with("add sp");
    matters && !is_in_control_block
}

/// Returns the instruction with each number increased by 8, and also by 16 if the instruction moves the
/// stack pointer.
fn wrong_numbers(text: &str) -> Vec<String> {
    let fixed = ["hint", "brk", "adr", "lea"];
    if fixed.iter().any(|mnemonic| text.starts_with(mnemonic)) {
        return Vec::new();
    }
    let moves = text.starts_with("add ") || text.starts_with("sub ") || text.ends_with("]!");
    let mut found = Vec::new();
    for range in numbers(text) {
        // Only the last number of an escape is an offset.
        if text.starts_with(".cfi_escape") && range.end != text.len() {
            continue;
        }
        let number: u32 = text[range.clone()].parse().expect("digits");
        for more in if moves { &[8, 16][..] } else { &[8] } {
            let (before, after) = (&text[..range.start], &text[range.end..]);
            found.push(format!("{before}{}{after}", number + more));
        }
    }
    found
}

/// Returns the places of the decimal numbers that are not part of a name.
fn numbers(text: &str) -> Vec<Range<usize>> {
    words(text).filter(|range| text[range.clone()].bytes().all(|b| b.is_ascii_digit())).collect()
}

fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let start = at + text[at..].find(part)?;
        let end = text[start..].find(|c| !part(c)).map_or(text.len(), |length| start + length);
        at = end;
        Some(start..end)
    })
}

fn wrong_registers(dialect: &Dialect, text: &str) -> Vec<String> {
    words(text)
        .filter_map(|range| {
            let (_, mistaken) =
                dialect.mistaken.iter().find(|(name, _)| *name == &text[range.clone()])?;
            Some(format!("{}{mistaken}{}", &text[..range.start], &text[range.end..]))
        })
        .collect()
}

/// Returns instructions with the same result, but with live data below the stack pointer for an
/// instant.
fn late_adjustment(text: &str) -> Option<String> {
    if let Some(register) = text.strip_prefix("push ") {
        return Some(format!("mov [rsp - 8], {register}\nsub rsp, 8"));
    }
    if let Some(register) = text.strip_prefix("pop ") {
        return Some(format!("add rsp, 8\nmov {register}, [rsp - 8]"));
    }
    let (stored, bytes) = text.strip_suffix("]!")?.split_once("[sp, #-")?;
    Some(format!("{stored}[sp, #-{bytes}]\nsub sp, sp, #{bytes}"))
}
