//! YAML bodies as JSON values: what apply and kubectl send.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The first document; the error is text.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, String> {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    // Containers that are open, each with the key that waits for its value.
    let mut open: Vec<(Value, Option<String>)> = Vec::new();
    for next in Parser::new_from_str(text) {
        let (event, _) = next.map_err(|error| error.to_string())?;
        let done = match event {
            Event::MappingStart(..) => {
                open.push((Value::Object(Map::new()), None));
                continue;
            }
            Event::SequenceStart(..) => {
                open.push((Value::Array(Vec::new()), None));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => open.pop().map(|(value, _)| value).unwrap_or_default(),
            Event::Scalar(text, ScalarStyle::Plain, ..) => plain(&text),
            Event::Scalar(text, ..) => Value::from(text.as_ref()),
            Event::Alias(_) => return Err("aliases are not read".to_owned()),
            _ => continue,
        };
        match open.last_mut() {
            None => return Ok(done),
            Some((Value::Array(items), _)) => items.push(done),
            Some((Value::Object(map), key)) => match key.take() {
                Some(name) => {
                    map.insert(name, done);
                }
                None => *key = Some(done.as_str().map_or_else(|| done.to_string(), str::to_owned)),
            },
            Some(_) => {}
        }
    }
    Err("the body is empty".to_owned())
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        other => match serde_json::from_str(other) {
            Ok(Value::Number(number)) => Value::Number(number),
            _ => Value::from(other),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_is_json() {
        let text = "a: 1\nb: {c: 'x'}\nlist:\n- yes please\n- true\nempty:\n";
        let expected = json!({ "a": 1, "b": { "c": "x" }, "list": ["yes please", true], "empty": null });
        assert_eq!(parse(text.as_bytes()), Ok(expected));
        assert!(parse(b"").is_err());
    }
}
