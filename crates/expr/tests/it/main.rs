//! The expression language as a specification: tables first, then what hostile input may cost, then properties.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    missing_docs
)]

mod absent;
mod cost;
mod durations;
mod messages;
mod programs;
mod properties;
mod table;
mod templates;
mod trees;
mod values;

use ensue_expr::{Budget, EvalError, Names, Program, Value};
use serde_json::json;

/// The event that most tests look at.
fn scope() -> Names {
    Names::new()
        .with(
            "event",
            Value::from(json!({
                "type": "com.github.push",
                "data": {
                    "n": 41,
                    "deployment": "checkout",
                    "head": { "sha": "4f2a", "author": null },
                    "images": ["reg/app@sha256:aa", "reg/side@sha256:bb"],
                    "labels": { "org.opencontainers.image.source": "https://git.example.com/app" }
                }
            })),
        )
        .with("key", "checkout")
        .with("let", Value::map([("repo", Value::from("app")), ("count", Value::from(3))]))
        .with("secrets", Value::map([("TOKEN", Value::secret("TOKEN"))]))
        .with("now", Value::Timestamp(1_790_000_000_000_000))
}

fn eval(source: &str) -> Result<Value, EvalError> {
    Program::compile(source).unwrap_or_else(|error| panic!("{source}: {error}")).eval(&scope(), &mut Budget::new())
}
