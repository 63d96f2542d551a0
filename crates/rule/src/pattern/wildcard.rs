//! `*` stands for any characters, none included; `\*` and `\\` are the characters themselves.

use memchr::memmem;

/// The most `*` in one wildcard: each costs one more search of the rest of the value, so a value is read once for all.
pub(crate) const MAX_STARS: usize = 32;

/// A compiled wildcard: the literal pieces around its stars.
///
/// `a*b*c` has the pieces a, b, c: the first is where the value begins, the last where it ends, and those between are
/// found leftmost first. That needs no automaton and never goes back: time is linear in the value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wildcard {
    pieces: Box<[Box<str>]>,
}

impl Wildcard {
    /// Reads a wildcard; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Wildcard, String> {
        let mut pieces = Vec::new();
        let mut piece = String::new();
        let mut chars = text.chars().enumerate();
        let mut star_before = false;
        while let Some((at, c)) = chars.next() {
            match c {
                '*' if star_before => {
                    return Err(format!("Consecutive wildcard characters at pos {at}; one `*` is enough"));
                }
                '*' => {
                    pieces.push(std::mem::take(&mut piece).into_boxed_str());
                    star_before = true;
                    continue;
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('*' | '\\'))) => piece.push(escaped),
                    _ => {
                        return Err(format!(
                            "Invalid escape character at pos {at}; write `\\*` for a star, `\\\\` for a backslash"
                        ));
                    }
                },
                c => piece.push(c),
            }
            star_before = false;
        }
        pieces.push(piece.into_boxed_str());
        if pieces.len() > MAX_STARS + 1 {
            return Err(format!(
                "Rule is too complex - try using fewer wildcard characters: {} is more than {MAX_STARS}",
                pieces.len() - 1
            ));
        }
        Ok(Wildcard { pieces: pieces.into() })
    }

    /// Whether the whole value is met.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return false };
        let Some((last, middle)) = rest.split_last() else { return value == first.as_bytes() };
        let Some(mut value) = value.strip_prefix(first.as_bytes()) else { return false };
        match value.strip_suffix(last.as_bytes()) {
            Some(inner) => value = inner,
            None => return false,
        }
        for piece in middle {
            match memmem::find(value, piece.as_bytes()) {
                Some(at) => value = value.get(at + piece.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        true
    }

    /// How many pieces there are: one more than stars.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// The text that every value it meets begins with, and the one that every value ends with.
    pub(crate) fn anchors(&self) -> (&str, &str) {
        let last = if self.pieces.len() > 1 { self.pieces.last() } else { None };
        (self.pieces.first().map_or("", |piece| piece), last.map_or("", |piece| piece))
    }
}

impl std::fmt::Display for Wildcard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, piece) in self.pieces.iter().enumerate() {
            if at > 0 {
                f.write_str("*")?;
            }
            f.write_str(&piece.replace('\\', "\\\\").replace('*', "\\*"))?;
        }
        Ok(())
    }
}
