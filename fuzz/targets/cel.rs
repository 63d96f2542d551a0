//! Expressions and templates.

use ensue_expr::{Budget, EvalError, MAX_SOURCE, Names, Program, Template, Value};

/// What an evaluation may take here: as much as in a rule's condition.
fn names() -> Names {
    let event = br#"{"type": "t", "subject": "s", "time": "2026-01-02T03:04:05Z",
        "data": {"n": 41, "f": 2.5, "text": "caf\u00e9", "list": [1, "a", null, {"x": true}], "deep": {"a": {"b": [[]]}}}}"#;
    let value = |text: &[u8]| Value::from_json(text).unwrap_or(Value::Null);
    Names::new()
        .with("event", value(event))
        .with("key", "checkout")
        .with("let", value(br#"{"repo": "shop/app", "count": 3}"#))
        .with("x", 7_i64)
        .with("now", Value::Timestamp(1_767_323_045_000_000))
}

/// An expression.
pub(crate) fn cel(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let program = match Program::compile(text) {
        Ok(program) => program,
        Err(error) => {
            assert!(error.span.start <= error.span.end, "{error:?}");
            assert!(text.get(error.span.range()).is_some(), "{error:?} is within a character");
            return;
        }
    };
    let (value, steps) = evaluated(|budget| program.eval(&names(), budget), text);
    let printed = program.ast().to_string();
    // Parentheses make it longer.
    if printed.len() > MAX_SOURCE {
        return;
    }
    let again = Program::compile(&printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
    assert_eq!(again.ast().to_string(), printed, "printed twice");
    assert_eq!((again.names(), again.paths()), (program.names(), program.paths()), "{printed}");
    let (other, others) = evaluated(|budget| again.eval(&names(), budget), &printed);
    assert_eq!((other, others), (value, steps), "{printed}");
}

/// A text with expressions.
pub(crate) fn template(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Template::compile(text) {
        Ok(template) => {
            let first = evaluated(|budget| template.render(&names(), budget), text);
            assert_eq!(evaluated(|budget| template.render(&names(), budget), text), first, "rendered twice");
            if let Some(literal) = template.literal() {
                assert_eq!(first.0, Some(format!("{:?}", Value::from(literal))));
            }
        }
        Err(error) => assert!(text.get(error.span.range()).is_some(), "{error:?} is within a character"),
    }
}

/// The value as text and the steps that it took; never more of either than the budget has.
fn evaluated(eval: impl Fn(&mut Budget) -> Result<Value, EvalError>, text: &str) -> (Option<String>, u64) {
    let mut budget = Budget::new();
    let before = budget.steps_left();
    let result = eval(&mut budget);
    assert!(budget.steps_left() <= before);
    match result {
        Ok(value) => (Some(format!("{value:?}")), before - budget.steps_left()),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(text.get(error.span().range()).is_some(), "{error:?} is within a character");
            (None, before - budget.steps_left())
        }
    }
}
