//! What the catalog says of actions.

use ensue_lang::Connection;
use ensue_lang::catalog::{self, ACTIONS, CONNECTIONS, Idempotency, SOURCES, Uncertain};
use serde_json::json;

fn connection(http: serde_json::Value) -> Connection {
    let head =
        json!({"apiVersion": "ensue.dev/v1", "kind": "Connection", "metadata": {"name": "c"}, "spec": {"http": http}});
    Connection::from_canonical(&head).unwrap()
}

#[test]
fn how_calls_can_be_repeated() {
    use Idempotency::{Keyed, Natural, None};
    let plain = connection(json!({"url": "https://example.com"}));
    let keyed = connection(json!({"url": "https://example.com", "idempotencyHeader": "Idempotency-Key"}));
    for (action, method, without, with_header) in [
        ("http/request", Some("GET"), Natural, Natural),
        ("http/request", Option::None, Natural, Natural),
        ("http/request", Some("HEAD"), Natural, Natural),
        ("http/request", Some("PUT"), Natural, Natural),
        ("http/request", Some("DELETE"), Natural, Natural),
        ("http/request", Some("POST"), None, Keyed),
        ("http/request", Some("post"), None, Keyed),
        ("http/request", Some("PATCH"), None, Keyed),
        ("git/commit", Option::None, Keyed, Keyed),
        ("slack/post", Option::None, None, None),
        ("exec/run", Option::None, None, None),
        ("who/knows", Option::None, None, None),
    ] {
        let with = method.map_or(json!({}), |method| json!({ "method": method }));
        assert_eq!(catalog::idempotency(action, &with, Some(&plain)), without, "{action} {method:?}");
        assert_eq!(catalog::idempotency(action, &with, Some(&keyed)), with_header, "{action} {method:?}");
    }
}

#[test]
fn retries_and_doubts() {
    let (of_clusters, others): (Vec<_>, Vec<_>) = ACTIONS.iter().partition(|spec| spec.connection == "kubernetes");
    // All of clusters can be repeated.
    assert!(of_clusters.iter().all(|spec| spec.default_retry && spec.uncertain == Uncertain::Retry));
    let retried: Vec<_> = others.into_iter().map(|spec| (spec.name, spec.default_retry, spec.uncertain)).collect();
    assert_eq!(
        retried,
        [
            ("http/request", true, Uncertain::Ask),
            ("git/commit", true, Uncertain::Retry),
            ("slack/post", true, Uncertain::Retry),
            ("exec/run", false, Uncertain::Ask),
        ]
    );
    assert!(!catalog::default_retry("who/knows"));
    assert_eq!(catalog::uncertain("who/knows"), Uncertain::Ask);
}

#[test]
fn every_description_is_whole() {
    for action in ACTIONS {
        assert!(catalog::connection(action.connection).is_some(), "{}", action.name);
        assert!(action.name.starts_with(action.connection), "{}", action.name);
    }
    let shapes = ACTIONS.iter().map(|spec| &spec.with);
    let shapes =
        shapes.chain(CONNECTIONS.iter().map(|spec| &spec.config)).chain(SOURCES.iter().map(|spec| &spec.config));
    for shape in shapes {
        for field in shape.fields {
            assert!(field.doc.ends_with('.'), "{}: {}", shape.what, field.name);
        }
        for (habit, _) in shape.habits {
            assert!(shape.field(habit).is_none(), "{}: `{habit}` is a field and a habit", shape.what);
        }
    }
}
