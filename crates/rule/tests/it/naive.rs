//! A second evaluator, written from the description and not from the code: one pattern over one parsed event.
//!
//! It multiplies `$or` out as maps from joined paths, and walks the event as a tree. Slow and plain.

use std::collections::BTreeMap;

use serde_json::Value;

/// One way through a pattern: the alternatives for each path.
type Way = BTreeMap<Vec<String>, Vec<Value>>;
/// A field: what is left of its path, and its alternatives.
type Field<'a> = (&'a [String], &'a [Value]);

/// Whether the event meets the pattern.
pub(crate) fn matches(pattern: &Value, event: &Value) -> bool {
    let mut ways = vec![Way::new()];
    expand(pattern, &[], &mut ways);
    ways.iter().any(|way| {
        let list: Vec<Field<'_>> = way.iter().map(|(path, any)| (path.as_slice(), any.as_slice())).collect();
        meets(&list, Some(event)) != Answer::No
    })
}

fn expand(pattern: &Value, path: &[String], ways: &mut Vec<Way>) {
    for (key, value) in pattern.as_object().unwrap() {
        if key == "$or" {
            continue;
        }
        let mut path = path.to_vec();
        path.extend(key.split('.').map(String::from));
        match value {
            Value::Array(any) => {
                for way in ways.iter_mut() {
                    way.insert(path.clone(), any.clone());
                }
            }
            _ => expand(value, &path, ways),
        }
    }
    if let Some(or) = pattern.get("$or") {
        let mut all = Vec::new();
        for alternative in or.as_array().unwrap() {
            let mut own = ways.clone();
            expand(alternative, path, &mut own);
            all.extend(own);
        }
        *ways = all;
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    No,
    ByAbsence,
    ByValue,
}

/// How the event, or a part of it, meets fields whose paths begin here. No part at all is `None`.
fn meets(fields: &[Field<'_>], part: Option<&Value>) -> Answer {
    match part {
        Some(Value::Array(elements)) => {
            let answers: Vec<Answer> = elements.iter().map(|element| meets(fields, Some(element))).collect();
            if answers.contains(&Answer::ByValue) {
                Answer::ByValue
            } else if elements.is_empty() {
                meets(fields, None)
            } else if answers.contains(&Answer::No) {
                Answer::No
            } else {
                Answer::ByAbsence
            }
        }
        _ => {
            let mut answer = Answer::ByAbsence;
            let mut below: BTreeMap<&str, Vec<Field<'_>>> = BTreeMap::new();
            for (path, any) in fields {
                match path.split_first() {
                    Some((key, rest)) => below.entry(key).or_default().push((rest, any)),
                    None => match leaf(any, part) {
                        Answer::No => return Answer::No,
                        Answer::ByAbsence => {}
                        Answer::ByValue => answer = Answer::ByValue,
                    },
                }
            }
            for (key, fields) in below {
                let part = part.and_then(Value::as_object).and_then(|object| object.get(key));
                match meets(&fields, part) {
                    Answer::No => return Answer::No,
                    Answer::ByAbsence => {}
                    Answer::ByValue => answer = Answer::ByValue,
                }
            }
            answer
        }
    }
}

fn leaf(any: &[Value], part: Option<&Value>) -> Answer {
    match part {
        None | Some(Value::Object(_)) => {
            let absent = any.iter().any(|test| test.get("exists") == Some(&Value::Bool(false)));
            if absent { Answer::ByAbsence } else { Answer::No }
        }
        Some(value) => {
            if any.iter().any(|test| holds(test, value)) {
                Answer::ByValue
            } else {
                Answer::No
            }
        }
    }
}

fn holds(test: &Value, value: &Value) -> bool {
    let Value::Object(operator) = test else {
        return match (test, value) {
            (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
            _ => test == value,
        };
    };
    let (name, operand) = operator.iter().next().unwrap();
    let text = value.as_str();
    match (name.as_str(), operand) {
        ("exact", _) => value == operand,
        ("exists", _) => operand == &Value::Bool(true),
        ("prefix", Value::String(want)) => text.is_some_and(|text| text.starts_with(want.as_str())),
        ("suffix", Value::String(want)) => text.is_some_and(|text| text.ends_with(want.as_str())),
        ("prefix", _) => {
            let want = operand["equals-ignore-case"].as_str().unwrap().to_lowercase();
            text.is_some_and(|text| text.to_lowercase().starts_with(&want))
        }
        ("suffix", _) => {
            let want = operand["equals-ignore-case"].as_str().unwrap().to_lowercase();
            text.is_some_and(|text| text.to_lowercase().ends_with(&want))
        }
        ("equals-ignore-case", _) => {
            text.is_some_and(|text| text.to_lowercase() == operand.as_str().unwrap().to_lowercase())
        }
        ("wildcard", _) => {
            let want: Vec<char> = operand.as_str().unwrap().chars().collect();
            text.is_some_and(|text| glob(&want, &text.chars().collect::<Vec<_>>()))
        }
        ("numeric", _) => {
            let Some(number) = value.as_f64() else { return false };
            operand.as_array().unwrap().chunks(2).all(|pair| {
                let bound = pair[1].as_f64().unwrap();
                match pair[0].as_str().unwrap() {
                    "=" => number == bound,
                    "<" => number < bound,
                    "<=" => number <= bound,
                    ">" => number > bound,
                    _ => number >= bound,
                }
            })
        }
        ("cidr", _) => {
            let (block, length) = operand.as_str().unwrap().split_once('/').unwrap();
            let bits = |text: &str| text.parse::<std::net::Ipv4Addr>().ok().map(|address| u64::from(address.to_bits()));
            let shift = 32 - length.parse::<u32>().unwrap();
            let block = bits(block).unwrap();
            text.and_then(bits).is_some_and(|address| address >> shift == block >> shift)
        }
        ("anything-but", Value::Object(inner)) => {
            let (name, operands) = inner.iter().next().unwrap();
            let list = operands.as_array().cloned().unwrap_or_else(|| vec![operands.clone()]);
            !list.into_iter().any(|operand| {
                let mut object = serde_json::Map::new();
                object.insert(name.clone(), operand);
                holds(&Value::Object(object), value)
            })
        }
        ("anything-but", Value::Array(list)) => !list.iter().any(|test| holds(test, value)),
        ("anything-but", single) => !holds(single, value),
        other => panic!("{other:?}"),
    }
}

fn glob(want: &[char], text: &[char]) -> bool {
    match want.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|from| glob(rest, &text[from..])),
        Some((c, rest)) => text.first() == Some(c) && glob(rest, &text[1..]),
    }
}
