//! Texts. Positions count code points, as CEL has it; not bytes, and not what a person sees as a character.

use super::{Cx, Fault, Function, either, format, method, plain};
use crate::eval::ITEM;
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    method("contains", (2, 2), |cx, args| search(cx, args, |text, part| text.contains(part))),
    method("startsWith", (2, 2), |cx, args| search(cx, args, |text, part| text.starts_with(part))),
    method("endsWith", (2, 2), |cx, args| search(cx, args, |text, part| text.ends_with(part))),
    either("matches", (2, 2), matches),
    method("charAt", (2, 2), char_at),
    method("indexOf", (2, 3), index_of),
    method("lastIndexOf", (2, 3), last_index_of),
    method("join", (1, 2), join),
    method("lowerAscii", (1, 1), |cx, args| change(cx, args, str::to_ascii_lowercase)),
    method("upperAscii", (1, 1), |cx, args| change(cx, args, str::to_ascii_uppercase)),
    method("trim", (1, 1), |cx, args| change(cx, args, |text| text.trim().to_owned())),
    method("reverse", (1, 1), reverse),
    method("replace", (3, 4), replace),
    method("split", (2, 3), split),
    method("substring", (2, 3), substring),
    method("format", (2, 2), format::format),
    plain("strings.quote", (1, 1), |cx, args| change(cx, args, quote)),
];

fn search(cx: &mut Cx<'_>, args: &[Value], test: fn(&str, &str) -> bool) -> Result<Value, Fault> {
    let [Value::String(text), Value::String(part)] = args else { return Err(Fault::Types) };
    cx.read(text.len())?;
    Ok(Value::Bool(test(text, part)))
}

fn matches(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let [Value::String(text), Value::String(pattern)] = args else { return Err(Fault::Types) };
    cx.read(text.len().saturating_mul(4))?;
    let regex = match cx.regex {
        Some(regex) => regex.clone(),
        None => cx.patterns.get(pattern, cx.budget)?,
    };
    Ok(Value::Bool(regex.is_match(text)))
}

fn change(cx: &mut Cx<'_>, args: &[Value], make: impl Fn(&str) -> String) -> Result<Value, Fault> {
    let [Value::String(text)] = args else { return Err(Fault::Types) };
    cx.read(text.len())?;
    cx.text(make(text))
}

/// The byte at which the code point of this number begins; the length for the number of code points.
fn offset(text: &str, position: i64) -> Option<usize> {
    let position = usize::try_from(position).ok()?;
    let mut at = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    at.nth(position)
}

fn outside(position: i64, text: &str) -> Fault {
    Fault::Value(format!("position {position} lies outside of a text of {}", text.chars().count()))
}

fn char_at(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let [Value::String(text), Value::Int(position)] = args else { return Err(Fault::Types) };
    cx.read(text.len())?;
    let at = offset(text, *position).ok_or_else(|| outside(*position, text))?;
    let found = text.get(at..).and_then(|rest| rest.chars().next());
    cx.text(found.map(String::from).unwrap_or_default())
}

/// The position of a byte.
fn position(text: &str, at: usize) -> Value {
    Value::from(text.get(..at).unwrap_or_default().chars().count())
}

fn index_of(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let (text, part, from) = match args {
        [Value::String(text), Value::String(part)] => (text, part, 0),
        [Value::String(text), Value::String(part), Value::Int(from)] => (text, part, *from),
        _ => return Err(Fault::Types),
    };
    cx.read(text.len())?;
    let start = offset(text, from).ok_or_else(|| outside(from, text))?;
    let found = text.get(start..).and_then(|rest| rest.find(&**part));
    Ok(found.map_or(Value::Int(-1), |at| position(text, start + at)))
}

fn last_index_of(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let (text, part, last) = match args {
        [Value::String(text), Value::String(part)] => (text, part, None),
        [Value::String(text), Value::String(part), Value::Int(last)] => (text, part, Some(*last)),
        _ => return Err(Fault::Types),
    };
    cx.read(text.len())?;
    let start = match last {
        Some(last) => offset(text, last).ok_or_else(|| outside(last, text))?,
        None => text.len(),
    };
    // The part may begin at `start` at the latest, and reach past it.
    let end = text.floor_char_boundary(start + part.len());
    let found = text.get(..end).and_then(|head| head.rfind(&**part));
    Ok(found.map_or(Value::Int(-1), |at| position(text, at)))
}

fn join(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let (items, between) = match args {
        [Value::List(items)] => (items, ""),
        [Value::List(items), Value::String(between)] => (items, &**between),
        _ => return Err(Fault::Types),
    };
    let mut size = 0_usize;
    for item in items.iter() {
        let Value::String(text) = item else {
            return Err(Fault::Type(format!("join() takes a list of strings, and one is {}", item.a_type())));
        };
        size += text.len() + between.len();
    }
    cx.budget.make(size)?;
    let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
    Ok(Value::from(texts.join(between)))
}

fn reverse(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    match args {
        [Value::List(items)] => {
            cx.budget.make(items.len() * ITEM)?;
            Ok(Value::from(items.iter().rev().cloned().collect::<Vec<_>>()))
        }
        _ => change(cx, args, |text| text.chars().rev().collect()),
    }
}

fn replace(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let (text, old, new, limit) = match args {
        [Value::String(text), Value::String(old), Value::String(new)] => (text, old, new, -1),
        [Value::String(text), Value::String(old), Value::String(new), Value::Int(limit)] => (text, old, new, *limit),
        _ => return Err(Fault::Types),
    };
    cx.read(text.len())?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // The size is known before anything is made: an empty `old` is found between all code points.
    let count = text.matches(&**old).take(limit).count();
    cx.budget.make(text.len().saturating_add(count.saturating_mul(new.len())))?;
    Ok(Value::from(text.replacen(&**old, new, count)))
}

/// As Go's `SplitN`: an empty separator gives the code points, a limit below zero is none, zero gives no parts.
fn split(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let (text, between, limit) = match args {
        [Value::String(text), Value::String(between)] => (text, between, -1),
        [Value::String(text), Value::String(between), Value::Int(limit)] => (text, between, *limit),
        _ => return Err(Fault::Types),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let parts: Vec<Value> = if between.is_empty() {
        cx.budget.make(text.len() * ITEM)?;
        let last = text.char_indices().nth(limit.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
        let (head, tail) = text.split_at_checked(if limit == 0 { 0 } else { last }).unwrap_or((text, ""));
        let tail = Some(tail).filter(|tail| !tail.is_empty() && limit > 0);
        head.chars().map(|c| Value::from(c.to_string())).chain(tail.map(Value::from)).collect()
    } else {
        cx.read(text.len())?;
        let count = text.matches(&**between).count() + 1;
        cx.budget.make(text.len() + count * ITEM)?;
        text.splitn(limit, &**between).map(Value::from).collect()
    };
    Ok(Value::from(parts))
}

fn substring(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let (text, from, to) = match args {
        [Value::String(text), Value::Int(from)] => (text, *from, None),
        [Value::String(text), Value::Int(from), Value::Int(to)] => (text, *from, Some(*to)),
        _ => return Err(Fault::Types),
    };
    cx.read(text.len())?;
    let start = offset(text, from).ok_or_else(|| outside(from, text))?;
    let end = match to {
        Some(to) => offset(text, to).ok_or_else(|| outside(to, text))?,
        None => text.len(),
    };
    match text.get(start..end) {
        Some(part) => cx.text(part.to_owned()),
        None => Err(Fault::Value(format!("the end {} lies before the start {from}", to.unwrap_or_default()))),
    }
}

/// The text as a literal.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
