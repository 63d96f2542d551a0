use ensue_connect::git::edit::set;
use serde_json::{Value, json};

/// Before, path, value, after. `expect` holds what must be written, byte for byte.
fn check(file: &str, cases: &[(&str, &str, Value, &str)]) {
    for (before, path, value, expected) in cases {
        match set(file, before, path, value) {
            Ok(after) => assert_eq!(after, *expected, "\nset {path} to {value} in\n{before}"),
            Err(error) => panic!("set {path} to {value} in\n{before}\n{error}"),
        }
    }
}

#[test]
fn scalars_are_replaced_and_nothing_else_is_touched() {
    let values = "# values of the shop\nimage:   {repository: acme/shop, tag: 1.4.1}  # the tag is set by ensue\n\n\
                  replicas:  2\nenv:\n  - name: MODE # how\n    value: 'it''s on'\n  - name: \"NULL\"\n    value: ~\n\
                  digest: \"sha256:aa\"\n";
    check(
        "values.yaml",
        &[
            (values, "image.tag", json!("1.4.2"), &values.replace("1.4.1", "1.4.2")),
            (values, "/image/tag", json!("v1.5.0-rc.1"), &values.replace("1.4.1", "v1.5.0-rc.1")),
            (values, "replicas", json!(3), &values.replace("  2\n", "  3\n")),
            (values, "env.0.value", json!("it's off"), &values.replace("'it''s on'", "'it''s off'")),
            // A line separator is a line break to readers of YAML 1.1.
            (values, "env.0.value", json!("a \u{2028} b"), &values.replace("'it''s on'", r#""a \u2028 b""#)),
            (values, "env.0.value", json!(7), &values.replace("'it''s on'", "7")),
            (values, "env.1.value", json!("x"), &values.replace("value: ~", "value: x")),
            (values, "digest", json!("sha256:bb"), &values.replace("sha256:aa", "sha256:bb")),
            (
                values,
                "digest",
                json!("a \"b\" \\ \u{2028}"),
                &values.replace("\"sha256:aa\"", r#""a \"b\" \\ \u2028""#),
            ),
        ],
    );
}

#[test]
fn what_would_be_read_as_something_else_gets_quotes() {
    let texts = [
        "1.10",
        "1",
        "true",
        "No",
        "null",
        "~",
        "",
        "12:30",
        "0x1f",
        "1e3",
        "2026-01-01",
        "- a",
        "a: b",
        "a #b",
        "#a",
        "*a",
        " a",
        "a ",
        "@a",
        "123e4567",
        "a\nb",
        "1_000",
        ".5",
        "-1",
        "y",
        "=",
        "<<",
        "a:",
        "!x",
        "%a",
        "`a",
    ];
    for text in texts {
        let after = set("a.yaml", "tag: x\n", "tag", &json!(text)).unwrap();
        assert_eq!(after, format!("tag: {}\n", json!(text)), "{text}");
    }
    for text in ["1.2.3", "v1", "sha256:aa", "acme/shop:1.4.2", "deadbeef", "main", "a b", "./x", "über", "a.b-c_d"] {
        assert_eq!(set("a.yaml", "tag: x\n", "tag", &json!(text)).unwrap(), format!("tag: {text}\n"));
    }
    check(
        "a.yaml",
        &[
            ("a: {t: x, u: y}\n", "a.t", json!("b,c"), "a: {t: \"b,c\", u: y}\n"),
            ("a: {t: x}\n", "a.t", json!("b:c"), "a: {t: \"b:c\"}\n"),
            ("a: [x, y]\n", "a.1", json!("z"), "a: [x, z]\n"),
        ],
    );
}

#[test]
fn what_is_missing_is_added_at_the_end_of_its_map() {
    check(
        "a.yaml",
        &[
            ("a:\n  b: 1 # one\nz: 2\n", "a.c", json!("x"), "a:\n  b: 1 # one\n  c: x\nz: 2\n"),
            ("a:\n  b: 1\nz: 2", "w", json!(true), "a:\n  b: 1\nz: 2\nw: true"),
            ("a: 1\n", "b.c.d", json!("x"), "a: 1\nb:\n  c:\n    d: x\n"),
            ("a:\n    b:\n        c: 1\n", "a.b.d", json!(2), "a:\n    b:\n        c: 1\n        d: 2\n"),
            ("- name: x\n  v: 1\n- name: y\n", "/0/w", json!(2), "- name: x\n  v: 1\n  w: 2\n- name: y\n"),
            ("a: {}\n", "a.b", json!(1), "a: {b: 1}\n"),
            ("a: {b: 1}\n", "a.c", json!("x"), "a: {b: 1, c: x}\n"),
            ("a:\n", "a", json!("x"), "a: x\n"),
            ("a: # none yet\nb: 1\n", "a", json!("x"), "a: x # none yet\nb: 1\n"),
            ("a:\nb: 1\n", "a.c", json!("x"), "a: {\"c\":\"x\"}\nb: 1\n"),
            ("a: null\n", "a", json!(1), "a: 1\n"),
            ("", "a.b", json!(1), "a:\n  b: 1\n"),
            ("# only a comment\n", "a", json!(1), "# only a comment\na: 1\n"),
            ("a: |\n  one\n  two\nb: 1\n", "c", json!(1), "a: |\n  one\n  two\nb: 1\nc: 1\n"),
            ("a:\n  t: |\n    one\n", "a.c", json!(1), "a:\n  t: |\n    one\n  c: 1\n"),
            ("a: 1\r\nb: 2\r\n", "c", json!(3), "a: 1\r\nb: 2\r\nc: 3\r\n"),
            ("a: 1\n", "/x.y~1z", json!(1), "a: 1\nx.y/z: 1\n"),
            ("a: 1\n", "/with space: x", json!(1), "a: 1\n\"with space: x\": 1\n"),
        ],
    );
}

#[test]
fn collections_and_blocks_are_replaced_whole() {
    check(
        "a.yaml",
        &[
            ("a:\n  - 1\n  - 2\nb: 3\n", "a", json!([9]), "a: [9]\nb: 3\n"),
            ("a:\n- 1\n- 2\nb: 3\n", "a", json!("x"), "a: x\nb: 3\n"),
            ("a:\n  x: 1\nb: 3\n", "a", json!({"y": 2}), "a: {\"y\":2}\nb: 3\n"),
            ("a: [1] # ]}\nb: 3\n", "a.0", json!(2), "a: [2] # ]}\nb: 3\n"),
            ("a: [1, 2] # ]}\nb: 3\n", "a", json!(2), "a: 2 # ]}\nb: 3\n"),
            ("a: {x: 1} # c\nb: 3\n", "a", json!(null), "a: null # c\nb: 3\n"),
            // The parser's own end of what is quoted lies behind the comment: it went with the old value.
            ("a: \" \\\"\" # c\n", "a", json!("w"), "a: \"w\" # c\n"),
            ("a: ' '''  # c\n", "a", json!("w"), "a: 'w'  # c\n"),
            ("a: |\n  one\n  two\nb: 3\n", "a", json!("three"), "a: \"three\"\nb: 3\n"),
            ("a: >-\n  one\n  two\n\n# c\nb: 3\n", "a", json!("three"), "a: \"three\"\n\n# c\nb: 3\n"),
            ("l:\n  - |2 # x\n     one\n  - z\n", "l.0", json!("w"), "l:\n  - \"w\"\n  - z\n"),
            ("a: |\nb: 1\n", "a", json!("w"), "a: \"w\"\nb: 1\n"),
            ("a: !t {x: 1}\nb: &g [1]\n", "b.0", json!(2), "a: !t {x: 1}\nb: &g [2]\n"),
            ("a: !t {x: 1}\n", "a.z", json!(2), "a: !t {x: 1, z: 2}\n"),
            ("a: &g\n  x: 1\nb: 1\n", "a.z", json!(2), "a: &g\n  x: 1\n  z: 2\nb: 1\n"),
            ("l:\n  -\n  - z\n", "l.0", json!("w"), "l:\n  - w\n  - z\n"),
            ("l:\n  - x: 1\n    y: 2\n  - z\n", "l.0", json!("w"), "l:\n  - w\n  - z\n"),
            ("ä: [ö, \"ü\"] # é\nb: ß\n", "ä.1", json!("x"), "ä: [ö, \"x\"] # é\nb: ß\n"),
            ("ä: 1\nb: ß\n", "b", json!("x"), "ä: 1\nb: x\n"),
            ("a: &x 1\nb: 2\n", "b", json!(3), "a: &x 1\nb: 3\n"),
            ("a: &x {k: 1}\nb: *x\nc: 1\n", "c", json!(2), "a: &x {k: 1}\nb: *x\nc: 2\n"),
            ("a: !!str 12\nb: 1\n", "b", json!(2), "a: !!str 12\nb: 2\n"),
            ("---\na: 1\n...\n", "a", json!(2), "---\na: 2\n...\n"),
        ],
    );
}

#[test]
fn json_keeps_its_layout() {
    check(
        "package.json",
        &[
            (
                "{\n  \"version\": \"1.0.0\",\n  \"n\": 1\n}\n",
                "version",
                json!("1.0.1"),
                "{\n  \"version\": \"1.0.1\",\n  \"n\": 1\n}\n",
            ),
            (
                "{\n\t\"a\": {\n\t\t\"b\": 1\n\t}\n}\n",
                "a.c",
                json!(2),
                "{\n\t\"a\": {\n\t\t\"b\": 1,\n\t\t\"c\": 2\n\t}\n}\n",
            ),
            ("{\"a\":{\"b\":1}}", "a.c.d", json!("x"), "{\"a\":{\"b\":1,\"c\":{\"d\":\"x\"}}}"),
            ("{\"a\":1, \"b\":2}", "c", json!(3), "{\"a\":1, \"b\":2, \"c\": 3}"),
            ("{}", "a", json!([1]), "{\"a\": [1]}"),
            ("[{\"a\":1},{\"a\":2}]", "/1/a", json!(null), "[{\"a\":1},{\"a\":null}]"),
            ("{\"a/b\":{\"~\":1}}", "/a~1b/~0", json!(2), "{\"a/b\":{\"~\":2}}"),
        ],
    );
}

#[test]
fn what_cannot_be_set() {
    #[rustfmt::skip]
    let cases = [
        ("a.txt", "x", "a", "only .yaml, .yml and .json"),
        ("a.yaml", "a: [", "a", "is not YAML"),
        ("a.yaml", "a: 1\na: 2\n", "a", "stands twice"),
        ("a.yaml", "a: 1\n---\nb: 1\n", "a", "several documents"),
        ("a.yaml", "a: 1\n", "a.b", "`a` is a single value; it has no `b`"),
        ("a.yaml", "a: [1]\n", "a.1", "a list without that element"),
        ("a.yaml", "a: [1]\n", "a.01", "a list without that element"),
        ("a.yaml", "a: &x {k: 1}\nb: *x\n", "a.k", "an alias elsewhere in the file uses it"),
        ("a.yaml", "a: &x {k: 1}\nb: *x\n", "b.k", "an alias, whose value stands elsewhere"),
        ("a.yaml", "a: 1\n", "a..b", "is no path"),
        ("a.yaml", "a: 1\n", "", "is no path"),
        ("a.yaml", "a: 1\n", "/a~2", "is no path"),
        ("a.json", "{\"a\":1,}", "a", "is not JSON"),
        ("a.json", "{\"a\":1}", "a.b", "`a` is a single value; it has no `b`"),
        ("a.json", "{\"a\":[]}", "a.0", "a list without that element"),
    ];
    for (file, text, path, part) in cases {
        let error = set(file, text, path, &json!("v")).unwrap_err().to_string();
        assert!(error.contains(part), "{file} {path}: {error}");
    }
    let deep = "[".repeat(100);
    assert!(set("a.yaml", &deep, "a", &json!(1)).is_err());
}

/// Every prefix and every single-byte change of a file: an error or an edit, never a panic.
#[test]
fn no_text_makes_it_panic() {
    let text = "a: {b: [1, 'x', \"y\"]} # c\nd:\n  - e: |\n      f\n    g: &h i\n  - *h\nj: ~\nk:\n";
    for at in 0..text.len() {
        for replacement in ["", "\n", "\"", ":", "ß", "\t", "{", "]"] {
            let mut changed = text.to_owned();
            changed.replace_range(at..at + 1, replacement);
            for path in ["a.b.1", "d.0.e", "d.0.g", "k", "new.one"] {
                let _ = set("a.yaml", &changed, path, &json!("v"));
                let _ = set("a.json", &changed, path, &json!("v"));
            }
        }
        let _ = set("a.yaml", &text[..at], "a.b", &json!(1));
    }
}

mod random {
    use ensue_connect::git::edit::set;
    use proptest::prelude::*;
    use serde_json::json;

    /// A file as people write them: maps in maps, lists of maps, any quotes, comments, blank lines, flow on one line.
    #[derive(Debug, Clone)]
    enum Tree {
        Leaf(&'static str, &'static str),
        Map(Vec<Tree>),
        List(Vec<Tree>),
    }

    const SCALARS: &[&str] =
        &["1", "'it''s'", "\"a\\tb\"", "plain text", "{x: 1}", "[a, 'b']", "~", "1.10", "über", "true"];
    const COMMENTS: &[&str] = &["", " # note: {it}", "  #\t'", "\n", "\n\n# a line of its own"];

    fn tree() -> impl Strategy<Value = Tree> {
        let leaf = (prop::sample::select(SCALARS), prop::sample::select(COMMENTS));
        leaf.prop_map(|(scalar, comment)| Tree::Leaf(scalar, comment)).prop_recursive(4, 24, 4, |inner| {
            let some = prop::collection::vec(inner, 1..4);
            prop_oneof![some.clone().prop_map(Tree::Map), some.prop_map(Tree::List)]
        })
    }

    /// The path of each leaf with the line that it stands on, and the path of each map.
    #[derive(Default)]
    struct Places {
        leaves: Vec<(String, usize)>,
        maps: Vec<String>,
    }

    /// Writes the tree and remembers what stands where.
    fn write(tree: &Tree, column: usize, path: &str, out: &mut String, places: &mut Places) {
        let line = |out: &String| out.matches('\n').count();
        let children = match tree {
            Tree::Leaf(scalar, comment) => {
                places.leaves.push((path.to_owned(), line(out)));
                out.push_str(&format!(" {scalar}{comment}\n"));
                return;
            }
            Tree::Map(children) | Tree::List(children) => children,
        };
        if matches!(tree, Tree::Map(_)) {
            places.maps.push(path.to_owned());
        }
        if !path.is_empty() {
            out.push('\n');
        }
        for (index, child) in children.iter().enumerate() {
            let key = if matches!(tree, Tree::Map(_)) { format!("k{index}") } else { index.to_string() };
            out.push_str(&" ".repeat(column));
            out.push_str(&if matches!(tree, Tree::Map(_)) { format!("{key}:") } else { "-".to_owned() });
            write(child, column + 2, &format!("{path}/{key}"), out, places);
        }
    }

    proptest! {
        /// Any leaf of any file: only its line changes, and setting it again changes nothing.
        #[test]
        fn one_line_changes(tree in tree(), at in any::<prop::sample::Index>(), value in "[ -~ü\n]{0,12}") {
            let (mut text, mut places) = (String::from("# head\n"), Places::default());
            let root = Tree::Map(vec![tree]);
            write(&root, 0, "", &mut text, &mut places);
            let (path, line) = at.get(&places.leaves);
            let after = set("a.yaml", &text, path, &json!(value)).unwrap();
            let lines = |text: &str| text.split('\n').map(str::to_owned).collect::<Vec<_>>();
            let (mut old, mut new) = (lines(&text), lines(&after));
            prop_assert_eq!(old.len(), new.len());
            let (old_line, new_line) = (old.remove(*line), new.remove(*line));
            prop_assert_eq!(old, new);
            let comment = |line: &str| line.find(" #").map(|at| line[at..].to_owned());
            if let Some(comment) = comment(&old_line) {
                prop_assert!(new_line.ends_with(&comment));
            }
            prop_assert_eq!(set("a.yaml", &after, path, &json!(value)).unwrap(), after);
        }

        /// A member more of any map: one line more, and every other as it was.
        #[test]
        fn one_line_is_added(tree in tree(), at in any::<prop::sample::Index>(), value in "[ -~ü\n]{0,12}") {
            let (mut text, mut places) = (String::from("# head\n"), Places::default());
            write(&Tree::Map(vec![tree]), 0, "", &mut text, &mut places);
            let path = format!("{}/new", at.get(&places.maps));
            let after = set("a.yaml", &text, &path, &json!(value)).unwrap();
            let mut old = text.split('\n').peekable();
            let added: Vec<&str> = after.split('\n').filter(|line| old.next_if(|old| old == line).is_none()).collect();
            prop_assert_eq!((added.len(), old.next()), (1, None));
            prop_assert_eq!(set("a.yaml", &after, &path, &json!(value)).unwrap(), after);
        }
    }
}
