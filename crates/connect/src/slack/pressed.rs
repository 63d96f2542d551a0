//! Buttons: Slack's interactivity requests.
//!
//! A request is signed with the app's signing secret (Slack, "Verifying requests from Slack", scheme v0) and names the
//! user who pressed. A button whose `action_id` is `ensue.approve` or `ensue.refuse` and whose `value` is
//! `RUN STEP DIGEST` answers that step in this user's name, for the roles that the source gives them.

use ensue_event::json::Kind;
use ensue_event::{Data, Digest, Event, Key, Time};
use serde_json::Value;

use crate::signature::{self, Algorithm};
use crate::source::{Delivery, Received, Refusal, Reply, Webhook, Word, scan, shown};

/// The source `slack`.
pub(crate) struct Pressed;

/// How old a request may be: what is older may be one that somebody kept (Slack names five minutes).
const WINDOW: i64 = 5 * 60;
const APPROVE: &str = "ensue.approve";
const REFUSE: &str = "ensue.refuse";

impl Webhook for Pressed {
    fn verify(&self, delivery: &Delivery<'_>) -> Result<(), Refusal> {
        let key = delivery.config.text("signingSecret").unwrap_or_default();
        let (Some(time), Some(given)) =
            (delivery.header("x-slack-request-timestamp"), delivery.header("x-slack-signature"))
        else {
            return Err(Refusal::signature("X-Slack-Request-Timestamp and X-Slack-Signature are needed, each once"));
        };
        let given = given.strip_prefix("v0=").and_then(|digits| hex::decode(digits).ok());
        let given =
            given.ok_or_else(|| Refusal::signature("X-Slack-Signature must be `v0=` and hexadecimal digits"))?;
        let seconds: i64 = time
            .parse()
            .map_err(|_| Refusal::signature("X-Slack-Request-Timestamp must be a number of seconds since 1970"))?;
        let base = [b"v0:", time.as_bytes(), b":", &delivery.body].concat();
        if !signature::verify(Algorithm::Sha256, &[key], &base, &given) {
            return Err(Refusal::signature(
                "the signature does not fit the body; is the signing secret here that of the Slack app?",
            ));
        }
        let apart = delivery.now.micros().div_euclid(1_000_000).saturating_sub(seconds);
        if apart.abs() > WINDOW {
            return Err(Refusal::signature(format!(
                "the request is {} s from this clock; Slack's are at most {WINDOW} s old",
                apart.abs()
            )));
        }
        Ok(())
    }

    fn receive(&self, delivery: &Delivery<'_>) -> Result<Received, Refusal> {
        let body = delivery.payload("Slack")?;
        if scan(&body)? != Kind::Object {
            return Err(Refusal::Malformed("a payload of Slack is a JSON object".to_owned()));
        }
        let payload: Value = serde_json::from_slice(&body).map_err(|why| Refusal::NotJson(why.to_string()))?;
        let text = |path: &str| payload.pointer(path).and_then(Value::as_str);
        let kind = text("/type").unwrap_or("unknown");
        if !kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            return Err(Refusal::Malformed(format!("`type` `{}` is not the name of an interaction", shown(kind))));
        }
        let team = text("/team/id").or_else(|| text("/user/team_id")).unwrap_or("unknown");
        // An interaction has no id of its own: `trigger_id` is made for it.
        let id = text("/trigger_id").map_or_else(|| Key::of("slack", &[&body]).to_string(), str::to_owned);
        let mut event = Event::new(id, format!("https://slack.com/{team}"), format!("com.slack.{kind}"));
        event.subject = text("/channel/id").or_else(|| text("/user/id")).map(Into::into);
        event.time = text("/actions/0/action_ts").and_then(time).map(|time| time.to_string().into());
        event.content_type = Some("application/json".into());
        event.data = Data::Json(body);
        event.validate()?;
        let words = self.words(delivery, &payload)?;
        Ok(Received { events: vec![event], words, reply: Reply::Events, ..Received::default() })
    }
}

impl Pressed {
    /// What the buttons of ours say that were pressed.
    fn words(&self, delivery: &Delivery<'_>, payload: &Value) -> Result<Vec<Word>, Refusal> {
        let user = payload.pointer("/user/id").and_then(Value::as_str).unwrap_or_default();
        let roles = delivery.config.get("people").and_then(|people| people.get(user)?.as_array());
        let roles: Vec<String> = roles.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let actions = payload.get("actions").and_then(Value::as_array);
        let mut words = Vec::new();
        for action in actions.into_iter().flatten() {
            let text = |name: &str| action.get(name).and_then(Value::as_str).unwrap_or_default();
            let refuse = match text("action_id") {
                APPROVE => false,
                REFUSE => true,
                _ => continue,
            };
            let wrong = || {
                Refusal::Malformed(format!(
                    "the value of a button `{}` is `RUN STEP DIGEST`, as `dev.ensue.approval.asked` has them; not `{}`",
                    text("action_id"),
                    shown(text("value"))
                ))
            };
            if user.is_empty() {
                return Err(Refusal::Malformed("who pressed is not said: `user.id` is missing".to_owned()));
            }
            let parts: Vec<&str> = text("value").split_whitespace().collect();
            let [run, step, digest] = parts.as_slice() else { return Err(wrong()) };
            let (Ok(run), Ok(shown)) = (run.parse::<Key>(), digest.parse::<Digest>()) else { return Err(wrong()) };
            let (step, by) = ((*step).to_owned(), format!("slack:{user}"));
            words.push(Word { run, step, shown, refuse, by, roles: roles.clone() });
        }
        Ok(words)
    }
}

/// Slack's times are seconds with six decimals.
fn time(text: &str) -> Option<Time> {
    let (seconds, micros) = text.split_once('.').unwrap_or((text, "0"));
    let micros: i64 = format!("{micros:0<6}").get(..6)?.parse().ok()?;
    Some(Time(seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)?))
}
