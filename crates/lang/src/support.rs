//! What the language has and this version of the engine has not: refused, never ignored.

/// Shape and field. An entry goes when the engine learns it.
const UNSUPPORTED: &[(&str, &[&str])] = &[
    ("a rule", &["timeout"]),
    ("a workflow", &["timeout"]),
    ("a step", &["parallel", "foreach", "wait", "approve", "undo", "cache", "needs"]),
];

/// Whether a field of the shape that is called `what` is not of this version.
pub(crate) fn missing(what: &str, field: &str) -> bool {
    UNSUPPORTED.iter().any(|(shape, fields)| *shape == what && fields.contains(&field))
}
