use ensue_event::Data;
use serde_json::{Value, json};

use crate::support::{deliver, read_json, shared};

fn hmac(secret: &str, body: &[u8]) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    hex::encode(mac.finalize().into_bytes())
}

fn config(more: Value) -> Value {
    let mut config = json!({ "secret": "key", "header": "X-Sig", "prefix": "v1=", "type": "com.acme.order" });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

#[test]
fn type_subject_and_id_come_from_the_delivery() {
    let body = br#"{"kind":"paid","order":{"id":17},"none":null}"#;
    let signature = format!("v1={}", hmac("key", body));
    let headers = [("x-sig", signature.as_str()), ("x-event", "order"), ("content-type", "application/json")];
    let send = |more: Value| deliver("webhook", config(more), &headers, body.to_vec());
    let plain = send(json!({})).unwrap();
    let event = &plain.events[0];
    assert_eq!((&*event.kind, &*event.source), ("com.acme.order", "/ensue/webhook/test"));
    assert_eq!(*event.id, plain.signed_body.unwrap().to_string());
    assert_eq!(event.data, Data::Json(body.to_vec().into()));
    let computed = send(json!({
        "type": "com.acme.${{ headers[\"x-event\"] }}.${{ event.data.kind }}",
        "subject": "${{ event.data.order.id }}",
        "id": "'o-' + string(event.data.order.id)",
    }));
    let event = &computed.unwrap().events[0];
    assert_eq!((&*event.kind, event.subject.as_deref(), &*event.id), ("com.acme.order.paid", Some("17"), "o-17"));
    for wrong in [
        json!({ "id": "event.data.absent" }),
        json!({ "id": "event.data.none" }),
        json!({ "type": "${{ event.data.x }}" }),
    ] {
        let refusal = send(wrong.clone()).unwrap_err();
        assert_eq!(refusal.status(), 400, "{wrong}");
    }
}

#[test]
fn a_wrong_signature_is_refused_before_anything_is_read() {
    let body = b"not json at all";
    let good = hmac("key", body);
    let attempt = |more: Value, headers: &[(&str, &str)]| {
        deliver("webhook", config(more), headers, body.to_vec()).map(drop).map_err(|refusal| refusal.status())
    };
    // 400 only for who knows the key.
    assert_eq!(attempt(json!({}), &[("x-sig", &format!("v1={good}"))]), Err(400));
    assert_eq!(attempt(json!({}), &[("x-sig", &good)]), Err(401));
    assert_eq!(attempt(json!({}), &[]), Err(401));
    assert_eq!(attempt(json!({}), &[("x-sig", &format!("v1={}", hmac("other", body)))]), Err(401));
    assert_eq!(attempt(json!({ "algorithm": "sha512" }), &[("x-sig", &format!("v1={good}"))]), Err(401));
    assert_eq!(attempt(json!({ "algorithm": "md5" }), &[("x-sig", &format!("v1={good}"))]), Err(401));
    assert_eq!(attempt(json!({ "encoding": "base64" }), &[("x-sig", &format!("v1={good}"))]), Err(401));
    assert_eq!(attempt(json!({ "secret": "" }), &[("x-sig", &format!("v1={}", hmac("", body)))]), Err(401));
}

#[test]
fn signatures_of_the_shared_vectors() {
    for file in ["generic-hmac", "shopify", "terraform-cloud"] {
        let path = format!("data/payloads/signatures/{file}.json");
        let Some(path) = shared("signatures_of_the_shared_vectors", &path) else { return };
        for vector in read_json(&path)["vectors"].as_array().unwrap() {
            let mut settings = match file {
                "shopify" => json!({ "header": "X-Shopify-Hmac-Sha256", "encoding": "base64" }),
                "terraform-cloud" => json!({ "header": "X-TFE-Notification-Signature", "algorithm": "sha512" }),
                _ => vector["config"].clone(),
            };
            // A signed string other than the body is not what this source is for.
            if settings.get("signed").is_some_and(|signed| signed != "{body}") {
                continue;
            }
            settings["secret"] = vector["secret"].clone();
            settings["type"] = "com.example.x".into();
            let given = vector["headers"].as_object().unwrap();
            let headers: Vec<(&str, &str)> =
                given.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
            let body = vector["body"].as_str().unwrap().to_owned();
            let refused = deliver("webhook", settings, &headers, body).is_err_and(|refusal| refusal.status() == 401);
            assert_eq!(!refused, vector["valid"].as_bool().unwrap(), "{file}: {vector}");
        }
    }
}
