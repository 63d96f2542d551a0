//! Patterns that are refused: where, and with which words.

use ensue_rule::Pattern;
use serde_json::{Value, json};

/// Each problem as `pointer: the beginning of the message`.
fn refused(pattern: &Value) -> Vec<String> {
    match Pattern::compile(pattern) {
        Ok(_) => vec!["accepted".to_owned()],
        Err(problems) => {
            problems.into_iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect()
        }
    }
}

#[test]
fn with_place_and_reason() {
    let table = [
        (json!("x"), ": Filter is not an object"),
        (json!({}), ": Empty objects are not allowed"),
        (json!({"data": {}}), "/data: Empty objects are not allowed"),
        (json!({"a": []}), "/a: Empty arrays are not allowed"),
        (json!({"a": "x"}), "/a: \"a\" must be an object or an array; for this value alone write [\"x\"]"),
        (
            json!({"a": {"prefix": "x"}}),
            "/a/prefix: \"prefix\" must be an object or an array; as an operator it stands in a list",
        ),
        (json!({"a/b": {"c~d": 1}}), "/a~1b/c~0d: \"c~d\" must be an object or an array"),
        (json!({"a": [["x"]]}), "/a/0: Match value must be String, number, true, false, or null"),
        (json!({"a": ["x", {}]}), "/a/1: Match expression name not found"),
        (json!({"a": [{"prefix": "a", "suffix": "b"}]}), "/a/0: Only one key allowed in match expression"),
        (json!({"a": [{"EXISTS": true}]}), "/a/0: Unrecognized match type EXISTS; did you mean `exists`?"),
        (
            json!({"a": [{"anythingBut": "x"}]}),
            "/a/0: Unrecognized match type anythingBut; did you mean `anything-but`?",
        ),
        (json!({"a": [{"regex": "x"}]}), "/a/0: Unrecognized match type regex; there are exact, prefix"),
        (json!({"a": [{"exact": 1}]}), "/a/0: exact match pattern must be a string"),
        (json!({"a": [{"prefix": 1}]}), "/a/0: prefix match pattern must be a string"),
        (
            json!({"a": [{"prefix": ["a", "b"]}]}),
            "/a/0: prefix match pattern must be a string; for several, write several objects",
        ),
        (json!({"a": [{"prefix": {"wildcard": "a"}}]}), "/a/0: prefix takes a string, or {\"equals-ignore-case\""),
        (
            json!({"a": [{"suffix": {"equals-ignore-case": 1}}]}),
            "/a/0: suffix takes a string, or {\"equals-ignore-case\"",
        ),
        (json!({"a": [{"equals-ignore-case": ["a"]}]}), "/a/0: equals-ignore-case match pattern must be a string"),
        (json!({"a": [{"wildcard": "a**b"}]}), "/a/0: Consecutive wildcard characters at pos 2"),
        (json!({"a": [{"wildcard": "a\\b"}]}), "/a/0: Invalid escape character at pos 1"),
        (json!({"a": [{"wildcard": "a\\"}]}), "/a/0: Invalid escape character at pos 1"),
        (
            json!({"a": [{"wildcard": "a*".repeat(33)}]}),
            "/a/0: Rule is too complex - try using fewer wildcard characters",
        ),
        (json!({"a": [{"cidr": "10.0.0.0"}]}), "/a/0: Malformed CIDR, one '/' required"),
        (json!({"a": [{"cidr": "10.0.0/8"}]}), "/a/0: Malformed CIDR, an IPv4 or IPv6 address is required"),
        (json!({"a": [{"cidr": "10.0.0.0/33"}]}), "/a/0: Malformed CIDR, mask bits must be an integer from 0 to 32"),
        (json!({"a": [{"cidr": "::/129"}]}), "/a/0: Malformed CIDR, mask bits must be an integer from 0 to 128"),
        (json!({"a": [{"cidr": "10.0.0.0/+8"}]}), "/a/0: Malformed CIDR, mask bits"),
        (json!({"a": [{"exists": "yes"}]}), "/a/0: exists match pattern must be either true or false"),
        (json!({"a": [{"numeric": 5}]}), "/a/0: Value of numeric must be an array"),
        (json!({"a": [{"numeric": []}]}), "/a/0: Invalid member in numeric match"),
        (json!({"a": [{"numeric": [5]}]}), "/a/0: Invalid member in numeric match: 5"),
        (json!({"a": [{"numeric": [">"]}]}), "/a/0: Value of > must be numeric"),
        (json!({"a": [{"numeric": [">", "5"]}]}), "/a/0: Value of > must be numeric"),
        (json!({"a": [{"numeric": ["!=", 5]}]}), "/a/0: Unrecognized numeric range operator: !="),
        (
            json!({"a": [{"numeric": ["<", 5, ">", 1]}]}),
            "/a/0: Bad numeric range operator: >; the lower bound comes first",
        ),
        (json!({"a": [{"numeric": [">", 1, "<", 5, "<", 6]}]}), "/a/0: Too many terms in numeric range expression"),
        (json!({"a": [{"numeric": ["=", 1, "<", 5]}]}), "/a/0: Too many elements in numeric expression"),
        (json!({"a": [{"numeric": [">", 5, "<", 1]}]}), "/a/0: Bottom must be less than top"),
        (json!({"a": [{"anything-but": []}]}), "/a/0: Inside anything but list, either all values"),
        (
            json!({"a": [{"anything-but": ["a", 1]}]}),
            "/a/0: Inside anything but list, either all values are number or string",
        ),
        (
            json!({"a": [{"anything-but": [null]}]}),
            "/a/0: Inside anything but list, start|null|boolean is not supported",
        ),
        (json!({"a": [{"anything-but": {"prefix": ""}}]}), "/a/0: Null prefix/suffix not allowed"),
        (json!({"a": [{"anything-but": {"numeric": "x"}}]}), "/a/0: Unsupported anything-but pattern: numeric"),
        (json!({"a": [{"anything-but": {"prefix": 5}}]}), "/a/0: Inside anything-but/prefix list"),
        (json!({"$or": {"a": ["x"]}}), "/$or: It must be an Array followed with $or"),
        (json!({"$or": [{"a": ["x"]}]}), "/$or: There must have at least 2 Objects in $or relationship"),
        (json!({"$or": [{"a": ["x"]}, "b"]}), "/$or/1: Only JSON object is allowed in array of $or relationship"),
        (json!({"d": {"$or": [{"prefix": ["x"]}, {"a": ["x"]}]}}), "/d/$or/0/prefix: prefix is a reserved field name"),
    ];
    for (pattern, want) in table {
        let problems = refused(&pattern);
        assert!(problems[0].starts_with(want), "{pattern}\n want {want}\n got  {problems:?}");
    }
}

