//! Keys: what ties events together, as text.
//!
//! 42, 42.0 and `"42"` are one key. A list of expressions is a composite key, kept as canonical JSON; an expression whose
//! value is a list means a key for each member.

use ensue_event::{Event, json};
use ensue_expr::{Budget, Program, Scope, Value};
use ensue_lang::KeySpec;

use crate::decide::error;
use crate::state::Verdict;

/// The most members of a list that is a key.
pub const MAX_MEMBERS: usize = 1_000;
/// The longest key, bytes.
pub const MAX_KEY: usize = 64 << 10;

/// The key of an event where it can be read off its bytes: paths into it at which texts or whole numbers stand. Nothing
/// where that takes more; [`keys`] answers then, and would have answered the same here.
#[must_use]
pub fn plain(spec: &KeySpec, event: &Event) -> Option<String> {
    let text = match spec {
        KeySpec::None => return None,
        KeySpec::One(program) => plain_text(program, event)?,
        KeySpec::Many(programs) => {
            let texts: Vec<String> =
                programs.iter().map(|program| plain_text(program, event)).collect::<Option<_>>()?;
            serde_json::Value::from(texts).to_string()
        }
    };
    (text.len() <= MAX_KEY).then_some(text)
}

/// The key text of one expression, as [`plain`] reads it.
#[must_use]
pub(crate) fn plain_text(program: &Program, event: &Event) -> Option<String> {
    let path = program.ast().static_path()?;
    let text = match path.as_slice() {
        ["event", "data", path @ ..] => {
            // A number in a path is a place in a list there, and the name of a field here.
            if path.iter().any(|name| name.starts_with(|first: char| first.is_ascii_digit())) {
                return None;
            }
            let raw = json::get(event.json()?, path)?;
            match raw {
                [b'"', ..] => json::string(raw)?.into_owned(),
                [b'1'..=b'9', rest @ ..] if rest.len() < 18 && rest.iter().all(u8::is_ascii_digit) => {
                    std::str::from_utf8(raw).ok()?.to_owned()
                }
                _ => return None,
            }
        }
        ["event", "id"] => event.id.to_string(),
        ["event", "source"] => event.source.to_string(),
        ["event", "type"] => event.kind.to_string(),
        ["event", "subject"] => event.subject.as_deref()?.to_owned(),
        _ => return None,
    };
    (text.len() <= MAX_KEY).then_some(text)
}

/// The keys that an event or match has: one `None` where there is no key or it is `none`, each text once.
///
/// # Errors
/// The decision that follows instead: no key (null, absent, an empty list), or an expression that cannot be computed.
pub fn keys(spec: Option<&KeySpec>, names: &dyn Scope) -> Result<Vec<Option<String>>, Verdict> {
    let programs: &[Program] = match spec {
        None | Some(KeySpec::None) => return Ok(vec![None]),
        Some(KeySpec::One(program)) => {
            let mut found = members(program, names)?;
            let mut seen = std::collections::BTreeSet::new();
            found.retain(|key| seen.insert(key.clone()));
            return Ok(found.into_iter().map(Some).collect());
        }
        Some(KeySpec::Many(programs)) => programs,
    };
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    for program in programs {
        let members = members(program, names)?;
        if all.len().saturating_mul(members.len()) > MAX_MEMBERS {
            return Err(no_key(program, &format!("together they are more than {MAX_MEMBERS} keys")));
        }
        let with = |key: &Vec<String>| {
            members.iter().map(|one| [key.as_slice(), std::slice::from_ref(one)].concat()).collect()
        };
        all = all.iter().flat_map(|key| -> Vec<Vec<String>> { with(key) }).collect();
    }
    let mut texts: Vec<Option<String>> = Vec::with_capacity(all.len());
    for parts in all {
        let text = serde_json::Value::from(parts).to_string();
        if text.len() > MAX_KEY {
            return Err(Verdict::NoKey { expression: source(programs), why: too_long(text.len()) });
        }
        if !texts.iter().any(|known| known.as_deref() == Some(text.as_str())) {
            texts.push(Some(text));
        }
    }
    Ok(texts)
}

/// The one key of a match, for flow control: a list is one composite key here.
///
/// # Errors
/// As [`keys`].
pub fn key(spec: Option<&KeySpec>, names: &dyn Scope) -> Result<Option<String>, Verdict> {
    let one = |program: &Program| {
        let value = value(program, names)?;
        text(program, &value)
    };
    match spec {
        None | Some(KeySpec::None) => Ok(None),
        Some(KeySpec::One(program)) => one(program).map(Some),
        Some(KeySpec::Many(programs)) => {
            let texts: Vec<String> = programs.iter().map(one).collect::<Result<_, _>>()?;
            let text = serde_json::Value::from(texts).to_string();
            if text.len() > MAX_KEY {
                return Err(Verdict::NoKey { expression: source(programs), why: too_long(text.len()) });
            }
            Ok(Some(text))
        }
    }
}

fn members(program: &Program, names: &dyn Scope) -> Result<Vec<String>, Verdict> {
    match value(program, names)? {
        Value::List(items) if items.is_empty() => Err(no_key(program, "the list is empty")),
        Value::List(items) if items.len() > MAX_MEMBERS => {
            Err(no_key(program, &format!("the list has {} members, at most {MAX_MEMBERS} are keys", items.len())))
        }
        Value::List(items) => items.iter().map(|item| text(program, item)).collect(),
        value => text(program, &value).map(|text| vec![text]),
    }
}

fn value(program: &Program, names: &dyn Scope) -> Result<Value, Verdict> {
    match program.eval_opt(names, &mut Budget::new()) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(no_key(program, "it is absent")),
        Err(why) => Err(error(program.source(), &why)),
    }
}

fn text(program: &Program, value: &Value) -> Result<String, Verdict> {
    let text = value.key_text().ok_or_else(|| no_key(program, "it is null"))?;
    if text.len() > MAX_KEY { Err(no_key(program, &too_long(text.len()))) } else { Ok(text) }
}

fn too_long(length: usize) -> String {
    format!("it has {length} bytes, at most {MAX_KEY} are a key")
}

fn source(programs: &[Program]) -> String {
    programs.iter().map(Program::source).collect::<Vec<_>>().join(", ")
}

fn no_key(program: &Program, why: &str) -> Verdict {
    Verdict::NoKey { expression: program.source().to_owned(), why: why.to_owned() }
}
