//! Paths, and what is said of those that end early.

use std::sync::Arc;

use crate::ast::Segment;
use crate::error::{EvalError, Span};
use crate::value::{MapKey, Value};

/// Why a path ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Why {
    /// The root name has no value here.
    #[default]
    Name,
    /// The map has no such key.
    Field,
    /// What should hold the key is null.
    Null,
    /// The list has only so many items.
    Item(usize),
    /// The list is empty.
    Empty,
}

/// Where a path ended.
pub(super) enum Lost {
    /// At this segment, for this reason.
    Missing(usize, Why),
    /// At a value that has no parts at all.
    Type(String),
}

/// Follows the segments; only the value at the end is cloned.
pub(super) fn walk(start: &Value, segments: &[Segment]) -> Result<Value, Lost> {
    let mut value = start;
    for (at, segment) in segments.iter().enumerate() {
        value = match (value, &segment.key) {
            (Value::Map(map), key) => map.get(key).ok_or(Lost::Missing(at, Why::Field))?,
            (Value::Null, _) => return Err(Lost::Missing(at, Why::Null)),
            (Value::List(items), MapKey::Int(n)) => {
                usize::try_from(*n).ok().and_then(|n| items.get(n)).ok_or(Lost::Missing(at, Why::Item(items.len())))?
            }
            (Value::List(items), MapKey::Uint(n)) => {
                usize::try_from(*n).ok().and_then(|n| items.get(n)).ok_or(Lost::Missing(at, Why::Item(items.len())))?
            }
            (Value::List(_), key) => {
                return Err(Lost::Type(format!(
                    "a list has no {}; select an item first, as [0], or use exists(x, …)",
                    key.shown()
                )));
            }
            (other, key) => {
                return Err(Lost::Type(format!("{} has no parts, so no {}", other.a_type(), key.shown())));
            }
        };
    }
    Ok(value.clone())
}

/// What is known of the last path that ended early; the text is made only when somebody is told.
#[derive(Clone, Debug, Default)]
pub(super) struct Missing {
    /// The whole path, as far as selections go on.
    whole: Span,
    /// The last segment: its key and place.
    last: Option<(MapKey, Span)>,
    /// The segment that is not there, or that is below null.
    at: Option<MapKey>,
    /// What is null, where null is the reason.
    null: Option<MapKey>,
    why: Why,
}

impl Missing {
    /// A root name without a value.
    pub(super) fn name(name: &Arc<str>, whole: Span, segments: &[Segment]) -> Missing {
        let mut missing =
            Missing { whole, last: None, at: Some(MapKey::String(name.clone())), null: None, why: Why::Name };
        missing.extend(whole, segments);
        missing
    }

    /// The first or last item of an empty list.
    pub(super) fn item(which: &str, whole: Span) -> Missing {
        Missing { whole, last: None, at: Some(MapKey::from(which)), null: None, why: Why::Empty }
    }

    /// A segment that is not there.
    pub(super) fn segment(at: usize, why: Why, whole: Span, segments: &[Segment]) -> Missing {
        let key = |at: usize| segments.get(at).map(|segment| segment.key.clone());
        let null = if why == Why::Null { at.checked_sub(1).and_then(key) } else { None };
        let mut missing = Missing { whole, last: None, at: key(at), null, why };
        missing.extend(whole, segments);
        missing
    }

    /// The path goes on.
    pub(super) fn extend(&mut self, whole: Span, segments: &[Segment]) {
        self.whole = whole;
        if let Some(segment) = segments.last() {
            self.last = Some((segment.key.clone(), segment.span));
        }
    }

    /// The error for a person.
    pub(super) fn error(self, source: &str) -> EvalError {
        let path = self.whole.of(source).to_owned();
        let missing = self.at.as_ref().map(ToString::to_string).unwrap_or_default();
        let message = match (&self.last, self.why) {
            (_, Why::Empty) => format!("no {missing} item in {path}: the list is empty"),
            (None, _) => format!("`{missing}` has no value here"),
            (Some(_), Why::Name) => format!("`{missing}` has no value here, so neither has {path}"),
            (Some((last, place)), why) => {
                let parent = Span::new(self.whole.start, place.start).of(source);
                let parent = parent.trim_end_matches(|c: char| matches!(c, '.' | '[' | '?') || c.is_whitespace());
                let is_last = self.at.as_ref() == Some(last);
                let what = match last {
                    MapKey::String(text) => format!("no such field `{text}` in {parent}"),
                    MapKey::Int(_) | MapKey::Uint(_) if is_last && matches!(why, Why::Item(_)) => {
                        format!("no item {last} in {parent}")
                    }
                    other => format!("no such key {other} in {parent}"),
                };
                match why {
                    Why::Null => match &self.null {
                        Some(null) => format!("{what} (`{null}` is null)"),
                        None => format!("{what} (it is null)"),
                    },
                    Why::Item(count) if is_last => {
                        format!("{what}, which has {count} {}", if count == 1 { "item" } else { "items" })
                    }
                    _ if is_last => what,
                    _ => format!("{what} (missing at `{missing}`)"),
                }
            }
        };
        EvalError::Absent { message, path, missing, span: self.whole }
    }
}
