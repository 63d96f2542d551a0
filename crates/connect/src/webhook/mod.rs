//! Any webhook that is signed with an HMAC: which header, which hash, how written is the source's to say; so are the
//! event's type, subject and id, as templates over `event.data` and `headers`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use ensue_event::{Data, Event, Key};
use ensue_expr::{Budget, Names, Program, Template, Value};

use crate::secrets::Resolved;
use crate::signature::{self, Algorithm};
use crate::source::{Delivery, Received, Refusal, Webhook, scan};

/// The source `webhook`.
pub(crate) struct Signed;

impl Webhook for Signed {
    fn verify(&self, delivery: &Delivery<'_>) -> Result<(), Refusal> {
        let config = delivery.config;
        let mut keys = config.texts("secrets");
        keys.extend(config.text("secret"));
        let name = config.text("header").unwrap_or_default();
        let algorithm = Algorithm::named(config.text("algorithm"));
        let (Some(algorithm), false, false) = (algorithm, name.is_empty(), keys.iter().all(|key| key.is_empty()))
        else {
            let why = format!("the source `{}` has no secret, header or known algorithm", delivery.source);
            return Err(Refusal::signature(why));
        };
        let Some(header) = delivery.header(name) else {
            return Err(Refusal::signature(format!("one header `{name}` with the signature is needed")));
        };
        let prefix = config.text("prefix").unwrap_or_default();
        let Some(given) = header.trim().strip_prefix(prefix).and_then(|text| decoded(config, text)) else {
            let encoding = config.text("encoding").unwrap_or("hex");
            return Err(Refusal::signature(format!("`{name}` must be `{prefix}` and the signature in {encoding}")));
        };
        if signature::verify(algorithm, &keys, &delivery.body, &given) {
            return Ok(());
        }
        Err(Refusal::signature(format!(
            "the signature in `{name}` does not fit the body; do both sides have the same secret?"
        )))
    }

    fn receive(&self, delivery: &Delivery<'_>) -> Result<Received, Refusal> {
        scan(&delivery.body)?;
        let scope = scope(delivery)?;
        let kind = rendered(delivery, "type", &scope)?;
        let Some(kind) = kind.filter(|kind| !kind.is_empty()) else {
            return Err(Refusal::Malformed(format!("the source `{}` says no `type` for its events", delivery.source)));
        };
        let signed = Key::of("webhook", &[delivery.source.as_bytes(), &delivery.body]);
        let id = match delivery.config.text("id") {
            Some(source) => computed(delivery, source, &scope)?,
            // Nothing in it names the event: the same body is the same event.
            None => signed.to_string(),
        };
        let mut event = Event::new(id, format!("/ensue/webhook/{}", delivery.source), kind);
        event.subject = rendered(delivery, "subject", &scope)?.filter(|text| !text.is_empty()).map(Into::into);
        event.time = Some(delivery.now.to_string().into());
        event.content_type = Some("application/json".into());
        event.data = Data::Json(delivery.body.clone());
        event.validate()?;
        Ok(Received { events: vec![event], signed_body: Some(signed), ..Received::default() })
    }
}

fn decoded(config: &Resolved, text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    match config.text("encoding") {
        None | Some("hex") => hex::decode(text).ok(),
        Some("base64") => {
            let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
            engines.iter().find_map(|engine| engine.decode(text).ok())
        }
        Some(_) => None,
    }
}

/// `event.data` and `headers`, their names in lower case.
fn scope(delivery: &Delivery<'_>) -> Result<Names, Refusal> {
    let data = Value::from_json(&delivery.body).map_err(|error| Refusal::NotJson(error.to_string()))?;
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in delivery.headers {
        if let Ok(value) = value.to_str() {
            headers.entry(name.as_str().to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    let event = Value::map([("data", data)]);
    Ok(Names::new().with("event", event).with("headers", Value::map(headers)))
}

fn rendered(delivery: &Delivery<'_>, field: &str, scope: &Names) -> Result<Option<String>, Refusal> {
    let Some(text) = delivery.config.text(field) else { return Ok(None) };
    let wrong = |why: String| Refusal::Malformed(format!("`{field}` of the source `{}`: {why}", delivery.source));
    let template = Template::compile(text).map_err(|error| wrong(error.to_string()))?;
    let value = template.render(scope, &mut Budget::new()).map_err(|error| wrong(error.to_string()))?;
    Ok(Some(as_text(&value)))
}

fn computed(delivery: &Delivery<'_>, source: &str, scope: &Names) -> Result<String, Refusal> {
    let wrong = |why: String| Refusal::Malformed(format!("`id` of the source `{}`: {why}", delivery.source));
    let program = Program::compile(source).map_err(|error| wrong(error.to_string()))?;
    let value = program.eval(scope, &mut Budget::new()).map_err(|error| wrong(error.to_string()))?;
    let text = as_text(&value);
    if text.is_empty() || value.is_null() { Err(wrong("it gives nothing for this event".to_owned())) } else { Ok(text) }
}

fn as_text(value: &Value) -> String {
    if value.is_null() {
        return String::new();
    }
    value.as_str().map_or_else(|| value.to_json_text(), str::to_owned)
}
