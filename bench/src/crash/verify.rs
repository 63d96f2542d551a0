//! What must be true of the log and of the sink when everything is over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use ensue_event::ours::{Answer, Attempt, Command, Ours};
use ensue_event::{Emission, Key, Origin, Position, Record};
use ensue_log::disk::RealDisk;
use ensue_log::{Entry, FileLog, Options};
use serde_json::Value;

use super::automations::{ANNOUNCED, DONE, Expected, ORDER, RULES, SOURCE};
use super::world::{Seen, Told, lock};
use crate::Result;

/// The clocks of an append and of the sink are one clock, read at different places.
const TOLERANCE: i64 = 5_000;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) lost: Vec<String>,
    pub(crate) decided_twice: Vec<String>,
    pub(crate) repeated: Vec<String>,
    /// What else is not as it should be.
    pub(crate) wrong: Vec<String>,
    /// Uncertain steps that were settled.
    pub(crate) settled: usize,
    pub(crate) firings: usize,
    pub(crate) runs: usize,
    pub(crate) records: u64,
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        [&self.lost, &self.decided_twice, &self.repeated, &self.wrong].iter().all(|list| list.is_empty())
    }

    /// Everything that is wrong, so many of each kind at most.
    pub(crate) fn details(&self) -> String {
        let mut out = String::new();
        let kinds = [
            ("lost", &self.lost),
            ("decided twice", &self.decided_twice),
            ("steps repeated", &self.repeated),
            ("wrong", &self.wrong),
        ];
        for (name, list) in kinds {
            for line in list.iter().take(20) {
                out.push_str(&format!("  {name}: {line}\n"));
            }
            if list.len() > 20 {
                out.push_str(&format!("  {name}: and {} more\n", list.len() - 20));
            }
        }
        out
    }
}

/// A firing with the order that it is about.
struct Fired {
    rule: String,
    order: String,
    at: Position,
}

/// What the log says, gathered in one pass.
#[derive(Default)]
struct Facts {
    /// Positions of orders, by id; and which are bad.
    orders: BTreeMap<String, Vec<u64>>,
    bad: BTreeSet<String>,
    /// Positions of what is emitted, by order.
    done: BTreeMap<String, Vec<u64>>,
    fired: BTreeMap<Key, Vec<Fired>>,
    /// How often each rule fired on each position.
    decided: BTreeMap<(String, u64), usize>,
    started: BTreeMap<Key, usize>,
    ended: BTreeMap<Key, Vec<String>>,
    announced: BTreeMap<(Key, String), usize>,
    /// When the first good answer of a step was appended, and of which effect.
    answered: BTreeMap<(Key, String), (i64, Key)>,
    last: Option<Emission>,
}

/// Reads the log of a stopped node and holds it against what senders and sink remember.
pub(crate) fn verify(data: &Path, told: &Told) -> Result<Verdict> {
    let mut verdict = Verdict { wrong: lock(&told.wrong).clone(), ..Verdict::default() };
    let records = read(data, &mut verdict)?;
    let mut facts = Facts::default();
    for record in &records {
        facts.take(record, &mut verdict);
    }
    acknowledged(&facts, &lock(&told.acknowledged), &mut verdict);
    decisions(&facts, &mut verdict);
    runs(&facts, &mut verdict);
    steps(&facts, &lock(&told.seen), &mut verdict);
    verdict.firings = facts.fired.len();
    verdict.runs = facts.ended.len();
    verdict.records = records.len() as u64;
    Ok(verdict)
}

fn read(data: &Path, verdict: &mut Verdict) -> Result<Vec<Record>> {
    let broken = |why: ensue_log::Error| format!("the log cannot be read: {why}");
    let (log, recovery) =
        FileLog::open(Arc::new(RealDisk), &data.join("log"), Options::default(), None).map_err(broken)?;
    if !recovery.damage.is_empty() {
        verdict.wrong.push(format!("the log is damaged: {:?}", recovery.damage));
    }
    let reader = log.reader();
    let verified = reader.verify().map_err(broken)?;
    if !verified.is_whole() || verified.first != Position(0) {
        verdict.wrong.push(format!("the log is not what was written: {verified:?}"));
    }
    let mut records = Vec::new();
    for (entry, nth) in reader.cat(Position(0), reader.end()).zip(0_u64..) {
        match entry.map_err(broken)? {
            Entry::Record(record) if record.position == Position(nth) => records.push(record),
            other => verdict.wrong.push(format!("position {nth} holds {other:?}")),
        }
    }
    Ok(records)
}

