//! What hostile or careless input may cost: counted, and little. Each of these once took another implementation seconds,
//! its stack, or its memory.

use std::time::{Duration, Instant};

use ensue_expr::{Budget, EvalError, Names, Program, Template, Value};

/// Far above what any of these takes on a slow machine without optimization, far below what a missing bound would take.
const SOON: Duration = Duration::from_secs(5);

fn big() -> Names {
    let numbers: Vec<Value> = (0..2_000).map(Value::Int).collect();
    Names::new()
        .with("l", Value::from(numbers))
        .with("long", Value::from((0..50_000).map(Value::Int).collect::<Vec<_>>()))
        .with("s", "x".repeat(60_000))
        .with("huge", "y".repeat(300 * 1024))
        .with("word", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")
}

#[test]
fn a_budget_ends_what_would_run_on() {
    let names = big();
    let table = [
        // 4,000,000 pairs.
        "l.all(x, l.all(y, x >= 0 || y >= 0))",
        "l.exists(x, l.exists(y, x + y < 0))",
        "l.map(x, l.map(y, x * y)).size() > 0",
        "l.filter(x, l.exists_one(y, y == -x)).size() > 0",
        // An error in the body is outweighed by later items, the budget is not.
        "l.exists(x, l.exists(y, 1 / (x - x) > 0)) || true",
        "!l.all(x, l.all(y, x >= 0)) || true",
        "has(l) && l.all(x, x in l && x in l)",
        "long.all(x, x == x && x + 1 > x)",
        "sets.contains(long, long)",
        "long.map(x, [x]).distinct().size()",
        // Texts that grow.
        "cel.bind(a, s + s, cel.bind(b, a + a, cel.bind(c, b + b, cel.bind(d, c + c, cel.bind(e, d + d, (e + e).size())))))",
        "s.replace('', s).size()",
        "l.map(x, s).join(s).size()",
        "'%s%s%s%s'.format([l.map(x, s), l.map(x, s), l.map(x, s), l.map(x, s)]).size()",
        "l.map(x, s + 'x').size()",
        "l.all(x, s.contains('z' + string(x)) || true)",
        "long.all(x, s.size() > 0)",
        // Texts that are compared, searched for, converted: their length counts.
        "l.all(x, huge <= huge)",
        "l.all(x, huge == huge + '')",
        "l.all(x, !(huge in {huge: 1}) || true)",
        "l.all(x, {huge: x}[huge] == x)",
        "l.exists(x, int(huge) == x)",
        "l.exists(x, duration(huge) > duration('1s'))",
        "l.exists(x, 'a'.matches(huge))",
        "l.map(x, huge).sort().size()",
        "l.map(x, huge).distinct().size()",
        "'%s'.format([l.map(x, huge)]).size()",
        // Lists that grow.
        "lists.range(1000000000000).size()",
        "(long + long + long + long + long + long + long + long).size()",
        "l.map(x, long).flatten().size()",
        // Patterns made on the way.
        "l.all(x, 'a'.matches('a' + string(x)) || true)",
        // Results.
        "huge",
        "[s, s, s, s, s]",
        "{'a': {'b': [s, s, s, s, s]}}",
        "l.map(x, s)",
        "lists.range(40000).map(x, x)",
    ];
    for source in table {
        let program = Program::compile(source).unwrap();
        let start = Instant::now();
        let error = program.eval(&names, &mut Budget::new()).expect_err(source);
        assert!(matches!(error, EvalError::Budget { .. }), "{source}: {error}");
        assert!(start.elapsed() < SOON, "{source}: {:?}", start.elapsed());
    }
}

#[test]
fn what_is_reasonable_fits() {
    let names = big();
    for source in [
        "l.all(x, x < 2000)",
        "l.filter(x, x % 2 == 0).size() == 1000",
        "l.exists(x, x == 1999) && l.map(x, x * 2).size() == 2000",
        "long.size() == 50000",
        "long.exists(x, x == 9000)",
        "l.sort().reverse()[0] == 1999",
        "l.distinct().size() == 2000",
        "s.contains('y') || s.size() == 60000",
        "l.map(x, string(x)).join(',').size() > 2000",
        "word.matches('^(a+)+$') || true",
        "word.matches('(a|aa|aaa)*b') || true",
    ] {
        assert_eq!(eval(source, &names).as_bool(), Some(true), "{source}");
    }
}

fn eval(source: &str, names: &Names) -> Value {
    let program = Program::compile(source).unwrap();
    program.eval(names, &mut Budget::new()).unwrap_or_else(|error| panic!("{source}: {error}"))
}

#[test]
fn a_budget_can_be_shared_and_ends_at_the_same_step_every_time() {
    let program = Program::compile("l.all(x, x >= 0)").unwrap();
    let names = big();
    let mut budget = Budget::new();
    program.eval(&names, &mut budget).unwrap();
    let once = Budget::STEPS - budget.steps_left();
    program.eval(&names, &mut budget).unwrap();
    assert_eq!(Budget::STEPS - budget.steps_left(), 2 * once);
    let runs = std::iter::repeat_with(|| program.eval(&names, &mut budget)).take_while(Result::is_ok).count();
    assert_eq!(runs as u64, Budget::STEPS / once - 2);
    assert_eq!(budget.steps_left(), 0, "what asks again after the end gets nothing");
}

/// Sources of few bytes that made recursive parsers slow, or overflow their stack: all families, at 125 bytes and at the
/// largest size.
#[test]
fn a_source_costs_its_length() {
    let families = [
        "(",
        "[",
        "{",
        "{'a':",
        "!",
        "-",
        "- ",
        "a?",
        "a?b:",
        "a?(",
        "a.",
        "a.b.",
        ".",
        "a[",
        "a[0]",
        "f(",
        "a.f(",
        "size(",
        "a.map(x,",
        "a.all(x,",
        "has(",
        "has(a.",
        "a+",
        "a&&",
        "a||",
        "(a&&",
        "(a||(",
        "a==",
        "a<",
        "in ",
        "a in ",
        "[a,",
        "{a:{",
        "'a'+",
        "'",
        "\"",
        "'''",
        "r'",
        "b'",
        "\\",
        "`",
        "//",
        "/*",
        "0x",
        "1e",
        "1.",
        "..",
        "??",
        "[?",
        "{?",
        ".?",
        "cel.bind(x,",
        "a.orValue(",
        "x,",
        "),",
        "\u{0}",
        "é",
        "😀",
        "\u{feff}",
        "\u{202e}",
        "a\n",
        "((a)",
        "[[]",
        "{}{",
        "1 ",
        "'a' ",
        "${{",
        "}}",
        "@",
        "#",
        "(((((a?b:c)))))+",
        "!(",
        "-(",
        "!-",
    ];
    for family in families {
        for size in [125, 2_000, 32_768] {
            let source: String =
                family.chars().cycle().take(size / family.chars().next().unwrap().len_utf8()).collect();
            let start = Instant::now();
            let compiled = Program::compile(&source);
            if let Ok(program) = &compiled {
                let _ = program.eval(&big(), &mut Budget::new());
                let printed = program.ast().to_string();
                assert!(Program::compile(&printed).is_ok(), "{family} × {size}");
            }
            let _ = Template::compile(&format!("${{{{{source}}}}}"));
            assert!(start.elapsed() < SOON, "{family} × {size}: {:?}", start.elapsed());
        }
    }
}

#[test]
fn nesting_stops_at_32_and_length_at_32_kib() {
    let nested = |open: &str, close: &str, levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
    for (open, close) in [("(", ")"), ("[", "]"), ("{1:", "}"), ("int(", ")"), ("!(", ")"), ("true ? (", ") : 0")] {
        let levels = if open.starts_with("true") { 16 } else { 32 };
        assert!(Program::compile(&nested(open, close, levels)).is_ok(), "{open} × {levels}");
        for too_many in [33, 40, 100, 1_000, 2_000] {
            let error = Program::compile(&nested(open, close, too_many)).unwrap_err();
            assert!(error.message.contains("nested deeper than 32"), "{open} × {too_many}: {error}");
        }
    }
    assert!(Program::compile(&"(".repeat(10_000)).unwrap_err().message.contains("nested deeper"));
    let chain = |count: usize| vec!["1"; count].join(" + ");
    assert!(Program::compile(&chain(100)).is_ok());
    assert!(Program::compile(&chain(1_000)).unwrap_err().message.contains("operators deep"));
    // Conjunctions are flat: a generated condition may be long.
    let condition = vec!["event.type != 'x'"; 500].join(" && ");
    assert!(Program::compile(&condition).is_ok());
    assert!(Program::compile(&"1".repeat(40_000)).unwrap_err().message.contains("more than 32768"));
    let names: Vec<String> = (0..100).map(|n| format!("n{n}")).collect();
    assert!(Program::compile(&names.join(" && ")).unwrap_err().message.contains("more than 64 names"));
}

#[test]
fn the_deepest_tree_evaluates_on_a_small_stack() {
    // 31 macros, one in the other, each over one item; a thread of a test has 2 MiB.
    let source = format!("{}true{}", "[1].all(x, ".repeat(31), ")".repeat(31));
    assert_eq!(eval(&source, &Names::new()).as_bool(), Some(true));
    let source = format!("{}[]{}", "[1].map(x, ".repeat(31), ")".repeat(31));
    assert_eq!(eval(&source, &Names::new()).type_name(), "list");
    let source = format!("0{}", " + (1 - 1".repeat(30) + &")".repeat(30));
    assert_eq!(eval(&source, &Names::new()).as_i64(), Some(0));
    let source = format!("{}1", "-".repeat(120));
    assert_eq!(eval(&source, &Names::new()).as_i64(), Some(1));
}

#[test]
fn patterns_have_a_size() {
    for pattern in [
        r"\\w{3000}",
        r"(a{100}){100}{100}",
        "((((((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))))))",
        r"(?=a)",
        r"\\1",
    ] {
        let error = Program::compile(&format!("'a'.matches('{pattern}')")).unwrap_err();
        assert!(error.message.contains("is refused"), "{pattern}: {error}");
    }
    for pattern in [
        r"^[\\w.+-]+@[\\w-]+\\.[\\w.]+$",
        r"^v?\\d+\\.\\d+\\.\\d+(-[0-9A-Za-z.-]+)?$",
        r"(?i)error|warn",
        r"^\\w{1,50}$",
    ] {
        Program::compile(&format!("'a'.matches('{pattern}')")).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    }
}
