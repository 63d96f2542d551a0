//! Events from outside, once they are read: into the log, and what the sender is told.

use std::time::Instant;

use ensue_event::{Digest, Event, Key, Origin, Position};
use ensue_log::Draft;
use serde::Serialize;

use crate::metrics::Stage;
use crate::node::Core;
use crate::queue::{Arrival, Fate, Refused};

/// Told with a duplicate: why nothing happened, and what to do if something should.
const HINT: &str = "it came before and was not taken again; `ensue emit` sends an event of its own if it should be";

/// A source's budget of requests: `rate` a second in the long run, `burst` at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A full one.
    pub(crate) fn full(burst: f64) -> Bucket {
        Bucket { tokens: burst, filled: Instant::now() }
    }

    /// Takes one, if there is one; else says after how many seconds there is.
    pub(crate) fn take(&mut self, rate: f64, burst: f64) -> Result<(), f64> {
        let now = Instant::now();
        let gained = now.duration_since(self.filled).as_secs_f64() * rate;
        (self.tokens, self.filled) = ((self.tokens + gained).min(burst), now);
        if self.tokens < 1.0 {
            return Err(((1.0 - self.tokens) / rate.max(0.001)).ceil().max(1.0));
        }
        self.tokens -= 1.0;
        Ok(())
    }
}

/// What the sender is told of one event.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) id: Box<str>,
    pub(crate) source: Box<str>,
    pub(crate) position: Position,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) duplicate: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) conflict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<&'static str>,
}

/// What two arrivals of one source and id are compared by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Compared {
    /// The events themselves.
    #[default]
    Events,
    /// The body that they came in.
    Body(Digest),
    /// Nothing: they are the same, as who reads a source twice says.
    Nothing,
}

/// Events of one request, on their way.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) events: Vec<Event>,
    /// Whether each has an id of the sender; one of ours finds nothing.
    pub(crate) dedupe: bool,
    /// What two arrivals of one id are compared by.
    pub(crate) compared: Compared,
    /// A second key: the hash of a signed body.
    pub(crate) second: Option<Key>,
}

impl Core {
    /// Whether events are taken now; else why not.
    pub(crate) fn takes_events(&self) -> Result<(), String> {
        self.ready()
    }

    /// Makes events durable and says what became of each.
    pub(crate) async fn ingest(&self, through: &str, events: Events, began: Instant) -> Result<Vec<Told>, Refused> {
        let Events { events, dedupe, compared, second } = events;
        let names: Vec<(Box<str>, Box<str>)> =
            events.iter().map(|event| (event.id.clone(), event.source.clone())).collect();
        let arrivals = events
            .into_iter()
            .map(|event| {
                let digest = match compared {
                    Compared::Events => None,
                    Compared::Body(digest) => Some(digest),
                    Compared::Nothing => Some(Digest::ZERO),
                };
                let draft = Draft { digest, second, ..Draft::new(Origin::Source(through.into()), event) };
                Arrival { draft, dedupe }
            })
            .collect();
        let fates = self.queue.append(arrivals).await?;
        self.metrics.stage(Stage::Durable, began.elapsed());
        let told = names.into_iter().zip(fates).map(|((id, source), fate)| match fate {
            Fate::Durable(position) => {
                self.metrics.accepted(through);
                Told { id, source, position, duplicate: false, conflict: false, hint: None }
            }
            Fate::Duplicate(position) => {
                Told { id, source, position, duplicate: true, conflict: false, hint: Some(HINT) }
            }
            Fate::Conflict(position) => Told { id, source, position, duplicate: false, conflict: true, hint: None },
        });
        Ok(told.collect())
    }
}
