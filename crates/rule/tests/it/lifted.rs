//! Conditions in the index: what is pruned is certainly false, and the rest stays.

use ensue_event::{Attr, Data, Event};
use ensue_expr::{Budget, Names, Program, Value};
use ensue_rule::{Index, Lifted, Pattern, View, lift};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// What the condition says of the event: `true`, `false`, or that it errs.
fn verdict(condition: &Program, event: &Event) -> Option<bool> {
    let names = Names::new().with("event", Value::from(event.to_json()));
    condition.eval(&names, &mut Budget::new()).ok().and_then(|value| value.as_bool())
}

fn event(data: &Json) -> Event {
    let mut event = Event::new("1", "/s", "t").with_json(data);
    event.subject = Some("x".into());
    event.set_extension("flag", Attr::Bool(true));
    event.set_extension("count", Attr::Int(3));
    event
}

/// Rules with their lifted patterns, in an index.
struct Rules {
    rules: Vec<(Pattern, Program, Lifted)>,
    index: Index<usize>,
}

impl Rules {
    fn new(rules: impl IntoIterator<Item = (Pattern, Program)>) -> Rules {
        let with = |(pattern, condition)| {
            let lifted = lift(&pattern, &condition);
            (pattern, condition, lifted)
        };
        let rules: Vec<(Pattern, Program, Lifted)> = rules.into_iter().map(with).collect();
        let mut index = Index::new();
        for (at, (_, _, lifted)) in rules.iter().enumerate() {
            index.add(at, &lifted.pattern);
        }
        Rules { rules, index }
    }

    /// The answers of the index, which are those of the lifted patterns one by one.
    fn answers(&self, event: &Event) -> Vec<bool> {
        let view = View::new(event);
        let mut out = Vec::new();
        self.index.matches(&view, &mut out);
        let answers: Vec<bool> = (0..self.rules.len()).map(|at| out.contains(&at)).collect();
        for (answer, (_, condition, lifted)) in answers.iter().zip(&self.rules) {
            assert_eq!(*answer, lifted.pattern.matches(&view), "{condition:?} on {}", event.to_json());
        }
        answers
    }

    /// Nothing is left behind in the index.
    fn empty(mut self) {
        for at in 0..self.rules.len() {
            self.index.remove(at);
        }
        assert_eq!(self.index.stats().questions, 0);
    }
}

fn through(pattern: &Pattern, condition: &Program, event: &Event) -> bool {
    let rules = Rules::new([(pattern.clone(), condition.clone())]);
    let answers = rules.answers(event);
    rules.empty();
    answers == [true]
}

