use ensue_connect::Reply;
use ensue_event::{Attr, Data};
use serde_json::{Value, json};

use crate::support::{deliver, fixture, read_json, shared};

const SECRET: &str = "correct horse battery staple";

fn sign(secret: &str, body: &[u8]) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn send(event: &str, body: &[u8]) -> Result<ensue_connect::Received, ensue_connect::Refusal> {
    let signature = sign(SECRET, body);
    let headers = [
        ("content-type", "application/json"),
        ("x-github-event", event),
        ("x-github-delivery", "d-1"),
        ("x-hub-signature-256", &signature),
    ];
    deliver("github", json!({ "secret": SECRET }), &headers, body.to_vec())
}

#[test]
fn a_push_is_an_event_as_the_adapter_says() {
    let body = fixture("github/push.json");
    let received = send("push", &body).unwrap();
    let event = &received.events[0];
    assert_eq!(&*event.id, "d-1");
    assert_eq!(&*event.source, "https://github.com/acme/shop");
    assert_eq!(&*event.kind, "com.github.push");
    assert_eq!(event.subject.as_deref(), Some("refs/heads/main"));
    assert_eq!(event.time.as_deref(), Some("2026-03-02T09:15:31Z"));
    assert_eq!(event.content_type.as_deref(), Some("application/json"));
    assert_eq!(event.data, Data::Json(body));
    assert!(event.extensions.is_empty());
    assert!(received.signed_body.is_some());
}

#[test]
fn each_byte_of_body_signature_and_secret_counts() {
    let body = fixture("github/push.json");
    let good = sign(SECRET, &body);
    let attempt = |secrets: Value, signature: &str, body: &[u8]| {
        let headers = [
            ("content-type", "application/json"),
            ("x-github-event", "push"),
            ("x-github-delivery", "d-1"),
            ("x-hub-signature-256", signature),
        ];
        deliver("github", secrets, &headers, body.to_vec()).map(drop).map_err(|refusal| refusal.status())
    };
    let one = || json!({ "secret": SECRET });
    assert_eq!(attempt(one(), &good, &body), Ok(()));
    // Two secrets are active while one replaces the other.
    assert_eq!(attempt(json!({ "secrets": ["new secret", SECRET] }), &good, &body), Ok(()));
    assert_eq!(attempt(json!({ "secrets": [SECRET, "new secret"] }), &good, &body), Ok(()));
    for at in [0, 1, body.len() / 2, body.len() - 1] {
        let mut changed = body.to_vec();
        changed[at] ^= 1;
        assert_eq!(attempt(one(), &good, &changed), Err(401), "byte {at}");
    }
    assert_eq!(attempt(one(), &good, &body[..body.len() - 1]), Err(401));
    assert_eq!(attempt(one(), &good.replace("sha256=", ""), &body), Err(401));
    assert_eq!(attempt(one(), &good[..good.len() - 2], &body), Err(401));
    assert_eq!(attempt(one(), "sha256=", &body), Err(401));
    assert_eq!(attempt(json!({ "secret": "other" }), &good, &body), Err(401));
    // Without a secret nothing is accepted, whatever it is signed with.
    assert_eq!(attempt(json!({}), &sign("", &body), &body), Err(401));
    assert_eq!(attempt(json!({ "secret": "" }), &sign("", &body), &body), Err(401));
}

#[test]
fn a_wrong_delivery_is_refused_with_its_reason() {
    let body = b"{\"ref\":\"x\"}".to_vec();
    let signature = sign(SECRET, &body);
    let all = [
        ("content-type", "application/json"),
        ("x-github-event", "push"),
        ("x-github-delivery", "d-1"),
        ("x-hub-signature-256", signature.as_str()),
    ];
    let without = |name: &str, more: &[(&'static str, &'static str)]| {
        let mut headers: Vec<(&str, &str)> = all.iter().copied().filter(|(known, _)| *known != name).collect();
        headers.extend_from_slice(more);
        let refusal = deliver("github", json!({ "secret": SECRET }), &headers, body.clone()).unwrap_err();
        (refusal.status(), refusal.to_string())
    };
    let cases = [
        (without("x-hub-signature-256", &[]), 401, "X-Hub-Signature-256 is needed"),
        (without("x-hub-signature-256", &[("x-hub-signature", "sha1=00")]), 401, "SHA-1 is not accepted"),
        (without("x-github-event", &[]), 400, "`x-github-event` is needed"),
        (without("x-github-event", &[("x-github-event", "../../x")]), 400, "is not the name of an event"),
        (without("x-github-delivery", &[]), 400, "`x-github-delivery` is needed"),
        (without("content-type", &[("content-type", "text/plain")]), 415, "`text/plain` is not understood"),
        // Which of the two is meant?
        (without("", &[("x-hub-signature-256", "sha256=00")]), 401, "one header"),
    ];
    for ((status, message), expected, part) in cases {
        assert_eq!(status, expected, "{message}");
        assert!(message.contains(part), "{message}");
    }
    let refusal = send("push", b"{\"a\": }").unwrap_err();
    assert_eq!((refusal.status(), refusal.code()), (400, "not-json"));
    assert_eq!(send("push", b"[]").unwrap_err().status(), 400);
    assert_eq!(send("push", b"{\"a\":1,\"a\":2}").unwrap_err().status(), 400);
}