#[test]
fn all_problems_in_one_pass() {
    let pattern = json!({"a": [], "b": "x", "c": {"d": [{"prefix": 1}, {"cidr": "x"}]}});
    let pointers: Vec<String> =
        Pattern::compile(&pattern).unwrap_err().into_iter().map(|problem| problem.pointer).collect();
    assert_eq!(pointers, ["/a", "/b", "/c/d/0", "/c/d/1"]);
}

#[test]
fn what_is_too_much() {
    // Three alternatives in each of seven `$or`s: 2,187 branches.
    let mut pattern = json!({"x": [1]});
    for level in 0..7 {
        let alternatives: Vec<Value> = (0..3).map(|at| json!({format!("f{level}{at}"): [1]})).collect();
        pattern = json!({format!("l{level}"): pattern, "$or": alternatives});
    }
    assert!(refused(&pattern)[0].contains("$or multiplies out to more than 1000 branches"), "{:?}", refused(&pattern));

    let texts = |count: usize| (0..count).map(|number| json!(number.to_string())).collect::<Vec<_>>();
    assert!(Pattern::compile(&json!({"a": texts(4_000)})).is_ok());
    assert!(refused(&json!({"a": texts(10_001)}))[0].contains("more than 10000 alternatives"));

    let stars = |count: usize| (0..count).map(|at| json!({"wildcard": format!("*{at}*")})).collect::<Vec<_>>();
    assert!(Pattern::compile(&json!({"a": stars(250), "b": [{"anything-but": {"wildcard": ["*x"]}}]})).is_ok());
    assert!(refused(&json!({"a": stars(400), "b": stars(101)}))[0].contains("more than 500 alternatives"));

    let mut deep = json!({"x": [1]});
    for _ in 0..70 {
        deep = json!({"d": deep});
    }
    assert!(refused(&deep)[0].contains("nested deeper than 64 levels"));
}
