//! What a person reads. Whole messages: a change of words is seen here.

use ensue_expr::{Budget, Program, Template};

use crate::{eval, scope};

fn refused(sources: &[&str]) -> String {
    let lines = sources.iter().map(|source| {
        let error = Program::compile(source).expect_err(source);
        format!(
            "{source}\n{}{}\n{error}\n",
            " ".repeat(error.span.start),
            "^".repeat((error.span.end - error.span.start).max(1))
        )
    });
    lines.collect()
}

fn failed(sources: &[&str]) -> String {
    let lines = sources.iter().map(|source| {
        let error = eval(source).expect_err(source);
        let span = error.span();
        format!("{source}\n{}{}\n{error}\n", " ".repeat(span.start), "^".repeat((span.end - span.start).max(1)))
    });
    lines.collect()
}

#[test]
fn of_sources() {
    insta::assert_snapshot!(refused(&[
        "event.data.n = 3",
        "event.type == 'a' and key == 'b'",
        "timeout > 30m",
        "event.data.images.len()",
        "images.exists(i -> i == 'x')",
        "event.data.(x)",
        "key == 'checkout",
        r"key.matches('^a(b$')",
        "key.split()",
    ]), @r##"
    event.data.n = 3
                 ^
    unexpected character '='; write == to compare
    event.type == 'a' and key == 'b'
                      ^^^
    unexpected `and` where an operator or the end should stand; write && for «and»
    timeout > 30m
              ^^^
    `30m` is not a number; for a length of time write duration("30m"), for text put it in quotes
    event.data.images.len()
                      ^^^
    there is no method `len`; write x.size(…)
    images.exists(i -> i == 'x')
                  ^
    a macro's variable should stand here; write exists(x, condition)
    event.data.(x)
               ^
    unexpected `(` where a member's name should stand; a name with other characters is written ["a-name"]
    key == 'checkout
           ^^^^^^^^^
    a text is not closed; end it with the quote it began with
    key.matches('^a(b$')
                ^^^^^^^
    the pattern "^a(b$" is refused: unclosed group
    key.split()
        ^^^^^
    split() takes 1 to 2 arguments, not 0
    "##);
}

#[test]
fn of_evaluations() {
    insta::assert_snapshot!(failed(&[
        "event.data.branch.sha",
        "event.data.head.ref",
        "event.data.head.author.name + '!'",
        "event.data.images[2]",
        "let.nope == 3",
        "event.data.n + 'x'",
        "'retry ' + let.count",
        "event.data.images < 3",
        "event.data.n.startsWith('4')",
        "now > '2026-01-01T00:00:00Z'",
        "let.count / 0",
        "9223372036854775807 + let.count",
        "key ? 1 : 2",
        "int(key)",
        "timestamp('yesterday')",
        "secrets.TOKEN + '!'",
        "failed()",
        "[1, 2].map(x, lists.range(100000).size())",
    ]), @r##"
    event.data.branch.sha
    ^^^^^^^^^^^^^^^^^^^^^
    no such field `sha` in event.data.branch (missing at `branch`)
    event.data.head.ref
    ^^^^^^^^^^^^^^^^^^^
    no such field `ref` in event.data.head
    event.data.head.author.name + '!'
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^
    no such field `name` in event.data.head.author (`author` is null)
    event.data.images[2]
    ^^^^^^^^^^^^^^^^^^^^
    no item 2 in event.data.images, which has 2 items
    let.nope == 3
    ^^^^^^^^
    no such field `nope` in let
    event.data.n + 'x'
    ^^^^^^^^^^^^^^^^^^
    cannot apply `+` to int and string; string(…) makes text of a value
    'retry ' + let.count
    ^^^^^^^^^^^^^^^^^^^^
    cannot apply `+` to string and int; string(…) makes text of a value
    event.data.images < 3
    ^^^^^^^^^^^^^^^^^^^^^
    cannot apply `<` to list and int
    event.data.n.startsWith('4')
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    there is no int.startsWith(string)
    now > '2026-01-01T00:00:00Z'
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    cannot apply `>` to timestamp and string; timestamp(…) makes a time of text
    let.count / 0
    ^^^^^^^^^^^^^
    division by zero: 3 / 0
    9223372036854775807 + let.count
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    9223372036854775807 + 3 is beyond the range of int
    key ? 1 : 2
    ^^^
    the condition of ? : is a string, not a bool
    int(key)
    ^^^^^^^^
    int(): "checkout" is no whole number
    timestamp('yesterday')
    ^^^^^^^^^^^^^^^^^^^^^^
    timestamp(): "yesterday" is not an RFC 3339 time such as 2026-01-31T12:00:00Z
    secrets.TOKEN + '!'
    ^^^^^^^^^^^^^^^^^^^
    cannot apply `+` to secret and string: a secret is a handle, its content is not known here
    failed()
    ^^^^^^^^
    failed() has no meaning here
    [1, 2].map(x, lists.range(100000).size())
                  ^^^^^^^^^^^^^^^^^^^
    more than 100,000 steps: the lists are too long for this expression; filter first, or match with a pattern
    "##);
}

#[test]
fn of_templates() {
    let render = |text: &str| {
        let template = Template::compile(text);
        match template.map(|template| template.render(&scope(), &mut Budget::new())) {
            Ok(Ok(value)) => format!("{text}\n  = {}\n", value.to_json_text()),
            Ok(Err(error)) => format!("{text}\n  {}: {error}\n", error.span().start),
            Err(error) => format!("{text}\n  {}: {error}\n", error.span.start),
        }
    };
    let texts = [
        "deploy ${{ key }} at ${{ event.data.branch.sha }}",
        "token=${{ secrets.TOKEN }}",
        "${{ key",
        "${{ }}",
        "a ${{ key + }} b",
    ];
    insta::assert_snapshot!(texts.map(render).concat(), @r##"
    deploy ${{ key }} at ${{ event.data.branch.sha }}
      25: no such field `sha` in event.data.branch (missing at `branch`)
    token=${{ secrets.TOKEN }}
      10: the secret TOKEN stands inside of text; give it alone, as "${{ secrets.TOKEN }}"
    ${{ key
      0: `${{` is not closed; end the expression with }}, or write $${{ for the three characters themselves
    ${{ }}
      4: the expression is empty
    a ${{ key + }} b
      11: the expression ends where a value should follow
    "##);
}
