//! `${{ env.NAME }}`: filled in when files are read, before anything else looks at them.
//!
//! What is applied must be whole: the log keeps the text that was in force. So the environment is not an expression that
//! is evaluated later but text that is put in its place once. `${{ env.NAME.orValue("text") }}` has a default.

use std::fmt::Write as _;

/// A variable that cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfilled {
    /// Where in the text, in bytes.
    pub at: usize,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// What is wrong and what to do.
    pub message: String,
}

/// What a variable is, by its name and the default that the text has for it.
pub type Lookup<'a> = dyn Fn(&str, Option<&str>) -> Option<String> + 'a;

/// A variable's value; its default where it is not set.
#[must_use]
pub fn default_or(value: Option<String>, default: Option<&str>) -> Option<String> {
    value.or_else(|| default.map(str::to_owned))
}

/// Puts values of the environment in their places. Values may not hold line breaks, quotes or `${{`: they would change
/// what the document means, not only what it says.
pub fn fill(text: &str, lookup: &Lookup<'_>) -> Result<String, Vec<Unfilled>> {
    let (mut out, mut wrong) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text;
    while let Some(start) = rest.find("${{") {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let Some(length) = from.find("}}").map(|end| end + 2) else {
            out.push_str(from);
            return if wrong.is_empty() { Ok(out) } else { Err(wrong) };
        };
        let (whole, after) = from.split_at(length);
        let inner = whole.trim_start_matches("${{").trim_end_matches("}}").trim();
        match inner.strip_prefix("env.").map(variable) {
            None => out.push_str(whole),
            Some(found) => {
                let at = text.len() - rest.len() + start;
                match found.and_then(|(name, default)| value(name, default, lookup)) {
                    Ok(value) => out.push_str(&value),
                    Err(message) => wrong.push(unfilled(text, at, message)),
                }
            }
        }
        rest = after;
    }
    out.push_str(rest);
    if wrong.is_empty() { Ok(out) } else { Err(wrong) }
}

/// The variable's name and default of what stands after `env.`.
fn variable(written: &str) -> Result<(&str, Option<&str>), String> {
    let end = written.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(written.len());
    let (name, rest) = written.split_at(end);
    let default = match rest.trim() {
        "" => None,
        call => {
            let inner = call.strip_prefix(".orValue(").and_then(|call| call.strip_suffix(')')).map(str::trim);
            let text = inner.and_then(|inner| {
                ['"', '\''].iter().find_map(|quote| inner.strip_prefix(*quote)?.strip_suffix(*quote))
            });
            Some(text.ok_or_else(|| {
                format!("only `env.NAME` and `env.NAME.orValue(\"text\")` can stand here, not `env.{written}`")
            })?)
        }
    };
    if name.is_empty() { Err("a name is missing after `env.`".to_owned()) } else { Ok((name, default)) }
}

fn value(name: &str, default: Option<&str>, lookup: &Lookup<'_>) -> Result<String, String> {
    let value = lookup(name, default).ok_or_else(|| {
        format!("the environment variable {name} is not set; set it, or write `${{{{ env.{name}.orValue(\"…\") }}}}`")
    })?;
    if value.contains(['\n', '\r', '"', '\'', '\\']) || value.contains("${{") {
        return Err(format!(
            "the value of {name} holds a line break, quote, backslash or `${{{{`, which would change the document"
        ));
    }
    Ok(value)
}

fn unfilled(text: &str, at: usize, message: String) -> Unfilled {
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let mut full = String::new();
    let _ = write!(full, "{message}");
    Unfilled {
        at,
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
        message: full,
    }
}

#[cfg(test)]
mod tests {
    use super::{default_or, fill};

    #[test]
    fn values_take_their_places() {
        let lookup =
            |name: &str, default: Option<&str>| default_or((name == "HOST").then(|| "example.com".to_owned()), default);
        let cases = [
            ("url: https://${{ env.HOST }}/x", Ok("url: https://example.com/x")),
            ("a: ${{env.HOST}} b: ${{ event.data }}", Ok("a: example.com b: ${{ event.data }}")),
            ("p: ${{ env.PORT.orValue(\"80\") }}", Ok("p: 80")),
            ("p: ${{ env.PORT.orValue('') }}", Ok("p: ")),
            ("x: ${{ open", Ok("x: ${{ open")),
            ("\n  p: ${{ env.PORT }}", Err((2, 6, "PORT is not set"))),
            ("p: ${{ env.HOST + 1 }}", Err((1, 4, "only `env.NAME`"))),
            ("p: ${{ env. }}", Err((1, 4, "a name is missing"))),
        ];
        for (text, wanted) in cases {
            match (fill(text, &lookup), wanted) {
                (Ok(got), Ok(wanted)) => assert_eq!(got, wanted),
                (Err(wrong), Err((line, column, part))) => {
                    assert_eq!((wrong[0].line, wrong[0].column), (line, column), "{text}");
                    assert!(wrong[0].message.contains(part), "{}", wrong[0].message);
                }
                (got, wanted) => panic!("{text}: {got:?} where {wanted:?} was expected"),
            }
        }
    }

    #[test]
    fn a_value_never_changes_the_document() {
        for evil in ["a\nb: c", "\"", "'", "${{ secrets.X }}", "\\"] {
            assert!(fill("x: \"${{ env.V }}\"", &|_, _| Some(evil.to_owned())).is_err(), "{evil:?}");
        }
    }
}
