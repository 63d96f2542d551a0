//! Many random patterns over the same few fields: the index, the single pattern and the naive evaluator agree.

use ensue_rule::{Index, Pattern, View};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::naive;

const TEXTS: [&str; 10] = ["a", "ab", "abc", "ABC", "b", "bc", "a*b", "é", "10.0.0.1", "10.0.1.9"];
const TYPES: [&str; 4] = ["t.one", "t.two", "t.three", "T.ONE"];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => select(&TEXTS[..]).prop_map(Value::from),
        2 => (-2i64..4).prop_map(Value::from),
        1 => select(vec![json!(1.0), json!(1.5), json!(100), json!(1e2), json!(-0.5)]),
        1 => select(vec![json!(true), json!(false), json!(null)]),
    ]
}

fn texts() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(&TEXTS[..]).prop_map(Value::from),
        prop::collection::vec(select(&TEXTS[..]).prop_map(Value::from), 1..3).prop_map(Value::from),
    ]
}

fn test() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => scalar(),
        2 => select(vec!["", "a", "ab", "b", "é"]).prop_map(|text| json!({"prefix": text})),
        2 => select(vec!["", "c", "bc", "b", "é"]).prop_map(|text| json!({"suffix": text})),
        1 => select(vec!["A", "aB", "É"]).prop_map(|text| json!({"prefix": {"equals-ignore-case": text}})),
        1 => select(vec!["C", "Bc", "É"]).prop_map(|text| json!({"suffix": {"equals-ignore-case": text}})),
        1 => select(vec!["ABC", "aBc", "É", "b"]).prop_map(|text| json!({"equals-ignore-case": text})),
        2 => select(vec!["*", "a*", "*c", "a*c", "*b*", "ab*c", "10.*.1"]).prop_map(|text| json!({"wildcard": text})),
        1 => select(vec!["10.0.0.0/24", "10.0.0.0/16", "10.0.1.9/32", "0.0.0.0/0"]).prop_map(|text| json!({"cidr": text})),
        2 => select(vec![json!([">", 0]), json!(["<=", 1]), json!([">=", 1, "<", 3]), json!(["=", 100])])
            .prop_map(|terms| json!({"numeric": terms})),
        2 => texts().prop_map(|list| json!({"anything-but": list})),
        1 => select(vec![json!(1), json!([0, 1, 100])]).prop_map(|list| json!({"anything-but": list})),
        1 => select(vec!["prefix", "suffix", "equals-ignore-case"])
            .prop_flat_map(|name| texts().prop_map(move |list| json!({"anything-but": {name: list}}))),
        1 => select(vec!["a*", "*b*"]).prop_map(|text| json!({"anything-but": {"wildcard": text}})),
        2 => any::<bool>().prop_map(|exists| json!({"exists": exists})),
    ]
}

fn field() -> impl Strategy<Value = Value> {
    prop::collection::vec(test(), 1..4).prop_map(Value::from)
}

/// Keys of leaves and of objects differ, so that a pattern never asks a field to be both.
fn object(depth: u32, in_or: bool) -> BoxedStrategy<Value> {
    let leaves =
        prop::collection::btree_map(select(vec!["x", "y", "z"]), field(), if depth == 0 { 1..3 } else { 0..3 });
    if depth == 0 {
        return leaves.prop_map(|map| json!(map)).boxed();
    }
    let or = if in_or {
        Just(None).boxed()
    } else {
        prop::option::weighted(0.2, prop::collection::vec(object(depth - 1, true), 2..4)).boxed()
    };
    let inner = prop::collection::btree_map(select(vec!["p", "q"]), object(depth - 1, in_or), 0..2);
    (leaves, inner, or, field())
        .prop_map(|(leaves, inner, or, only)| {
            let mut object = json!(leaves);
            for (key, value) in inner {
                object[key] = value;
            }
            if let Some(or) = or {
                object["$or"] = or.into();
            }
            if object.as_object().unwrap().is_empty() {
                object["x"] = only;
            }
            object
        })
        .boxed()
}

fn pattern() -> impl Strategy<Value = Value> {
    let types = prop_oneof![
        3 => prop::collection::vec(select(&TYPES[..]).prop_map(Value::from), 1..3).prop_map(Some),
        1 => Just(Some(vec![json!({"prefix": "t."})])),
        2 => Just(None),
    ];
    (types, object(2, false)).prop_map(|(types, mut object)| {
        if let Some(types) = types {
            object["type"] = types.into();
        }
        object
    })
}

fn part(depth: u32) -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        5 => scalar(),
        2 => prop::collection::vec(scalar(), 0..3).prop_map(Value::from),
    ];
    let leaves = prop::collection::btree_map(select(vec!["x", "y", "z", "w"]), leaf, 0..4);
    if depth == 0 {
        return leaves.prop_map(|map| json!(map)).boxed();
    }
    let inner = prop_oneof![
        3 => part(depth - 1),
        2 => prop::collection::vec(part(depth - 1), 0..4).prop_map(Value::from),
        1 => prop::collection::vec(prop::collection::vec(part(depth - 1), 0..3), 0..3).prop_map(|lists| json!(lists)),
        1 => scalar(),
    ];
    (leaves, prop::collection::btree_map(select(vec!["p", "q", "r"]), inner, 0..3))
        .prop_map(|(leaves, inner)| {
            let mut object = json!(leaves);
            for (key, value) in inner {
                object[key] = value;
            }
            object
        })
        .boxed()
}

