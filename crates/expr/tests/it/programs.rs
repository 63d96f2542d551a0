//! What can be asked of a compiled program.

use std::collections::BTreeSet;

use ensue_expr::{Binary, Budget, EvalError, Names, Node, Program, Scope, Value};

use crate::scope;

#[test]
fn names_and_paths() {
    let table = [
        ("event.data.n + 1", "event", "event.data.n"),
        ("steps.build.outputs.digest", "steps", "steps.build.outputs.digest"),
        ("events.rollout.data.revision == let.want", "events let", "events.rollout.data.revision let.want"),
        ("event.data.images.exists(i, i.endsWith(let.d))", "event let", "event.data.images let.d"),
        ("tables.repos[let.image].url", "let tables", "let.image tables.repos"),
        ("event.data.list[0].x", "event", "event.data.list"),
        ("event.data['a-b'].c", "event", "event.data.a-b.c"),
        ("[1].map(event, event)", "", ""),
        ("[1].map(x, .x.y)", "x", "x.y"),
        ("has(event.causationid) && !failed()", "event", "event.causationid"),
        ("event.a.orValue(event.b)", "event", "event.a event.b"),
        ("key", "key", "key"),
        ("type(1) == int", "", ""),
        ("math.least(key, 1)", "key", "key"),
    ];
    for (source, names, paths) in table {
        let program = Program::compile(source).unwrap();
        let expected: BTreeSet<String> = names.split_whitespace().map(str::to_owned).collect();
        assert_eq!(program.names(), expected, "{source}");
        let found: Vec<String> = program.paths().iter().map(|path| path.join(".")).collect();
        assert_eq!(found.join(" "), paths, "{source}");
    }
}

#[test]
fn reads_have_places_and_know_whether_absence_is_taken() {
    let source = "has(event.a.b) ? event.a.b : event.c.orValue(let.d[key])";
    let program = Program::compile(source).unwrap();
    let found: Vec<(String, &str, bool)> =
        program.reads().iter().map(|read| (read.path.join("."), &source[read.span.range()], read.guarded)).collect();
    let expected = [
        ("event.a.b", "event.a.b", true),
        ("event.a.b", "event.a.b", false),
        ("event.c", "event.c", true),
        ("let.d", "let.d", false),
        ("key", "key", false),
    ];
    assert_eq!(found, expected.map(|(path, text, guarded)| (path.to_owned(), text, guarded)));
}

#[test]
fn conjuncts_can_be_lifted() {
    let source = "event.data.action == 'opened' && (event.type == 'x') && has(event.id) && 3 < event.data.n";
    let program = Program::compile(source).unwrap();
    let mut lifted = Vec::new();
    for part in program.ast().conjuncts() {
        if let Node::Binary(Binary::Equal, path, literal) = &part.node
            && let (Some(path), Some(value)) = (path.static_path(), literal.literal())
        {
            lifted.push((path.join("."), value.clone()));
        }
    }
    assert_eq!(lifted, [("event.data.action".into(), Value::from("opened")), ("event.type".into(), Value::from("x"))]);
    assert_eq!(program.ast().conjuncts().len(), 4);
    assert_eq!(&source[program.ast().conjuncts()[3].span.range()], "3 < event.data.n");
    assert_eq!(Program::compile("a || b").unwrap().ast().conjuncts().len(), 1);
}

#[test]
fn conditions_and_the_embeddings_functions() {
    let program = Program::compile("failed() && !success()").unwrap();
    assert_eq!(program.calls().into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["failed", "success"]);
    let names = Names::new().with_call("failed", true).with_call("success", false);
    assert_eq!(program.test(&names, &mut Budget::new()), Ok(true));
    assert!(matches!(program.test(&Names::new(), &mut Budget::new()), Err(EvalError::Value { .. })));
    let number = Program::compile("event.data.n").unwrap();
    assert!(matches!(number.test(&scope(), &mut Budget::new()), Err(EvalError::Type { .. })));
}

#[test]
fn a_name_is_asked_for_once_and_only_when_needed() {
    struct Counting(std::cell::Cell<u32>);
    impl Scope for Counting {
        fn get(&self, name: &str) -> Option<Value> {
            self.0.set(self.0.get() + if name == "event" { 1 } else { 100 });
            Some(Value::map([("n", 1)]))
        }
    }
    let scope = Counting(std::cell::Cell::new(0));
    let program = Program::compile("event.n == 1 && [1, 2, 3].all(x, x >= event.n) || other.n == 1").unwrap();
    assert_eq!(program.test(&scope, &mut Budget::new()), Ok(true));
    assert_eq!(scope.0.get(), 1);
}

#[test]
fn scopes_stack() {
    let inner = Names::new().with("item", 1);
    let outer = Names::new().with("item", 2).with("key", "k").with_call("always", true);
    let program = Program::compile("string(item) + key + string(always())").unwrap();
    let value = program.eval(&(&inner, &outer), &mut Budget::new()).unwrap();
    assert_eq!(value.as_str(), Some("1ktrue"));
}

#[test]
fn programs_are_shared() {
    fn shared<T: Clone + std::fmt::Debug + Send + Sync + PartialEq>(_: &T) {}
    let program = Program::compile(" a.b ").unwrap();
    shared(&program);
    assert_eq!(program.source(), " a.b ");
    assert!(program.reads_name("a") && !program.reads_name("b"));
    assert_eq!(format!("{program:?}"), r#"Program(" a.b ")"#);
}

#[test]
fn trees_print_in_one_spelling() {
    let table = [
        ("  1+2*3 ", "1 + 2 * 3"),
        ("(1+2)*3", "(1 + 2) * 3"),
        ("a-(b-c)", "a - (b - c)"),
        ("(a-b)-c", "a - b - c"),
        ("(a&&b)&&c", "(a && b) && c"),
        ("a&&(b||c)", "a && (b || c)"),
        ("!(a==b)", "!(a == b)"),
        ("a?b:(c?d:e)", "a ? b : c ? d : e"),
        ("(a?b:c)?d:e", "(a ? b : c) ? d : e"),
        ("a['b'].c[0]", "a[\"b\"].c[0]"),
        ("a.`x/y`", "a[\"x/y\"]"),
        ("-(1)", "-(1)"),
        ("-(1).f", "-(1.f)"),
        ("- a", "-a"),
        ("[1,?a.b]", "[1, ?a.b]"),
        ("{'k':1,?'o':a}", "{\"k\": 1, ?\"o\": a}"),
        ("l.map(x,.x+x)", "l.map(x, .x + x)"),
        ("b'\\x00a\"'", "b\"\\x00a\\\"\""),
        ("r'\\d'", "\"\\\\d\""),
        ("1.0e3", "1000.0"),
        ("has(a.b)||a.b.orValue(1)==1", "has(a.b) || a.b.orValue(1) == 1"),
        ("cel.bind(x,1,x+.x)", "cel.bind(x, 1, x + .x)"),
        ("l.transformMap(k,v,v>1,k)", "l.transformMap(k, v, v > 1, k)"),
        ("google.protobuf.Timestamp", "timestamp"),
    ];
    for (source, printed) in table {
        let program = Program::compile(source).unwrap();
        assert_eq!(program.ast().to_string(), printed, "{source}");
        assert_eq!(Program::compile(printed).unwrap().ast().to_string(), printed);
    }
}
