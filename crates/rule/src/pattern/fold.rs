//! Letter case that does not matter: one character becomes one character.
//!
//! É and é are the same; the kelvin sign is not a k and ß is not ss, as in event-ruler. So folding never changes how
//! many characters a text has, and never takes a character out of or into ASCII.

/// A character with its case taken away.
pub(crate) fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) if !one.is_ascii() => one,
        _ => c,
    }
}

/// Writes the folded text to `out`; false if the bytes are not UTF-8.
pub(crate) fn fold_into(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    if text.is_ascii() {
        out.extend(text.iter().map(u8::to_ascii_lowercase));
        return true;
    }
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let mut room = [0; 4];
    for c in text.chars() {
        out.extend_from_slice(fold(c).encode_utf8(&mut room).as_bytes());
    }
    true
}

/// The folded text.
pub(crate) fn folded(text: &str) -> Box<str> {
    text.chars().map(fold).collect()
}

/// Whether `text` is `folded` but for case.
pub(crate) fn equals(text: &[u8], folded: &str) -> bool {
    with(text, |text| text.eq(folded.chars()))
}

/// Whether `text` begins with `folded` but for case.
pub(crate) fn starts(text: &[u8], folded: &str) -> bool {
    with(text, |mut text| folded.chars().all(|c| text.next() == Some(c)))
}

/// Whether `text` ends with `folded` but for case.
pub(crate) fn ends(text: &[u8], folded: &str) -> bool {
    with(text, |mut text| folded.chars().rev().all(|c| text.next_back() == Some(c)))
}

fn with(text: &[u8], test: impl FnOnce(std::iter::Map<std::str::Chars<'_>, fn(char) -> char>) -> bool) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| test(text.chars().map(fold as fn(char) -> char)))
}
