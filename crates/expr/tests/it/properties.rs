//! Whatever is written: no panic, and what holds for all of it.

use std::collections::BTreeMap;

use ensue_expr::{Budget, MapKey, Program, Template, Value, compare, duration, time};
use proptest::prelude::*;

use crate::scope;

/// Pieces of the language, right and wrong, to be strung together.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec![
            "event", "event.data", ".n", ".data", "key", "let.count", "x", "y", "1", "0", "2.5", "3u", "'a'", "\"b\"", "r'\\'", "b'c'",
            "true", "false", "null", "[", "]", "(", ")", "{", "}", ":", ",", "?", ".", "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">",
            ">=", "&&", "||", "!", " in ", " ", "\n", "//", ".all(x, ", ".map(x, ", ".exists(x, ", ".filter(x, ", ".orValue(", "has(", "size(",
            "string(", "int(", ".size()", ".split('a')", ".matches('a')", ".format(", "cel.bind(x, ", "math.least(", "duration('1m')",
            "timestamp(0)", "[0]", "['n']", ".?n", "now", "secrets.TOKEN", "'", "\"", "'''", "\\", "`", "${{", "}}", "0x", "1e", "é", "😀", "\u{0}",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-z0-9_.]{1,6}",
    ]
}

fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat())
}

/// Expressions that compile: grown from leaves.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "event.data.n",
        "key",
        "let.count",
        "1",
        "0",
        "-7",
        "2.5",
        "3u",
        "'a'",
        "b'\\x00'",
        "true",
        "null",
        "now",
        "duration('1m')",
        "event.data.images",
        "event.nothing",
        "int",
        "x",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 32, 3, |inner| {
        let operators = vec!["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"];
        prop_oneof![
            (inner.clone(), prop::sample::select(operators), inner.clone())
                .prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.clone().prop_map(|a| format!("!{a}")),
            inner.clone().prop_map(|a| format!("-({a})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) ? {b} : {c}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, ?{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{'k': {a}, 'l': {b}}}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}].map(x, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}).exists(x, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}).f.orValue({b})")),
            inner.clone().prop_map(|a| format!("string({a}).size()")),
            inner.prop_map(|a| format!("({a})['a'].b[0]")),
        ]
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::Uint),
        any::<f64>().prop_map(Value::Double),
        ".{0,8}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| Value::Bytes(bytes.into())),
        (-62_135_596_800_000_000_i64..253_402_300_800_000_000).prop_map(Value::Timestamp),
        any::<i64>().prop_map(Value::Duration),
        "[A-Z]{1,4}".prop_map(Value::secret),
    ];
    let key = prop_oneof![
        any::<bool>().prop_map(MapKey::Bool),
        any::<i64>().prop_map(MapKey::Int),
        any::<u64>().prop_map(MapKey::Uint),
        "\\${0,2}(secret|map|a|b)".prop_map(MapKey::from),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("\\${0,2}(secret|map|a)", inner, 0..3)
                .prop_map(|map: BTreeMap<String, Value>| Value::from(map)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_compiled_or_refused(text in any::<String>()) {
        if let Ok(program) = Program::compile(&text) {
            let _ = program.eval(&scope(), &mut Budget::new());
        }
        let _ = Template::compile(&text);
        let _ = duration::parse_signed(&text);
        let _ = time::parse(&text);
        let _ = Value::from_json(text.as_bytes());
    }

    #[test]
    fn any_soup_is_compiled_or_refused(text in soup()) {
        match Program::compile(&text) {
            Err(error) => {
                prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len());
                prop_assert!(text.get(error.span.range()).is_some(), "{:?} is within a character", error.span);
            }
            Ok(program) => {
                if let Err(error) = program.eval(&scope(), &mut Budget::new()) {
                    prop_assert!(text.get(error.span().range()).is_some());
                }
                let printed = program.ast().to_string();
                let again = Program::compile(&printed).map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
                prop_assert_eq!(again.ast().to_string(), printed);
            }
        }
        for template in [text.clone(), format!("a ${{{{ {text} }}}} b")] {
            if let Ok(template) = Template::compile(&template) {
                let _ = template.render(&scope(), &mut Budget::new());
            }
        }
    }

    /// Printed and compiled again, an expression has the same value, takes the same steps, and prints the same.
    #[test]
    fn what_is_printed_means_the_same(source in expression()) {
        let Ok(program) = Program::compile(&source) else { return Ok(()) };
        let printed = program.ast().to_string();
        let again = Program::compile(&printed).map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
        prop_assert_eq!(again.ast().to_string(), printed);
        prop_assert_eq!(again.names(), program.names());
        let (mut one, mut two) = (Budget::new(), Budget::new());
        let text = |result: Result<Value, _>| result.ok().map(|value| serde_json::to_string(&value).unwrap_or_default());
        prop_assert_eq!(text(program.eval(&scope(), &mut one)), text(again.eval(&scope(), &mut two)));
        prop_assert_eq!(one.steps_left(), two.steps_left());
    }

    #[test]
    fn the_stored_form_loses_nothing(value in value()) {
        let text = serde_json::to_string(&value).unwrap();
        let back: Value = serde_json::from_str(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), text);
        prop_assert_eq!(back.type_of(), value.type_of());
    }

    #[test]
    fn plain_json_comes_back_as_itself(value in value()) {
        let json = value.to_json();
        let read = Value::from_json(json.to_string().as_bytes()).unwrap();
        prop_assert_eq!(read.to_json().to_string(), Value::from(&json).to_json().to_string());
    }

    #[test]
    fn order_is_an_order(a in value(), b in value(), c in value()) {
        prop_assert_eq!(compare(&a, &b), compare(&b, &a).map(std::cmp::Ordering::reverse));
        if compare(&a, &b).is_some_and(|order| order.is_le()) && compare(&b, &c).is_some_and(|order| order.is_le()) {
            prop_assert!(compare(&a, &c).is_some_and(|order| order.is_le()));
        }
    }

    /// Against exact arithmetic: a double is a whole number times a power of two.
    #[test]
    fn whole_numbers_and_doubles_compare_exactly(n in any::<i64>(), near in -2.0_f64..2.0) {
        let f = n as f64 + near;
        let exact = |f: f64| (f.floor() as i128, f != f.floor());
        let (floor, more) = exact(f);
        let expected = i128::from(n).cmp(&floor).then(if more { std::cmp::Ordering::Less } else { std::cmp::Ordering::Equal });
        prop_assert_eq!(compare(&Value::Int(n), &Value::Double(f)), Some(expected));
    }

    #[test]
    fn numbers_of_one_value_are_one_key(n in -9_007_199_254_740_992_i64..=9_007_199_254_740_992) {
        let key = Value::Int(n).key_text();
        prop_assert_eq!(&Value::Double(n as f64).key_text(), &key);
        prop_assert_eq!(&Value::from(n.to_string()).key_text(), &key);
    }

    #[test]
    fn durations_come_back(micros in -315_576_000_000_000_000_i64..=315_576_000_000_000_000) {
        prop_assert_eq!(duration::parse_signed(&duration::format(micros)), Ok(micros));
    }

    #[test]
    fn times_come_back(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
        prop_assert_eq!(time::parse(&time::format(micros)), Some(micros));
    }
}
