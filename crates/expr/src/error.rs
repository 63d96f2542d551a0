//! What can be wrong with an expression, before and while it runs.

use std::fmt;
use std::ops::Range;

/// A place in a source text: byte offsets, end excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// From `start` to before `end`.
    pub fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    /// As a range, to slice with.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// From the start of this to the end of that.
    pub(crate) fn to(self, last: Span) -> Span {
        Span { start: self.start, end: last.end }
    }

    /// The same place in a text in which this source begins at `offset`.
    pub(crate) fn shifted(self, offset: usize) -> Span {
        Span { start: self.start + offset, end: self.end + offset }
    }

    /// What stands there.
    pub(crate) fn of(self, source: &str) -> &str {
        source.get(self.range()).unwrap_or_default()
    }
}

/// Why a text is no expression, or no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Where, in the text that was compiled.
    pub span: Span,
    /// What is wrong, one line.
    pub message: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

impl Error {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Error {
        Error { span, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Why an evaluation has no value.
///
/// The spans are byte offsets in the source of the program, or of the template's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A path ends before its last part, and nothing (`has`, `orValue`) takes that.
    #[error("{message}")]
    Absent {
        /// The whole line for a person.
        message: String,
        /// The path as written: `event.data.head.sha`.
        path: String,
        /// The first part that is missing: `head`.
        missing: String,
        /// Where the path stands.
        span: Span,
    },
    /// An operator or function got values of types that it does not take.
    #[error("{message}")]
    Type {
        /// The whole line for a person.
        message: String,
        /// Where.
        span: Span,
    },
    /// The types are right, the value is not: an overflow, a division by zero, a text that is no number.
    #[error("{message}")]
    Value {
        /// The whole line for a person.
        message: String,
        /// Where.
        span: Span,
    },
    /// The evaluation took more steps, or made more output, than it may.
    #[error("{message}")]
    Budget {
        /// The whole line for a person.
        message: String,
        /// Where it was when it was stopped.
        span: Span,
    },
    /// A secret's handle stands where only text can.
    #[error("{message}")]
    Secret {
        /// The whole line for a person.
        message: String,
        /// Where.
        span: Span,
    },
    /// One of these, in a leaf of a tree of templates.
    #[error("{}: {error}", if pointer.is_empty() { "/" } else { pointer.as_str() })]
    At {
        /// The leaf as a JSON pointer (RFC 6901).
        pointer: String,
        /// What is wrong there.
        error: Box<EvalError>,
    },
}

impl EvalError {
    /// Where, in the source of the program or the text of the template.
    pub fn span(&self) -> Span {
        match self {
            EvalError::Absent { span, .. }
            | EvalError::Type { span, .. }
            | EvalError::Value { span, .. }
            | EvalError::Budget { span, .. }
            | EvalError::Secret { span, .. } => *span,
            EvalError::At { error, .. } => error.span(),
        }
    }

    /// Whether a missing path is the reason.
    pub fn is_absent(&self) -> bool {
        match self {
            EvalError::At { error, .. } => error.is_absent(),
            other => matches!(other, EvalError::Absent { .. }),
        }
    }

    /// Whether the budget is the reason.
    pub fn is_budget(&self) -> bool {
        match self {
            EvalError::At { error, .. } => error.is_budget(),
            other => matches!(other, EvalError::Budget { .. }),
        }
    }

    /// The same error in a text in which the program's source begins at `offset`.
    pub(crate) fn shifted(mut self, offset: usize) -> EvalError {
        match &mut self {
            EvalError::Absent { span, .. }
            | EvalError::Type { span, .. }
            | EvalError::Value { span, .. }
            | EvalError::Budget { span, .. }
            | EvalError::Secret { span, .. } => *span = span.shifted(offset),
            EvalError::At { .. } => {}
        }
        self
    }
}
