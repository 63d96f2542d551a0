//! From an offset in a scalar's text to the place in the file, through quotes, escapes, folding and indentation.

use super::Style;

/// The byte offset, within the `raw` text of a scalar as it stands in the file, of byte `at` of its `decoded` text.
///
/// Both texts are walked side by side; where folding made them differ, blanks are passed over until they meet again.
/// `indent` is the indentation of a block, whose raw text begins behind that of its first line.
pub(crate) fn source_offset(raw: &str, style: Style, indent: usize, decoded: &str, at: usize) -> usize {
    let mut left = raw.char_indices().peekable();
    let mut skipped = 0;
    match style {
        Style::Single | Style::Double => {
            left.next();
        }
        // Empty lines at the beginning are part of the text, and not of its place.
        Style::Block => skipped = decoded.len() - decoded.trim_start_matches('\n').len(),
        Style::Plain | Style::Json => {}
    }
    if at < skipped {
        return 0;
    }
    for (index, want) in decoded.char_indices().skip(skipped) {
        skip_layout(&mut left, raw, style, want);
        let here = left.peek().map_or(raw.len(), |(offset, _)| *offset);
        if index >= at {
            return here;
        }
        let Some((_, got)) = left.next() else { return raw.len() };
        match (style, got) {
            (Style::Single, '\'') => {
                left.next_if(|(_, c)| *c == '\'');
            }
            (Style::Double, '\\') => {
                let digits = match left.next() {
                    Some((_, 'x')) => 2,
                    Some((_, 'u')) => 4,
                    Some((_, 'U')) => 8,
                    _ => 0,
                };
                for _ in 0..digits {
                    left.next();
                }
            }
            (_, '\n' | '\r') if want == ' ' || want == '\n' => {
                // The break, and the indentation of the next line.
                let mut more = if style == Style::Block { indent } else { usize::MAX };
                while more > 0 && left.next_if(|(_, c)| *c == ' ' || *c == '\t').is_some() {
                    more -= 1;
                }
            }
            _ => {}
        }
    }
    left.peek().map_or(raw.len(), |(offset, _)| *offset)
}

type Chars<'a> = std::iter::Peekable<std::str::CharIndices<'a>>;

/// Passes blanks that have no part in the decoded text: indentation, and blanks before a folded break.
fn skip_layout(left: &mut Chars<'_>, raw: &str, style: Style, want: char) {
    if style == Style::Double {
        // An escaped line break is nothing at all.
        while let Some((offset, '\\')) = left.peek().copied() {
            if !raw.get(offset + 1..).is_some_and(|rest| rest.starts_with(['\n', '\r'])) {
                break;
            }
            left.next();
            while left.next_if(|(_, c)| c.is_whitespace()).is_some() {}
        }
    }
    let Some((offset, got)) = left.peek().copied() else { return };
    if got == ' ' && want == ' ' {
        if style != Style::Block && breaks_next(raw, offset) {
            // Blanks at the end of a line are dropped; the break itself is the blank.
            while left.next_if(|(_, c)| *c == ' ' || *c == '\t').is_some() {}
        }
        return;
    }
    if got == want || !got.is_whitespace() || (want == ' ' && matches!(got, '\n' | '\r')) {
        return;
    }
    while left.next_if(|(_, c)| c.is_whitespace() && *c != want).is_some() {}
}

/// Whether only blanks stand between here and the end of the line.
fn breaks_next(raw: &str, offset: usize) -> bool {
    raw.get(offset..).is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with(['\n', '\r']))
}
