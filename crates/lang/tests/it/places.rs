//! The place of a mistake in an expression, through every way in which YAML writes a text.

use super::read;

/// Line, column and the marked text of the first message about a rule whose `let` is this.
fn place(lets: &str) -> (u32, u32, String) {
    let head = "apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: { name: r }\nspec:\n";
    let text = format!("{head}  when: {{ event: {{ type: [a] }} }}\n{lets}  steps: [{{ set: {{ a: 1 }} }}]\n");
    let loaded = read(&text);
    let first = loaded.diagnostics.first().unwrap();
    (first.line, first.column, text[first.span.clone()].to_owned())
}

#[test]
fn a_mistake_is_marked_where_it_stands() {
    let at = |line, column| (line, column, "nope".to_owned());
    assert_eq!(place("  let: { a: event.id + nope }\n"), at(6, 24));
    assert_eq!(place("  let:\n    a: event.id + nope # comment\n"), at(7, 19));
    assert_eq!(place("  let:\n    a: 'event.id + ''x'' + nope'\n"), at(7, 28));
    assert_eq!(place("  let:\n    a: \"event.id + \\\"\\u00e9\\\" + nope\"\n"), at(7, 33));
    assert_eq!(place("  let:\n    ä: \"'é' + nope\"\n").2, "ä", "the name is wrong first");
    assert_eq!(place("  let:\n    a: \"'é😀' + nope\"\n"), at(7, 16));
    assert_eq!(place("  let:\n    a: event.id +\n      event.source +\n      nope\n"), at(9, 7));
    assert_eq!(place("  let:\n    a: 'event.id +   \n\n      nope'\n"), at(9, 7));
    assert_eq!(place("  let:\n    a: |\n      event.id +\n        event.source +\n      nope\n"), at(10, 7));
    assert_eq!(place("  let:\n    a: |-\n\n      event.id + nope\n"), at(9, 18));
    assert_eq!(place("  let:\n    a: >\n      event.id +\n      event.source\n        + nope\n"), at(10, 11));
    assert_eq!(place("  let:\n    a: >2 # two\n      event.id + nope\n"), at(8, 18));
    assert_eq!(place("  let:\n    a: \"event.id + \\\n      event.source + nope\"\n"), at(8, 22));
}

#[test]
fn a_mistake_inside_of_a_template() {
    let text = |value: &str| format!("  let: {{ a: \"1\" }}\n  onFailure:\n    - fail: {value}\n");
    assert_eq!(place(&text("\"a ${{ event.id }} b ${{ nope }}\"")), (8, 38, "nope".to_owned()));
    assert_eq!(place(&text("|\n        first\n        ${{ nope }}")), (10, 13, "nope".to_owned()));
}