/// (condition, conjuncts lifted, can be looked up, data, passed)
#[test]
fn table() {
    let rows = [
        ("event.type == 't'", 1, true, json!({}), true),
        ("event.type == 'u'", 1, true, json!({}), false),
        ("'u' == event.type || event.type == 't'", 1, true, json!({}), true),
        ("event.type != 't'", 1, false, json!({}), false),
        ("event.type in ['u', 'v']", 1, true, json!({}), false),
        ("event.type > 'a'", 0, false, json!({}), true),
        ("event.type > 5", 0, false, json!({}), true),
        ("event.type.startsWith('x')", 1, true, json!({}), false),
        ("event.subject == 'y'", 1, true, json!({}), false),
        ("event.flag && event.count >= 4", 2, true, json!({}), false),
        ("event.flag && event.count > 2", 2, true, json!({}), true),
        ("!event.flag", 1, true, json!({}), false),
        ("!has(event.causationid)", 1, false, json!({}), true),
        ("!has(event.subject)", 1, false, json!({}), false),
        ("has(event.causationid)", 1, false, json!({}), false),
        ("has(event.data.a)", 0, false, json!({}), true),
        ("!has(event.data.a)", 1, false, json!({"a": 1}), false),
        ("event.data.a == 'x'", 1, true, json!({"a": "x"}), true),
        ("event.data.a == 'x'", 1, true, json!({"a": "y"}), false),
        ("event.data['a'].b == 'x'", 1, true, json!({"a": {"b": "y"}}), false),
        // Selecting below what is not there, below a text, below a list: errors.
        ("event.data.a == 'x'", 1, true, json!({}), true),
        ("event.data.a.b == 'x'", 1, true, json!({"a": "y"}), true),
        ("event.data.a.b == 'x'", 1, true, json!({"a": [{"b": "y"}]}), true),
        // A list or an object is unequal, but a list has no startsWith.
        ("event.data.a == 'x'", 1, true, json!({"a": ["y"]}), false),
        ("event.data.a.startsWith('x')", 1, true, json!({"a": ["y"]}), true),
        ("event.data.a.startsWith('x')", 1, true, json!({"a": "y"}), false),
        ("event.data.a.startsWith('x')", 1, true, json!({"a": 5}), true),
        ("!event.data.a.endsWith('x')", 1, false, json!({"a": "yx"}), false),
        // A key with a dot is a path in patterns only.
        ("event.data.a.b == 'x'", 1, true, json!({"a.b": "y"}), true),
        ("event.data['a.b'] == 'x'", 0, false, json!({"a.b": "y"}), true),
        // Numbers are compared by value; texts with them are errors.
        ("event.data.a < 5", 1, false, json!({"a": 5}), false),
        ("event.data.a < 5", 1, false, json!({"a": "5"}), true),
        ("5.5 <= event.data.a", 1, false, json!({"a": 5}), false),
        ("!(event.data.a < -2)", 1, false, json!({"a": -3}), false),
        ("event.data.a == 1", 1, true, json!({"a": 1.0}), true),
        ("event.data.a == 1", 1, true, json!({"a": 2}), false),
        ("event.data.a == 1 || event.data.a == 'x'", 1, true, json!({"a": 2}), false),
        ("event.data.a == 9007199254740993.0", 0, false, json!({"a": 1}), true),
        ("event.data.a in [1, 'x', null, true]", 1, true, json!({"a": false}), false),
        ("!(event.data.a in ['x', 'y'])", 1, false, json!({"a": "y"}), false),
        ("!(event.data.a in ['x', 'y'])", 1, false, json!({"a": ["y"]}), true),
        ("'x' in event.data.a", 1, true, json!({"a": ["y", "x"]}), true),
        ("'x' in event.data.a", 1, true, json!({"a": ["y"]}), false),
        ("'x' in event.data.a", 1, true, json!({"a": "y"}), true),
        ("'x' in event.data.a", 1, true, json!({"a": {"x": 1}}), true),
        // Different paths, and what is computed.
        ("event.data.a == 1 || event.data.b == 1", 0, false, json!({}), true),
        ("event.data.a == event.data.b", 0, false, json!({}), true),
        ("size(event.data.a) > 1 && event.data.b == 1", 1, true, json!({"a": "x", "b": 2}), false),
        // What may spend the budget hides what follows: that would be an error, not false.
        ("event.data.a.all(x, x > 1) && event.data.b == 1", 0, false, json!({"a": [], "b": 2}), true),
        ("event.data.b == 1 && event.data.a.all(x, x > 1)", 1, true, json!({"a": [], "b": 2}), false),
    ];
    for (source, lifts, indexed, data, passes) in rows {
        let pattern = Pattern::compile(&json!({"source": [{"exists": true}]})).unwrap();
        let condition = Program::compile(source).unwrap();
        let lifted = lift(&pattern, &condition);
        assert_eq!((lifted.lifted, lifted.pattern.indexed()), (lifts, indexed), "{source}");
        let event = event(&data);
        assert_eq!(through(&pattern, &condition, &event), passes, "{source} on {data}");
        assert!(passes || verdict(&condition, &event) == Some(false), "{source} on {data}");
    }
}

/// A type in a condition is as good as one in the pattern: the rule stands on the shelf of that type.
#[test]
fn the_shelf_of_a_type() {
    let pattern = Pattern::compile(&json!({"type": [{"prefix": "com."}, "x"]})).unwrap();
    let mut index = Index::new();
    let types = ["com.a", "com.b", "org.a", "x"];
    for (at, name) in types.iter().enumerate() {
        let lifted = lift(&pattern, &Program::compile(&format!("event.type == '{name}'")).unwrap());
        assert_eq!((lifted.lifted, lifted.left, lifted.pattern.indexed()), (1, 0, true));
        index.add(at, &lifted.pattern);
    }
    // `org.a` cannot be met: it stands nowhere.
    assert_eq!((index.stats().shelves, index.stats().branches), (3, 3));
    let mut out = Vec::new();
    for (at, name) in types.iter().enumerate() {
        index.matches(&View::new(&Event::new("1", "s", *name)), &mut out);
        let want: Vec<usize> = if *name == "org.a" { vec![] } else { vec![at] };
        assert_eq!(out, want, "{name}");
    }
}

