//! What must hold when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use ensue_engine::Engine;
use ensue_engine::flow::{Kept, flows};
use ensue_event::ours::Ours;
use ensue_event::{Position, Span};
use ensue_log::{Entry, Log};
use ensue_pump::{LogPast, Pump, start};
use ensue_state::{Memory, State};

use super::node::{Node, quarantined, text};
use super::outside::Outside;
use crate::replay::report::RuleReport;
use crate::replay::{Options, replay};

/// How long an id is known: after a clock that jumped a year it comes as new.
const DEDUPE: Span = Span::hours(72);

/// Types of events, and rules that fire once on each.
const PLAIN: &[(&str, &str)] =
    &[("sim.push", "default/build"), ("sim.built", "default/deploy"), ("sim.noise", "default/gather")];
/// The same, of those that hold events back.
const REMEMBER: &[(&str, &str)] =
    &[("sim.noise", "default/gathered"), ("sim.push", "default/paced"), ("sim.push", "default/ordered")];
/// Rules of which one run of a key goes on at once.
const ALONE: &[&str] = &["default/alone", "default/newest", "default/replaced"];
/// Rules that share one slot by key.
const GROUP: &[&str] = &["default/left", "default/right"];

pub(super) fn all(node: &Node, outside: &Outside, violations: &mut Vec<String>) {
    let mut wrong = Vec::new();
    if let Err(why) = log(node, outside, &mut wrong) {
        wrong.push(format!("the log cannot be read: {why}"));
    }
    runs(node, &mut wrong);
    held(node, &mut wrong);
    if outside.replayed
        && let Err(why) = replayed(node)
    {
        wrong.push(why);
    }
    match rebuilt(node) {
        Ok((live, anew)) if live == anew => {}
        Ok((live, anew)) => wrong.push(difference(&live, &anew)),
        Err(why) => wrong.push(format!("the state cannot be folded anew: {why}")),
    }
    violations.append(&mut wrong);
}

/// What was recorded, taken through the same rules once more, fires as it fired; with its runs, and without.
fn replayed(node: &Node) -> Result<(), String> {
    let log = LogPast::new(node.log.reader(), None);
    for rules_only in [false, true] {
        let options = Options { rules_only, ..Options::default() };
        let report = replay(&log, None, &options, &mut |_| {}).map_err(|why| format!("a replay: {why}"))?;
        let differs = |rule: &&RuleReport| rule.gone_count + rule.new_count + rule.changed_count > 0;
        if let Some(rule) = report.rules.iter().find(differs) {
            let told = serde_json::to_string(rule).map_err(text)?;
            return Err(format!("a replay is not what was recorded (without runs: {rules_only}): {told}"));
        }
    }
    Ok(())
}

/// Nothing acknowledged is lost or there twice; no firing is decided twice; emissions stand in the order of decision.
fn log(node: &Node, outside: &Outside, wrong: &mut Vec<String>) -> Result<(), String> {
    let (mut events, mut fired) = (BTreeMap::new(), BTreeMap::new());
    let mut wanted: BTreeSet<(Position, &str)> = BTreeSet::new();
    let mut took: BTreeMap<(Position, String), BTreeSet<ensue_event::Key>> = BTreeMap::new();
    let rules = if outside.remembers { [PLAIN, REMEMBER].concat() } else { PLAIN.to_vec() };
    let (mut from, mut emission) = (node.log.first(), None);
    while from < node.log.end() {
        for entry in node.log.read(from, 256, usize::MAX).map_err(text)? {
            from = entry.position().next();
            let Entry::Record(record) = entry else {
                wrong.push(format!("{entry:?} although only unsynced bytes were ever lost"));
                continue;
            };
            if let ensue_event::Origin::Emitted(place) = record.origin {
                // A second append of the same emission is nothing to the fold; a smaller one after a larger would be a
                // decision out of order.
                if emission.is_some_and(|last| place < last) {
                    wrong.push(format!("emission {place} stands after {emission:?}"));
                }
                emission = Some(place);
            }
            if *record.event.source == *"/sim" {
                events.entry(record.event.id.to_string()).or_insert_with(Vec::new).push(record.at);
            }
            wanted.extend(
                rules.iter().filter(|(kind, _)| *record.event.kind == **kind).map(|(_, rule)| (record.position, *rule)),
            );
            if let Ok(Ours::RuleFired(firing)) = Ours::of(&record.event) {
                let batched = firing.batch.iter().flat_map(|one| &one.events);
                let events: Vec<_> =
                    if firing.batch.is_empty() { firing.events.iter().collect() } else { batched.collect() };
                for event in events {
                    took.entry((event.position, firing.rule.clone())).or_default().insert(firing.firing);
                }
            }
            if let Ok(Ours::RuleFired(firing)) = Ours::of(&record.event)
                && let Some(earlier) = fired.insert(firing.firing, record.position)
            {
                wrong.push(format!(
                    "firing {} was decided at {earlier} and again at {}",
                    firing.firing, record.position
                ));
            }
        }
    }
    for (position, rule) in wanted {
        match took.get(&(position, rule.to_owned())).map_or(0, BTreeSet::len) {
            0 => wrong.push(format!("rule {rule} never fired on record {position}")),
            1 => {}
            times => wrong.push(format!("rule {rule} fired {times} times on record {position}")),
        }
    }
    for (id, position) in &outside.acked {
        match events.get(id) {
            None => wrong.push(format!("event {id} was acknowledged at {position} and is lost")),
            Some(times) => {
                let twice =
                    times.is_sorted() && times.iter().zip(times.iter().skip(1)).any(|(a, b)| b.since(*a) < DEDUPE);
                if twice {
                    wrong.push(format!("event {id} is there more than once within {DEDUPE}: {times:?}"));
                }
            }
        }
    }
    Ok(())
}

