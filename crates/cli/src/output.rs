//! One way to print: tables for people, JSON for pipes.

use std::io::{IsTerminal as _, Write as _};
#[cfg(unix)]
use std::os::fd::AsFd as _;

use serde_json::Value;
#[cfg(unix)]
use tokio::{io::Interest, net::unix::pipe::Sender};

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    // Columns. Comments that help would show make the help of every command three times as long.
    Table,
    // One value a line where there are several.
    Json,
    Yaml,
    // A picture for Graphviz: `ensue graph` only.
    #[value(hide = true)]
    Dot,
}

/// Where and how a command prints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
    /// Whether the format was asked for.
    told: bool,
}

impl Output {
    /// Tables on a terminal, JSON in a pipe, unless told.
    pub(crate) fn new(wanted: Option<Format>) -> Output {
        let fitting = if std::io::stdout().is_terminal() { Format::Table } else { Format::Json };
        Output { format: wanted.unwrap_or(fitting), told: wanted.is_some() }
    }

    /// Whether a report, which people read in the output of a pipeline too, is wanted for programs.
    pub(crate) fn report_for_programs(self) -> bool {
        self.told && !self.for_people()
    }

    /// Whether JSON was asked for.
    pub(crate) fn json_is_asked(self) -> bool {
        self.told && self.format == Format::Json
    }

    /// Whether a picture is wanted.
    pub(crate) fn for_graphviz(self) -> bool {
        self.format == Format::Dot
    }

    /// Whether people read it.
    pub(crate) fn for_people(self) -> bool {
        matches!(self.format, Format::Table | Format::Dot)
    }

    /// A line, as it is.
    pub(crate) fn line(self, text: impl std::fmt::Display) {
        // A closed pipe ends the program quietly, as it does everywhere.
        if writeln!(anstream::stdout(), "{text}").is_err() {
            std::process::exit(0);
        }
    }

    /// One value.
    pub(crate) fn value(self, value: &Value) {
        match self.format {
            Format::Json => self.line(value),
            Format::Table | Format::Yaml | Format::Dot => self.line(yaml(value, 0).trim_end()),
        }
    }

    /// A list: a row for each value with these columns (a title and a JSON pointer), or each value whole.
    pub(crate) fn list(self, values: &[Value], columns: &[(&str, &str)], empty: &str) {
        match self.format {
            Format::Json => values.iter().for_each(|value| self.line(value)),
            Format::Yaml => self.line(yaml(&Value::Array(values.to_vec()), 0).trim_end()),
            Format::Table | Format::Dot if values.is_empty() => self.line(empty),
            Format::Table | Format::Dot => {
                let rows: Vec<Vec<String>> = values
                    .iter()
                    .map(|value| columns.iter().map(|(_, pointer)| one_line(cell(value.pointer(pointer)))).collect())
                    .collect();
                let titles: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
                self.table(&titles, &rows);
            }
        }
    }

    /// Rows in columns that are as wide as they must be.
    pub(crate) fn table(self, titles: &[&str], rows: &[Vec<String>]) {
        let mut widths: Vec<usize> = titles.iter().map(|title| title.len()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let bold = anstyle::Style::new().bold();
        let head = pad(titles.iter().map(|title| (*title).to_owned()).collect(), &widths);
        self.line(format!("{bold}{head}{bold:#}"));
        for row in rows {
            self.line(pad(row.clone(), &widths));
        }
    }
}

fn pad(cells: Vec<String>, widths: &[usize]) -> String {
    let mut out = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        out.push_str(cell);
        let missing = width.saturating_sub(cell.chars().count()) + 2;
        out.extend(std::iter::repeat_n(' ', missing));
    }
    out.trim_end().to_owned()
}

/// A text cut to a width, so that it does not break the columns; a digest first to its first digits.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let text = match text.split_once("@sha256:") {
        Some((before, digest)) => format!("{before}@sha256:{}…", digest.chars().take(8).collect::<String>()),
        None => text.to_owned(),
    };
    if text.chars().count() <= width {
        return text;
    }
    let mut out: String = text.chars().take(width.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// A value in a cell of a table: texts bare but tame, nothing for null, the rest as JSON.
pub(crate) fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => tame(text),
        Some(other) => tame(&other.to_string()),
    }
}

/// A text from outside as a terminal may have it: what would move the cursor, colour the rest, or turn the direction of
/// writing is shown as what it is. Lines stay lines.
pub(crate) fn tame(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => {}
            _ if c.is_control() || turns => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

/// A text in one line.
pub(crate) fn one_line(text: String) -> String {
    if !text.contains('\n') {
        return text;
    }
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Plain YAML for values that are shown to people; JSON where YAML would need quoting rules.
pub(crate) fn yaml(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(object) if !object.is_empty() => object
            .iter()
            .map(|(name, value)| match value {
                Value::Object(inner) if !inner.is_empty() => format!("{indent}{name}:\n{}", yaml(value, depth + 1)),
                Value::Array(inner) if !inner.is_empty() => format!("{indent}{name}:\n{}", yaml(value, depth + 1)),
                other => format!("{indent}{name}: {}\n", scalar(other)),
            })
            .collect(),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| {
                let inner = yaml(item, depth + 1);
                let inner = inner.strip_prefix(&"  ".repeat(depth + 1)).unwrap_or(&inner);
                format!("{indent}- {inner}")
            })
            .collect(),
        other => format!("{indent}{}\n", scalar(other)),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if plain(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a text means the same in YAML without quotes.
fn plain(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || "/_-. @".contains(c);
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '/');
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"];
    first && text.chars().all(word) && !text.ends_with(' ') && !reserved.contains(&text.to_ascii_lowercase().as_str())
}

/// Ends when nobody reads any more what is printed: the other end of a pipe was closed. A file never ends.
pub(crate) async fn closed() {
    // Only errors are waited for and nothing is written through it, so it need not be set to never block.
    #[cfg(unix)]
    if let Ok(out) = std::io::stdout().as_fd().try_clone_to_owned().and_then(Sender::from_owned_fd_unchecked)
        && out.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::{one_line, tame};

    #[test]
    fn what_comes_from_outside_moves_no_cursor() {
        let cases = [
            ("plain, ünïcode 字 🎉", "plain, ünïcode 字 🎉"),
            ("\u{1b}[2J\u{1b}[31mred\u{7}", "\\u{1b}[2J\\u{1b}[31mred\\u{7}"),
            ("a\u{202e}b\u{200b}", "a\\u{202e}b\\u{200b}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("one\r\n\ttwo", "one\n\ttwo"),
        ];
        for (text, wanted) in cases {
            assert_eq!(tame(text), wanted);
        }
        assert_eq!(one_line(tame("error: a\r\n\r\n  b\n")), "error: a; b");
    }
}
