//! The source `http`: CloudEvents in binary, structured and batched mode.

use ensue_event::http::{Error, Message, decode};
use ensue_event::json::{self, Scanner};

use crate::source::{Delivery, Received, Refusal, Webhook};
use crate::token::bearer;

pub(crate) struct CloudEvents;

impl Webhook for CloudEvents {
    /// Without a `bearer` of its own, the source takes tokens of ours, which the node checks.
    fn verify(&self, delivery: &Delivery<'_>) -> Result<(), Refusal> {
        if delivery.config.get("bearer").is_none() {
            return Ok(());
        }
        bearer(delivery, "senders must show the token that the source names")
    }

    fn receive(&self, delivery: &Delivery<'_>) -> Result<Received, Refusal> {
        let headers = delivery.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let content_type = delivery.header("content-type");
        let message = Message { content_type, headers, body: delivery.body.clone() };
        let batch = decode(message, &mut Scanner::new()).map_err(|error| refusal(error, delivery))?;
        Ok(Received { events: batch.events, ..Received::default() })
    }
}

fn refusal(error: Error, delivery: &Delivery<'_>) -> Refusal {
    match error {
        Error::Invalid(invalid) => Refusal::Invalid(invalid),
        Error::Format(got) => Refusal::ContentType { got, expected: "application/cloudevents+json" },
        Error::Json { why, .. } => Refusal::NotJson(json::pretty_error(&delivery.body, &why)),
        other => Refusal::Malformed(other.to_string()),
    }
}
