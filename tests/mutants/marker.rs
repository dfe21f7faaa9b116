//! Markers: the comments in `src` that name the places of mistakes.
//!
//! A marker is a line of its own, `// mistake: timer-goes-on`, directly above the code that the mistake
//! changes. Several markers may be above the same code. What is changed, the subject, follows from the
//! beginning of that code:
//!
//! | the code begins with | the subject |
//! | --- | --- |
//! | `if`, `while`, `match` | the condition, or what is matched |
//! | `let`, `if let`, `while let` | the initial value, or what is matched |
//! | `&&`, `\|\|` | the operand on the right |
//! | a pattern and `=>` | the body of the match arm |
//! | anything else | the statement up to `;`, or the expression up to `,` or a closing bracket |
//!
//! The subject of a `let` with a closure is the body of the closure.

use std::ops::Range;

use super::lexer::{closing_brace, code_only, comments_only, line_of, words};

/// The beginning of a marker.
const MARKER: &str = "// mistake:";

/// The first words of code that has no subject.
const WITHOUT_SUBJECT: [&str; 12] = [
    "for", "loop", "fn", "pub", "impl", "struct", "enum", "trait", "mod", "use", "const", "static",
];

/// The code that is replaced.
#[derive(Clone, Debug)]
struct Subject {
    range: Range<usize>,
    /// The subject ends with a semicolon, and has no value.
    is_statement: bool,
}

/// The markers above the same code.
#[derive(Debug)]
struct Place {
    /// The line of the first marker.
    line: usize,
    names: Vec<String>,
    /// `None` if there is no code that could be replaced.
    subject: Option<Subject>,
}

/// Returns all places of a source, in order.
fn places(source: &str) -> Vec<Place> {
    let (code, comments) = (code_only(source), comments_only(source));
    let mut found: Vec<Place> = Vec::new();
    let mut last_end = None;
    let mut end = 0;
    for line in comments.split_inclusive('\n') {
        let start = end;
        end += line.len();
        let Some(name) = line.trim().strip_prefix(MARKER) else { continue };
        let names = match found.pop_if(|_| last_end == Some(start)) {
            Some(place) => place.names,
            None => Vec::new(),
        };
        let is_alone = code[start..end].trim().is_empty();
        found.push(Place {
            line: line_of(source, start) - names.len(),
            names: names.into_iter().chain([name.trim().to_owned()]).collect(),
            subject: if is_alone { subject(&code, end) } else { None },
        });
        last_end = Some(end);
    }
    found
}

/// Returns the subject of the code that begins in the line at `from`.
fn subject(code: &str, from: usize) -> Option<Subject> {
    let line = code[from..].lines().next()?;
    let start = from + line.find(|c: char| !c.is_whitespace())?;
    let rest = &code[start..];
    let word = words(rest).next().filter(|&(at, _)| at == 0).map_or("", |(_, word)| word);
    let after_word = start + word.len();
    let is_operator = |rest: &str| rest.starts_with("&&") || rest.starts_with("||");
    let range = match word {
        "let" => value(code, start, |at| is_separate_else(code, at)),
        "if" | "while" if code[after_word..].trim_start().starts_with("let ") => {
            value(code, start, |at| code[at..].starts_with('{') || is_operator(&code[at..]))
        }
        "if" | "while" | "match" => {
            after_word..first(code, after_word, |at| code[at..].starts_with('{'))
        }
        "" if rest.starts_with("#") => return None,
        "" if is_operator(rest) => {
            let stops =
                |at: usize| is_operator(&code[at..]) || code[at..].starts_with(['{', ';', ',']);
            start + 2..first(code, start + 2, stops)
        }
        word if WITHOUT_SUBJECT.contains(&word) => return None,
        _ => {
            let stops =
                |at: usize| code[at..].starts_with([';', ',']) || code[at..].starts_with("=>");
            let end = first(code, start, stops);
            if code[end..].starts_with(';') {
                let range = start..end + 1;
                return (start < end).then_some(Subject { range, is_statement: true });
            }
            if code[end..].starts_with("=>") { body(code, end + 2, |_| false) } else { start..end }
        }
    };
    let range = trimmed(code, range);
    (!range.is_empty()).then_some(Subject { range, is_statement: false })
}

