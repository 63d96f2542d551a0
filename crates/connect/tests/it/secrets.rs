use ensue_connect::{MissingSecret, Provider, Secrets};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::world;

#[test]
fn the_first_provider_that_has_a_name_gives_its_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::create_dir(path("folder")).unwrap();
    std::fs::write(path("folder/FROM_FOLDER"), "folder value\n").unwrap();
    std::fs::write(path("folder/EMPTY"), "\n").unwrap();
    std::fs::write(path("lines"), "# comment\nFROM_LINES=a=b\nexport QUOTED=\"two words\"\nFROM_FOLDER=lines win\n")
        .unwrap();
    std::fs::write(path("all.json"), r#"{"FROM_JSON": "json value", "NUMBER": 5}"#).unwrap();
    let secrets = Secrets::new(vec![
        Provider::env(),
        Provider::File(path("lines")),
        Provider::File(path("all.json")),
        Provider::File(path("absent")),
        Provider::Folder(path("folder")),
    ]);
    let cases: &[(&str, Result<&str, &str>)] = &[
        ("FROM_LINES", Ok("a=b")),
        ("QUOTED", Ok("two words")),
        ("FROM_JSON", Ok("json value")),
        ("FROM_FOLDER", Ok("lines win")),
        ("EMPTY", Err("the secret EMPTY is empty; give it a value")),
        ("../lines", Err("`../lines` is not a name of a secret")),
        (".hidden", Err("`.hidden` is not a name of a secret")),
        ("", Err("`` is not a name of a secret")),
        ("NUMBER", Err("a value is not a text")),
        (
            "NOWHERE",
            Err("the secret NOWHERE is nowhere to be found; set the environment variable ENSUE_SECRET_NOWHERE or"),
        ),
    ];
    for (name, expected) in cases {
        match (secrets.resolve(name), expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value.expose_secret(), *expected, "{name}"),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{name}: {error}"),
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
}

#[test]
fn a_rotated_value_is_used_at_once() {
    let fixture = world(&[("TOKEN", "first-value")]);
    let secrets = fixture.world.secrets();
    assert_eq!(secrets.resolve("TOKEN").unwrap().expose_secret(), "first-value");
    std::fs::write(fixture.dir.path().join("secrets/TOKEN"), "second-value").unwrap();
    assert_eq!(secrets.resolve("TOKEN").unwrap().expose_secret(), "second-value");
    assert_eq!(secrets.redact("first-value second-value"), "*** ***");
}

#[test]
fn a_configuration_is_filled_and_cannot_be_printed() {
    let fixture = world(&[("TOKEN", "canary-7f3a")]);
    let config = json!({ "bearer": { "$secret": "TOKEN" }, "list": [{ "$secret": "TOKEN" }, "plain"], "n": 1 });
    let resolved = fixture.world.secrets().resolve_config(&config).unwrap();
    assert_eq!(resolved.text("bearer"), Some("canary-7f3a"));
    assert_eq!(resolved.texts("list"), ["canary-7f3a", "plain"]);
    assert_eq!(format!("{resolved:?}"), "Resolved(***)");
    assert!(!format!("{:?}", fixture.world.secrets()).contains("canary"));
    let missing = fixture.world.secrets().resolve_config(&json!({ "a": { "$secret": "NONE" } }));
    assert!(matches!(missing, Err(MissingSecret::Unknown { .. })));
}

/// Argo leaked credentials into logs (CVE-2025-62157): the canary is looked for in every form that we know of.
#[test]
fn redaction_knows_a_value_in_each_of_its_forms() {
    let fixture = world(&[("TOKEN", "p@ss w\"rd/7"), ("SHORT", "abc"), ("PIN", "12345678")]);
    let secrets = fixture.world.secrets();
    for name in ["TOKEN", "SHORT", "PIN"] {
        secrets.resolve(name).unwrap();
    }
    let cases = [
        ("login with p@ss w\"rd/7 failed", "login with *** failed"),
        (r#"{"password":"p@ss w\"rd/7"}"#, r#"{"password":"***"}"#),
        ("?p=p%40ss%20w%22rd%2F7&x", "?p=***&x"),
        ("?p=p%40ss%20w%22rd%2f7&x", "?p=***&x"),
        ("p=p%40ss+w%22rd%2F7", "p=***"),
        // The values of fewer than six characters are words.
        ("abc", "abc"),
        ("pin 12345678.", "pin ***."),
    ];
    for (text, expected) in cases {
        assert_eq!(secrets.redact(text), expected, "{text}");
    }
    use base64::Engine as _;
    for user in ["", "a", "ab", "abc", "user"] {
        let header = base64::engine::general_purpose::STANDARD.encode(format!("{user}:p@ss w\"rd/7"));
        let redacted = secrets.redact(&header);
        assert!(redacted.contains("***") && redacted.len() < header.len(), "{user}: {redacted}");
    }
    let value = secrets.redact_value(json!({ "12345678": 12345678, "n": 12, "list": ["a 12345678 b"] }));
    assert_eq!(value, json!({ "***": "***", "n": 12, "list": ["a *** b"] }));
}
