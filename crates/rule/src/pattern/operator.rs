//! From the JSON of one alternative to what is asked; the error says what is wrong and what to write.

use serde_json::{Map, Value as Json};

use super::cidr::Cidr;
use super::fold;
use super::test::{Not, Number, Range, Test};
use super::wildcard::Wildcard;

/// The operators. Inside `$or` no field has such a name: there it is an operator in the wrong place.
pub(super) const OPERATORS: [&str; 9] =
    ["exact", "prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "exists", "cidr"];

pub(super) fn number_of(number: &serde_json::Number) -> Result<Test, String> {
    Number::new(&number.to_string()).map(Test::Number).ok_or_else(|| format!("`{number}` is not a number"))
}

pub(super) fn operator(object: &Map<String, Json>) -> Result<Test, String> {
    let mut entries = object.iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else {
        return Err(if object.is_empty() {
            "Match expression name not found; write an operator: {\"prefix\": \"abc\"}".to_owned()
        } else {
            "Only one key allowed in match expression; give each operator its own object in the list".to_owned()
        });
    };
    let text = |what: &str| match value {
        Json::String(text) => Ok(text.as_str()),
        _ => Err(format!("{what} match pattern must be a string; for several, write several objects in the list")),
    };
    match name.as_str() {
        "exact" => Ok(Test::Text(text("exact")?.into())),
        "prefix" | "suffix" => {
            let prefix = name == "prefix";
            match value {
                Json::Object(inner) => {
                    let text = ignore_case(inner)
                        .ok_or_else(|| format!("{name} takes a string, or {{\"equals-ignore-case\": \"…\"}}"))?;
                    Ok(if prefix { Test::PrefixFold(fold::folded(text)) } else { Test::SuffixFold(fold::folded(text)) })
                }
                _ => {
                    Ok(if prefix { Test::Prefix(text("prefix")?.into()) } else { Test::Suffix(text("suffix")?.into()) })
                }
            }
        }
        "equals-ignore-case" => Ok(Test::Fold(fold::folded(text("equals-ignore-case")?))),
        "wildcard" => Wildcard::parse(text("wildcard")?).map(Test::Wildcard),
        "cidr" => Cidr::parse(text("cidr")?).map(|cidr| Test::Cidr(Box::new(cidr))),
        "exists" => match value {
            Json::Bool(true) => Ok(Test::Present),
            Json::Bool(false) => Ok(Test::Absent),
            _ => Err("exists match pattern must be either true or false.".to_owned()),
        },
        "numeric" => numeric(value).map(|range| Test::Range(Box::new(range))),
        "anything-but" => anything_but(value).map(|not| Test::Not(Box::new(not))),
        other => Err(match OPERATORS.iter().find(|known| close(known, other)) {
            Some(known) => format!("Unrecognized match type {other}; did you mean `{known}`?"),
            None => format!("Unrecognized match type {other}; there are {}", OPERATORS.join(", ")),
        }),
    }
}

fn ignore_case(object: &Map<String, Json>) -> Option<&str> {
    match (object.len(), object.get("equals-ignore-case")) {
        (1, Some(Json::String(text))) => Some(text),
        _ => None,
    }
}

/// Whether the name is an operator's but for case, hyphens and underscores.
fn close(known: &str, name: &str) -> bool {
    let plain =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect::<String>();
    plain(known) == plain(name)
}

fn numeric(value: &Json) -> Result<Range, String> {
    let Json::Array(terms) = value else {
        return Err("Value of numeric must be an array: [\">\", 0, \"<=\", 5]".to_owned());
    };
    let mut range = Range { low: None, high: None };
    let pairs = terms.chunks(2);
    if pairs.len() > 2 {
        return Err("Too many terms in numeric range expression; one lower and one upper bound are the most".to_owned());
    }
    for pair in pairs {
        let (operator, bound) = match pair {
            [Json::String(operator), Json::Number(number)] => (
                operator.as_str(),
                Number::new(&number.to_string()).ok_or_else(|| format!("`{number}` is not a number"))?,
            ),
            [Json::String(operator), ..] => return Err(format!("Value of {operator} must be numeric")),
            [other, ..] => {
                return Err(format!(
                    "Invalid member in numeric match: {other}; an operator and a number in turn: [\">\", 0, \"<=\", 5]"
                ));
            }
            [] => continue,
        };
        match operator {
            "=" if terms.len() > 2 => {
                return Err("Too many elements in numeric expression: `=` stands alone".to_owned());
            }
            "=" => {
                range.low = Some((bound.clone(), true));
                range.high = Some((bound, true));
            }
            ">" | ">=" if range.low.is_none() && range.high.is_none() => range.low = Some((bound, operator == ">=")),
            "<" | "<=" if range.high.is_none() => range.high = Some((bound, operator == "<=")),
            ">" | ">=" | "<" | "<=" => {
                return Err(format!(
                    "Bad numeric range operator: {operator}; the lower bound comes first, then the upper one"
                ));
            }
            _ => return Err(format!("Unrecognized numeric range operator: {operator}; there are = < <= > >=")),
        }
    }
    match (&range.low, &range.high) {
        (None, None) => {
            Err("Invalid member in numeric match: nothing; write [\">\", 0] or [\">\", 0, \"<=\", 5]".to_owned())
        }
        _ if range.is_empty() => {
            Err(format!("Bottom must be less than top: nothing is in {}", Test::Range(Box::new(range))))
        }
        _ => Ok(range),
    }
}

fn anything_but(value: &Json) -> Result<Not, String> {
    let mut not = Not::default();
    if let Json::Object(object) = value {
        let mut entries = object.iter();
        let (Some((name, value)), None) = (entries.next(), entries.next()) else {
            return Err("Only one key allowed in match expression: anything-but takes one operator".to_owned());
        };
        let mut tests = Vec::new();
        for text in texts(value)
            .ok_or_else(|| format!("Inside anything-but/{name} list, a string or a list of strings is required"))?
        {
            if text.is_empty() && name != "equals-ignore-case" {
                return Err("Null prefix/suffix not allowed: everything begins and ends with the empty text".to_owned());
            }
            tests.push(match name.as_str() {
                "prefix" => Test::Prefix(text.into()),
                "suffix" => Test::Suffix(text.into()),
                "equals-ignore-case" => Test::Fold(fold::folded(text)),
                "wildcard" => Test::Wildcard(Wildcard::parse(text)?),
                other => return Err(format!("Unsupported anything-but pattern: {other}; there are prefix, suffix, wildcard, equals-ignore-case")),
            });
        }
        tests.dedup();
        not.tests = tests.into();
        return Ok(not);
    }
    let single = [value.clone()];
    let list = match value {
        Json::Array(list) => list.as_slice(),
        _ => &single,
    };
    let mut listed = Vec::new();
    let mut numbers = Vec::new();
    for value in list {
        match value {
            Json::String(text) => listed.push(Box::from(text.as_str())),
            Json::Number(number) => {
                numbers.push(Number::new(&number.to_string()).ok_or_else(|| format!("`{number}` is not a number"))?)
            }
            _ => {
                return Err(
                    "Inside anything but list, start|null|boolean is not supported: strings or numbers".to_owned()
                );
            }
        }
    }
    if listed.is_empty() == numbers.is_empty() {
        return Err(
            "Inside anything but list, either all values are number or string, mixed type is not supported".to_owned()
        );
    }
    Ok(Not::new(listed, numbers))
}

/// A text, or a list of one or more.
fn texts(value: &Json) -> Option<Vec<&str>> {
    match value {
        Json::String(text) => Some(vec![text]),
        Json::Array(list) if !list.is_empty() => list.iter().map(Json::as_str).collect(),
        _ => None,
    }
}
