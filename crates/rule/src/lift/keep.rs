//! One conjunct: for which events it may be anything but false.

use ensue_expr::{Binary, Call, Expr, Node, Unary, Value};

use crate::pattern::{Not, Number, Odd, Range, Test};

/// Doubles from here on are not all the integers that their shortest text says.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// An event is kept if a value at the path passes one of the tests, or is odd in one of these ways.
#[derive(Clone)]
pub(super) struct Keep {
    pub(super) path: Vec<Box<str>>,
    pub(super) tests: Vec<Test>,
    pub(super) odd: Odd,
}

/// Where no comparison gets to a value: selection errs.
const LOST: Odd = Odd::ABSENT.and(Odd::WITHIN);

/// The events for which the expression may be something else than `!wanted`; nothing if no path says that.
pub(super) fn keep(expr: &Expr, wanted: bool) -> Option<Keep> {
    match &expr.node {
        Node::Unary(Unary::Not, operand) => keep(operand, !wanted),
        Node::Or(all) if wanted => any(all, wanted),
        Node::And(all) if !wanted => any(all, wanted),
        Node::Binary(operator, a, b) => match (path(a), path(b)) {
            (Some(path), None) => binary(path, *operator, b, wanted),
            (None, Some(path)) if *operator == Binary::In => item(path, &literal(a)?, wanted),
            (None, Some(path)) => binary(path, flipped(*operator)?, a, wanted),
            _ => None,
        },
        Node::Call(call) => affix(call, wanted),
        Node::Has(operand) => has(path(operand)?, wanted),
        // A flag: anything that is no bool is an error.
        Node::Path(..) => {
            let odd = LOST.and(Odd::LISTED).and(Odd::TEXT).and(Odd::NUMBER).and(Odd::NULL);
            Some(Keep { path: path(expr)?, tests: vec![flag(wanted)], odd })
        }
        _ => None,
    }
}

/// One of several suffices, so all of them must speak of one path.
fn any(all: &[Expr], wanted: bool) -> Option<Keep> {
    let (first, rest) = all.split_first()?;
    let mut sum = keep(first, wanted)?;
    for part in rest {
        let next = keep(part, wanted)?;
        if next.path != sum.path {
            return None;
        }
        sum.tests.extend(next.tests);
        sum.odd = sum.odd.and(next.odd);
    }
    sum.tests.dedup();
    Some(sum)
}

/// A path in the event that a pattern can follow too. The whole of `data` and what patterns do not see is none.
fn path(expr: &Expr) -> Option<Vec<Box<str>>> {
    let path = expr.static_path()?;
    let ["event", path @ ..] = path.as_slice() else { return None };
    match path {
        [] | ["data" | "data_base64" | "datablob" | "specversion"] => return None,
        _ => {}
    }
    let plain = |key: &&str| !key.is_empty() && !key.contains('.');
    path.iter().all(plain).then(|| path.iter().map(|key| Box::from(*key)).collect())
}

/// The operator with its sides exchanged.
fn flipped(operator: Binary) -> Option<Binary> {
    Some(match operator {
        Binary::Equal | Binary::NotEqual => operator,
        Binary::Less => Binary::Greater,
        Binary::LessOrEqual => Binary::GreaterOrEqual,
        Binary::Greater => Binary::Less,
        Binary::GreaterOrEqual => Binary::LessOrEqual,
        _ => return None,
    })
}

fn binary(path: Vec<Box<str>>, operator: Binary, operand: &Expr, wanted: bool) -> Option<Keep> {
    let with = |(tests, odd): (Vec<Test>, Odd)| Keep { path, tests, odd };
    match (operator, wanted) {
        (Binary::Equal, true) | (Binary::NotEqual, false) => equal(&[literal(operand)?]).map(with),
        (Binary::Equal, false) | (Binary::NotEqual, true) => unequal(&[literal(operand)?]).map(with),
        (Binary::In, _) => {
            let Node::List(items) = &operand.node else { return None };
            let items: Option<Vec<Value>> = items.iter().map(|item| literal(&item.value)).collect();
            if wanted { equal(&items?) } else { unequal(&items?) }.map(with)
        }
        (Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual, _) => {
            let bound = number(&literal(operand)?)?;
            // Not less is greater or equal.
            let with_bound = wanted == matches!(operator, Binary::LessOrEqual | Binary::GreaterOrEqual);
            let below = wanted == matches!(operator, Binary::Less | Binary::LessOrEqual);
            let bound = Some((bound, with_bound));
            let range = if below { Range { low: None, high: bound } } else { Range { low: bound, high: None } };
            let odd = LOST.and(Odd::LISTED).and(Odd::TEXT).and(Odd::BOOL).and(Odd::NULL).and(Odd::ROUGH);
            Some(with((vec![Test::Range(Box::new(range))], odd)))
        }
        _ => None,
    }
}

