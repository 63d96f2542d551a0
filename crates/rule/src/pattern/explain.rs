//! Why a pattern is met or not: a verdict for each field, and how near a miss it was.

use super::{Branch, OURS, Test, holds};
use crate::fields::Fields;
use crate::view::View;

/// How many values of a field are shown.
const SHOWN: usize = 5;

/// The verdict on a pattern for one event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    /// Whether the event is met.
    pub matched: bool,
    /// Each field of the nearest branch; missed ones first are the reason.
    pub fields: Vec<FieldVerdict>,
}

/// The verdict on a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldVerdict {
    /// The field's path, joined by dots.
    pub path: String,
    /// The alternatives as they are written in the pattern.
    pub expected: String,
    /// The values found, as JSON; none if the event has none there.
    pub actual: Option<String>,
    /// Whether an alternative holds.
    pub ok: bool,
}

impl Explanation {
    /// The share of fields that are met, 0 to 1: what nearest misses are ranked by.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        if self.matched {
            return 1.0;
        }
        let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        let ok = self.fields.iter().filter(|field| field.ok).count();
        count(ok) / count(self.fields.len().max(1))
    }

    /// The first field that is not met.
    #[must_use]
    pub fn first_miss(&self) -> Option<&FieldVerdict> {
        self.fields.iter().find(|field| !field.ok)
    }
}

pub(super) fn branch(branch: &Branch, nodes: &[u32], matched: bool, view: &View<'_>, fields: &Fields) -> Explanation {
    let mut verdicts = Vec::new();
    for (field, node) in branch.fields.iter().zip(nodes) {
        let mut ok = false;
        let mut count = 0;
        let mut shown = Vec::new();
        for found in fields.at(*node) {
            let value = fields.value(found, view.data());
            ok |= holds(field, view, value);
            count += 1;
            shown.push(value);
            if shown.len() > SHOWN {
                shown.remove(0);
            }
        }
        if count == 0 {
            ok = field.may_be_absent();
        }
        ok = field.lifted(*node, fields, view).unwrap_or(ok);
        let mut actual: Vec<String> = shown.iter().rev().map(|value| value.to_string()).collect();
        if count > SHOWN {
            actual.push(format!("… ({count} values)"));
        }
        verdicts.push(FieldVerdict {
            path: field.path.join("."),
            expected: field.any.iter().map(Test::to_string).collect::<Vec<_>>().join(" or "),
            actual: (!actual.is_empty()).then(|| actual.join(", ")),
            ok: ok || matched,
        });
    }
    if !matched && verdicts.iter().all(|verdict| verdict.ok) {
        verdicts.push(if view.is_ours() && !branch.names_ours() {
            FieldVerdict {
                path: "type".to_owned(),
                expected: format!(
                    "a pattern whose `type` names the prefix `{OURS}`, since the event is one of ensue's own"
                ),
                actual: None,
                ok: false,
            }
        } else {
            FieldVerdict {
                path: verdicts.iter().map(|verdict| verdict.path.as_str()).collect::<Vec<_>>().join(", "),
                expected: "all met within the same element of an array".to_owned(),
                actual: Some("met only in different elements".to_owned()),
                ok: false,
            }
        });
    }
    Explanation { matched, fields: verdicts }
}

/// As JSON; a text is cut after 120 characters.
impl std::fmt::Display for super::Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(self.bytes);
        let mut cut: String = text.chars().take(120).collect();
        if cut.len() < text.len() {
            cut.push('…');
        }
        match self.kind {
            super::Kind::Text => write!(f, "{}", serde_json::Value::from(cut)),
            _ => f.write_str(&cut),
        }
    }
}
