//! Source text to tokens.

use crate::error::{Error, Span};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A name or a word.
    Word,
    /// A name in backticks: `` `org.example/x` ``, for members only.
    Quoted,
    /// A whole number's magnitude: at most 2^63, which only a minus sign makes an `int`.
    Int(u64),
    /// `5u`.
    Uint(u64),
    Double(f64),
    /// A text or bytes literal; decoded when it is used.
    Text {
        raw: bool,
        bytes: bool,
        triple: bool,
    },
    Sign(&'static str),
    End,
}

/// A token with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// The sign that begins with these two bytes; the longer one where both are signs.
fn sign(first: u8, second: u8) -> Option<&'static str> {
    Some(match (first, second) {
        (b'=', b'=') => "==",
        (b'!', b'=') => "!=",
        (b'<', b'=') => "<=",
        (b'>', b'=') => ">=",
        (b'&', b'&') => "&&",
        (b'|', b'|') => "||",
        (b'<', _) => "<",
        (b'>', _) => ">",
        (b'!', _) => "!",
        (b'+', _) => "+",
        (b'-', _) => "-",
        (b'*', _) => "*",
        (b'/', _) => "/",
        (b'%', _) => "%",
        (b'?', _) => "?",
        (b':', _) => ":",
        (b'.', _) => ".",
        (b',', _) => ",",
        (b'(', _) => "(",
        (b')', _) => ")",
        (b'[', _) => "[",
        (b']', _) => "]",
        (b'{', _) => "{",
        (b'}', _) => "}",
        _ => return None,
    })
}

