//! The part of Rust's syntax that is needed to distinguish code, comments and literals.

use std::iter::Peekable;
use std::str::CharIndices;

/// A piece of a source that is not code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Comment,
    Literal,
}

/// Returns the source with all comments and literals blanked. Line breaks and lengths in bytes stay
/// the same.
pub fn code_only(source: &str) -> String {
    split(source).0
}

/// Returns the source with everything but comments blanked. Line breaks and lengths in bytes stay the
/// same.
pub fn comments_only(source: &str) -> String {
    split(source).1
}

/// Returns the code of a source and its comments, each with the rest blanked.
fn split(source: &str) -> (String, String) {
    let mut code = String::with_capacity(source.len());
    let mut comments = String::with_capacity(source.len());
    let mut chars = source.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let rest = &source[at..];
        let (piece, length) = match c {
            '/' if rest.starts_with("//") => {
                (Piece::Comment, rest.find('\n').unwrap_or(rest.len()))
            }
            '/' if rest.starts_with("/*") => (Piece::Comment, block_comment(rest)),
            '"' => (Piece::Literal, string(rest, 0)),
            'r' | 'b' | 'c' if !ends_in_word(&code) => (Piece::Literal, prefixed_literal(rest)),
            '\'' => (Piece::Literal, char_literal(rest)),
            _ => (Piece::Literal, 0),
        };
        if length == 0 {
            code.push(c);
            blank(&rest[..c.len_utf8()], &mut comments);
            continue;
        }
        blank(&rest[..length], &mut code);
        if piece == Piece::Comment {
            comments.push_str(&rest[..length]);
        } else {
            blank(&rest[..length], &mut comments);
        }
        skip_to(&mut chars, at + length);
    }
    (code, comments)
}

/// Appends `text` to `blanked` with a space for each byte but line breaks.
fn blank(text: &str, blanked: &mut String) {
    text.bytes().for_each(|byte| blanked.push(if byte == b'\n' { '\n' } else { ' ' }));
}

fn skip_to(chars: &mut Peekable<CharIndices<'_>>, end: usize) {
    while chars.next_if(|&(at, _)| at < end).is_some() {}
}

fn ends_in_word(code: &str) -> bool {
    code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// Returns the length of a block comment, including nested block comments.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Returns the length of a string with its opening quote at `open`.
fn string(text: &str, open: usize) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(open + 1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Returns the length of a literal that begins with a letter, or 0 if there is none.
fn prefixed_literal(text: &str) -> usize {
    let letters = text.find(|c: char| !matches!(c, 'r' | 'b' | 'c')).unwrap_or(text.len());
    let (prefix, rest) = text.split_at(letters);
    if letters > 2 {
        return 0;
    }
    if !prefix.ends_with('r') {
        return match rest.chars().next() {
            Some('"') => string(text, letters),
            Some('\'') if prefix == "b" => letters + char_literal(rest),
            _ => 0,
        };
    }
    let hashes = rest.find(|c| c != '#').unwrap_or(rest.len());
    if !rest[hashes..].starts_with('"') {
        return 0;
    }
    let open = letters + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    text[open..].find(&close).map_or(text.len(), |at| open + at + close.len())
}

/// Returns the length of a character literal, or 0 if it is a lifetime.
fn char_literal(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            // The escaped character may be a quote.
            let after = chars.nth(1).map_or(text.len(), |(at, _)| at);
            text[after..].find('\'').map_or(0, |at| after + at + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// Returns the words of a text, each with its place.
pub fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(part)?;
        let length = code[start..].find(|c| !part(c)).unwrap_or(code.len() - start);
        at = start + length;
        Some((start, &code[start..at]))
    })
}

/// Returns the number of the line that `at` is in, from 1.
pub fn line_of(source: &str, at: usize) -> usize {
    source[..at].bytes().filter(|&byte| byte == b'\n').count() + 1
}

/// Returns the place of the brace that closes the first brace at or after `from`.
pub fn closing_brace(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[test]
fn comments_and_literals_are_blanked_and_nothing_else() {
    let cases = [
        ("a // unsafe\nb", "a          \nb"),
        ("a /* x /* unsafe */ */ b", "a                      b"),
        (r#"f("un\"safe") + g"#, "f(          ) + g"),
        (r##"f(r#"a"b"#, 1)"##, "f(        , 1)"),
        ("f(b\"x\", br\"y\", c\"z\")", "f(    ,      ,     )"),
        ("match c { '\"' => 'a, '\\'' => b'{', }", "match c {     => 'a,      =>     , }"),
        ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
        ("let bright = orb\"\"; r", "let bright = orb  ; r"),
        ("// \u{e9}\nx", "     \nx"),
    ];
    for (source, code) in cases {
        assert_eq!(code_only(source), code);
    }
}

#[test]
fn comments_are_kept_and_everything_else_is_blanked() {
    let cases = [
        ("a // who\nb", "  // who\n "),
        ("a /* x */ b", "  /* x */  "),
        ("f(\"// no\") // yes", "           // yes"),
        ("/// \u{e9}\nfn f() {}", "/// \u{e9}\n         "),
        ("let \u{e9} = 1;", "           "),
    ];
    for (source, comments) in cases {
        assert_eq!(comments_only(source), comments);
    }
}
