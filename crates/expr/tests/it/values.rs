//! Values: JSON in and out, the stored form, keys, equality.

use ensue_expr::{MapKey, Type, Value, compare};
use serde_json::json;

fn stored(value: &Value) -> String {
    serde_json::to_string(value).unwrap()
}

#[test]
fn json_in_and_out() {
    let text = r#"{"b":[1,-2,1.5,1.0,true,null,"x"],"a":{"z":9223372036854775807,"y":9223372036854775808}}"#;
    let value = Value::from_json(text.as_bytes()).unwrap();
    assert_eq!(
        value.to_json_text(),
        r#"{"a":{"y":9.223372036854775808e18,"z":9223372036854775807},"b":[1,-2,1.5,1.0,true,null,"x"]}"#
            .replace("9.223372036854775808e18", "9.223372036854776e+18")
    );
    assert_eq!(value, Value::from(serde_json::from_str::<serde_json::Value>(text).unwrap()));
    assert_eq!(value.at(["a", "z"]).and_then(Value::as_i64), Some(i64::MAX));
    assert_eq!(value.at(["a", "y"]).unwrap().type_name(), "double");
    assert_eq!(value.get("b").unwrap().as_list().unwrap()[3].type_name(), "double");
    assert!(value.get("zzz").is_none() && Value::Null.get("a").is_none());
    for wrong in [&b""[..], b"{", b"{}x", b"[1,]", b"\xff", b"\"\xc3\"", b"nul", b"'a'", b"\xef\xbb\xbf{}"] {
        assert!(Value::from_json(wrong).is_err(), "{wrong:?}");
    }
    assert!(Value::from_json(format!("{}{}", "[".repeat(200), "]".repeat(200)).as_bytes()).is_err());
}