#[test]
fn a_form_carries_the_same_event() {
    let body = fixture("github/push.json");
    let mut form = b"payload=".to_vec();
    for byte in body.iter() {
        match byte {
            b' ' => form.push(b'+'),
            byte if byte.is_ascii_alphanumeric() => form.push(*byte),
            byte => form.extend(format!("%{byte:02X}").bytes()),
        }
    }
    let signature = sign(SECRET, &form);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-github-event", "push"),
        ("x-github-delivery", "d-1"),
        ("x-hub-signature-256", &signature),
    ];
    let received = deliver("github", json!({ "secret": SECRET }), &headers, form).unwrap();
    assert_eq!(received.events[0].data, Data::Json(body));
    for broken in ["payload=%7", "payload=%zz", "other=1"] {
        let signature = sign(SECRET, broken.as_bytes());
        let headers = [headers[0], headers[1], headers[2], ("x-hub-signature-256", signature.as_str())];
        let refusal = deliver("github", json!({ "secret": SECRET }), &headers, broken).unwrap_err();
        assert_eq!(refusal.status(), 400, "{broken}");
    }
}

#[test]
fn a_ping_is_answered_and_is_no_event() {
    let received = send("ping", &fixture("github/ping.json")).unwrap();
    assert_eq!((received.events.len(), received.reply), (0, Reply::Pong));
}

#[test]
fn types_sources_subjects_and_times_follow_the_adapter() {
    let repository = json!({ "url": "r", "owner": { "url": "o" }, "name": "n" });
    #[rustfmt::skip]
    let cases = [
        ("pull_request", json!({ "action": "opened", "number": 5, "pull_request": { "updated_at": "2026-01-01T00:00:00Z" } }), "com.github.pull_request.opened", "r", Some("5"), "2026-01-01T00:00:00Z"),
        ("issues", json!({ "action": "closed", "issue": { "number": 3, "updated_at": "2026-01-01T00:00:00Z" } }), "com.github.issue.closed", "r", Some("3"), "2026-01-01T00:00:00Z"),
        ("create", json!({ "ref_type": "tag", "ref": "v1" }), "com.github.create.tag", "r", Some("v1"), "2026-03-02T09:15:31Z"),
        ("check_run", json!({ "action": "completed", "check_run": { "id": 8, "completed_at": null, "started_at": "2026-01-02T00:00:00Z" } }), "com.github.check_run.completed", "r", Some("8"), "2026-01-02T00:00:00Z"),
        ("deployment", json!({ "action": "created", "deployment": { "id": 2, "updated_at": "2026-01-01T00:00:00Z" } }), "com.github.deployment", "r", Some("2"), "2026-01-01T00:00:00Z"),
        ("deployment_status", json!({ "action": "created", "deployment": { "url": "d" }, "deployment_status": { "state": "success", "url": "s" } }), "com.github.deployment_status.success", "d", Some("s"), "2026-03-02T09:15:31Z"),
        ("membership", json!({ "action": "added", "scope": "team", "team": { "url": "t" }, "member": { "login": "m" } }), "com.github.membership.team.added", "t", Some("m"), "2026-03-02T09:15:31Z"),
        ("commit_comment", json!({ "action": "created", "comment": { "url": "c", "commit_id": "abc", "id": 1 } }), "com.github.commit_comment.created", "c/abc", Some("1"), "2026-03-02T09:15:31Z"),
        ("installation_repositories", json!({ "action": "added", "installation": { "id": 4, "account": { "url": "a" }, "updated_at": 12 } }), "com.github.installation_repository.added", "a", Some("4"), "2026-03-02T09:15:31Z"),
        ("security_advisory", json!({ "action": "published", "security_advisory": { "ghsa_id": "G" } }), "com.github.security_advisory.published", "github.com", Some("G"), "2026-03-02T09:15:31Z"),
        ("public", json!({}), "com.github.public", "o", Some("n"), "2026-03-02T09:15:31Z"),
        ("status", json!({ "state": "failure", "sha": "abc" }), "com.github.status.failure", "r", Some("abc"), "2026-03-02T09:15:31Z"),
        ("brand_new", json!({ "action": "made" }), "com.github.brand_new.made", "r", None, "2026-03-02T09:15:31Z"),
        ("brand_new", json!({}), "com.github.brand_new", "r", None, "2026-03-02T09:15:31Z"),
    ];
    for (event, mut payload, kind, source, subject, time) in cases {
        payload["repository"] = repository.clone();
        let received = send(event, payload.to_string().as_bytes()).unwrap();
        let found = &received.events[0];
        let facts = (&*found.kind, &*found.source, found.subject.as_deref(), found.time.as_deref());
        assert_eq!(facts, (kind, source, subject, Some(time)), "{event}");
    }
    let payload = json!({ "organization": { "url": "org" }, "action": "x" });
    assert_eq!(&*send("other", payload.to_string().as_bytes()).unwrap().events[0].source, "org");
}

