//! No text whatever makes the loader panic, and what it gives reads back.

use ensue_lang::{Config, Loaded, Rule};
use proptest::prelude::*;
use serde_json::Value;

use super::{fixture, read};

/// Every message has a place in the file, renders, and every document reads back.
fn sound(text: &str, loaded: &Loaded) {
    for diagnostic in &loaded.diagnostics {
        assert!(diagnostic.span.start <= diagnostic.span.end && diagnostic.span.end <= text.len(), "{diagnostic:?}");
        assert!(text.get(diagnostic.span.clone()).is_some(), "{diagnostic:?}");
        assert!(diagnostic.line >= 1 && diagnostic.column >= 1, "{diagnostic:?}");
    }
    assert_eq!(loaded.render(false).is_empty(), loaded.diagnostics.is_empty());
    if loaded.ok() {
        let mut again = Config::default();
        for (kind, name, digest, canonical) in loaded.config.canonical() {
            again.add_canonical(kind, canonical).unwrap();
            assert!(again.documents().contains(&(kind, name.clone(), digest)));
        }
    }
}

/// Enough for every run; `PROPTEST_CASES` for a longer one.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
}

/// A pointer to every value.
fn pointers_of(json: &Value, at: String, out: &mut Vec<String>) {
    match json {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| pointers_of(item, format!("{at}/{index}"), out));
        }
        Value::Object(map) => {
            for (key, item) in map {
                pointers_of(item, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        _ => {}
    }
    out.push(at);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pinned_json_with_a_part_replaced(
        at in any::<prop::sample::Index>(),
        with in prop::sample::select(vec!["null", "1", "\"\"", "[]", "{}", "\"${{ x\"", "\"${{ 1 +\"", "true", "[[]]"]),
    ) {
        let config = read(&fixture("examples.yaml")).config;
        for rule in config.rules.values() {
            let mut pointers = Vec::new();
            pointers_of(&rule.canonical, String::new(), &mut pointers);
            let mut json = rule.canonical.clone();
            *json.pointer_mut(at.get(&pointers[..]).as_str()).unwrap() = serde_json::from_str(with).unwrap();
            if let Ok(back) = Rule::from_canonical(&json) {
                prop_assert_eq!(Rule::from_canonical(&back.canonical).unwrap().digest, back.digest);
            }
        }
    }

    #[test]
    fn arbitrary_text(text in "\\PC{0,200}") {
        sound(&text, &read(&text));
    }

    #[test]
    fn text_made_of_what_yaml_is_made_of(parts in prop::collection::vec(
        prop::sample::select(vec![
            "a", "b: ", ": ", "- ", "\n", "\n  ", "\n    ", "{", "}", "[", "]", ", ", "\"", "'", "|", ">", "\n---\n", "&x ",
            "*x", "!!str ", "? ", "#", "\t", "é", "\u{feff}", "${{ ", " }}", "<<: ", "apiVersion: ensue.dev/v1\n",
            "kind: Rule\n", "metadata: { name: r }\n", "spec:\n", "  when: ", "  steps:\n", "    - set: ", "\r\n", "\\", "...\n", "%YAML 1.2\n",
        ]), 0..60)) {
        let text: String = parts.concat();
        sound(&text, &read(&text));
    }

    #[test]
    fn manifests_with_a_part_replaced(
        which in prop::sample::select(vec!["all.yaml", "examples.yaml", "eleven.yaml"]),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, prop::sample::select(vec![
            "", " ", "\n", "\"", "'", "{", "}", "[", "]", ": ", "- ", "é", "null", "${{", "}}", "!", "&a", "*a", "on", "🦀",
        ])), 1..6),
    ) {
        let mut text = fixture(which);
        for (at, length, with) in cuts {
            let chars: Vec<(usize, char)> = text.char_indices().collect();
            let start = at.index(chars.len());
            let end = (start + length).min(chars.len() - 1);
            text.replace_range(chars[start].0..chars[end].0, with);
        }
        sound(&text, &read(&text));
    }
}