impl Facts {
    fn take(&mut self, record: &Record, verdict: &mut Verdict) {
        let (event, position) = (&record.event, record.position);
        if let Origin::Emitted(emission) = record.origin {
            if self.last.is_some_and(|last| emission <= last) {
                verdict.decided_twice.push(format!("record {position} is emission {emission}, which was there"));
            }
            self.last = Some(emission);
        }
        match (&record.origin, &*event.kind) {
            (Origin::Source(_), ORDER) if &*event.source == SOURCE => {
                let data: Value = event.json().and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_default();
                if data.get("bad") == Some(&Value::Bool(true)) {
                    self.bad.insert(event.id.to_string());
                }
                self.orders.entry(event.id.to_string()).or_default().push(position.0);
            }
            (Origin::Emitted(_), DONE) => {
                self.done.entry(order(&event.to_json())).or_default().push(position.0);
            }
            _ => match Ours::of(event) {
                Ok(ours) => self.ours(ours, record, verdict),
                Err(why) => verdict.wrong.push(format!("record {position}: {why}")),
            },
        }
    }

    fn ours(&mut self, ours: Ours, record: &Record, verdict: &mut Verdict) {
        match ours {
            Ours::RuleFired(fired) => {
                let (rule, at) = (fired.rule, record.position);
                for took in &fired.events {
                    *self.decided.entry((rule.clone(), took.position.0)).or_default() += 1;
                }
                let order = fired.events.first().map(|took| order(&took.event)).unwrap_or_default();
                self.fired.entry(fired.firing).or_default().push(Fired { rule, order, at });
            }
            Ours::RunStarted(run) => *self.started.entry(run.run).or_default() += 1,
            Ours::RunFinished(run) => self.ended.entry(run.run).or_default().push(run.status),
            Ours::RunFailed(run) => self.ended.entry(run.run).or_default().push("failed".into()),
            Ours::ActionStarted(started) => *self.announced.entry(step(&started.of)).or_default() += 1,
            Ours::ActionAnswered(answered) => {
                if let Answer::Ok(_) = answered.answer {
                    let at = (record.at.micros(), answered.of.effect);
                    let first = self.answered.entry(step(&answered.of)).or_insert(at);
                    if *first != at {
                        let name = &answered.of.step;
                        verdict.repeated.push(format!("record {} is a second good answer of {name}", record.position));
                    }
                }
            }
            Ours::Operator(operator) => {
                if matches!(operator.command, Command::Settle { .. }) {
                    verdict.settled += 1;
                }
            }
            Ours::RecordQuarantined(aside) => {
                verdict.wrong.push(format!("record {} was set aside: {}", aside.position, aside.reason));
            }
            Ours::EventConflict(conflict) => verdict.wrong.push(format!("an order is taken for another: {conflict:?}")),
            Ours::RuleParked(parked) => verdict.wrong.push(format!("a firing is parked: {parked:?}")),
            _ => {}
        }
    }
}

