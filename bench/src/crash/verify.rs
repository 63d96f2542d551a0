//! What must be true of the log and of the sink when everything is over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use ensue_event::ours::{self, Answer, Attempt, Command, Ours};
use ensue_event::{Emission, Key, Origin, Position, Record};
use ensue_log::disk::RealDisk;
use ensue_log::{Entry, FileLog, Options};
use serde_json::Value;

use super::example::{Example, SOURCE, Wanted};
use super::world::{Seen, Told, lock};
use crate::Result;

/// The clocks of an append and of the sink are one clock, read at different places.
pub(crate) const TOLERANCE: i64 = 5_000;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) lost: Vec<String>,
    pub(crate) decided_twice: Vec<String>,
    pub(crate) repeated: Vec<String>,
    /// What is still there although everything is over.
    pub(crate) left: Vec<String>,
    /// What else is not as it should be.
    pub(crate) wrong: Vec<String>,
    /// Uncertain steps that were settled.
    pub(crate) settled: usize,
    pub(crate) firings: usize,
    pub(crate) runs: usize,
    pub(crate) records: u64,
    /// What the example has to tell.
    pub(crate) story: String,
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        let lists = [&self.lost, &self.decided_twice, &self.repeated, &self.left, &self.wrong];
        lists.iter().all(|list| list.is_empty())
    }

    /// Everything that is wrong, so many of each kind at most.
    pub(crate) fn details(&self) -> String {
        let mut out = String::new();
        let kinds = [
            ("lost", &self.lost),
            ("decided twice", &self.decided_twice),
            ("steps repeated", &self.repeated),
            ("left", &self.left),
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

/// A firing with what it is about.
pub(crate) struct Fired {
    pub(crate) rule: String,
    pub(crate) about: String,
    pub(crate) at: Position,
}

/// The answer after which a step is never done again.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Final {
    pub(crate) at: i64,
    pub(crate) position: Position,
    pub(crate) effect: Key,
    pub(crate) good: bool,
}

/// What the log says, gathered in one pass.
#[derive(Default)]
pub(crate) struct Facts {
    /// Positions of what was sent, by id.
    pub(crate) sent: BTreeMap<String, Vec<u64>>,
    pub(crate) fired: BTreeMap<Key, Vec<Fired>>,
    /// How often each rule fired on each position.
    decided: BTreeMap<(String, u64), usize>,
    started: BTreeMap<Key, usize>,
    ended: BTreeMap<Key, Vec<String>>,
    announced: BTreeMap<(Key, String), usize>,
    /// The final answer of a step.
    pub(crate) answered: BTreeMap<(Key, String), Final>,
    last: Option<Emission>,
}

/// Reads the log of a stopped node and holds it against what senders and sink remember.
pub(crate) fn verify<E: Example>(example: &E, data: &Path, told: &Told) -> Result<Verdict> {
    let mut verdict = Verdict { wrong: lock(&told.wrong).clone(), ..Verdict::default() };
    let records = read(data, &mut verdict)?;
    let mut facts = Facts::default();
    for record in &records {
        facts.take(record, &mut verdict);
    }
    acknowledged(&facts, &lock(&told.acknowledged), &mut verdict);
    decisions(&facts, &example.wanted(&records, &mut verdict), &mut verdict);
    runs(example, &facts, &mut verdict);
    let seen = lock(&told.seen).clone();
    steps(example, &facts, &seen, &mut verdict);
    verdict.story = example.judge(&records, &facts, &seen, &mut verdict);
    verdict.firings = facts.fired.len();
    verdict.runs = facts.ended.len();
    verdict.records = records.len() as u64;
    Ok(verdict)
}

/// Opens the log of a stopped node.
pub(crate) fn open(data: &Path) -> Result<(FileLog<RealDisk>, ensue_log::Recovery)> {
    let opened = FileLog::open(Arc::new(RealDisk), &data.join("log"), Options::default(), None);
    opened.map_err(|why| format!("the log cannot be opened: {why}"))
}

fn read(data: &Path, verdict: &mut Verdict) -> Result<Vec<Record>> {
    let broken = |why: ensue_log::Error| format!("the log cannot be read: {why}");
    let (log, recovery) = open(data)?;
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
        match &record.origin {
            Origin::Source(_) if &*event.source == SOURCE => {
                self.sent.entry(event.id.to_string()).or_default().push(position.0);
            }
            _ if !event.kind.starts_with(ours::PREFIX) => {}
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
                let about = fired.events.first().map(|took| about(&took.event)).unwrap_or_default();
                self.fired.entry(fired.firing).or_default().push(Fired { rule, about, at });
            }
            Ours::RunStarted(run) => *self.started.entry(run.run).or_default() += 1,
            Ours::RunFinished(run) => self.ended.entry(run.run).or_default().push(run.status),
            Ours::RunFailed(run) => self.ended.entry(run.run).or_default().push("failed".into()),
            Ours::ActionStarted(started) => *self.announced.entry(step(&started.of)).or_default() += 1,
            Ours::ActionAnswered(answered) => {
                let good = matches!(answered.answer, Answer::Ok(_));
                if good || matches!(answered.answer, Answer::Err(ref why) if !why.retryable) {
                    let (at, position, effect) = (record.at.micros(), record.position, answered.of.effect);
                    let one = Final { at, position, effect, good };
                    if *self.answered.entry(step(&answered.of)).or_insert(one) != one {
                        let name = &answered.of.step;
                        verdict.repeated.push(format!("record {position} is a second final answer of {name}"));
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
            Ours::EventConflict(conflict) => verdict.wrong.push(format!("an event is taken for another: {conflict:?}")),
            Ours::RuleParked(parked) => verdict.wrong.push(format!("a firing is parked: {parked:?}")),
            _ => {}
        }
    }
}

/// What an event is about.
pub(crate) fn about(event: &Value) -> String {
    event.pointer("/data/id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The step of an attempt by its own name, whatever it stands in.
pub(crate) fn step(of: &Attempt) -> (Key, String) {
    (of.run, of.step.rsplit('/').next().unwrap_or_default().to_owned())
}

/// Every acknowledged event is there once, where it was said to be.
fn acknowledged(facts: &Facts, acknowledged: &BTreeMap<String, u64>, verdict: &mut Verdict) {
    for (id, position) in acknowledged {
        match facts.sent.get(id).map(Vec::as_slice) {
            Some([one]) if one == position => {}
            found => verdict.lost.push(format!("event {id}, acknowledged at {position}, is at {found:?}")),
        }
    }
    for (id, positions) in &facts.sent {
        if positions.len() > 1 {
            verdict.wrong.push(format!("event {id} is in the log at {positions:?}"));
        }
        if !acknowledged.contains_key(id) {
            verdict
                .wrong
                .push(format!("event {id} at {positions:?} was never acknowledged, though it was sent until it is"));
        }
    }
}

/// Every rule has fired once on each event that it matches, and on no other.
fn decisions(facts: &Facts, wanted: &[Wanted], verdict: &mut Verdict) {
    for (firing, fired) in &facts.fired {
        if fired.len() > 1 {
            let at: Vec<Position> = fired.iter().map(|fired| fired.at).collect();
            verdict.decided_twice.push(format!("firing {firing} is recorded at {at:?}"));
        }
    }
    let mut left = facts.decided.clone();
    for Wanted { rule, id, position } in wanted {
        match left.remove(&((*rule).to_owned(), *position)) {
            Some(1) => {}
            Some(times) => verdict.decided_twice.push(format!("{rule} fired {times} times on {position} ({id})")),
            None => verdict.lost.push(format!("{rule} never fired on {position} ({id})")),
        }
    }
    for (rule, position) in left.keys() {
        verdict.wrong.push(format!("{rule} fired on {position}, which it does not match"));
    }
}

/// Every firing began one run, and every run ended once, as it should.
fn runs<E: Example>(example: &E, facts: &Facts, verdict: &mut Verdict) {
    for (firing, fired) in &facts.fired {
        let Some((first, expected)) = fired.first().and_then(|fired| Some((fired, example.expected(fired)?))) else {
            verdict.wrong.push(format!("firing {firing} is of no rule"));
            continue;
        };
        let what = format!("run {firing} of {} ({})", first.rule, first.about);
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

/// Requests by step, and by what its run is about.
pub(crate) fn by_step(seen: &[Seen]) -> BTreeMap<(String, String), Vec<&Seen>> {
    let mut by_step: BTreeMap<_, Vec<&Seen>> = BTreeMap::new();
    for seen in seen {
        by_step.entry((seen.asked.step.clone(), seen.asked.id.clone())).or_default().push(seen);
    }
    by_step
}

/// No step was done again after its final answer was appended, none that is announced first was done unannounced, and
/// all tries of a step had one key.
fn steps<E: Example>(example: &E, facts: &Facts, seen: &[Seen], verdict: &mut Verdict) {
    let mut by_step = by_step(seen);
    for (firing, fired) in &facts.fired {
        let Some((first, expected)) = fired.first().and_then(|fired| Some((fired, example.expected(fired)?))) else {
            continue;
        };
        for name in expected.always.union(&expected.maybe) {
            let seen = by_step.remove(&(name.clone(), first.about.clone())).unwrap_or_default();
            let what = format!("{name} of run {firing} ({})", first.about);
            let key = (*firing, name.clone());
            if E::ANNOUNCED.contains(&name.as_str()) {
                let announced = facts.announced.get(&key).copied().unwrap_or(0);
                if seen.len() > announced {
                    verdict
                        .repeated
                        .push(format!("{what} was announced {announced} times and done {} times", seen.len()));
                }
            }
            let keys: BTreeSet<&str> = seen.iter().filter_map(|seen| seen.asked.key.as_deref()).collect();
            if keys.len() > 1 {
                verdict.wrong.push(format!("{what} was tried with several keys: {keys:?}"));
            }
            let Some(answer) = facts.answered.get(&key) else {
                // It was settled, or its branch went on without it.
                if seen.is_empty() && expected.always.contains(name) {
                    verdict.wrong.push(format!("{what} was never done"));
                }
                continue;
            };
            for late in seen.iter().filter(|seen| seen.at > answer.at + TOLERANCE) {
                let late = (late.at - answer.at) / 1_000;
                verdict.repeated.push(format!("{what} was done {late} ms after its answer was appended"));
            }
            let gave = |seen: &&Seen| (seen.status == 200) == answer.good && seen.at <= answer.at + TOLERANCE;
            if !seen.iter().any(gave) {
                verdict.wrong.push(format!("{what} has an answer that the sink never gave"));
            }
            if keys.first().is_some_and(|key| *key != answer.effect.to_string()) {
                verdict.wrong.push(format!("{what} was tried with another key than {}", answer.effect));
            }
        }
    }
    for ((step, id), seen) in by_step {
        verdict.wrong.push(format!("the sink got {step} of {id} {} times, and no run has it", seen.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::Asked;
    use super::super::orders::Orders;
    use super::*;

    const RUN: Key = Key([1; 16]);
    const ANSWER: Final = Final { at: 1_000_000, position: Position(3), effect: Key([2; 16]), good: true };

    /// One bad order at 1, of which the rule `sad` has made a run that is over; and what the sink has seen.
    fn facts() -> (Facts, Vec<Seen>) {
        let mut facts = Facts::default();
        facts.sent.insert("a".into(), vec![1]);
        facts.decided.insert(("default/sad".into(), 1), 1);
        facts.fired.insert(RUN, vec![Fired { rule: "default/sad".into(), about: "a".into(), at: Position(2) }]);
        facts.started.insert(RUN, 1);
        facts.ended.insert(RUN, vec!["failed".into()]);
        facts.answered.insert((RUN, "sorry".into()), ANSWER);
        (facts, vec![seen(999_000)])
    }

    fn seen(at: i64) -> Seen {
        let asked = Asked { step: "sorry".into(), id: "a".into(), ..Asked::default() };
        Seen { at, asked, status: 200 }
    }

    fn keyed(key: &str) -> Seen {
        let seen = seen(999_000);
        Seen { asked: Asked { key: Some(key.into()), ..seen.asked }, ..seen }
    }

    fn judged(facts: &Facts, seen: &[Seen], position: u64) -> Verdict {
        let mut verdict = Verdict::default();
        let wanted = [Wanted { rule: "default/sad", id: "a".into(), position: 1 }];
        acknowledged(facts, &BTreeMap::from([("a".to_owned(), position)]), &mut verdict);
        decisions(facts, &wanted, &mut verdict);
        runs(&Orders, facts, &mut verdict);
        steps(&Orders, facts, seen, &mut verdict);
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
            ("an order is gone", |f, _| drop(f.sent.insert("a".into(), vec![])), |v| &v.lost),
            ("an order is elsewhere", |f, _| drop(f.sent.insert("a".into(), vec![5])), |v| &v.lost),
            ("a rule never fired", |f, _| f.decided.clear(), |v| &v.lost),
            ("a rule fired twice", |f, _| f.decided.values_mut().for_each(|times| *times += 1), |v| &v.decided_twice),
            (
                "a firing is there twice",
                |f, _| {
                    let again = Fired { rule: "default/sad".into(), about: "a".into(), at: Position(3) };
                    f.fired.entry(RUN).or_default().push(again);
                },
                |v| &v.decided_twice,
            ),
            ("done after its answer", |_, s| s.push(seen(1_000_000 + TOLERANCE + 1)), |v| &v.repeated),
            ("two keys for one step", |_, s| s.extend([keyed("b"), keyed("c")]), |v| &v.wrong),
            ("a key of another step", |_, s| s.push(keyed("b")), |v| &v.wrong),
            ("a run is not over", |f, _| drop(f.ended.remove(&RUN)), |v| &v.wrong),
            ("a run ended twice", |f, _| f.ended.entry(RUN).or_default().push("failed".into()), |v| &v.wrong),
            ("an answer that nobody gave", |_, s| s.clear(), |v| &v.wrong),
            (
                "a request of no run",
                |_, s| s.push(Seen { asked: Asked { step: "other".into(), ..seen(1).asked }, ..seen(1) }),
                |v| &v.wrong,
            ),
        ];
        for (name, change, list) in cases {
            let (mut facts, mut seen) = facts();
            change(&mut facts, &mut seen);
            let verdict = judged(&facts, &seen, 1);
            assert!(!list(&verdict).is_empty(), "{name}: {verdict:?}");
        }
    }
}