/// Ensue's own events are met where the pattern names them, not where a condition does.
#[test]
fn our_own_events() {
    let ours = Event::new("1", "/ensue", "dev.ensue.run.failed").with_json(&json!({"rule": "r"}));
    let all = json!({"source": [{"exists": true}]});
    let named = json!({"type": [{"prefix": "dev.ensue."}]});
    let table = [
        (&all, "event.type == 'dev.ensue.run.failed'", false),
        (&named, "event.type == 'dev.ensue.run.failed'", true),
        (&named, "event.type == 'dev.ensue.run.done'", false),
        (&named, "event.type.endsWith('.failed')", true),
        (&named, "event.data.rule == 'r'", true),
        (&named, "event.data.rule == 's'", false),
        (&all, "event.data.rule == 'r'", false),
        (&all, "event.type.startsWith('dev.ensue.')", false),
        (&all, "event.type != 'x'", false),
    ];
    for (pattern, source, want) in table {
        let (compiled, condition) = (Pattern::compile(pattern).unwrap(), Program::compile(source).unwrap());
        assert_eq!(through(&compiled, &condition, &ours), want, "{pattern} if {source}");
    }
}

/// Reading a text that is long spends the budget, so what stands behind it does not prune events that are large.
#[test]
fn an_error_of_the_budget_is_not_pruned() {
    let pattern = Pattern::compile(&json!({"source": [{"exists": true}]})).unwrap();
    let source = format!("{}event.data.b == 1", "!event.data.a.startsWith('x') && ".repeat(8));
    let condition = Program::compile(&source).unwrap();
    assert_eq!(lift(&pattern, &condition).lifted, 9);
    for (length, passes) in [(1_000, false), (100_000, true), (1 << 20, true)] {
        let event = event(&json!({"a": "y".repeat(length), "b": 2}));
        assert_eq!(through(&pattern, &condition, &event), passes, "{length}");
        assert_eq!(verdict(&condition, &event), if length > 100_000 { None } else { Some(false) });
    }
}

fn scalar() -> impl Strategy<Value = Json> + Clone {
    let raw = |text: &'static str| serde_json::from_str::<Json>(text).unwrap();
    prop::sample::select(vec![
        json!("x"),
        json!("xy"),
        json!("y"),
        json!(""),
        json!("5"),
        json!("dev.ensue.x"),
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(5),
        json!(-5),
        json!(5.5),
        json!(0.1),
        json!(5.0),
        raw("5e0"),
        raw("-0"),
        raw("0.1000000000000000055511151231257827"),
        raw("5.000000000000000000000000001"),
        raw("9007199254740993"),
        raw("9007199254740992"),
        raw("9007199254740993.0"),
        raw("9223372036854775807"),
        raw("9223372036854775808"),
        raw("9223372036854775808.0"),
        raw("123456789012345678"),
        raw("1e300"),
    ])
}

fn data() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![6 => scalar(), 1 => Just(json!({})), 1 => Just(json!([]))];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop::sample::select(vec!["a", "b", "a.b", "b.a", "c"]);
        prop_oneof![
            4 => prop::collection::btree_map(key, inner.clone(), 0..4).prop_map(|map| json!(map)),
            1 => prop::collection::vec(inner, 0..4).prop_map(Json::from),
        ]
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let kind = prop::sample::select(vec!["x", "xy", "dev.ensue.x", "dev.ensue.y"]);
    let body = prop_oneof![
        9 => data().prop_map(|data| Data::Json(data.to_string().into())),
        1 => Just(Data::None),
        1 => Just(Data::Bytes(b"x".to_vec().into())),
        1 => Just(Data::Bytes(vec![0xff].into())),
    ];
    (kind, prop::option::of(Just("x")), prop::option::of(scalar()), body).prop_map(
        |(kind, subject, extension, body)| {
            let mut event = Event { data: body, ..Event::new("5", "x", kind) };
            event.subject = subject.map(Into::into);
            match extension {
                Some(Json::String(text)) => event.set_extension("ext", Attr::Text(text.into())),
                Some(Json::Bool(value)) => event.set_extension("ext", Attr::Bool(value)),
                Some(Json::Number(_)) => event.set_extension("ext", Attr::Int(5)),
                _ => {}
            }
            event
        },
    )
}

