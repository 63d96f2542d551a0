//! A step's `with`: a JSON tree of templates.

use std::collections::BTreeSet;

use ensue_expr::{Budget, EvalError, Names, Secrets, TemplateValue, Value};
use serde_json::json;

use crate::scope;

#[test]
fn rendered() {
    let tree = TemplateValue::compile(&json!({
        "namespace": "shop",
        "deployment": "${{ key }}",
        "from": "${{ event.data.n }}",
        "tags": ["a", "${{ let.repo }}:${{ let.count }}", 3, null],
        "deep": { "a/b": { "c": "${{ event.data.head }}" } },
        "literal": { "x": [1.5, true], "y": "$${{ key }}" }
    }))
    .unwrap();
    assert_eq!(
        tree.render(&scope(), &mut Budget::new()).unwrap().to_json(),
        json!({
            "namespace": "shop",
            "deployment": "checkout",
            "from": 41,
            "tags": ["a", "app:3", 3, null],
            "deep": { "a/b": { "c": { "sha": "4f2a", "author": null } } },
            "literal": { "x": [1.5, true], "y": "${{ key }}" }
        })
    );
    assert_eq!(tree.names(), BTreeSet::from(["event", "key", "let"].map(str::to_owned)));
    let pointers: Vec<String> =
        tree.programs().into_iter().map(|(pointer, program)| format!("{pointer} {}", program.source())).collect();
    assert_eq!(
        pointers,
        [
            "/deep/a~1b/c event.data.head",
            "/deployment key",
            "/from event.data.n",
            "/tags/1 let.repo",
            "/tags/1 let.count"
        ]
    );
    assert_eq!(tree.paths().len(), 5);
}

#[test]
fn a_tree_without_expressions_is_a_value() {
    let tree = TemplateValue::compile(&json!({"a": [1, {"b": "x"}]})).unwrap();
    assert_eq!(tree.literal().unwrap().to_json(), json!({"a": [1, {"b": "x"}]}));
    assert_eq!(
        TemplateValue::constant(Value::from(1)).render(&Names::new(), &mut Budget::new()).unwrap(),
        Value::from(1)
    );
}

#[test]
fn all_errors_with_their_pointers() {
    let json = json!({"a": "${{ 1 + }}", "b": ["x", {"c~d": "${{ nope( }}"}], "${{ key }}": 1, "ok": "${{ key }}"});
    let errors: Vec<String> = TemplateValue::errors(&json).iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].starts_with("/${{ key }}: a key cannot be computed"), "{errors:?}");
    assert!(errors[1].starts_with("/a: the expression ends"), "{errors:?}");
    assert!(errors[2].starts_with("/b/1/c~0d: "), "{errors:?}");
    assert_eq!(TemplateValue::compile(&json).unwrap_err().pointer, "/${{ key }}");
}

#[test]
fn failures_name_the_leaf() {
    let tree = TemplateValue::compile(&json!({"set": [{"sha": "${{ event.data.branch.sha }}"}]})).unwrap();
    let error = tree.render(&scope(), &mut Budget::new()).unwrap_err();
    assert!(error.is_absent());
    assert_eq!(error.to_string(), "/set/0/sha: no such field `sha` in event.data.branch (missing at `branch`)");
    let whole = TemplateValue::compile(&json!("${{ event.x }}")).unwrap();
    assert!(matches!(whole.render(&scope(), &mut Budget::new()), Err(EvalError::Absent { .. })));
}

#[test]
fn one_budget_for_the_whole_tree() {
    let leaves: Vec<String> = (0..50).map(|_| "${{ lists.range(1000).all(x, x >= 0) }}".to_owned()).collect();
    let tree = TemplateValue::compile(&json!(leaves)).unwrap();
    assert!(tree.render(&scope(), &mut Budget::new()).unwrap_err().is_budget());
    let large = TemplateValue::compile(&json!(["x".repeat(200_000), "y".repeat(200_000)])).unwrap();
    assert!(large.render(&scope(), &mut Budget::new()).unwrap_err().is_budget());
}

#[test]
fn secrets_in_a_tree() {
    let tree =
        TemplateValue::compile(&json!({"env": {"T": "${{ secrets.TOKEN }}"}, "h": "Bearer ${{ secrets.TOKEN }}"}))
            .unwrap();
    let error = tree.render(&scope(), &mut Budget::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/h: the secret TOKEN stands inside of text; give it alone, as \"${{ secrets.TOKEN }}\""
    );
    let masked = tree.render_as(&scope(), &mut Budget::new(), Secrets::Mask).unwrap();
    assert_eq!(masked.to_json(), json!({"env": {"T": "***"}, "h": "Bearer ***"}));
}