fn event() -> impl Strategy<Value = Value> {
    (part(3), select(&TYPES[..])).prop_map(|(mut object, kind)| {
        object["type"] = kind.into();
        object
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn index_pattern_and_naive_agree(
        patterns in prop::collection::vec(pattern(), 1..40),
        events in prop::collection::vec(event(), 1..12),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        // A range that is empty, and the like, is refused: not the point here.
        let compiled: Vec<(Value, Pattern)> =
            patterns.into_iter().filter_map(|json| Pattern::compile(&json).ok().map(|pattern| (json, pattern))).collect();
        let mut index = Index::new();
        let mut held: std::collections::BTreeMap<u32, usize> = std::collections::BTreeMap::new();
        for (at, (_, pattern)) in compiled.iter().enumerate() {
            index.add(at as u32, pattern);
            held.insert(at as u32, at);
        }
        check(&compiled, &held, &index, &events)?;
        // Take some away, put others in their places, and ask again.
        for (turn, removed) in removed.iter().enumerate() {
            if compiled.is_empty() {
                break;
            }
            let id = removed.index(compiled.len()) as u32;
            if turn % 3 == 2 {
                let other = (removed.index(compiled.len()) + turn) % compiled.len();
                index.add(id, &compiled[other].1);
                held.insert(id, other);
            } else {
                prop_assert_eq!(index.remove(id), held.remove(&id).is_some());
            }
        }
        check(&compiled, &held, &index, &events)?;
        for id in held.keys() {
            index.remove(*id);
        }
        prop_assert!(index.is_empty());
        prop_assert_eq!(index.stats().questions, 0);
    }
}

/// Few values and few keys below one or two arrays: most fields are met somewhere, so all turns on the element.
fn small_pattern() -> impl Strategy<Value = Value> {
    let test = || {
        prop_oneof![
            6 => select(vec!["a", "b", "c"]).prop_map(Value::from),
            1 => select(vec![json!({"prefix": "a"}), json!({"wildcard": "*b"}), json!({"anything-but": "c"}), json!({"exists": true})]),
            1 => Just(json!({"exists": false})),
        ]
    };
    let field = move || prop::collection::vec(test(), 1..3).prop_map(Value::from);
    let fields = |keys: Vec<&'static str>| prop::collection::btree_map(select(keys), field(), 1..4);
    (fields(vec!["x", "y", "z"]), prop::option::of(fields(vec!["u", "v"])), prop::option::weighted(0.3, field()))
        .prop_map(|(outer, inner, beside)| {
            let mut pattern = json!({"p": outer});
            if let Some(inner) = inner {
                pattern["p"]["q"] = json!(inner);
            }
            if let Some(beside) = beside {
                pattern["x"] = beside;
            }
            pattern
        })
}

fn small_event() -> impl Strategy<Value = Value> {
    let value = || select(vec!["a", "b", "c"]).prop_map(Value::from);
    let fields = move |keys: Vec<&'static str>| prop::collection::btree_map(select(keys), value(), 0..4);
    let inner = prop::option::of(prop::collection::vec(fields(vec!["u", "v"]), 0..3));
    let element = (fields(vec!["x", "y", "z"]), inner).prop_map(|(outer, inner)| {
        let mut element = json!(outer);
        if let Some(inner) = inner {
            element["q"] = json!(inner);
        }
        element
    });
    // Sometimes more elements than there are bits for.
    let count = prop_oneof![9 => 1..6usize, 1 => 60..80usize];
    let elements = count.prop_flat_map(move |count| prop::collection::vec(element.clone(), count));
    (elements, fields(vec!["x"])).prop_map(|(elements, beside)| {
        let mut event = json!(beside);
        event["p"] = elements.into();
        event
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn within_the_same_element(
        patterns in prop::collection::vec(small_pattern(), 1..30),
        events in prop::collection::vec(small_event(), 1..10),
    ) {
        let compiled: Vec<(Value, Pattern)> =
            patterns.into_iter().map(|json| (json.clone(), Pattern::compile(&json).unwrap())).collect();
        let held = (0..compiled.len()).map(|at| (at as u32, at)).collect();
        let mut index = Index::new();
        for (at, (_, pattern)) in compiled.iter().enumerate() {
            index.add(at as u32, pattern);
        }
        check(&compiled, &held, &index, &events)?;
    }
}

fn check(
    compiled: &[(Value, Pattern)],
    held: &std::collections::BTreeMap<u32, usize>,
    index: &Index<u32>,
    events: &[Value],
) -> Result<(), TestCaseError> {
    let mut out = Vec::new();
    for event in events {
        let raw = event.to_string();
        let view = View::of_json(raw.as_bytes());
        let mut want = Vec::new();
        for (id, at) in held {
            let (json, pattern) = &compiled[*at];
            let naive = naive::matches(json, event);
            prop_assert_eq!(pattern.matches(&view), naive, "the pattern {} on {}", json, event);
            if naive {
                want.push(*id);
            }
        }
        index.matches(&view, &mut out);
        prop_assert_eq!(&out, &want, "the index on {}", event);
        let spaced = serde_json::to_string_pretty(event).unwrap();
        index.matches(&View::of_json(spaced.as_bytes()), &mut out);
        prop_assert_eq!(&out, &want, "the index on {}", spaced);
    }
    Ok(())
}
