//! Slack: messages by incoming webhook, and what people press in them.

mod pressed;

use ensue_event::ours::{Answer, Failure};
use http::{HeaderMap, HeaderValue, Method, header};
use reqwest::Url;
use serde_json::{Map, Value, json};

use crate::action::{Action, Call, answer, denied};
use crate::net::{self, networks, retry_after};
use crate::world::World;

pub(crate) use pressed::Pressed;

/// The action `slack/post`.
pub(crate) struct Post;

/// What Slack says instead of `ok` (Slack, "Sending messages using incoming webhooks", handling errors), and what to do.
const ERRORS: &[(&str, &str)] = &[
    ("action_prohibited", "an administrator has forbidden this webhook; ask for it, or make another"),
    ("channel_is_archived", "the channel is archived; name another or restore it"),
    ("channel_not_found", "there is no such channel, or the webhook may not see it"),
    ("invalid_blocks", "`blocks` are not as Slack wants them; try them in its Block Kit Builder"),
    ("invalid_payload", "Slack cannot read the message; look at `text` and `blocks`"),
    ("invalid_token", "the webhook was revoked; make another"),
    ("no_active_hooks", "the webhook is switched off; make another"),
    ("no_service", "the webhook is switched off, removed, or its address is wrong"),
    ("no_service_id", "the address of the webhook is incomplete"),
    ("no_team", "the address of the webhook names no workspace"),
    ("no_text", "the message is empty; give `text`"),
    ("posting_to_general_channel_denied", "the webhook's owner may not post to the general channel"),
    ("team_disabled", "the workspace is no longer active"),
    ("too_many_attachments", "a message takes at most 100 attachments"),
    ("user_not_found", "the user does not exist or is deactivated"),
];

#[async_trait::async_trait]
impl Action for Post {
    fn name(&self) -> &'static str {
        "slack/post"
    }

    /// A message that is posted twice is read twice.
    fn repeatable(&self, _: &Call) -> bool {
        false
    }

    async fn call(&self, call: Call, world: &World) -> Answer {
        answer(post(&call, world).await)
    }
}

async fn post(call: &Call, world: &World) -> Result<Value, Failure> {
    World::no_secrets(call)?;
    let config = world.connection(call, "slack")?;
    let address = config.text("webhook").unwrap_or_default();
    // The address is the credential: it is never part of a message.
    let url = Url::parse(address).map_err(|_| denied("`webhook` of the connection is not an address"))?;
    let mut message = Map::new();
    message.insert("text".to_owned(), call.required("text")?.into());
    for name in ["channel", "blocks"] {
        if let Some(value) = call.field(name) {
            message.insert(name.to_owned(), value.clone());
        }
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let request = net::Request {
        method: Method::POST,
        url,
        headers,
        private: HeaderMap::new(),
        body: Some(Value::Object(message).to_string().into()),
        allowed: networks(&config)?,
        repeatable: false,
        shown: "Slack".to_owned(),
    };
    let response = world.clients.send(request, &call.log, |status| status.is_success()).await?;
    if response.status.is_success() { Ok(json!({})) } else { Err(refused(&response)) }
}

fn refused(response: &net::Response) -> Failure {
    let status = response.status;
    let said: String = String::from_utf8_lossy(&response.body).trim().chars().take(200).collect();
    let hint = ERRORS.iter().find(|(error, _)| *error == said).map(|(_, hint)| *hint);
    let message = match (hint, status.as_u16()) {
        (Some(hint), _) => format!("Slack refused the message: {said}: {hint}"),
        (None, 429) => "Slack takes no more messages for now: about one a second and webhook is allowed".to_owned(),
        (None, _) => format!("Slack answered {status}: {said}"),
    };
    let mut failure = Failure::new("Status", message);
    // `rollup_error` is Slack's word for a fault of its own; with a known mistake of ours no try will help.
    failure.retryable = hint.is_none() && matches!(status.as_u16(), 408 | 429 | 500..=599);
    if failure.retryable {
        failure.retry_after = retry_after(&response.headers, jiff::Timestamp::now());
    }
    failure.details = json!({ "status": status.as_u16(), "error": said });
    failure
}
