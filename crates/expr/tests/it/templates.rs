//! Text with `${{ }}` in it.

use std::collections::BTreeSet;

use ensue_expr::{Budget, EvalError, Names, Secrets, Template, Value};
use serde_json::json;

use crate::scope;

fn render(text: &str) -> Value {
    let template = Template::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    template.render(&scope(), &mut Budget::new()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn rendered() {
    let table = [
        ("", json!("")),
        ("plain", json!("plain")),
        ("${{ event.data.n }}", json!(41)),
        ("${{event.data.images}}", json!(["reg/app@sha256:aa", "reg/side@sha256:bb"])),
        ("${{ null }}", json!(null)),
        (" ${{ event.data.n }}", json!(" 41")),
        ("n=${{ event.data.n }}!", json!("n=41!")),
        ("${{ key }}-${{ let.count }}", json!("checkout-3")),
        ("${{ 1.0 }} ${{ 2.50 }} ${{ true }} ${{ null }}", json!("1 2.5 true null")),
        ("at ${{ timestamp(0) }} for ${{ duration('90m') }}", json!("at 1970-01-01T00:00:00Z for 1h30m")),
        ("l=${{ [1, 'a', {'k': null}] }}", json!(r#"l=[1,"a",{"k":null}]"#)),
        ("b=${{ b'hi' }}", json!("b=aGk=")),
        // Braces and quotes of the expression are its own.
        ("${{ {'a': {'b': 1}} }}", json!({"a": {"b": 1}})),
        ("${{ {'a': {'b': 1}}.a.b }}", json!(1)),
        ("<${{ '}}' }}>", json!("<}}>")),
        ("${{ \"a\" // }} a comment\n }}", json!("a")),
        // Three characters can stand for themselves.
        ("$${{ key }}", json!("${{ key }}")),
        ("a $${{ b }} ${{ key }}", json!("a ${{ b }} checkout")),
        ("$$${{", json!("$${{")),
        ("$ { { }} {{ x }} ${ y }", json!("$ { { }} {{ x }} ${ y }")),
        // What comes out is not read again.
        ("x ${{ '$' + '{{ key }}' }}", json!("x ${{ key }}")),
    ];
    for (text, expected) in table {
        assert_eq!(render(text).to_json(), expected, "{text}");
    }
}

#[test]
fn refused_with_the_place_in_the_text() {
    let table = [
        ("${{", 0, "is not closed"),
        ("a ${{ key", 2, "is not closed"),
        ("a ${{ key }", 2, "is not closed"),
        ("a ${{ }} b", 6, "the expression is empty"),
        ("a ${{ 1 + }} b", 9, "the expression ends"),
        ("a ${{ 'x }} b", 6, "a text is not closed"),
        ("a ${{ key }} ${{ nope( }}", 22, "the expression ends"),
        ("${{ foo(1) }}", 4, "there is no function `foo`"),
    ];
    for (text, start, message) in table {
        let error = Template::compile(text).expect_err(text);
        assert!(error.to_string().contains(message), "{text}: {error}");
        assert_eq!(error.span.start, start, "{text}");
    }
}

#[test]
fn failures_have_the_place_in_the_text() {
    let text = "sha ${{ event.data.branch.sha }}";
    let error = Template::compile(text).unwrap().render(&scope(), &mut Budget::new()).unwrap_err();
    assert!(error.is_absent());
    assert_eq!(&text[error.span().range()], "event.data.branch.sha");
}

#[test]
fn what_it_reads() {
    let text = "${{ event.data.n }} of ${{ steps.build.outputs.total.orValue(let.count) }}";
    let template = Template::compile(text).unwrap();
    assert_eq!(template.names(), BTreeSet::from(["event", "let", "steps"].map(str::to_owned)));
    let places: Vec<&str> = template.reads().iter().map(|read| &text[read.span.range()]).collect();
    assert_eq!(places, ["event.data.n", "steps.build.outputs.total", "let.count"]);
    assert_eq!(template.paths().len(), 3);
    assert!(template.literal().is_none() && template.whole().is_none());
    assert_eq!(Template::compile("x").unwrap().literal(), Some("x"));
    assert_eq!(Template::compile("${{ key }}").unwrap().whole().unwrap().source(), "key");
}

#[test]
fn secrets_stay_handles_until_the_moment_of_acting() {
    let render =
        |text: &str, secrets| Template::compile(text).unwrap().render_as(&scope(), &mut Budget::new(), secrets);
    let reveal = |name: &str| (name == "TOKEN").then(|| "s3cr3t".to_owned());
    assert_eq!(render("${{ secrets.TOKEN }}", Secrets::Refuse).unwrap(), Value::secret("TOKEN"));
    for text in ["Bearer ${{ secrets.TOKEN }}", "x ${{ [secrets.TOKEN] }}", "x ${{ {'a': [secrets.TOKEN]} }}"] {
        assert!(matches!(render(text, Secrets::Refuse), Err(EvalError::Secret { .. })), "{text}");
    }
    assert_eq!(render("Bearer ${{ secrets.TOKEN }}", Secrets::Mask).unwrap(), Value::from("Bearer ***"));
    assert_eq!(render("${{ secrets.TOKEN }}", Secrets::Mask).unwrap(), Value::from("***"));
    assert_eq!(render("Bearer ${{ secrets.TOKEN }}", Secrets::Reveal(&reveal)).unwrap(), Value::from("Bearer s3cr3t"));
    assert_eq!(
        render("${{ {'t': [secrets.TOKEN, 1]} }}", Secrets::Reveal(&reveal)).unwrap().to_json(),
        json!({"t": ["s3cr3t", 1]})
    );
    assert!(matches!(
        render("${{ secrets.TOKEN }}", Secrets::Reveal(&|_| None)),
        Err(EvalError::Secret { message, .. }) if message.contains("there is no secret TOKEN")
    ));
}

#[test]
fn a_long_text_meets_the_output_cap() {
    let names = Names::new().with("s", "x".repeat(100_000)).with("q", "\"".repeat(100_000));
    let render = |text: &str| Template::compile(text).unwrap().render(&names, &mut Budget::new());
    assert!(render("a${{ s }}${{ s }}").is_ok());
    assert!(render("a${{ s }}${{ s }}${{ s }}").unwrap_err().is_budget());
    // Escapes of JSON count too.
    assert!(render("a${{ [q] }}").is_ok());
    assert!(render("a${{ [q, q] }}").unwrap_err().is_budget());
}