#[test]
fn a_commit_of_ours_names_its_cause() {
    let effect = "0102030405060708090a0b0c0d0e0f10";
    let message = |text: String| json!({ "ref": "refs/heads/main", "head_commit": { "message": text }, "repository": { "url": "r" } });
    let cases = [
        (format!("shop 1.4.2\n\nEnsue-Cause: {effect} 11111111111111111111111111111111"), Some(effect), None),
        (
            format!("shop\n\nEnsue-Cause: {effect} 11111111111111111111111111111111 depth=4 default/a tie"),
            Some(effect),
            Some(4),
        ),
        (format!("shop\n\nEnsue-Cause: {effect} 1 depth=-4"), Some(effect), None),
        (format!("shop\n\nEnsue-Cause: {effect} 1 depth=many"), Some(effect), None),
        (format!("shop\n\nEnsue-Cause: {effect}"), Some(effect), None),
        ("shop\n\nEnsue-Cause: not-a-key depth=4".to_owned(), None, None),
        ("shop".to_owned(), None, None),
    ];
    for (text, expected, depth) in cases {
        let received = send("push", message(text.clone()).to_string().as_bytes()).unwrap();
        let found = received.events[0].extension("causationid").cloned();
        assert_eq!(found, expected.map(|key| Attr::Text(key.into())), "{text}");
        assert_eq!(received.events[0].extension("ensuedepth").cloned(), depth.map(Attr::Int), "{text}");
    }
}

#[test]
fn the_body_is_a_second_key() {
    let body = fixture("github/push.json");
    let first = send("push", &body).unwrap().signed_body;
    assert_eq!(send("push", &body).unwrap().signed_body, first);
    assert_ne!(send("push", &fixture("github/ping.json")).unwrap().signed_body, first);
}

#[test]
fn signatures_of_the_shared_vectors() {
    let Some(path) = shared("signatures_of_the_shared_vectors", "data/payloads/signatures/github.json") else { return };
    for vector in read_json(&path)["vectors"].as_array().unwrap() {
        let mut headers: Vec<(&str, &str)> = vec![("x-github-event", "push"), ("x-github-delivery", "d")];
        let given = vector["headers"].as_object().unwrap();
        headers.extend(given.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())));
        let body = vector["body"].as_str().unwrap().to_owned();
        let result = deliver("github", json!({ "secret": vector["secret"] }), &headers, body);
        // Some bodies are no JSON; what counts here is how far they come.
        let refused = result.is_err_and(|refusal| refusal.status() == 401);
        assert_eq!(!refused, vector["valid"].as_bool().unwrap(), "{vector}");
    }
}

#[test]
fn recorded_deliveries_are_taken() {
    let Some(folder) = shared("recorded_deliveries_are_taken", "data/payloads/github") else { return };
    let secret = "It's a Secret to Everybody";
    #[rustfmt::skip]
    let cases = [
        ("push", "push.json", "com.github.push"),
        ("push.form", "push.form.txt", "com.github.push"),
        ("pull_request.opened", "pull_request.opened.json", "com.github.pull_request.opened"),
        ("release.published", "release.published.json", "com.github.release.published"),
        ("workflow_run.completed", "workflow_run.completed.json", "com.github.workflow_run.completed"),
        ("deployment_status.created", "deployment_status.created.json", "com.github.deployment_status"),
    ];
    for (name, file, kind) in cases {
        let given = read_json(&folder.join(format!("{name}.headers.json")));
        let headers: Vec<(&str, &str)> =
            given.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        let body = std::fs::read(folder.join(file)).unwrap();
        let received = deliver("github", json!({ "secret": secret }), &headers, body).unwrap();
        assert!(received.events[0].kind.starts_with(kind), "{name}: {}", received.events[0].kind);
        assert!(received.events[0].source.starts_with("https://"), "{name}: {}", received.events[0].source);
    }
}
