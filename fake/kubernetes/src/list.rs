//! Lists: pages, resource versions, and what of them is refused.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::request::{Call, Target};
use crate::selector::Selector;
use crate::status::{Cause, Failure, forbidden_value, unsupported_value};
use crate::views::{self, View};
use crate::world::World;

const MATCH: &str = "resourceVersionMatch";

/// 422 of the options of a list or watch.
fn invalid(causes: Vec<Cause>) -> Failure {
    Failure::invalid_kind("meta.k8s.io", "ListOptions", "", causes)
}

/// Checks what both lists and watches are asked with.
pub(crate) fn check_options(call: &Call, watch: bool) -> Result<(), Failure> {
    let (version, matching) = (call.query("resourceVersion"), call.query(MATCH));
    let initial = call.query("sendInitialEvents");
    let mut causes = Vec::new();
    if watch {
        if initial.is_empty() {
            if !matching.is_empty() {
                let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                causes.push(forbidden_value(MATCH, why));
            }
        } else if matching != "NotOlderThan" {
            causes.push(forbidden_value(
                MATCH,
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
            if !matching.is_empty() {
                causes.push(unsupported_value(MATCH, &json!(matching), &["NotOlderThan"]));
            }
        }
    } else {
        if !matching.is_empty() && version.is_empty() {
            causes.push(forbidden_value(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if !initial.is_empty() {
            causes.push(forbidden_value("sendInitialEvents", "sendInitialEvents is forbidden for list"));
        }
        if !matching.is_empty() && !call.query("continue").is_empty() {
            causes.push(forbidden_value(MATCH, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if !matching.is_empty() && matching != "Exact" && matching != "NotOlderThan" {
            causes.push(unsupported_value(MATCH, &json!(matching), &["Exact", "NotOlderThan"]));
        }
        if matching == "Exact" && version == "0" {
            causes
                .push(forbidden_value(MATCH, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(invalid(causes)) }
}

/// A resource version of a query, and the text that says it is none.
pub(crate) fn version(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let syntax =
        format!("resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax");
    text.parse().map(Some).map_err(|_| syntax)
}

/// 504: a version that this server has not reached.
pub(crate) fn too_large(wanted: u64, current: u64) -> Failure {
    let cause = json!({ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" });
    let message = format!("Timeout: Too large resource version: {wanted}, current: {current}");
    Failure::new(504, "Timeout", message).details(json!({ "causes": [cause], "retryAfterSeconds": 1 })).retry(1)
}

/// Where a list goes on.
struct Continue {
    /// Below 0: from what there is now.
    version: i64,
    start: String,
}

impl Continue {
    fn read(text: &str) -> Result<Continue, Failure> {
        let bad = |why: &str| Failure::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
        // As Go's decoder, which does not mind bits that are left over.
        let config = GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone);
        let loose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, config);
        let bytes = loose.decode(text.trim_end_matches('=')).map_err(|_| bad("illegal base64 data at input byte 0"))?;
        let token: Value =
            serde_json::from_slice(&bytes).map_err(|error| bad(&crate::write::json_error(&error, &bytes)))?;
        let start = token["start"].as_str().unwrap_or_default().trim_start_matches('/').to_owned();
        let version = token["rv"].as_i64().unwrap_or(0);
        if token["v"] != "meta.k8s.io/v1" || version == 0 || start.is_empty() {
            return Err(bad("incorrect encoded start resourceVersion (version meta.k8s.io/v1)"));
        }
        Ok(Continue { version, start })
    }

    fn write(version: i64, start: &str) -> String {
        URL_SAFE_NO_PAD.encode(json!({ "v": "meta.k8s.io/v1", "rv": version, "start": start }).to_string())
    }
}

const EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new \
list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted \
between the time the first chunk was returned and now may show up in the list.";

/// The place of an object in the order of a list.
fn place(object: &Value, namespaced: bool) -> String {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
    if namespaced { text("name").to_owned() } else { format!("{}/{}", text("namespace"), text("name")) }
}

/// Answers a list.
pub(crate) fn list(world: &World, target: &Target, call: &Call, view: View, expired: bool) -> Result<String, Failure> {
    let kind: &Kind = &target.kind;
    let limit = match call.query("limit") {
        "" => 0,
        text => text
            .parse::<usize>()
            .map_err(|_| Failure::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax")))?,
    };
    let selector = Selector::parse(kind, call.query("labelSelector"), call.query("fieldSelector"))?;
    check_options(call, false)?;
    let wanted = version(call.query("resourceVersion"))
        .map_err(|why| Failure::bad_request(format!("invalid resource version: {why}")))?;
    let current = world.store.version();
    let matching = call.query(MATCH);
    let token = call.query("continue");
    let namespace = Some(target.namespace.as_str()).filter(|one| !one.is_empty());
    let now = || world.store.list(&kind.storage, namespace).cloned().collect::<Vec<Arc<Value>>>();
    let (at, objects, start) = if !token.is_empty() {
        if wanted.is_some_and(|wanted| wanted != 0) {
            return Err(Failure::bad_request("specifying resource version is not allowed when using continue"));
        }
        let from = Continue::read(token)?;
        match u64::try_from(from.version) {
            Err(_) => (current, now(), from.start),
            Ok(then) => {
                let objects =
                    world.store.list_at(&kind.storage, namespace, then).filter(|_| !expired).ok_or_else(|| {
                        let mut failure = Failure::new(410, "Expired", EXPIRED);
                        failure.again = Some(Continue::write(-1, &from.start));
                        failure
                    })?;
                (then, objects, from.start)
            }
        }
    } else {
        match wanted {
            Some(wanted) if wanted > current => return Err(too_large(wanted, current)),
            Some(wanted) if matching == "Exact" || matching.is_empty() && limit > 0 && wanted > 0 => {
                let objects = world.store.list_at(&kind.storage, namespace, wanted).ok_or_else(|| {
                    Failure::new(410, "Expired", "The resourceVersion for the provided list is too old.")
                })?;
                (wanted, objects, String::new())
            }
            _ => (current, now(), String::new()),
        }
    };
    let alone = namespace.is_some() || !kind.namespaced;
    let left = objects.iter().filter(|object| start.is_empty() || place(object, alone) >= start);
    let mut selected: Vec<&Value> =
        left.map(|object| &**object).filter(|object| selector.matches(kind, object)).collect();
    let mut metadata = json!({ "resourceVersion": at.to_string() });
    // A list at any version is answered from the cache, which does not page.
    let paged = limit > 0 && wanted != Some(0) && selected.len() > limit;
    if paged {
        let rest = selected.split_off(limit);
        if let Some(last) = selected.last() {
            let version = i64::try_from(at).unwrap_or(i64::MAX);
            metadata["continue"] = json!(Continue::write(version, &format!("/{}\0", place(last, alone))));
        }
        if selector.is_empty() {
            metadata["remainingItemCount"] = json!(rest.len());
        }
    }
    Ok(views::list_text(kind, view, &selected, metadata))
}