/// Returns the value that follows the first `=` after `from` and ends with a semicolon or where it
/// `stops`. If that is a closure, returns its body.
fn value(code: &str, from: usize, stops: impl Fn(usize) -> bool) -> Range<usize> {
    let equals =
        first(code, from, |at| code[at..].starts_with(" = ") || code[at..].starts_with(" =\n"));
    let start = (equals + " =".len()).min(code.len());
    let start = trimmed(code, start..code.len()).start;
    let closure = code[start..].strip_prefix("move ").unwrap_or(&code[start..]);
    if let Some(parameters) = closure.strip_prefix('|') {
        let parameters_at = code.len() - parameters.len();
        let end = parameters.find('|').map_or(code.len(), |length| parameters_at + length + 1);
        return body(code, end, stops);
    }
    start..first(code, start, |at| code[at..].starts_with(';') || stops(at))
}

/// Returns the body of a match arm or a closure: what is in its braces, or the expression up to a comma
/// or a semicolon or where it `stops`.
fn body(code: &str, from: usize, stops: impl Fn(usize) -> bool) -> Range<usize> {
    let start = trimmed(code, from..code.len()).start;
    if code[start..].starts_with('{') {
        return start + 1..closing_brace(code, start).unwrap_or(code.len());
    }
    start..first(code, start, |at| code[at..].starts_with([',', ';']) || stops(at))
}

/// Returns the first place from `from` on that is outside brackets and at which the text `stops`, or at
/// which an enclosing bracket closes.
fn first(code: &str, from: usize, stops: impl Fn(usize) -> bool) -> usize {
    let mut depth = 0;
    for (offset, c) in code[from..].char_indices() {
        let closes = matches!(c, ')' | ']' | '}');
        if depth == 0 && (closes || stops(from + offset)) {
            return from + offset;
        }
        depth += i32::from(matches!(c, '(' | '[' | '{')) - i32::from(closes);
    }
    code.len()
}

/// Returns `true` if `else` at this place belongs to a `let`, and not to an `if` in its value.
fn is_separate_else(code: &str, at: usize) -> bool {
    code[at..].starts_with("else {") && !code[..at].trim_end().ends_with('}')
}

/// Returns the range without the space at both ends.
fn trimmed(code: &str, range: Range<usize>) -> Range<usize> {
    let text = &code[range.clone()];
    let start = range.end - text.trim_start().len();
    start..start + text.trim().len()
}

/// Returns the source with mistakes beside the original code. `replacement` returns the code with a
/// mistake by the name of the mistake, with `$` for the original code, or `None` for a mistake that is
/// not to be planted.
///
/// The code with a mistake runs if `crate::planted(name)` returns `true`.
pub fn plant<'a>(source: &str, replacement: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut planted = source.to_owned();
    // From the last one on: a subject may contain markers, and its end moves when they are replaced.
    for index in (0..places(source).len()).rev() {
        let place = &places(&planted)[index];
        let Some(Subject { range, is_statement }) = place.subject.clone() else { continue };
        let original = &planted[range.clone()];
        let branches: String = (place.names.iter())
            .filter_map(|name| Some((name, replacement(name)?.replace('$', original))))
            .map(|(name, code)| {
                let end = if is_statement { ";" } else { "" };
                format!("if crate::planted(\"{name}\") {{ {code}{end} }} else ")
            })
            .collect();
        if branches.is_empty() {
            continue;
        }
        let all = format!("{branches}{{ {original} }}");
        // The value of a `let` with `else` must not end with a brace.
        planted.replace_range(range, &if is_statement { all } else { format!("({all})") });
    }
    planted
}

/// Returns what is wrong with the markers of `files`, pairs of a path and a source: each name must have
/// one marker, each marker one of the names, and each marker code that can be replaced.
pub fn complaints(files: &[(String, String)], names: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for (path, source) in files {
        for Place { line, names: markers, subject } in places(source) {
            for (offset, name) in markers.into_iter().enumerate() {
                let mut complain =
                    |what: &str| found.push(format!("{path}:{}: `{name}` {what}", line + offset));
                if subject.is_none() {
                    complain("has no code directly below it that could be replaced");
                }
                if !names.contains(&&*name) {
                    complain("is in no table of tests/mutants");
                }
                if seen.contains(&name) {
                    complain("has another marker");
                }
                seen.push(name);
            }
        }
    }
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            found.push(format!("tests/mutants: `{name}` is in the tables twice"));
        } else if !seen.iter().any(|seen| seen == name) {
            found.push(format!("tests/mutants: `{name}` has no marker in src"));
        }
    }
    found
}

