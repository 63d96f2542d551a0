//! What it costs to fold events where rules remember: a thousand rules, a hundred of which wait for keys.

use std::fmt::Write as _;
use std::hint::black_box;

use ensue_engine::Engine;
use ensue_event::ours::{ConfigApplied, ConfigFile, Ours};
use ensue_event::{Data, Emission, Event, Origin, Position, Record, Time, codec};
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::report::{Report, Target};
use crate::rng::Rng;
use crate::{Result, clock};

/// Rules that remember, of all kinds that do.
const REMEMBERING: u64 = 100;
/// Rules that look at one event.
const PLAIN: u64 = 900;
/// Records between two checkpoints, as in the node.
const CHECKPOINT: usize = 500;
const ROUNDS: usize = 5;
/// Decisions without a firing are kept up to some number: so many fill that before anything is weighed.
const WARM: u64 = 40_000;

pub(crate) fn run(mut words: Arguments) -> Result {
    let _: Option<String> = words.option("--binary")?;
    let mut report = Report::new("correlate", &mut words)?;
    let keys: u64 = words.option("--keys")?.unwrap_or(100_000);
    let count: usize = words.option("--events")?.unwrap_or(40_000);
    let weigh: Option<String> = words.option("--weigh")?;
    words.end()?;
    if let Some(what) = weigh {
        println!("{}", grown(&what, keys)?);
        return Ok(());
    }
    let (each, whole) = each_key(keys)?;
    let note =
        format!("growth of the process's own pages by {keys} keys with their events, less that by the events alone");
    report.value("a live key without its events", each, "bytes", Target::AtMost(300.0), &note);
    let mut encoded = Vec::new();
    codec::encode(&Origin::Source("bench".into()), &opening(keys / 2, 0), &mut encoded);
    let note = format!("an event is {} bytes in the log", encoded.len());
    report.value("a live key with its event", whole, "bytes", Target::None, &note);
    let mut fold = Fold::new(&rules())?;
    let mut rng = Rng::new(1, 1);
    open(&mut fold, keys)?;
    let (mut all, mut spread, mut finishing) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        all.push(fold.rate(count, |nth| kept(&mut rng, keys, nth))?);
        spread.push(fold.rate(count, |nth| {
            let rule = rng.range(0, REMEMBERING + PLAIN);
            if rule < REMEMBERING { kept(&mut rng, keys, nth) } else { passed(rule - REMEMBERING, nth) }
        })?);
        finishing.push(fold.rate(count, |nth| match rng.once_in(100) {
            true => finished(&mut rng, keys, nth),
            false => kept(&mut rng, keys, nth),
        })?);
    }
    let claim = Target::AtLeast(50_000.0);
    let note = format!("every event is kept by one of the {REMEMBERING} rules, for one of {keys} live keys");
    report.rounds("events that a rule keeps", &all, "events/CPU s", claim, &note);
    let note = "one event in ten is kept; each of the others is of the type of one of the other rules";
    report.rounds("events of all rules' types", &spread, "events/CPU s", claim, note);
    let note = "the firing, its record, and its run are in it";
    report.rounds("one event in a hundred completes a match", &finishing, "events/CPU s", Target::None, note);
    report.write()
}

/// A fold, and a log that is not kept.
struct Fold {
    engine: Engine,
    next: u64,
    now: Time,
    handed: Option<Emission>,
    undrained: usize,
}

impl Fold {
    fn new(rules: &str) -> Result<Fold> {
        let now = Time::from_secs(1_772_600_000);
        let mut fold = Fold { engine: Engine::new(), next: 0, now, handed: None, undrained: 0 };
        let files = vec![ConfigFile { path: "bench.yaml".into(), text: rules.into() }];
        let applied = ConfigApplied { documents: Vec::new(), files, observe: false };
        let record = fold.record(Origin::Node, Ours::from(applied).event("config".to_owned(), "/ensue/bench"));
        fold.one(&record)?;
        Ok(fold)
    }

    /// The next record; 20 µs after the one before it.
    fn record(&mut self, origin: Origin, event: Event) -> Record {
        let position = Position(self.next);
        self.next += 1;
        self.now = Time(self.now.0 + 20);
        Record { position, at: self.now, origin, event }
    }

    fn external(&mut self, event: Event) -> Record {
        self.record(Origin::Source("bench".into()), event)
    }

    /// Folds a record and whatever is emitted by it.
    fn one(&mut self, record: &Record) -> Result {
        let mut emitted = self.fold(record)?;
        while emitted > 0 {
            emitted = 0;
            let out: Vec<(Emission, Event)> =
                self.engine.emissions(self.handed).map(|(place, event)| (place, event.clone())).collect();
            for (place, event) in out {
                self.handed = Some(place);
                let record = self.record(Origin::Emitted(place), event);
                emitted += self.fold(&record)?;
            }
        }
        Ok(())
    }

    fn fold(&mut self, record: &Record) -> Result<u32> {
        let outcome = self.engine.fold(record).map_err(|why| format!("record {}: {why}", record.position))?;
        self.engine.settle();
        self.undrained += 1;
        if self.undrained >= CHECKPOINT {
            self.undrained = 0;
            black_box(self.engine.drain());
        }
        Ok(outcome.emitted)
    }

