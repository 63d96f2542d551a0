//! The scan against `serde_json`: accepted if and only if `serde_json` reads a value and no object has a key twice.

use std::collections::HashSet;
use std::fmt;

use ensue_event::json::{self, Scanner};
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Reads any JSON; an error if an object has a key twice.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Unique;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_unit<E>(self) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unique, A::Error> {
                while seq.next_element::<Unique>()?.is_some() {}
                Ok(Unique)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let mut keys = HashSet::new();
                while let Some((key, _)) = map.next_entry::<String, Unique>()? {
                    if !keys.insert(key) {
                        return Err(serde::de::Error::custom("twice"));
                    }
                }
                Ok(Unique)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

fn agree(bytes: &[u8]) {
    let model = serde_json::from_slice::<Unique>(bytes);
    let scanned = Scanner::new().scan(bytes);
    assert_eq!(scanned.is_ok(), model.is_ok(), "{}: {scanned:?}, {:?}", String::from_utf8_lossy(bytes), model.err());
    if scanned.is_ok() {
        serde_json::from_slice::<Value>(bytes).expect("what is accepted is a value");
    }
    if let Err(error) = scanned {
        assert!(error.offset <= bytes.len());
        let _ = json::pretty_error(bytes, &error);
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~é€\n\t]{0,24}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-c\\\\\"é]{0,3}|[ -~é]{7,18}", inner), 0..24)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Bytes that matter to the grammar.
const ALPHABET: &[u8] = b"{}[]\":,0123456789.eE+-truefalsn\\u \n\tdD8c\xc3\xa9\x00\xff";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn values_are_accepted(value in value(), pretty in any::<bool>()) {
        let bytes = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        prop_assert!(Scanner::new().scan(&bytes).is_ok(), "{}", value);
        agree(&bytes);
    }

    #[test]
    fn changed_texts_agree(
        value in value(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(ALPHABET), 0..3_u8), 1..4),
    ) {
        let mut bytes = serde_json::to_vec(&value).unwrap();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len().max(1));
            match how {
                _ if bytes.is_empty() => bytes.push(byte),
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        agree(&bytes);
    }

    #[test]
    fn random_texts_agree(bytes in prop::collection::vec(prop::sample::select(ALPHABET), 0..12)) {
        agree(&bytes);
    }

    #[test]
    fn objects_with_few_names_agree(keys in prop::collection::vec("[ab]{0,2}|\\\\u006[12]|a{8,17}|key[0-9]{2}", 0..40)) {
        let members: Vec<String> = keys.iter().map(|key| format!("\"{key}\":{{\"{key}\":0}}")).collect();
        agree(format!("{{{}}}", members.join(",")).as_bytes());
    }

    #[test]
    fn members_are_those_of_the_tree(value in value()) {
        prop_assume!(value.is_object());
        let bytes = serde_json::to_vec_pretty(&value).unwrap();
        let mut found = serde_json::Map::new();
        Scanner::new().scan_object(&bytes, |key, at, _| {
            found.insert(key.to_owned(), serde_json::from_slice(&bytes[at]).unwrap());
        }).unwrap();
        // Through text, since a float may change its last digit on the way.
        prop_assert_eq!(Value::Object(found), serde_json::from_slice::<Value>(&bytes).unwrap());
    }

    #[test]
    fn a_path_finds_what_the_tree_holds(value in value()) {
        let bytes = serde_json::to_vec(&value).unwrap();
        let tree: Value = serde_json::from_slice(&bytes).unwrap();
        let mut places = vec![(Vec::new(), &tree)];
        while let Some((path, value)) = places.pop() {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            let found = json::get(&bytes, &names).expect("it is there");
            prop_assert_eq!(&serde_json::from_slice::<Value>(found).unwrap(), value);
            let below = |name: String| path.iter().cloned().chain([name]).collect::<Vec<_>>();
            match value {
                Value::Array(items) => {
                    places.extend(items.iter().enumerate().map(|(at, item)| (below(at.to_string()), item)));
                }
                Value::Object(members) => {
                    places.extend(members.iter().map(|(key, member)| (below(key.clone()), member)));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_path_into_anything_is_no_panic(
        bytes in prop::collection::vec(prop::sample::select(ALPHABET), 0..24),
        path in prop::collection::vec("[a0-2\"]?", 0..3),
    ) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let _ = json::get(&bytes, &path);
        let _ = json::string(&bytes);
    }
}
