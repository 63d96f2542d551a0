//! What the node runs while it is killed, who sends to it, what the world answers, and what must be true in the end.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use ensue_event::Record;
use serde_json::Value;

use super::verify::{Facts, Fired, Verdict};
use super::world::{Seen, Told};
use crate::Result;
use crate::http::{Message, Reply};
use crate::node::{Api, Setup};
use crate::rng::Rng;

/// The source of all events that are sent.
pub(crate) const SOURCE: &str = "/crash";

/// Automations under test, and the world around them.
pub(crate) trait Example: Send + Sync + Sized + 'static {
    /// The most events in one request, and milliseconds between two requests of a sender.
    const PACE: (u64, (u64, u64));
    /// Actions that nobody may repeat blindly, by step: each try is announced first.
    const ANNOUNCED: &[&str];

    /// The documents and the secrets, for a sink at this address.
    fn config(&self, sink: SocketAddr) -> Result<(String, String)>;

    /// What must be there before the node starts.
    fn prepare(&self, _setup: &Setup) -> Result {
        Ok(())
    }

    /// An event, without `specversion` and `source`. Its id stands in its data as `id` too.
    fn event(&self, sender: u64, nth: u64, rng: &mut Rng) -> Value;

    /// What a request at the sink is about.
    fn asked(&self, message: &Message) -> Asked;

    /// What the sink answers, after it has turned the same step away so many times with 503.
    fn answer(&self, asked: &Asked, turned_away: u32, rng: &mut Rng) -> (Reply, Duration);

    /// What people do, once: called while the node is up, again and again. Whether enough is under way for now.
    fn attend(&self, _api: &mut Api, _told: &Told) -> impl Future<Output = Result<bool>> + Send {
        std::future::ready(Ok(false))
    }

    /// Which rules must have fired on which records.
    fn wanted(&self, records: &[Record], verdict: &mut Verdict) -> Vec<Wanted>;

    /// How the run of a firing ends, and what the sink sees of it.
    fn expected(&self, fired: &Fired) -> Option<Expected>;

    /// What else must be true. A line about what there was.
    fn judge(&self, _records: &[Record], _facts: &Facts, _seen: &[Seen], _verdict: &mut Verdict) -> String {
        String::new()
    }
}

/// What a request at the sink is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// The step that sent it, by its own name.
    pub(crate) step: String,
    /// What the run is about.
    pub(crate) id: String,
    /// The key of its effect, where the other side is given one.
    pub(crate) key: Option<String>,
    /// What the body says, where somebody looks at it.
    pub(crate) said: String,
}

/// A firing that must be there.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) rule: &'static str,
    pub(crate) id: String,
    pub(crate) position: u64,
}

/// What a run comes to.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) succeeds: bool,
    /// The steps that the sink sees in any case.
    pub(crate) always: BTreeSet<String>,
    /// Those that it may see: a branch that lost may have been told to end before.
    pub(crate) maybe: BTreeSet<String>,
}