    /// Events in a second of CPU.
    fn rate(&mut self, count: usize, mut event: impl FnMut(usize) -> Event) -> Result<f64> {
        // Positions go on while emissions are folded: they are given when it is an event's turn.
        let events: Vec<Event> = (0..count).map(&mut event).collect();
        let mut records: Vec<Record> = events.into_iter().map(|event| self.external(event)).collect();
        self.next -= count as u64;
        let before = clock::thread();
        for record in &mut records {
            record.position = Position(self.next);
            self.next += 1;
            record.at = record.at.max(self.now);
            self.now = record.at;
            self.one(record)?;
        }
        Ok(count as f64 / (clock::thread() - before))
    }
}

/// The bytes of a key: what a process grows by keys and their events, less what another grows by such events alone.
/// And the first alone.
fn each_key(keys: u64) -> Result<(f64, f64)> {
    let grown = |what: &str| {
        let told = clock::apart(&["correlate", "--keys", &keys.to_string(), "--weigh", what])?;
        told.parse::<f64>().map_err(|why| format!("`{told}` is no number of bytes: {why}"))
    };
    let whole = grown("keys")?;
    Ok(((whole - grown("events")?) / keys as f64, whole / keys as f64))
}

/// What this process grows by keys with their events, or by the events alone.
fn grown(what: &str, keys: u64) -> Result<f64> {
    if what == "events" {
        let mut held: Vec<Event> = Vec::with_capacity(keys as usize);
        let before = clock::own_memory();
        // With no room to spare: as rows hold them.
        held.extend((0..keys).map(|key| {
            let mut event = opening(key, key as usize);
            if let Data::Json(bytes) = &event.data {
                event.data = Data::Json(bytes.to_vec().into());
            }
            event
        }));
        let grown = clock::own_memory() - before;
        black_box(held);
        return Ok(grown);
    }
    let mut fold = Fold::new(&rules())?;
    for nth in 0..WARM {
        let record = fold.external(event("bench.warm", nth as usize, &json!({"count": 1})));
        fold.one(&record)?;
    }
    let filled = clock::fill();
    let before = clock::own_memory();
    open(&mut fold, keys)?;
    let grown = clock::own_memory() - before;
    drop(filled);
    Ok(grown)
}

/// An event of some 600 bytes.
fn event(kind: &str, nth: usize, data: &Value) -> Event {
    let mut data = data.clone();
    if let Some(object) = data.as_object_mut() {
        object.insert("namespace".into(), "shop".into());
        object.insert("labels".into(), json!({"team": "shop", "tier": "backend", "zone": "eu-1a"}));
        object.insert("text".into(), "the quick brown fox jumps over the lazy dog ".repeat(8).into());
    }
    Event::new(format!("e-{nth:08}"), "/bench/correlate", kind).with_json(&data)
}

/// The event that makes a key live: keys belong to the rules in turn.
fn opening(key: u64, nth: usize) -> Event {
    let (rule, name) = (key % REMEMBERING, format!("service-{:06}", key / REMEMBERING));
    event(&format!("bench.remember.{rule}.first"), nth, &json!({"service": name, "count": nth}))
}

/// All keys are made live.
fn open(fold: &mut Fold, keys: u64) -> Result {
    for key in 0..keys {
        let record = fold.external(opening(key, key as usize));
        fold.one(&record)?;
    }
    let live = fold.engine.state().halves.len() as u64;
    if live == keys { Ok(()) } else { Err(format!("{live} keys are live, not {keys}")) }
}

/// An event for a live key that a rule keeps, and that completes nothing.
fn kept(rng: &mut Rng, keys: u64, nth: usize) -> Event {
    opening(rng.range(0, keys), nth)
}

/// An event that completes a match, if the rule waits for a second one.
fn finished(rng: &mut Rng, keys: u64, nth: usize) -> Event {
    let key = rng.range(0, keys);
    let name = format!("service-{:06}", key / REMEMBERING);
    event(&format!("bench.remember.{}.second", key % REMEMBERING), nth, &json!({"service": name, "count": nth}))
}

/// An event of the type of a rule that looks into it and does not fire.
fn passed(rule: u64, nth: usize) -> Event {
    event(&format!("bench.plain.{rule}"), nth, &json!({"deployment": "api", "count": nth}))
}

fn rules() -> String {
    let mut out = String::new();
    let mut rule = |name: &str, spec: &str| {
        // Writing to a String does not fail.
        let _ = write!(
            out,
            "---\napiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: {name} }}\nspec:\n{spec}  steps:\n    - {{ id: a, set: {{ done: 1 }} }}\n"
        );
    };
    for nth in 0..REMEMBERING {
        let first =
            format!("name: first, event: {{ type: [bench.remember.{nth}.first], data: {{ namespace: [shop] }} }}");
        let second = format!("name: second, event: {{ type: [bench.remember.{nth}.second] }}");
        let two = |how: &str| {
            format!(
                "  when:\n    {how}:\n      - {{ {first} }}\n      - {{ {second} }}\n    key: event.data.service\n    within: 1h\n"
            )
        };
        let spec = match nth % 4 {
            0 | 1 => two("sequence"),
            2 => two("all"),
            _ => format!(
                "  when:\n    count: {{ of: {{ {first} }}, atLeast: 1000 }}\n    key: event.data.service\n    within: 1h\n"
            ),
        };
        rule(&format!("remember-{nth}"), &spec);
    }
    for nth in 0..PLAIN {
        let data = "namespace: [shop], deployment: [web, batch], count: [{ numeric: [\">\", 0] }]";
        rule(
            &format!("plain-{nth}"),
            &format!("  when: {{ event: {{ type: [bench.plain.{nth}], data: {{ {data} }} }} }}\n"),
        );
    }
    rule("warm", "  when: { event: { type: [bench.warm] } }\n  if: size(event.data.text) < event.data.count\n");
    out
}
