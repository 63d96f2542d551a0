//! Setting one value in a file and leaving every other byte as it is.
//!
//! The file is parsed with places, the new value is spliced in over the old one, and the result is parsed again: if
//! anything but the named value differs, nothing is changed and the error says so.

mod json;
mod path;
mod yaml;
mod yaml_scalar;
mod yaml_tree;

use serde_json::Value;

/// The largest file that is edited; a values file is a thousandth of it.
const MAX_FILE: usize = 8 << 20;

/// Why a value cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither YAML nor JSON by its name.
    #[error("only .yaml, .yml and .json files have values to set; write the whole file with `files`")]
    Kind,
    /// Too large.
    #[error("the file is larger than 8 MiB")]
    Size,
    /// It cannot be read.
    #[error("the file is not {kind}: {why}")]
    Parse {
        /// `YAML` or `JSON`.
        kind: &'static str,
        /// What the reader says.
        why: String,
    },
    /// A key that names no path.
    #[error("`{0}` is no path: write a.b.c, or a JSON Pointer such as /a/b.c/0")]
    Path(String),
    /// The path leads through something that has no members.
    #[error("`{at}` is {what}; it has no `{next}`")]
    Through {
        /// The path so far.
        at: String,
        /// What stands there.
        what: &'static str,
        /// The next segment.
        next: String,
    },
    /// The value is shared, or made in a way that cannot be edited in place.
    #[error("`{at}` cannot be set in place: {why}")]
    Place {
        /// The path.
        at: String,
        /// Why, and what to do.
        why: &'static str,
    },
}

/// The text of a file with the value at a path set: the path is a JSON Pointer (RFC 6901) if it begins with `/`, else
/// dotted. Missing members of maps are added; elements of lists must be there.
pub fn set(file: &str, text: &str, path: &str, value: &Value) -> Result<String, Error> {
    if text.len() > MAX_FILE {
        return Err(Error::Size);
    }
    let segments = path::parse(path)?;
    match file.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
        Some("yaml" | "yml") => yaml::set(text, &segments, value),
        Some("json") => json::set(text, &segments, value),
        _ => Err(Error::Kind),
    }
}

/// Sets a value in a tree: what the edited text must say. `None` where the path does not lead there.
fn set_in_tree(tree: &mut Value, path: &[String], value: Value) -> Option<()> {
    let Some((first, rest)) = path.split_first() else {
        *tree = value;
        return Some(());
    };
    if tree.is_null() {
        *tree = Value::Object(serde_json::Map::new());
    }
    let slot = match tree {
        // What an anchor or a tag of YAML stands before; see `yaml_tree`.
        Value::Object(object) if object.contains_key("!") && object.contains_key("&") && object.contains_key("=") => {
            return set_in_tree(object.get_mut("=")?, path, value);
        }
        Value::Object(object) => object.entry(first.clone()).or_insert(Value::Null),
        Value::Array(items) => items.get_mut(path::index(first)?)?,
        _ => return None,
    };
    set_in_tree(slot, rest, value)
}

/// A value within maps for these keys.
fn nested(path: &[String], value: &Value) -> Value {
    path.iter().rev().fold(value.clone(), |inner, key| serde_json::json!({ key.as_str(): inner }))
}

/// Equal, with whole numbers and their floats alike: `1.0` is what `1` says.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| same(left, right)))
        }
        (left, right) => left == right,
    }
}
