//! What we do about it: a graph of nodes and the machine that walks it.
//!
//! This crate **is** the meaning of steps: [`compile()`] turns the step lists of a rule (and of the workflows that it
//! calls) into one [`Graph`] of nodes; [`Machine`] takes a [`Run`] from one input to the next and says what is to be
//! done ([`Command`]). It **is not** an executor: nothing here waits, reads a clock or talks to anyone.
//!
//! Invariants:
//! - Each branch of a run that is not over waits for something by name: an answer of an effect, a timer, an event, a
//!   person, or branches of its own ([`Run::waits`]). There is no state in which nothing can move it.
//! - A step with a recorded answer is never done again: only an operator's new generation gives new effects.
//! - The same run, input and time give the same commands: jitter is a hash, time is the record's.
//! - A definition is pinned: a run goes by the graph of the digest that fired it.
//!
//! Map: [`graph`] (the shape) → [`mod@compile`] (from step lists) → [`run`], [`branch`] and [`step`] (what is kept) →
//! [`scope`] (what expressions see) → [`machine`] (input in, commands out) → [`retry`] (when to try again).

pub mod graph;

pub mod compile;

pub mod run;

pub mod branch;

pub mod step;

pub mod scope;

pub mod machine;

pub mod retry;

pub use branch::{Branch, Branches, BranchesMut, TRUNK, Waits};
pub use compile::{Definition, compile};
pub use graph::Graph;
pub use machine::{Alarm, Command, Effect, Input, Machine, World, meets};
pub use run::{Run, Status};
pub use step::{StepState, StepStatus};
