//! Container registries: notifications of docker distribution.
//!
//! One event for each manifest, since that is what is deployed: `com.docker.distribution.push`, `.pull`, `.delete`.
//! Layers and configurations are `com.docker.distribution.blob.push` and so on. The data is the notification's own
//! event, as it came. (distribution, "Work with notifications".)

use ensue_event::json::{self, Kind, Part, Scanner};
use ensue_event::{Data, Event, Time};

use crate::source::{Delivery, Received, Refusal, Webhook, scalar_at, scan};
use crate::token::bearer;

/// The source `registry`.
pub(crate) struct Registry;

impl Webhook for Registry {
    fn verify(&self, delivery: &Delivery<'_>) -> Result<(), Refusal> {
        bearer(delivery, "set `headers: {Authorization: [Bearer …]}` at the registry's endpoint")
    }

    fn receive(&self, delivery: &Delivery<'_>) -> Result<Received, Refusal> {
        let media = delivery.media_type();
        let known = media == "application/json"
            || (media.starts_with("application/vnd.docker.distribution.events.") && media.ends_with("+json"));
        if !known {
            return Err(Refusal::ContentType {
                got: media.chars().take(80).collect(),
                expected: "application/vnd.docker.distribution.events.v2+json, as docker distribution does",
            });
        }
        if scan(&delivery.body)? != Kind::Object {
            return Err(Refusal::Malformed("a notification is a JSON object with a list `events`".to_owned()));
        }
        let Some(list) = json::get(&delivery.body, &["events"]).filter(|list| list.first() == Some(&b'[')) else {
            return Err(Refusal::Malformed("the notification has no list `events`".to_owned()));
        };
        let mut ranges = Vec::new();
        let scanned = Scanner::new().scan_batch(list, |part| {
            if let Part::Element { value, .. } = part {
                ranges.push(value);
            }
        });
        scanned.map_err(|error| Refusal::NotJson(json::pretty_error(list, &error)))?;
        let mut events = Vec::with_capacity(ranges.len());
        for (index, range) in ranges.into_iter().enumerate() {
            let raw = list.get(range).unwrap_or_default();
            let mut event = one(raw, delivery, index)?;
            event.data = Data::Json(delivery.body.slice_ref(raw));
            event.validate()?;
            events.push(event);
        }
        Ok(Received { events, ..Received::default() })
    }
}

fn one(raw: &[u8], delivery: &Delivery<'_>, index: usize) -> Result<Event, Refusal> {
    let missing = |name| Refusal::Malformed(format!("event {index} of the notification has no `{name}`"));
    let id = scalar_at(raw, &["id"]).ok_or_else(|| missing("id"))?;
    let action = scalar_at(raw, &["action"]).ok_or_else(|| missing("action"))?;
    let blob = if is_manifest(raw) { "" } else { "blob." };
    let mut event = Event::new(id, source(raw, delivery), format!("com.docker.distribution.{blob}{action}"));
    event.subject = subject(raw).map(Into::into);
    event.time = scalar_at(raw, &["timestamp"]).filter(|text| Time::parse(text).is_ok()).map(Into::into);
    event.content_type = Some("application/json".into());
    Ok(event)
}

/// Manifests and indexes by media type (OCI image specification, docker image manifest v2); a deletion has none, so
/// then by its address. A deletion without either names a manifest or a tag: blobs are only deleted by hand.
fn is_manifest(raw: &[u8]) -> bool {
    match scalar_at(raw, &["target", "mediaType"]) {
        Some(media) => {
            let media = media.to_ascii_lowercase();
            media.contains(".manifest.") || media.contains(".image.index.")
        }
        None => !scalar_at(raw, &["target", "url"]).is_some_and(|url| url.contains("/blobs/")),
    }
}

/// The registry: scheme and host of the target's address, else the host that was asked.
fn source(raw: &[u8], delivery: &Delivery<'_>) -> String {
    if let Some(url) = scalar_at(raw, &["target", "url"])
        && let Some((scheme, rest)) = url.split_once("://")
        && let Some(host) = rest.split('/').next().filter(|host| !host.is_empty())
    {
        return format!("{scheme}://{host}");
    }
    match scalar_at(raw, &["request", "host"]) {
        Some(host) => format!("//{host}"),
        None => format!("/registry/{}", delivery.source),
    }
}

/// `repository:tag`, `repository@digest` without a tag.
fn subject(raw: &[u8]) -> Option<String> {
    let repository = scalar_at(raw, &["target", "repository"])?;
    if let Some(tag) = scalar_at(raw, &["target", "tag"]) {
        return Some(format!("{repository}:{tag}"));
    }
    match scalar_at(raw, &["target", "digest"]) {
        Some(digest) => Some(format!("{repository}@{digest}")),
        None => Some(repository),
    }
}