/// Splits a source into tokens; the last one is `End`.
pub(crate) fn tokens(source: &str) -> Result<Vec<Token>, Error> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        tokens.push(token);
        if token.kind == Kind::End {
            return Ok(tokens);
        }
    }
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.source.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip(&mut self, keep: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(keep).len();
    }

    fn next(&mut self) -> Result<Token, Error> {
        loop {
            self.skip(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
            if !self.rest().starts_with("//") {
                break;
            }
            self.skip(|c| c != '\n');
        }
        let start = self.at;
        let kind = self.kind()?;
        Ok(Token { kind, span: Span::new(start, self.at) })
    }

    fn kind(&mut self) -> Result<Kind, Error> {
        let start = self.at;
        let first = self.byte(0);
        if self.rest().is_empty() {
            return Ok(Kind::End);
        }
        if first.is_ascii_digit() || (first == b'.' && self.byte(1).is_ascii_digit()) {
            return self.number();
        }
        if let Some(text) = self.text()? {
            return Ok(text);
        }
        if first.is_ascii_alphabetic() || first == b'_' {
            self.skip(|c| c.is_ascii_alphanumeric() || c == '_');
            return Ok(Kind::Word);
        }
        if first == b'`' {
            self.at += 1;
            self.skip(|c| !matches!(c, '`' | '\n'));
            if self.byte(0) != b'`' || self.at == start + 1 {
                return Err(
                    Error::new(Span::new(start, self.at), "a name in backticks is not closed").hint("end it with `")
                );
            }
            self.at += 1;
            return Ok(Kind::Quoted);
        }
        if let Some(sign) = sign(first, self.byte(1)) {
            self.at += sign.len();
            return Ok(Kind::Sign(sign));
        }
        let c = self.rest().chars().next().unwrap_or(' ');
        let error = Error::new(Span::new(start, start + c.len_utf8()), format!("unexpected character {c:?}"));
        Err(match c {
            '=' => error.hint("write == to compare"),
            '&' => error.hint("write && for «and»"),
            '|' => error.hint("write || for «or»"),
            '$' => error.hint("a name needs no $; ${{ … }} belongs around an expression, not into it"),
            '“' | '”' | '‘' | '’' => error.hint("write straight quotes, \" or '"),
            _ => error,
        })
    }

    fn number(&mut self) -> Result<Kind, Error> {
        let start = self.at;
        let wrong = |lexer: &Self, message: &str| Error::new(Span::new(start, lexer.at), message);
        let hex = self.byte(0) == b'0' && matches!(self.byte(1), b'x' | b'X');
        let mut double = false;
        if hex {
            self.at += 2;
            self.skip(|c| c.is_ascii_hexdigit());
        } else {
            self.skip(|c| c.is_ascii_digit());
            if self.byte(0) == b'.' && self.byte(1).is_ascii_digit() {
                double = true;
                self.at += 1;
                self.skip(|c| c.is_ascii_digit());
            }
            let sign = usize::from(matches!(self.byte(1), b'+' | b'-'));
            if matches!(self.byte(0), b'e' | b'E') && self.byte(1 + sign).is_ascii_digit() {
                double = true;
                self.at += 1 + sign;
                self.skip(|c| c.is_ascii_digit());
            }
        }
        let text = Span::new(start, self.at).of(self.source);
        let unsigned = !double && matches!(self.byte(0), b'u' | b'U');
        let parsed = if double {
            text.parse().ok().filter(|f: &f64| f.is_finite()).map(Kind::Double)
        } else {
            let (digits, radix) = text.get(2..).filter(|_| hex).map_or((text, 10), |digits| (digits, 16));
            u64::from_str_radix(digits, radix).ok().map(if unsigned { Kind::Uint } else { Kind::Int })
        };
        if unsigned {
            self.at += 1;
        }
        if self.byte(0).is_ascii_alphanumeric() || self.byte(0) == b'_' {
            self.skip(|c| c.is_ascii_alphanumeric() || c == '_');
            let text = Span::new(start, self.at).of(self.source);
            return Err(wrong(self, &format!("`{text}` is not a number"))
                .hint(format!("for a length of time write duration(\"{text}\"), for text put it in quotes")));
        }
        match parsed {
            Some(Kind::Int(n)) if n > 1 << 63 => Err(wrong(self, "the number is beyond the range of int")),
            Some(kind) => Ok(kind),
            None => Err(wrong(self, "the number is out of range")),
        }
    }

    /// A text literal, where one begins here: its prefix, quotes and content, unread.
    fn text(&mut self) -> Result<Option<Kind>, Error> {
        let start = self.at;
        let (mut raw, mut bytes, mut ahead) = (false, false, 0);
        loop {
            match self.byte(ahead) {
                b'r' | b'R' if !raw => raw = true,
                b'b' | b'B' if !bytes => bytes = true,
                b'"' | b'\'' => break,
                _ => return Ok(None),
            }
            ahead += 1;
        }
        let quote = self.byte(ahead);
        let triple = self.byte(ahead + 1) == quote && self.byte(ahead + 2) == quote;
        self.at += ahead + if triple { 3 } else { 1 };
        let open = |lexer: &Self| {
            Err(Error::new(Span::new(start, lexer.at), "a text is not closed").hint(if triple {
                "end it with the three quotes it began with"
            } else {
                "end it with the quote it began with"
            }))
        };
        loop {
            match self.byte(0) {
                0 if self.rest().is_empty() => return open(self),
                b'\n' | b'\r' if !triple => return open(self),
                // An escaped quote does not end the text; in a raw one a backslash is itself and cannot escape.
                b'\\' if !raw => self.at += if self.byte(1) == 0 { 1 } else { 2 },
                b if b == quote && !triple => {
                    self.at += 1;
                    break;
                }
                b if b == quote && self.byte(1) == quote && self.byte(2) == quote => {
                    self.at += 3;
                    break;
                }
                _ => self.at += 1,
            }
        }
        Ok(Some(Kind::Text { raw, bytes, triple }))
    }
}

/// The byte of the `}}` that closes the `${{` that `text` begins with: braces and quotes of the expression are its own.
pub(crate) fn until_close(text: &str) -> Result<usize, Error> {
    let mut lexer = Lexer { source: text, at: 3 };
    let mut open = 0_u32;
    loop {
        let token = lexer.next()?;
        match token.kind {
            Kind::Sign("{") => open += 1,
            Kind::Sign("}") if open > 0 => open -= 1,
            Kind::Sign("}") if lexer.byte(0) == b'}' => return Ok(token.span.start),
            Kind::End => {
                return Err(Error::new(Span::new(0, 3), "`${{` is not closed")
                    .hint("end the expression with }}, or write $${{ for the three characters themselves"));
            }
            _ => {}
        }
    }
}