/// The order that an event is about.
fn order(event: &Value) -> String {
    event.pointer("/data/id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The step of an attempt by its own name, whatever it stands in.
fn step(of: &Attempt) -> (Key, String) {
    (of.run, of.step.rsplit('/').next().unwrap_or_default().to_owned())
}

/// Every acknowledged order is there once, where it was said to be.
fn acknowledged(facts: &Facts, acknowledged: &BTreeMap<String, u64>, verdict: &mut Verdict) {
    for (id, position) in acknowledged {
        match facts.orders.get(id).map(Vec::as_slice) {
            Some([one]) if one == position => {}
            found => verdict.lost.push(format!("order {id}, acknowledged at {position}, is at {found:?}")),
        }
    }
    for (id, positions) in &facts.orders {
        if positions.len() > 1 {
            verdict.wrong.push(format!("order {id} is in the log at {positions:?}"));
        }
        if !acknowledged.contains_key(id) {
            verdict
                .wrong
                .push(format!("order {id} at {positions:?} was never acknowledged, though it was sent until it is"));
        }
    }
}

/// Every rule has fired once on each event that it matches, and on no other.
fn decisions(facts: &Facts, verdict: &mut Verdict) {
    for (firing, fired) in &facts.fired {
        if fired.len() > 1 {
            let at: Vec<Position> = fired.iter().map(|fired| fired.at).collect();
            verdict.decided_twice.push(format!("firing {firing} is recorded at {at:?}"));
        }
    }
    let mut left = facts.decided.clone();
    for expected in RULES {
        let events = if expected.follows { &facts.done } else { &facts.orders };
        for (id, positions) in events {
            if expected.bad && !facts.bad.contains(id) {
                continue;
            }
            if expected.follows && positions.len() > 1 {
                verdict.decided_twice.push(format!("order {id} was emitted again: {positions:?}"));
            }
            for position in positions {
                match left.remove(&(expected.rule.to_owned(), *position)) {
                    Some(1) => {}
                    Some(times) => {
                        verdict
                            .decided_twice
                            .push(format!("{} fired {times} times on {position} ({id})", expected.rule));
                    }
                    None => verdict.lost.push(format!("{} never fired on {position} ({id})", expected.rule)),
                }
            }
        }
    }
    for (rule, position) in left.keys() {
        verdict.wrong.push(format!("{rule} fired on {position}, which it does not match"));
    }
    for id in facts.orders.keys().filter(|id| !facts.done.contains_key(*id)) {
        verdict.lost.push(format!("order {id} was never done"));
    }
}

/// Every firing began one run, and every run ended once, as it should.
fn runs(facts: &Facts, verdict: &mut Verdict) {
    for (firing, fired) in &facts.fired {
        let Some((first, expected)) = fired.first().and_then(|fired| Some((fired, rule(&fired.rule)?))) else {
            verdict.wrong.push(format!("firing {firing} is of no rule"));
            continue;
        };
        let what = format!("run {firing} of {} ({})", first.rule, first.order);
        match facts.started.get(firing) {
            Some(1) => {}
            times => verdict.wrong.push(format!("{what} was started {} times", times.unwrap_or(&0))),
        }
        let wanted = if expected.succeeds { "succeeded" } else { "failed" };
        match facts.ended.get(firing).map(Vec::as_slice) {
            Some([status]) if status == wanted => {}
            None => verdict.wrong.push(format!("{what} is not over")),
            Some(ends) => verdict.wrong.push(format!("{what} ended {ends:?}, not once as {wanted}")),
        }
    }
}

fn rule(name: &str) -> Option<&'static Expected> {
    RULES.iter().find(|expected| expected.rule == name)
}

/// No step was done again after its good answer was appended, and none that is announced first was done unannounced.
fn steps(facts: &Facts, seen: &[Seen], verdict: &mut Verdict) {
    let mut by_step: BTreeMap<(&str, &str), Vec<&Seen>> = BTreeMap::new();
    for seen in seen {
        by_step.entry((&seen.step, &seen.id)).or_default().push(seen);
    }
    for (firing, fired) in &facts.fired {
        let Some((first, expected)) = fired.first().and_then(|fired| Some((fired, rule(&fired.rule)?))) else {
            continue;
        };
        for name in expected.steps {
            let seen = by_step.remove(&(*name, first.order.as_str())).unwrap_or_default();
            let what = format!("{name} of run {firing} ({})", first.order);
            let key = (*firing, (*name).to_owned());
            if ANNOUNCED.contains(name) {
                let announced = facts.announced.get(&key).copied().unwrap_or(0);
                if seen.len() > announced {
                    verdict
                        .repeated
                        .push(format!("{what} was announced {announced} times and done {} times", seen.len()));
                }
            }
            let Some((at, effect)) = facts.answered.get(&key) else {
                // A step that fails by design, or that was settled.
                if seen.is_empty() {
                    verdict.wrong.push(format!("{what} was never done"));
                }
                continue;
            };
            for late in seen.iter().filter(|seen| seen.at > at + TOLERANCE) {
                verdict
                    .repeated
                    .push(format!("{what} was done {} ms after its answer was appended", (late.at - at) / 1_000));
            }
            if !seen.iter().any(|seen| seen.status == 200 && seen.at <= *at + TOLERANCE) {
                verdict.wrong.push(format!("{what} has a good answer that the sink never gave"));
            }
            let effect = effect.to_string();
            if seen.iter().any(|seen| seen.key.as_deref().is_some_and(|key| key != effect)) {
                verdict.wrong.push(format!("{what} was tried with another key than {effect}"));
            }
        }
    }
    for ((step, id), seen) in by_step {
        verdict.wrong.push(format!("the sink got {step} of {id} {} times, and no run has it", seen.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Key = Key([1; 16]);
    const EFFECT: Key = Key([2; 16]);

    /// One bad order at 1, of which the rule `sad` has made a run that is over; and what the sink has seen.
    fn facts() -> (Facts, Vec<Seen>) {
        let mut facts = Facts::default();
        facts.orders.insert("a".into(), vec![1]);
        facts.bad.insert("a".into());
        facts.done.insert("a".into(), vec![7]);
        for rule in ["default/order", "default/careful", "default/sad"] {
            facts.decided.insert((rule.into(), 1), 1);
        }
        facts.decided.insert(("default/follow".into(), 7), 1);
        facts.fired.insert(RUN, vec![Fired { rule: "default/sad".into(), order: "a".into(), at: Position(2) }]);
        facts.started.insert(RUN, 1);
        facts.ended.insert(RUN, vec!["failed".into()]);
        facts.answered.insert((RUN, "sorry".into()), (1_000_000, EFFECT));
        (facts, vec![seen(999_000)])
    }

    fn seen(at: i64) -> Seen {
        Seen { at, step: "sorry".into(), id: "a".into(), key: None, status: 200 }
    }

    fn judged(facts: &Facts, seen: &[Seen], position: u64) -> Verdict {
        let mut verdict = Verdict::default();
        acknowledged(facts, &BTreeMap::from([("a".to_owned(), position)]), &mut verdict);
        decisions(facts, &mut verdict);
        runs(facts, &mut verdict);
        steps(facts, seen, &mut verdict);
        verdict
    }

    #[test]
    fn what_is_as_it_should_be_is_good() {
        let (facts, seen) = facts();
        let verdict = judged(&facts, &seen, 1);
        assert!(verdict.is_good(), "{}", verdict.details());
    }

    type Change = fn(&mut Facts, &mut Vec<Seen>);
    type Wrong = fn(&Verdict) -> &Vec<String>;

    #[test]
    fn what_is_not_is_found() {
        let cases: &[(&str, Change, Wrong)] = &[
            ("an order is gone", |f, _| drop(f.orders.insert("a".into(), vec![])), |v| &v.lost),
            ("an order is elsewhere", |f, _| drop(f.orders.insert("a".into(), vec![5])), |v| &v.lost),
            ("a rule never fired", |f, _| f.decided.retain(|(rule, _), _| rule != "default/order"), |v| &v.lost),
            ("a rule fired twice", |f, _| f.decided.values_mut().for_each(|times| *times += 1), |v| &v.decided_twice),
            (
                "a firing is there twice",
                |f, _| {
                    f.fired.entry(RUN).or_default().push(Fired {
                        rule: "default/sad".into(),
                        order: "a".into(),
                        at: Position(3),
                    });
                },
                |v| &v.decided_twice,
            ),
            ("done after its answer", |_, s| s.push(seen(1_000_000 + TOLERANCE + 1)), |v| &v.repeated),
            ("a run is not over", |f, _| drop(f.ended.remove(&RUN)), |v| &v.wrong),
            ("a run ended twice", |f, _| f.ended.entry(RUN).or_default().push("failed".into()), |v| &v.wrong),
            ("an answer that nobody gave", |_, s| s.clear(), |v| &v.wrong),
            ("a request of no run", |_, s| s.push(Seen { step: "other".into(), ..seen(1) }), |v| &v.wrong),
        ];
        for (name, change, list) in cases {
            let (mut facts, mut seen) = facts();
            change(&mut facts, &mut seen);
            let verdict = judged(&facts, &seen, 1);
            assert!(!list(&verdict).is_empty(), "{name}: {verdict:?}");
        }
    }
}
