//! The notation of schedules that `01_interleave` and `11_weave` share: the letters of the routines
//! in the order of their turns, each perhaps with a number of turns behind it. `AABBAB` is the same
//! as `A2 B2 A1 B1`. When only one routine is left, its turns can be left out.

/// Returns the letters of a schedule, one for each turn. A character that is no letter stays as it
/// is, and names no routine.
pub fn turns(text: &str) -> Vec<char> {
    const MOST: usize = 10_000;
    let mut turns: Vec<char> = Vec::new();
    let mut rest = text.chars().filter(|c| !c.is_whitespace()).peekable();
    while let Some(letter) = rest.next() {
        let mut count = None;
        while let Some(digit) = rest.peek().and_then(|c| c.to_digit(10))
            && letter.is_alphabetic()
        {
            count = Some((count.unwrap_or(0) * 10 + digit as usize).min(MOST));
            rest.next();
        }
        turns.extend(vec![letter; count.unwrap_or(1)]);
    }
    turns
}