#[test]
fn what_json_lacks() {
    let table = [
        (Value::Duration(5_400_000_000), json!("1h30m"), r#"{"$duration":5400000000}"#),
        (Value::Timestamp(1_500_000), json!("1970-01-01T00:00:01.5Z"), r#"{"$timestamp":"1970-01-01T00:00:01.5Z"}"#),
        (Value::Bytes((*b"hi").into()), json!("aGk="), r#"{"$bytes":"aGk="}"#),
        (Value::Uint(u64::MAX), json!(u64::MAX), r#"{"$uint":"18446744073709551615"}"#),
        (Value::Double(f64::INFINITY), json!("Infinity"), r#"{"$double":"inf"}"#),
        (Value::Double(f64::NAN), json!("NaN"), r#"{"$double":"NaN"}"#),
        (Value::secret("TOKEN"), json!({"$secret": "TOKEN"}), r#"{"$secret":"TOKEN"}"#),
        (Value::Type(Type::Int), json!("int"), r#"{"$type":"int"}"#),
    ];
    for (value, plain, tagged) in table {
        assert_eq!(value.to_json(), plain);
        assert_eq!(stored(&value), tagged);
        let back: Value = serde_json::from_str(tagged).unwrap();
        assert_eq!(stored(&back), tagged);
        assert_eq!(back.type_of(), value.type_of());
    }
}

/// What was read once can be read again: the escape adds no levels.
#[test]
fn deep_data_comes_back() {
    for open in [r#"{"$a":"#, r#"{"a":"#, r#"{"$$a":"#, "["] {
        let close = if open == "[" { "]" } else { "}" };
        let text = format!("{}1{}", open.repeat(120), close.repeat(120));
        let value = Value::from_json(text.as_bytes()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&stored(&value)).unwrap(), value);
        assert_eq!(value.to_json_text(), text);
    }
    let far = Value::Timestamp(i64::MAX);
    assert_eq!(serde_json::from_str::<Value>(&stored(&far)).unwrap(), far);
    assert!(far.to_json_text().starts_with('"'));
}

/// A sender who writes a handle into an event's data must not get the secret sent anywhere.
#[test]
fn data_from_outside_never_becomes_a_handle() {
    let hostile = r#"{"data":{"$secret":"PROD_TOKEN"},"x":{"$map":[[1,2]]},"y":{"$duration":5}}"#;
    let value = Value::from_json(hostile.as_bytes()).unwrap();
    let inner = value.get("data").unwrap();
    assert_eq!(inner.type_name(), "map");
    assert_eq!(inner.get("$secret").unwrap().as_str(), Some("PROD_TOKEN"));
    // Through state and back it is still a map.
    let text = stored(&value);
    assert_eq!(text, r#"{"data":{"$$secret":"PROD_TOKEN"},"x":{"$$map":[[1,2]]},"y":{"$$duration":5}}"#);
    let back: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(back, value);
    assert_eq!(back.get("data").unwrap().type_name(), "map");
    assert_eq!(Value::from(serde_json::from_str::<serde_json::Value>(hostile).unwrap()), value);
}

#[test]
fn a_wrong_tag_is_an_error() {
    for text in [
        r#"{"$secret":1}"#,
        r#"{"$duration":"1h"}"#,
        r#"{"$timestamp":"today"}"#,
        r#"{"$bytes":"%"}"#,
        r#"{"$uint":"-1"}"#,
        r#"{"$type":"x"}"#,
        r#"{"$map":[[1]]}"#,
        r#"{"$map":1}"#,
        r#"{"$what":1}"#,
    ] {
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
    }
    // Two keys are no tag.
    assert_eq!(serde_json::from_str::<Value>(r#"{"$secret":"A","b":1}"#).unwrap().type_name(), "map");
}

#[test]
fn a_key_is_text() {
    let key = |json: serde_json::Value| Value::from(json).key_text();
    let table = [
        (json!(42), Some("42")),
        (json!(42.0), Some("42")),
        (json!("42"), Some("42")),
        (json!(1_000_000.0), Some("1000000")),
        (json!(-0.0), Some("0")),
        (json!(1.5), Some("1.5")),
        (json!(true), Some("true")),
        (json!("a b"), Some("a b")),
        (json!(""), Some("")),
        (json!(null), None),
        (json!(["prod", 42, 42.0, "42"]), Some(r#"["prod","42","42","42"]"#)),
        (json!(["a", ["b", 1.0]]), Some(r#"["a","[\"b\",\"1\"]"]"#)),
        (json!(["a", null]), None),
        (json!([]), Some("[]")),
        (json!({"b": 1.0, "a": [2.50]}), Some(r#"{"a":[2.5],"b":1}"#)),
    ];
    for (json, expected) in table {
        assert_eq!(key(json.clone()).as_deref(), expected, "{json}");
    }
    assert_eq!(Value::Uint(42).key_text().as_deref(), Some("42"));
    assert_eq!(Value::Duration(60_000_000).key_text().as_deref(), Some("1m"));
    assert_eq!(Value::Timestamp(0).key_text().as_deref(), Some("1970-01-01T00:00:00Z"));
    assert_eq!(Value::secret("T").key_text(), None);
}

#[test]
fn order_of_maps_is_by_key() {
    let value = Value::map([("b", 1), ("a", 2), ("B", 3), ("é", 4)]);
    assert_eq!(value.to_json_text(), r#"{"B":3,"a":2,"b":1,"é":4}"#);
    let mut keys = vec![
        MapKey::from("1"),
        MapKey::Uint(2),
        MapKey::Int(-1),
        MapKey::Bool(true),
        MapKey::Int(2),
        MapKey::Uint(u64::MAX),
    ];
    keys.sort();
    keys.dedup();
    let shown: Vec<String> = keys.iter().map(|key| format!("{key}")).collect();
    assert_eq!(shown, ["true", "-1", "2", "18446744073709551615", "1"]);
}

#[test]
fn equality_and_order_across_types() {
    assert_eq!(Value::from(1), Value::from(1.0));
    assert_ne!(Value::from(1), Value::from("1"));
    assert_ne!(Value::from(f64::NAN), Value::from(f64::NAN));
    let exact = 9_007_199_254_740_993_i64;
    assert_ne!(Value::from(exact), Value::from(exact as f64));
    assert_eq!(
        compare(&Value::Int(i64::MIN), &Value::Double(-9_223_372_036_854_775_808.0)),
        Some(std::cmp::Ordering::Equal)
    );
    assert_eq!(
        compare(&Value::Uint(u64::MAX), &Value::Double(18_446_744_073_709_551_616.0)),
        Some(std::cmp::Ordering::Less)
    );
    assert_eq!(compare(&Value::Int(-3), &Value::Double(-3.5)), Some(std::cmp::Ordering::Greater));
    assert_eq!(compare(&Value::Int(0), &Value::Double(f64::NEG_INFINITY)), Some(std::cmp::Ordering::Greater));
    assert_eq!(compare(&Value::from("a"), &Value::from(1)), None);
}

#[test]
fn built_and_read() {
    let value =
        Value::map([("n", Value::from(3)), ("l", Value::list([1, 2])), ("s", Value::str("x")), ("f", 2.0.into())]);
    assert_eq!(value.get("n").and_then(Value::as_i64), Some(3));
    assert_eq!(value.get("f").and_then(Value::as_i64), Some(2));
    assert_eq!(value.get("s").and_then(Value::as_str), Some("x"));
    assert_eq!(value.get("l").and_then(Value::as_list).map(<[Value]>::len), Some(2));
    assert_eq!(Value::from(Some("x")), Value::from("x"));
    assert!(Value::from(None::<&str>).is_null());
    assert_eq!(Value::from(u64::MAX).type_name(), "double");
    assert_eq!(std::mem::size_of::<Value>(), 24);
}