fn condition() -> impl Strategy<Value = String> {
    let path = prop::sample::select(vec![
        "event.type",
        "event.source",
        "event.id",
        "event.subject",
        "event.ext",
        "event.data.a",
        "event.data.b",
        "event.data.a.b",
        "event.data.b.a",
        "event.data.a.a.b",
        "event.data['a'].b",
        "event.data['a.b']",
        "event.data",
        "event.specversion",
        "event.type.x",
        "event.data_base64",
        "event.ext.b",
    ]);
    let literal = prop::sample::select(vec![
        "'x'",
        "'xy'",
        "''",
        "'5'",
        "'dev.ensue.x'",
        "'t'",
        "null",
        "true",
        "false",
        "0",
        "5",
        "5u",
        "-5",
        "5.5",
        "0.1",
        "5.0",
        "-0.0",
        "9007199254740993",
        "9007199254740993.0",
        "9223372036854775807",
        "9223372036854775808.0",
        "123456789012345678",
        "1e300",
        "{}",
        "[]",
        "b'x'",
    ]);
    let relation = prop::sample::select(vec!["==", "==", "==", "!=", "<", "<=", ">", ">="]);
    let atom = prop_oneof![
        6 => (path.clone(), relation.clone(), literal.clone()).prop_map(|(p, r, l)| format!("{p} {r} {l}")),
        2 => (path.clone(), relation, literal.clone()).prop_map(|(p, r, l)| format!("{l} {r} {p}")),
        2 => (path.clone(), prop::collection::vec(literal.clone(), 0..4)).prop_map(|(p, l)| format!("{p} in [{}]", l.join(", "))),
        1 => (path.clone(), literal.clone()).prop_map(|(p, l)| format!("{l} in {p}")),
        1 => (path.clone(), prop::sample::select(vec!["startsWith", "endsWith", "contains"]), literal.clone())
            .prop_map(|(p, f, l)| format!("{p}.{f}({l})")),
        1 => path.clone().prop_map(|p| format!("has({p})")),
        1 => path.clone().prop_map(String::from),
        1 => path.clone().prop_map(|p| format!("size({p}) > 1")),
        1 => path.clone().prop_map(|p| format!("{p}.all(x, x == 'x')")),
        1 => (path.clone(), path).prop_map(|(a, b)| format!("{a} == {b}")),
        1 => literal.prop_map(String::from),
    ];
    // A path that begins with a literal's brackets is no path; `has` wants a selection.
    atom.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            2 => inner.clone().prop_map(|one| format!("!({one})")),
            3 => prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(") && ("))),
            1 => prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(") || ("))),
            1 => (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
        ]
    })
}

fn written() -> impl Strategy<Value = Json> {
    prop::sample::select(vec![
        json!({"source": [{"exists": true}]}),
        json!({"type": ["x", "dev.ensue.x"]}),
        json!({"type": [{"prefix": "x"}]}),
        json!({"type": [{"prefix": "dev.ensue."}, "x"]}),
        json!({"type": [{"anything-but": "xy"}]}),
        json!({"data": {"a": ["x", 5, {"exists": false}]}}),
        json!({"data": {"a": {"b": [{"exists": true}]}, "b": [{"exists": true}]}}),
        json!({"$or": [{"type": ["x"]}, {"data": {"a": {"a": [{"exists": true}], "b": [{"exists": true}]}}}]}),
    ])
}

proptest! {
    #[test]
    fn what_is_pruned_is_false(
        rules in prop::collection::vec((written(), condition()), 1..12),
        events in prop::collection::vec(any_event(), 1..6),
    ) {
        let rules = Rules::new(rules.iter().filter_map(|(json, source)| {
            Some((Pattern::compile(json).unwrap(), Program::compile(source).ok()?))
        }));
        for event in &events {
            let view = View::new(event);
            for ((pattern, condition, lifted), passes) in rules.rules.iter().zip(rules.answers(event)) {
                let met = pattern.matches(&view);
                prop_assert!(met || !passes, "{:?} lets in what the pattern does not: {}", condition, event.to_json());
                if met && !passes {
                    prop_assert!(lifted.lifted > 0);
                    prop_assert_eq!(verdict(condition, event), Some(false), "{:?} on {}", condition, event.to_json());
                }
            }
        }
        rules.empty();
    }
}
