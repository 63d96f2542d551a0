//! What facts mean: patterns, conditions, correlation, flow control.

mod fields;
mod join;
mod scan;
mod trie;
mod walk;

mod pattern;
mod view;

mod index;

pub use index::{Index, Stats};
pub use pattern::{Explanation, FieldVerdict, Pattern, Problem};
pub use view::View;
