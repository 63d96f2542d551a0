//! What people do while trains are under way: the board agrees, somebody answers, others meddle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::plan::{Fate, Meddling, Plan};
use crate::Result;
use crate::crash::world::{Told, send, whole};
use crate::http::Client;
use crate::node::{Api, Setup};
use crate::rng::Rng;

/// Trains that are under way or wait for their turn, above which no more are asked for.
const ENOUGH: u64 = 45;

pub(super) struct People {
    addr: SocketAddr,
    client: Client,
    /// By name: two who may answer, and one who may not.
    tokens: BTreeMap<&'static str, String>,
    /// The trains to which the board has agreed.
    agreed: BTreeSet<String>,
    /// What it has said, and nobody has acknowledged.
    owed: VecDeque<Value>,
    /// The trains to which somebody without a say has said something.
    meddled: BTreeSet<String>,
    rng: Rng,
}

/// An answer to what a train asks.
struct Word<'a> {
    by: &'a str,
    refuse: bool,
    shown: Option<String>,
}

impl People {
    pub(super) fn new(setup: &Setup) -> Result<People> {
        let all = [("ann", "release"), ("bob", "release"), ("dee", "dev")];
        let tokens = all.into_iter().map(|(name, role)| Ok((name, setup.token(name, &[role])?)));
        let (addr, rng) = (setup.addr, Rng::new(setup.addr.port().into(), 7));
        let tokens = tokens.collect::<Result<_>>()?;
        let (agreed, owed, meddled) = Default::default();
        Ok(People { addr, client: Client::new(addr), tokens, agreed, owed, meddled, rng })
    }

    /// Goes once through all trains that are under way. Whether that is enough of them.
    pub(super) async fn attend(&mut self, seed: u64, api: &mut Api, told: &Told) -> Result<bool> {
        self.pay(told).await;
        let answer = api.get("/api/v1/runs?status=running&limit=1000").await?;
        let runs = answer.get("runs").and_then(Value::as_array).cloned().unwrap_or_default();
        for run in &runs {
            let text = |name: &str| run.get(name).and_then(Value::as_str).unwrap_or_default();
            let Some(plan) = Plan::by_id(seed, text("correlation")) else { continue };
            let step = text("step");
            if !self.agreed.contains(&plan.id) && (plan.early || step == "change") {
                self.agree(&plan);
                self.pay(told).await;
            }
            if step == "go" {
                self.answer(text("id"), &plan, api, told).await?;
            }
        }
        let locks = api.get("/api/v1/locks").await?;
        let locks = locks.get("locks").and_then(Value::as_array).cloned().unwrap_or_default();
        let waiting = locks.iter().filter_map(|lock| lock.get("waiting").and_then(Value::as_u64));
        Ok(runs.len() as u64 + waiting.sum::<u64>() >= ENOUGH)
    }

    /// The board agrees; now and then it says so twice.
    fn agree(&mut self, plan: &Plan) {
        let times = if self.rng.once_in(4) { 2 } else { 1 };
        for nth in 0..times {
            let ticket = format!("{}-{nth}", plan.id);
            let data = json!({"id": ticket, "service": plan.service, "ticket": ticket});
            self.owed.push_back(whole(json!({"id": format!("agreed-{ticket}"), "type": super::AGREED, "data": data})));
        }
        self.agreed.insert(plan.id.clone());
    }

    /// Sends what is owed. It may be dropped in the middle: what has no answer is sent again.
    async fn pay(&mut self, told: &Told) {
        while let Some(event) = self.owed.front() {
            send(told, &mut self.client, std::slice::from_ref(event), false).await;
            self.owed.pop_front();
        }
    }

    /// Somebody answers, and others try to.
    async fn answer(&mut self, run: &str, plan: &Plan, api: &mut Api, told: &Told) -> Result {
        let whole = api.get(&format!("/api/v1/runs/{run}")).await?;
        let Some(digest) = whole.pointer("/steps/go/ask/digest").and_then(Value::as_str).map(str::to_owned) else {
            // It was answered in between.
            return Ok(());
        };
        if self.rng.once_in(4) {
            told.strike.notify_one();
        }
        let refuse = plan.fate == Fate::Refused;
        let (first, second) = if self.rng.once_in(2) { ("ann", "bob") } else { ("bob", "ann") };
        let shown = self.rng.once_in(2).then_some(digest);
        let word = |by, refuse| Word { by, refuse, shown: shown.clone() };
        if self.meddled.insert(plan.id.clone()) {
            // Both would change how it ends, if they were heard.
            let (meddler, why) = match plan.meddling {
                Meddling::Stranger => (Word { by: "dee", refuse: !refuse, shown: None }, "it takes the role release"),
                Meddling::Stale => (
                    Word { by: second, refuse: !refuse, shown: Some("0".repeat(64)) },
                    "has changed since it was shown",
                ),
                _ => (word(first, refuse), ""),
            };
            if !why.is_empty() {
                self.refused(run, &meddler, why, told).await?;
            }
        }
        if plan.meddling == Meddling::Both {
            let (mut one, mut other) = (self.api(first), self.api(second));
            let (a, b) = (word(first, refuse), word(second, refuse));
            let (one, other) = tokio::join!(say(&mut one, run, &a), say(&mut other, run, &b));
            if matches!((&one, &other), (Ok((200, _)), Ok((200, _)))) {
                told.wrong(format!("{} was answered twice: {one:?}, {other:?}", plan.id));
            }
            return Ok(());
        }
        let (status, answer) = say(&mut self.api(first), run, &word(first, refuse)).await?;
        // Its answer of before may have been lost with the node.
        if status != 200 && !over(&answer) {
            told.wrong(format!("{first} answered {}: {status} {answer}", plan.id));
        }
        if plan.meddling == Meddling::Late {
            self.refused(run, &word(second, !refuse), "is not waiting for this", told).await?;
        }
        Ok(())
    }

    /// Somebody says what must be refused: for this reason, or since it was answered in between.
    async fn refused(&self, run: &str, word: &Word<'_>, why: &str, told: &Told) -> Result {
        let (status, answer) = say(&mut self.api(word.by), run, word).await?;
        let message = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
        if status != 409 || !(message.contains(why) || over(&answer)) {
            told.wrong(format!("{} was to be refused ({why}): {status} {answer}", word.by));
        }
        Ok(())
    }

    fn api(&self, name: &str) -> Api {
        Api::of(self.addr, self.tokens.get(name).map_or("", String::as_str))
    }
}

async fn say(api: &mut Api, run: &str, word: &Word<'_>) -> Result<(u16, Value)> {
    let mut body = json!({"step": "go", "refuse": word.refuse, "reason": "as planned"});
    if let (Some(object), Some(shown)) = (body.as_object_mut(), &word.shown) {
        object.insert("shown".into(), shown.clone().into());
    }
    api.post(&format!("/api/v1/runs/{run}/approve"), &body).await
}

/// Nobody is asked any more.
fn over(answer: &Value) -> bool {
    let message = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
    ["is not waiting for this", "nobody is asked any more"].iter().any(|why| message.contains(why))
}
