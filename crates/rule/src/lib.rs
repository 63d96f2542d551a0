//! What facts mean: patterns, conditions, correlation, flow control.
//!
//! This crate **is** the pattern language and the index over many patterns: which of all patterns an event meets, and
//! why one is not met; and the machines of correlation and flow control. It **is not** the rule engine: no store, clock or socket is in
//! it.
//!
//! # Patterns
//!
//! The language is Amazon EventBridge's, with the answers of event-ruler, its open implementation. A pattern is a map
//! of fields; a leaf is a list of alternatives; all fields must be met; what is not mentioned does not matter.
//!
//! ```
//! use ensue_rule::{Pattern, View};
//!
//! let pattern = Pattern::compile(&serde_json::json!({
//!     "type": ["io.k8s.pod.crash-loop"],
//!     "data": {"namespace": ["shop", {"prefix": "shop-"}], "restarts": [{"numeric": [">=", 3]}]},
//! }))
//! .map_err(|problems| problems[0].to_string())?;
//! let event = br#"{"type": "io.k8s.pod.crash-loop", "data": {"namespace": "shop-eu", "restarts": 5}}"#;
//! assert!(pattern.matches(&View::of_json(event)));
//! # Ok::<(), String>(())
//! ```
//!
//! | alternative | is met by |
//! |---|---|
//! | `"text"`, `5`, `true`, `false`, `null`, `{"exact": "text"}` | the same value; numbers by value: 300, 300.0, 3e2 |
//! | `{"prefix": "a"}`, `{"suffix": "a"}` | a text that begins, ends so; `{"prefix": {"equals-ignore-case": "a"}}` |
//! | `{"equals-ignore-case": "a"}` | the same text but for case, character by character |
//! | `{"wildcard": "a*b"}` | `*` is any characters, none included; `\*` and `\\` are themselves; at most 32 stars |
//! | `{"anything-but": …}` | a value that is none of these: a text or number, a list of one kind, or one of `prefix`, `suffix`, `wildcard`, `equals-ignore-case` with a text or a list |
//! | `{"numeric": [">", 0, "<=", 5]}` | a number in the range; `=` alone; a text never |
//! | `{"exists": true}`, `{"exists": false}` | any value; no value. Only values count: an object or an empty list is none |
//! | `{"cidr": "10.0.0.0/8"}` | a text that is an address in the block, IPv4 or IPv6 |
//! | `"$or": [{…}, {…}]` beside fields | at least two objects, of which one must be met |
//!
//! - A list in an event is met if one of its values is. Two fields of one pattern below the same list must be met
//!   **within the same element**; lists directly within lists are one list.
//! - `exists: false` is asked within the element that the other fields fix; where they fix none, of all elements.
//! - A key with dots is a path: `{"a.b": …}` and `{"a": {"b": …}}` are the same, in patterns and in events.
//! - A field that stands outside of `$or` and within one of its branches: in that branch, the inner one counts.
//! - Events of a type that begins with `dev.ensue.` are ensue's own. Only an alternative of `type` that names that
//!   prefix meets them.
//!
//! Differences from event-ruler, each the stricter side:
//! - Numbers are compared by their exact decimal value, of any size; event-ruler's `numeric` is limited.
//! - A text that looks like an address is a text: `"10.0.0.1"` is not met by another spelling of that address.
//! - `exists: false` does not depend on the alphabetical order of the fields beside it.
//! - `$or` that is not a list of two or more objects is refused, not taken for a field of that name.
//! - Duplicate keys are refused where events come in; here either may be seen.
//! - Refused: more than 1,000 branches of `$or`, 10,000 alternatives or 500 that no lookup answers, 64 levels, a range
//!   in which nothing is.
//!
//! # Invariants
//!
//! - An index answers as its patterns do one by one (held against a naive evaluator by `tests/it/property.rs`).
//! - A condition in the index prunes an event only where it is `false`: never where it errs (`tests/it/lifted.rs`).
//! - No pattern and no event makes the time more than (bytes of the event + values found × patterns that could be met);
//!   there is no backtracking and no product of array elements. [`Index::measure`] counts it, and `tests/it/bounds.rs`
//!   holds it to that.
//! - An event's data is not read if no pattern asks for it, and not further than to the last field asked for.
//! - Nothing here panics, whatever the bytes.
//!
//! # Map
//!
//! [`pattern`](Pattern) compiles and explains → [`view`](View) is an event as patterns see it → `scan` finds the ends
//! of texts and containers in raw JSON → `trie` holds the paths asked for → `walk` follows them through the JSON →
//! `fields` is what was found → `join` checks array consistency → [`index`](Index) looks many patterns up at once.
//! [`lift`](lift()) gives it the conditions of rules too.
//!
//! Apart from them, [`order`] says whose turn it is, [`correlate`] which events of a key together are a match, and
//! [`flow`] how often matches become firings.

mod pattern;

mod view;

mod scan;
mod trie;
mod walk;

mod fields;

mod join;

mod index;

mod lift;

pub mod order;

pub mod correlate;

pub mod flow;

pub use index::{Index, Stats, Work};
pub use lift::{Lifted, lift};
pub use pattern::{Explanation, FieldVerdict, Known, Pattern, Problem};
pub use view::View;