fn runs(node: &Node, wrong: &mut Vec<String>) {
    let state = node.pump.engine().state();
    for (id, run) in state.runs.iter() {
        if !run.status.over() {
            wrong.push(format!("run {id} of {} is {} although nothing is left to do", run.rule, run.status.as_str()));
        }
    }
    for ((run, id), branch) in state.branches.iter().filter(|(_, branch)| branch.goes_on()) {
        wrong.push(format!("branch {id} of run {run} goes on: {branch:?}"));
    }
    let (waits, awaits, awaited) = (state.waits.len(), state.awaits.len(), state.awaited.len());
    if (waits, awaits, awaited) != (0, 0, 0) {
        wrong.push(format!("nothing waits, and yet: {waits} waits, {awaits} steps, {awaited} events kept for them"));
    }
    for (key, row) in state.outbox.iter() {
        let (step, held, started) = (&row.effect.step, row.held, row.started);
        wrong.push(format!("effect {key} of step {step} is left: held {held}, started {started}"));
    }
    for rule in ["default/gather", "default/calm"] {
        // A breaker stays open for as long as it says; what it parked waits for a person.
        for left in flows(node.pump.engine(), rule).iter().filter(|left| left.what != "storm") {
            wrong.push(format!("rule {rule} still has {left:?}"));
        }
    }
    for (place, pending) in state.emissions.iter() {
        wrong.push(format!("emission {place} is left: {}", pending.event.kind));
    }
}

/// Nothing is held back any more: every window is over.
fn held(node: &Node, wrong: &mut Vec<String>) {
    let engine = node.pump.engine();
    for decider in &engine.config().rules {
        for waiting in ensue_engine::halves(engine, &decider.name) {
            wrong.push(format!("rule {} still waits: {waiting:?}", decider.name));
        }
    }
    for (_, row) in engine.state().flows.iter() {
        if matches!(row.kept, Kept::Debounce { .. } | Kept::Held(_)) {
            wrong.push(format!("flow control still holds {:?}", row.kept));
        }
    }
    for (_, queued) in engine.state().queued.iter() {
        wrong.push(format!("a firing still waits for a slot: {queued:?}"));
    }
    for (place, _) in engine.state().orders.iter().filter(|(place, _)| !place.tail.is_empty()) {
        wrong.push(format!("ordering still holds {place:?}"));
    }
}

/// Of rules with `concurrency: { limit: 1 }`, and of those of a group together, no two runs of a key go on. A person
/// may start one beside.
pub(super) fn concurrency(engine: &Engine, violations: &mut Vec<String>) {
    let mut going: BTreeMap<(&str, Option<&str>), u32> = BTreeMap::new();
    let runs = engine.state().runs.iter().map(|(_, run)| run);
    for run in runs.filter(|run| !run.status.over() && run.generation == 0) {
        let lock = match run.rule.as_str() {
            rule if ALONE.contains(&rule) => rule,
            rule if GROUP.contains(&rule) => "the group",
            _ => continue,
        };
        let count = going.entry((lock, run.key.as_deref())).or_insert(0);
        *count += 1;
        if *count > 1 {
            violations.push(format!("two runs of {lock} go on for {:?} at once: {}", run.key, run.id));
        }
    }
}

/// The rows as they are, and as a fold from the first record makes them.
fn rebuilt(node: &Node) -> Result<(String, String), String> {
    let tables = Pump::<Memory>::tables();
    let store = Memory::new(tables).map_err(text)?;
    let aside = quarantined(&node.log)?;
    let chain = |_: Position| None;
    let (mut pump, _) = start::open(store, node.log.end(), &chain, aside).map_err(|(_, why)| text(why))?;
    pump.look_back(Box::new(LogPast::new(node.log.reader(), None)));
    while pump.wants() < node.log.end() {
        for entry in node.log.read(pump.wants(), 256, usize::MAX).map_err(text)? {
            match entry {
                Entry::Record(record) => pump.fold(&record).map_err(text)?,
                Entry::Unreadable { position, why } => pump.unreadable(position, &format!("{why:?}")),
            }
        }
    }
    let end = node.log.end();
    let last = Position(end.0.saturating_sub(1));
    pump.checkpoint(node.log.chain(last).map_err(text)?).map_err(text)?;
    Ok((node.pump.store().dump().map_err(text)?, pump.store().dump().map_err(text)?))
}

fn difference(live: &str, anew: &str) -> String {
    let (live, anew): (Vec<&str>, Vec<&str>) = (live.lines().collect(), anew.lines().collect());
    let only = |these: &[&str], those: &[&str]| {
        let lines: Vec<String> =
            these.iter().filter(|line| !those.contains(line)).take(3).map(|l| l.to_string()).collect();
        lines.join("\n    ")
    };
    format!("folded anew, the rows differ:\n  live  {}\n  anew  {}", only(&live, &anew), only(&anew, &live))
}