#[test]
fn each_kind_of_subject_is_found() {
    let cases = [
        ("if a == (B { b }).b {\n}", "a == (B { b }).b"),
        ("while f(|x| { x }) {}", "f(|x| { x })"),
        ("match a.take() {\n    _ => {}\n}", "a.take()"),
        ("let a: [u8; 2] = [b, c];", "[b, c]"),
        ("let Some(a) = b.c()? else { return };", "b.c()?"),
        ("let a = if b { c } else { d };", "if b { c } else { d }"),
        ("let a =\n        b;", "b"),
        ("let f = |a: &A, b| a == b && c;", "a == b && c"),
        ("let f = || {\n        a;\n        b\n    };", "a;\n        b"),
        ("let f = move |a| a;", "a"),
        ("if let A { b, .. } = c.d() {}", "c.d()"),
        ("if let A(b) = c && b {}", "c"),
        ("while let Some(a) = b.pop() {}", "b.pop()"),
        ("&& !a.b(|c| c || d)\n        || e", "!a.b(|c| c || d)"),
        ("&& a != b\n    {", "a != b"),
        ("|| a\n}", "a"),
        ("A { b, c } if b > c => d.e(f, g),", "d.e(f, g)"),
        ("Some(a) => {\n        b;\n    }\n    None => {}", "b;"),
        ("A => b }", "b"),
        ("a.b(c, |d| { d; });\n    e;", "a.b(c, |d| { d; });"),
        ("*a = unsafe { b };", "*a = unsafe { b };"),
        ("a.b(c)\n}", "a.b(c)"),
        ("a(\"}\") // ;\n}", "a(\"}\")"),
        ("a, b)", "a"),
    ];
    for (code, subject) in cases {
        let source = format!("{{\n    // mistake: x\n    {code}\n");
        let places = places(&source);
        let [Place { line: 2, names, subject: Some(found) }] = &places[..] else {
            panic!("{code}: {places:?}")
        };
        assert_eq!(*names, ["x"]);
        assert_eq!(&source[found.range.clone()], subject, "{code}");
        assert_eq!(found.is_statement, subject.ends_with(';') && subject != "b;", "{code}");
    }
}

#[test]
fn mistakes_are_planted_beside_the_original_code() {
    let cases = [
        ("a(b);", "if crate::planted(\"x\") { a(b); c; } else { a(b); }"),
        ("if a {", "if (if crate::planted(\"x\") { a; c } else { a }) {"),
        (
            "let A(a) = b else { d }",
            "let A(a) = (if crate::planted(\"x\") { b; c } else { b }) else { d }",
        ),
    ];
    for (before, after) in cases {
        let with_marker = |code: &str| format!("// mistake: x\n{code}\n");
        let planted = plant(&with_marker(before), |name| (name == "x").then_some("$; c"));
        let planted_without_space = planted.replace(";;", ";");
        assert_eq!(planted_without_space, with_marker(after));
        assert_eq!(plant(&with_marker(before), |_| None), with_marker(before));
    }
}

#[test]
fn several_mistakes_may_change_the_same_code() {
    let source = "// mistake: x\n// mistake: y\nf(\n    // mistake: z\n    a,\n);\n";
    let planted = plant(source, |name| match name {
        "x" => Some(""),
        "y" => Some("g()"),
        _ => Some("b"),
    });
    let inner = "f(\n    // mistake: z\n    (if crate::planted(\"z\") { b } else { a }),\n);";
    let outer = "if crate::planted(\"x\") { ; } else if crate::planted(\"y\") { g(); } else ";
    assert_eq!(planted, format!("// mistake: x\n// mistake: y\n{outer}{{ {inner} }}\n"));
}

#[test]
fn markers_and_tables_that_differ_are_reported() {
    let check = |source: &str, names: &[&str]| {
        complaints(&[("src/a.rs".to_owned(), source.to_owned())], names)
    };
    assert_eq!(check("// mistake: x\na();\n// mistake: y\nb()\n", &["x", "y"]), [""; 0]);
    let without_table = "src/a.rs:1: `x` is in no table of tests/mutants";
    assert_eq!(check("// mistake: x\na();\n", &[]), [without_table]);
    assert_eq!(check("a();\n", &["x"]), ["tests/mutants: `x` has no marker in src"]);
    let twice = "src/a.rs:3: `x` has another marker";
    assert_eq!(check("// mistake: x\na();\n// mistake: x\nb();\n", &["x"]), [twice]);
    let in_tables = "tests/mutants: `x` is in the tables twice";
    assert_eq!(check("// mistake: x\na();\n", &["x", "x"]), [in_tables]);
    for code in ["", "\na();", "// why\na();", "#[a]\nb();", "}", "for a in b {}", ";", "let a;"] {
        let complaints = check(&format!("// mistake: x\n{code}\n"), &["x"]);
        let expected = "src/a.rs:1: `x` has no code directly below it that could be replaced";
        assert_eq!(complaints, [expected], "{code}");
    }
    let behind_code = check("a(); // mistake: x\nb();\n", &["x"]);
    assert_eq!(behind_code.len(), 1, "{behind_code:?}");
}
