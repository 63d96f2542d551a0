//! The text of a row, for comparing two states and for reading one.
//!
//! A line is `table TAB key TAB value`. Bytes that are UTF-8 without control characters stand as they are, all others
//! as `x'…'` in hex; so does text that begins with `x'`, and no two rows have the same line.

use std::fmt::Write;

/// Appends the line of one row.
pub fn line(table: &str, key: &[u8], value: &[u8], out: &mut String) {
    out.push_str(table);
    out.push('\t');
    push(key, out);
    out.push('\t');
    push(value, out);
    out.push('\n');
}

/// The text of a key or a value.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    let mut out = String::new();
    push(bytes, &mut out);
    out
}

fn push(bytes: &[u8], out: &mut String) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.starts_with("x'") && !text.contains(char::is_control) => out.push_str(text),
        _ => {
            out.push_str("x'");
            for byte in bytes {
                // Writing to a String cannot fail.
                let _ = write!(out, "{byte:02x}");
            }
            out.push('\'');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_readable_and_unambiguous() {
        for (key, value, expected) in [
            (&b"run-1"[..], &br#"{"step":2}"#[..], "t\trun-1\t{\"step\":2}\n"),
            (&[0, 0, 1], b"", "t\tx'000001'\t\n"),
            (b"x'61'", b"a\tb", "t\tx'7827363127'\tx'610962'\n"),
            ("ü".as_bytes(), &[0xff], "t\tü\tx'ff'\n"),
        ] {
            let mut out = String::new();
            line("t", key, value, &mut out);
            assert_eq!(out, expected);
        }
    }
}
