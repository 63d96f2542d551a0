//! What is made of each refusal of a real API server.

use ensue_connect::kubernetes::failure::{Subject, refused};
use ensue_event::Span;
use ensue_event::ours::Failure;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;

use crate::recorded;

fn failure(exchange: &Value) -> Option<Failure> {
    let (request, response) = (&exchange["request"], &exchange["response"]);
    let status = StatusCode::from_u16(response["status"].as_u64()? as u16).unwrap();
    if status.is_success() {
        return None;
    }
    let method = request["method"].as_str()?.parse().unwrap();
    let subject = Subject::of(&method, request["path"].as_str()?, request["query"]["watch"] == "true");
    let mut headers = HeaderMap::new();
    for (name, value) in response["headers"].as_object()? {
        headers.insert(HeaderName::try_from(name).unwrap(), value.as_str()?.parse().unwrap());
    }
    let body = match &response["body"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(refused(&subject, status, &headers, body.as_bytes()))
}

/// Folder and file, the failure's name, whether another try may help, and words that its message must have.
const CASES: &[(&str, &str, &str, bool, &[&str])] = &[
    ("errors", "unauthorized-401-bad-token", "Denied", false, &["does not know who asks", "token or certificate"]),
    (
        "errors",
        "forbidden-403-list",
        "Denied",
        false,
        &["list configmaps in the namespace demo", "grant the verb `list`"],
    ),
    ("errors", "forbidden-403-cluster-scope", "Denied", false, &["list nodes", "`list` on `nodes`"]),
    ("errors", "forbidden-403-watch", "Denied", false, &["watch configmaps", "grant the verb `watch`"]),
    (
        "errors",
        "forbidden-403-patch-subresource",
        "Denied",
        false,
        &["patch deployments.apps/scale \"web\" in the namespace demo", "`patch` on `deployments.apps/scale`"],
    ),
    ("errors", "get-missing-404", "NotFound", false, &["cannot get deployments.apps \"nope\"", "not found"]),
    ("errors", "create-in-missing-namespace-404", "NotFound", false, &["namespaces \"nope\" not found"]),
    ("errors", "create-already-exists-409", "AlreadyExists", false, &["is there already"]),
    ("errors", "replace-conflict-409", "Conflict", false, &["cannot update", "somebody was faster"]),
    ("errors", "invalid-422-deployment-causes", "Invalid", false, &["spec.template.metadata.labels"]),
    ("errors", "method-not-allowed-405", "StepFailed", false, &["405"]),
    ("errors", "internal-500-resourceversion-on-create", "Status", true, &["500"]),
    ("list-paging", "expired-03-continue-410", "Gone", false, &["too old"]),
    ("list-paging", "future-rv-504", "Status", true, &["504", "Too large resource version"]),
    ("crd", "03-list-race-404", "NotServed", true, &["does not serve gadget0s.ops.example.com"]),
    ("crd", "03-list-race-429", "Status", true, &["storage is (re)initializing"]),
    ("discovery", "unknown-resource", "NotServed", true, &["does not serve frobs.apps"]),
    ("eviction", "04-evict-429", "Status", true, &["disruption budget"]),
];

#[test]
fn each_refusal_says_what_failed_and_what_to_do() {
    let Some(folder) = recorded::folder("each_refusal_says_what_failed_and_what_to_do") else { return };
    for (part, name, expected, retryable, words) in CASES {
        let exchange = recorded::exchange(&folder.join(part).join(format!("{name}.json")));
        let failure = failure(&exchange).unwrap();
        assert_eq!((failure.name.as_str(), failure.retryable), (*expected, *retryable), "{part}/{name}: {failure:?}");
        for word in *words {
            assert!(failure.message.contains(word), "{part}/{name} lacks `{word}`: {}", failure.message);
        }
        assert_eq!(failure.details["status"], exchange["response"]["status"], "{part}/{name}");
    }
}

#[test]
fn a_refusal_that_asks_to_wait_says_how_long() {
    let Some(folder) = recorded::folder("a_refusal_that_asks_to_wait_says_how_long") else { return };
    let race = failure(&recorded::exchange(&folder.join("crd/03-list-race-429.json"))).unwrap();
    assert_eq!(race.retry_after, Some(Span::secs(1)));
}

#[test]
fn a_conflict_names_the_owner_of_each_field() {
    let Some(folder) = recorded::folder("a_conflict_names_the_owner_of_each_field") else { return };
    let conflicts: Vec<Failure> = recorded::exchanges(&folder.join("patch"))
        .iter()
        .filter_map(|(_, exchange)| failure(exchange))
        .filter(|failure| failure.message.contains("belongs to"))
        .collect();
    assert!(!conflicts.is_empty());
    for failure in conflicts {
        assert_eq!(failure.name, "Conflict");
        assert!(failure.message.contains("`force: true` takes it over"), "{}", failure.message);
        assert_eq!(failure.details["causes"][0]["reason"], "FieldManagerConflict");
    }
}

#[test]
fn every_recorded_refusal_has_a_status_and_no_empty_words() {
    let Some(folder) = recorded::folder("every_recorded_refusal_has_a_status_and_no_empty_words") else { return };
    let mut seen = 0;
    for part in ["auth", "configmap-secret", "crd", "delete", "deployment", "errors", "eviction", "job", "lease"] {
        for (name, exchange) in recorded::exchanges(&folder.join(part)) {
            let Some(failure) = failure(&exchange) else { continue };
            seen += 1;
            assert!(failure.details["status"].as_u64().unwrap() >= 400, "{part}/{name}");
            assert!(!failure.message.ends_with(": "), "{part}/{name}: {}", failure.message);
        }
    }
    assert!(seen > 60, "{seen}");
}
