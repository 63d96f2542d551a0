//! What is computed: values, CEL expressions, `${{ }}` templates, counted budgets.
//!
//! ```
//! use ensue_expr::{Budget, Names, Program, Template, Value};
//!
//! let names = Names::new().with("event", Value::from_json(br#"{"data": {"restarts": 3, "pod": "web-1"}}"#)?);
//! let condition = Program::compile("event.data.restarts >= 3 && !has(event.causationid)")?;
//! assert!(condition.test(&names, &mut Budget::new())?);
//!
//! let text = Template::compile("${{ event.data.pod }} has crashed ${{ event.data.restarts }} times")?;
//! assert_eq!(text.render(&names, &mut Budget::new())?, Value::from("web-1 has crashed 3 times"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It is the Common Expression Language's syntax, macros and function libraries over a value type of our own, with a
//! parser and an evaluator of our own. `tests/fixtures/cel.txt` says what every piece of it means, section by section of the
//! CEL specification's own tests, and lists where we differ on purpose.
//!
//! It is not a rule engine, has no clock (`now` is a name that the embedding gives), no state, no I/O; it knows no secret,
//! only names of secrets.
//!
//! **Invariant: nothing panics and nothing runs on.** Sources have at most 32 KiB, 32 levels of nesting and 128 of operators,
//! checked before the parser goes down. An evaluation has 100,000 steps, 4 MiB of values made on the way and 256 KiB of
//! result. All of it is counted, none of it timed, so that an evaluation ends at the same step on every machine.
//!
//! **Invariant: the same names give the same value, everywhere.** Maps are ordered by key, numbers print in one way, the
//! time-zone database is bundled.
//!
//! **Invariant: data never becomes more than data.** A rendered text is never read as a template again. JSON from outside
//! ([`Value::from_json`]) never makes a secret's handle; only the stored form does (serde's `Deserialize`), which is for what
//! ensue itself has written, and which escapes data that looks like a handle.
//!
//! **Invariant: absence is not a value.** A path that ends early is absent. `has(path)` and `path.orValue(default)` take
//! that, [`Program::eval_opt`] tells it, and everything else reports it as an error with the first part that is missing. An
//! error in a condition is never false.
//!
//! The map, in the order in which a source becomes a value:
//!
//! - `parse/`: text to tokens to tree, by hand, with the byte of everything; `ast.rs` is the tree, `print.rs` its text
//! - `program.rs`, `template.rs`, `tree.rs`: a compiled expression, text with expressions, JSON with such texts
//! - `scope.rs`, `budget.rs`: what an evaluation is given
//! - `eval/`, `functions/`: the evaluator, and the library as tables
//! - `value/`, `time.rs`, `duration.rs`: what comes out
//! - `error.rs`: what can be wrong, before and while it runs

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

pub use ast::{Binary, Call, Each, Entry, Expr, Item, Macro, Node, Root, Segment, Unary};
pub use budget::Budget;
pub use error::{Error, EvalError, Span};
pub use functions::Function;
pub use parse::{MAX_NESTING, MAX_SOURCE};
pub use program::{Program, Read};
pub use scope::{Names, Scope};
pub use template::{Secrets, Template};
pub use tree::{TemplateError, TemplateValue};
pub use value::{JsonError, Map, MapKey, Type, Value, compare};
