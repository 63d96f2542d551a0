//! What of a Rust source is code: comments, texts and tests are blanked, lines stay where they are.

/// The code of a source; every other character is a space. With the module `tests` at the end of the file, if it is one
/// of `#[cfg(test)]`, blanked too.
pub(super) fn code(text: &str) -> String {
    let mut out = blank(text);
    if let Some(at) = out.find("#[cfg(test)]\nmod tests {") {
        let tests = out.split_off(at);
        out.extend(tests.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
    }
    out
}

/// Where the reader is.
enum At {
    Code,
    LineComment,
    /// How deep: block comments nest.
    BlockComment(usize),
    Text,
    /// How many `#` end it.
    RawText(usize),
}

fn blank(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let peek = |at: usize| characters.get(at).copied().unwrap_or('\0');
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut state = At::Code;
    while at < characters.len() {
        let here = peek(at);
        // How many characters this step takes; all but code become spaces.
        let mut take = 1;
        let mut keep = false;
        match state {
            At::Code => match (here, peek(at + 1)) {
                ('/', '/') => state = At::LineComment,
                ('/', '*') => (state, take) = (At::BlockComment(1), 2),
                ('"', _) => state = At::Text,
                ('r', '"' | '#') if !word(at.checked_sub(1).map_or(' ', peek)) || peek(at.wrapping_sub(1)) == 'b' => {
                    let hashes = (at + 1..).take_while(|at| peek(*at) == '#').count();
                    if peek(at + 1 + hashes) == '"' {
                        (state, take) = (At::RawText(hashes), hashes + 2);
                    } else {
                        keep = true;
                    }
                }
                ('\'', '\\') => {
                    // A character such as '\'' or '\u{1f}': to its closing quote.
                    take = 3 + (at + 3..).take_while(|at| !matches!(peek(*at), '\'' | '\0')).count() + 1;
                }
                ('\'', _) if peek(at + 2) == '\'' => take = 3,
                _ => keep = true,
            },
            At::LineComment => {
                if here == '\n' {
                    state = At::Code;
                }
            }
            At::BlockComment(depth) => match (here, peek(at + 1)) {
                ('*', '/') => (state, take) = (if depth == 1 { At::Code } else { At::BlockComment(depth - 1) }, 2),
                ('/', '*') => (state, take) = (At::BlockComment(depth + 1), 2),
                _ => {}
            },
            At::Text => match here {
                '\\' => take = 2,
                '"' => state = At::Code,
                _ => {}
            },
            At::RawText(hashes) => {
                if here == '"' && (1..=hashes).all(|n| peek(at + n) == '#') {
                    (state, take) = (At::Code, hashes + 1);
                }
            }
        }
        for c in characters.iter().skip(at).take(take) {
            out.push(if keep || *c == '\n' { *c } else { ' ' });
        }
        at += take;
    }
    out
}

/// True if the character may stand in a name.
pub(super) fn word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// True if the pattern stands in the line and is not a part of a longer name.
pub(super) fn has(line: &str, pattern: &str) -> bool {
    line.match_indices(pattern).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back()).unwrap_or(' ');
        let after = line.get(at + pattern.len()..).and_then(|text| text.chars().next()).unwrap_or(' ');
        let begins = !pattern.starts_with(word) || !word(before);
        let ends = !pattern.ends_with(word) || !word(after);
        begins && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_left() {
        for (text, expected) in [
            ("a // b", "a"),
            ("a /* b /* c */ d */ e", "a e"),
            ("x(\"// no \\\" comment\") + y // z", "x( ) + y"),
            ("r#\"a \" b\"# + c", "+ c"),
            ("for r in x", "for r in x"),
            ("b'\\'' + '\"' + c", "b + + c"),
            ("'\\u{1f}' + c", "+ c"),
            ("fn f<'a>(x: &'a str) -> char { 'x' }", "fn f<'a>(x: &'a str) -> char { }"),
            ("a\n// b\nc", "a c"),
            ("let r#type = 1;", "let r#type = 1;"),
        ] {
            let code = code(text);
            assert_eq!(code.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
            assert_eq!(code.chars().count(), text.chars().count(), "every character keeps its place: {text}");
        }
    }

    #[test]
    fn the_tests_of_a_file_are_not_its_code() {
        let text = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(code(text).trim_end(), "fn a() {}");
        assert_eq!(code(text).lines().count(), text.lines().count());
    }

    #[test]
    fn a_pattern_is_a_whole_name() {
        for (line, pattern, expected) in [
            ("use rand::x;", "rand::", true),
            ("use operand::x;", "rand::", false),
            ("Instant", "Instant", true),
            ("Instantly", "Instant", false),
            ("x.ln()", ".ln()", true),
        ] {
            assert_eq!(has(line, pattern), expected, "{line}");
        }
    }
}
