//! GitHub: webhooks.
//!
//! Types, subjects and times are those of the CloudEvents adapter for GitHub (cloudevents/spec, `adapters/github.md`):
//! see [`adapter`]. The id is `X-GitHub-Delivery`. The signature does not cover it, so the hash of the signed body goes
//! with each event as a second key: a delivery that is sent again under another id is still the same delivery.

mod adapter;

use ensue_event::json::{self, Kind};
use ensue_event::{Attr, Data, Event, Key};

use crate::signature::{self, Algorithm};
use crate::source::{Delivery, Received, Refusal, Reply, Webhook, scan, shown};

/// The source `github`.
pub(crate) struct GitHub;

const HEADER: &str = "x-hub-signature-256";

impl Webhook for GitHub {
    fn verify(&self, delivery: &Delivery<'_>) -> Result<(), Refusal> {
        let mut keys = delivery.config.texts("secrets");
        keys.extend(delivery.config.text("secret"));
        if keys.iter().all(|key| key.is_empty()) {
            return Err(Refusal::signature(format!(
                "the source `{}` has no secret; nothing is accepted",
                delivery.source
            )));
        }
        let Some(header) = delivery.header(HEADER) else {
            // SHA-1 alone is what an attacker would choose.
            return Err(Refusal::signature(
                "one header X-Hub-Signature-256 is needed; set the webhook's secret at GitHub (SHA-1 is not accepted)",
            ));
        };
        let given = header.strip_prefix("sha256=").and_then(|digits| hex::decode(digits).ok());
        let Some(given) = given else {
            return Err(Refusal::signature("X-Hub-Signature-256 must be `sha256=` and 64 hexadecimal digits"));
        };
        if signature::verify(Algorithm::Sha256, &keys, &delivery.body, &given) {
            return Ok(());
        }
        Err(Refusal::signature("the signature does not fit the body; is the secret here the one set at GitHub?"))
    }

    fn receive(&self, delivery: &Delivery<'_>) -> Result<Received, Refusal> {
        let name = required(delivery, "x-github-event")?;
        let id = required(delivery, "x-github-delivery")?;
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
            return Err(Refusal::Malformed(format!("X-GitHub-Event `{}` is not the name of an event", shown(name))));
        }
        let body = delivery.payload("GitHub")?;
        if scan(&body)? != Kind::Object {
            return Err(Refusal::Malformed("a payload of GitHub is a JSON object".to_owned()));
        }
        if name == "ping" {
            return Ok(Received { reply: Reply::Pong, ..Received::default() });
        }
        let facts = adapter::facts(name, &body, delivery.now);
        let mut event = Event::new(id, facts.source, facts.kind);
        event.subject = facts.subject.map(Into::into);
        event.time = Some(facts.time.into());
        event.content_type = Some("application/json".into());
        if let Some((cause, depth)) = mark(name, &body) {
            event.set_extension("causationid", Attr::Text(cause.into()));
            if let Some(depth) = depth {
                event.set_extension("ensuedepth", Attr::Int(depth));
            }
        }
        event.data = Data::Json(body);
        event.validate()?;
        let signed_body = Some(Key::of("github", &[delivery.source.as_bytes(), &delivery.body]));
        Ok(Received { events: vec![event], signed_body, reply: Reply::Events, ..Received::default() })
    }
}

fn required<'a>(delivery: &'a Delivery<'_>, header: &str) -> Result<&'a str, Refusal> {
    match delivery.header(header) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(Refusal::Malformed(format!("one header `{header}` is needed; GitHub always sends it"))),
    }
}

/// The effect that made a push, and how long its chain of causes is: our own trailer in the message of its head commit,
/// and so for that commit only.
fn mark(name: &str, body: &[u8]) -> Option<(String, Option<i32>)> {
    if name != "push" {
        return None;
    }
    let message = json::string(json::get(body, &["head_commit", "message"])?)?;
    let value = message.lines().rev().find_map(|line| line.strip_prefix("Ensue-Cause: "))?;
    let mut words = value.split_whitespace();
    let effect: Key = words.next()?.parse().ok()?;
    let depth = words.find_map(|word| word.strip_prefix("depth=")?.parse().ok()).filter(|depth| *depth >= 0);
    Some((effect.to_string(), depth))
}
