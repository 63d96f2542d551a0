//! `examples/all-steps` itself: release trains, with every kind of step, the people who answer, and the board that agrees.

mod judge;
mod people;
mod plan;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use ensue_event::{Origin, Record};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use self::people::People;
use self::plan::{Fate, Plan};
use super::example::{Asked, Example, Expected, SOURCE, Wanted};
use super::verify::{Facts, Fired, Verdict};
use super::world::{Seen, Told};
use crate::Result;
use crate::http::{Message, Reply};
use crate::node::{Api, Setup};
use crate::rng::Rng;

/// Asks for a train.
const REQUESTED: &str = "com.example.release.requested";
/// The board agrees.
const AGREED: &str = "com.example.change.agreed";
/// A train is there.
const DONE: &str = "com.example.release.done";
const RULE: &str = "shop/train";

const TRAIN: &str = include_str!("../../../../examples/all-steps/train.yaml");
const CONNECTIONS: &str = include_str!("../../../../examples/all-steps/connections.yaml");

/// What is changed in the manifests of the example, and nothing else: where the world is, how long a soak takes, and that
/// a whole day's trains may come in a minute.
const CHANGES: &[(&str, &str)] = &[
    (
        "url: \"https://platform.example.com\", idempotencyHeader",
        "url: \"http://SINK\", allowNetworks: [127.0.0.0/8], idempotencyHeader",
    ),
    (
        "webhook: \"${{ secrets.SLACK_WEBHOOK }}\"",
        "webhook: \"${{ secrets.SLACK_WEBHOOK }}\", allowNetworks: [127.0.0.0/8]",
    ),
    ("wait: 5m", "wait: 1s"),
    ("  timeout: 1d\n", "  timeout: 1d\n  storm: { perKey: 1000000, perRule: 1000000 }\n"),
];

/// A step is turned away so many times at most: three retries are all that it has.
const TURNED_AWAY: u32 = 2;

pub(crate) struct Trains {
    seed: u64,
    people: OnceLock<Mutex<People>>,
}

impl Trains {
    pub(crate) fn new(seed: u64) -> Trains {
        Trains { seed, people: OnceLock::new() }
    }

    fn plan(&self, id: &str) -> Option<Plan> {
        Plan::by_id(self.seed, id)
    }
}

impl Example for Trains {
    const PACE: (u64, (u64, u64)) = (4, (50, 1_000));
    const ANNOUNCED: &[&str] = &["tell"];

    fn config(&self, sink: SocketAddr) -> Result<(String, String)> {
        let mut documents = format!("{TRAIN}---\n{CONNECTIONS}");
        for (from, to) in CHANGES {
            if documents.matches(from).count() != 1 {
                return Err(format!("`{from}` is to be changed in examples/all-steps and is not there once"));
            }
            documents = documents.replace(from, to);
        }
        let sink = sink.to_string();
        Ok((documents.replace("SINK", &sink), format!("SLACK_WEBHOOK=http://{sink}/tell\n")))
    }

    fn prepare(&self, setup: &Setup) -> Result {
        let people = People::new(setup)?;
        self.people.get_or_init(|| Mutex::new(people));
        Ok(())
    }

    fn event(&self, sender: u64, nth: u64, _: &mut Rng) -> Value {
        Plan::of(self.seed, sender, nth).event()
    }

    fn asked(&self, message: &Message) -> Asked {
        let path: Vec<&str> = message.word(1).trim_start_matches('/').split('/').collect();
        let body = message.json();
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        if path == ["tell"] {
            // `SERVICE VERSION was taken back: …`: what fails has a version of its own.
            let said = text("text").to_owned();
            let mut words = said.split(' ');
            let sender = words.next().and_then(|service| service.split('-').nth(1)).unwrap_or_default();
            let nth = words.next().unwrap_or_default().trim_start_matches('v');
            return Asked { step: "tell".into(), id: format!("train-{sender}-{nth}"), key: None, said };
        }
        // `EFFECT RUN depth=N RULE CORRELATION`
        let id =
            message.header("ensue-cause").and_then(|mark| mark.split(' ').next_back()).unwrap_or_default().to_owned();
        let step = self.plan(&id).and_then(|plan| plan.step(message.word(0), &path));
        let step = step.unwrap_or_else(|| format!("{} {}", message.word(0), path.join("/")));
        let key = message.header("idempotency-key").map(str::to_owned);
        Asked { step, id, key, said: text("status").to_owned() }
    }

    fn answer(&self, asked: &Asked, turned_away: u32, rng: &mut Rng) -> (Reply, Duration) {
        // A quick answer, a slow one; warm-ups are a race.
        let wait = match rng.range(0, 20) {
            _ if asked.step.ends_with("_warm") => rng.range(0, 100),
            0 => rng.range(30, 300),
            1..=10 => rng.range(0, 30),
            _ => 0,
        };
        let wait = Duration::from_millis(wait);
        let Some(plan) = self.plan(&asked.id) else { return (404.into(), wait) };
        if turned_away < TURNED_AWAY && rng.once_in(20) {
            return (503.into(), wait);
        }
        if asked.step == "image" {
            let body = json!({"digest": format!("sha256:{}", plan.id), "signed": plan.fate != Fate::Unsigned});
            return (Reply { status: 200, body: body.to_string().into() }, wait);
        }
        (plan.status(&asked.step).into(), wait)
    }

    async fn attend(&self, api: &mut Api, told: &Told) -> Result<bool> {
        match self.people.get() {
            Some(people) => people.lock().await.attend(self.seed, api, told).await,
            None => Ok(true),
        }
    }

    fn wanted(&self, records: &[Record], _: &mut Verdict) -> Vec<Wanted> {
        let sent = |record: &&Record| {
            matches!(record.origin, Origin::Source(_))
                && &*record.event.source == SOURCE
                && &*record.event.kind == REQUESTED
        };
        let one = |record: &Record| Wanted { rule: RULE, id: record.event.id.to_string(), position: record.position.0 };
        records.iter().filter(sent).map(one).collect()
    }

    fn expected(&self, fired: &Fired) -> Option<Expected> {
        let plan = self.plan(&fired.about).filter(|_| fired.rule == RULE)?;
        let (always, maybe) = plan.sees();
        Some(Expected { succeeds: plan.fate == Fate::Good, always, maybe })
    }

    fn judge(&self, records: &[Record], facts: &Facts, seen: &[Seen], verdict: &mut Verdict) -> String {
        judge::judge(self.seed, records, facts, seen, verdict)
    }
}