/// A constant; a negative number is one, too.
fn literal(expr: &Expr) -> Option<Value> {
    match &expr.node {
        Node::Unary(Unary::Negate, operand) => match operand.literal()? {
            Value::Int(n) => n.checked_neg().map(Value::Int),
            Value::Double(f) => Some(Value::Double(-f)),
            _ => None,
        },
        _ => expr.literal().cloned(),
    }
}

/// A number that is compared as a decimal as it is compared as a value.
fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Int(n) => Number::new(&n.to_string()),
        Value::Uint(n) => i64::try_from(*n).ok().and_then(|n| Number::new(&n.to_string())),
        Value::Double(f) if f.abs() < EXACT => Number::new(&f.to_string()),
        _ => None,
    }
}

fn flag(value: bool) -> Test {
    if value { Test::True } else { Test::False }
}

/// Values of other types are unequal, not errors.
fn equal(values: &[Value]) -> Option<(Vec<Test>, Odd)> {
    let mut odd = LOST;
    let mut tests = Vec::with_capacity(values.len());
    for value in values {
        let test = match value {
            Value::String(text) => Test::Text((&**text).into()),
            Value::Bool(value) => flag(*value),
            Value::Null => Test::Null,
            value => {
                odd = odd.and(Odd::ROUGH);
                Test::Number(number(value)?)
            }
        };
        if !tests.contains(&test) {
            tests.push(test);
        }
    }
    (!tests.is_empty()).then_some((tests, odd))
}

/// Whether the value is an item of the list at the path; a map has keys, and anything else errs.
fn item(path: Vec<Box<str>>, value: &Value, wanted: bool) -> Option<Keep> {
    let (tests, odd) = equal(std::slice::from_ref(value))?;
    wanted.then(|| Keep { path, tests, odd: odd.and(Odd::SINGLE) })
}

/// False for a value that is equal to one of these.
fn unequal(values: &[Value]) -> Option<(Vec<Test>, Odd)> {
    // A list is unequal whatever is in it.
    let mut odd = LOST.and(Odd::LISTED);
    if let [Value::Bool(value)] = values {
        return Some((vec![flag(!*value)], odd.and(Odd::TEXT).and(Odd::NUMBER).and(Odd::NULL)));
    }
    let (mut texts, mut numbers) = (Vec::new(), Vec::new());
    for value in values {
        match value {
            Value::String(text) => texts.push(Box::from(&**text)),
            value => {
                odd = odd.and(Odd::ROUGH);
                numbers.push(number(value)?);
            }
        }
    }
    (!values.is_empty()).then(|| (vec![Test::Not(Box::new(Not::new(texts, numbers)))], odd))
}

/// `path.startsWith("…")`, `path.endsWith("…")`.
fn affix(call: &Call, wanted: bool) -> Option<Keep> {
    let [target, part] = call.args.as_slice() else { return None };
    let Some(Value::String(part)) = part.literal() else { return None };
    let part: &str = part;
    if part.is_empty() {
        return None;
    }
    let test = match call.function.name {
        "startsWith" => Test::Prefix(part.into()),
        "endsWith" => Test::Suffix(part.into()),
        _ => return None,
    };
    let test = if wanted { test } else { Test::Not(Box::new(Not { tests: [test].into(), ..Not::default() })) };
    let odd = LOST.and(Odd::LISTED).and(Odd::NUMBER).and(Odd::BOOL).and(Odd::NULL);
    Some(Keep { path: path(target)?, tests: vec![test], odd })
}

/// Whether there is a value is known of attributes; below `data` a path may also end in an object, or err on its way.
fn has(path: Vec<Box<str>>, wanted: bool) -> Option<Keep> {
    match (wanted, path.as_slice()) {
        (false, _) => Some(Keep { path, tests: Vec::new(), odd: LOST }),
        (true, [_]) => Some(Keep { path, tests: vec![Test::Present], odd: Odd::default() }),
        (true, _) => None,
    }
}
