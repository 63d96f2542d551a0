//! What is computed: values, CEL, templates, counted budgets.

mod ast;
mod budget;
pub mod duration;
mod error;
mod eval;
mod functions;
mod parse;
mod print;
mod program;
mod scope;
mod template;
pub mod time;
mod tree;
mod value;

pub use ast::*;
pub use budget::Budget;
pub use error::{Error, EvalError, Span};
pub use functions::Function;
pub use parse::{MAX_NESTING, MAX_SOURCE};
pub use program::{Program, Read};
pub use scope::{Names, Scope};
pub use template::{Secrets, Template};
pub use tree::{TemplateError, TemplateValue};
pub use value::{JsonError, Map, MapKey, Type, Value, compare};
