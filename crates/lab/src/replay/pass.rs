//! One way through the history: a fold, its clock, and what follows from what it decides.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ensue_engine::decide::firing;
use ensue_engine::{Decision, Engine, Outcome, Past, Verdict};
use ensue_event::ours::{
    ActionAnswered, ActionStarted, ActionUncertain, Answer, Attempt, Backfill, Command, ConfigApplied, ConfigFile,
    Mode, Operator, Ours, RecordQuarantined, RuleFired, Tick,
};
use ensue_event::{Emission, Event, Key, Origin, Position, Record, Time, ours};
use ensue_lang::catalog::Idempotency;
use ensue_rule::View;
use serde_json::{Value, json};

use super::label::{Labelled, Labels, Of};
use super::place;
use super::recorded::{Met, Outcomes, Recorded, summary};
use super::report::{Assumed, Fired, SetAside};
use super::{Error, Log, Progress};
use crate::why::events_of;

/// Records between two reports of progress.
const CHUNK: u64 = 20_000;
/// The source of what a replay writes for itself.
const SOURCE: &str = "/ensue/replay";

/// Rules, and the events of which it is asked why they did not fire.
pub(super) type Wanted = BTreeMap<String, BTreeSet<Position>>;

/// What the fold goes by.
#[derive(Clone, Copy)]
pub(super) enum Manifests<'a> {
    /// These, from the first configuration on.
    Given(&'a [ConfigFile]),
    /// Those that were in force.
    Recorded,
}

/// What is to be done.
#[derive(Clone, Copy)]
pub(super) struct Orders<'a> {
    pub(super) log: &'a dyn Log,
    pub(super) recorded: &'a Recorded,
    pub(super) manifests: Manifests<'a>,
    pub(super) rules_only: bool,
    pub(super) steps: bool,
    pub(super) wanted: &'a Wanted,
    pub(super) from: Position,
    pub(super) to: Position,
}

/// What a rule decided about an event, in positions of the history; and where, if that was later.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) later: Option<Position>,
    pub(super) decision: Decision,
}

/// What came of it.
pub(super) struct Found {
    pub(super) engine: Engine,
    pub(super) labels: Labels,
    pub(super) records: u64,
    /// Firings by label.
    pub(super) fired: BTreeMap<Key, Fired>,
    /// What steps do, by the label of their firing and by their path.
    pub(super) steps: BTreeMap<Key, BTreeMap<String, Value>>,
    /// What was decided about what is asked.
    pub(super) told: BTreeMap<(String, Position), Vec<Told>>,
    pub(super) assumed: Vec<Assumed>,
    pub(super) set_aside: Vec<SetAside>,
    /// Firings of the history, where runs are not replayed.
    pub(super) met: Met,
}

/// The past of a rule that starts there. Under the recorded manifests that is what it was; under others such a rule
/// starts with the history that is replayed.
struct Before<'a>(Option<&'a dyn Log>);

impl Past for Before<'_> {
    fn first(&self) -> Position {
        self.0.map_or(Position(0), |log| place::moved(log.first()))
    }
    fn since(&self, time: Time) -> Result<Position, String> {
        self.0.map_or(Ok(Position(0)), |log| log.since(time).map(place::moved))
    }
    fn read(&self, from: Position, to: Position, each: &mut dyn FnMut(&Record)) -> Result<(), String> {
        let Some(log) = self.0 else { return Ok(()) };
        log.read(place::at(from), place::at(to), &mut |record| {
            each(&Record { position: place::moved(record.position), ..record.clone() });
        })
    }
}

/// An emission whose record is not folded yet.
struct Decided {
    place: Emission,
    event: Event,
    labelled: Labelled,
    /// The record of the history in whose place it stands, if the same was decided then at the same record.
    stands: Option<Position>,
}

/// An outcome that was recorded and is waited for.
struct Expected {
    of: Attempt,
    /// Its run and effect then.
    run: Key,
    effect: Key,
}

struct Pass<'a> {
    orders: Orders<'a>,
    found: Found,
    outcomes: Outcomes,
    configured: bool,
    observe: bool,
    /// The record of the history at hand, its time, and how many of ours followed it.
    last: Position,
    at: Time,
    between: u64,
    matched: Vec<u32>,
    /// The last record of the fold of then.
    seen: Option<Emission>,
    handed: Option<Emission>,
    decided: VecDeque<Decided>,
    answers: VecDeque<Event>,
    expected: BTreeMap<Position, Expected>,
    /// Runs of the replay by those of then, and the other way.
    now: BTreeMap<Key, Key>,
    then: BTreeMap<Key, Key>,
    assumed: BTreeMap<(String, String, String), u64>,
    /// Attempts that may not be repeated blindly, by run of then, step and number: each leaves when it left then. What
    /// has left is held by no freeze.
    leave: BTreeMap<(Key, String, u32), Attempt>,
}

/// Goes through the history once.
pub(super) fn run(orders: Orders<'_>, doing: &'static str, progress: &mut dyn FnMut(Progress)) -> Result<Found, Error> {
    let found = Found {
        engine: Engine::new(),
        labels: Labels::new(true),
        records: 0,
        fired: BTreeMap::new(),
        steps: BTreeMap::new(),
        told: BTreeMap::new(),
        assumed: Vec::new(),
        set_aside: Vec::new(),
        met: Met::default(),
    };
    let pass = Pass {
        orders,
        found,
        outcomes: orders.recorded.outcomes.clone(),
        configured: false,
        observe: false,
        last: orders.from,
        at: Time::MIN,
        between: 0,
        matched: Vec::new(),
        seen: None,
        handed: None,
        decided: VecDeque::new(),
        answers: VecDeque::new(),
        expected: BTreeMap::new(),
        now: BTreeMap::new(),
        then: BTreeMap::new(),
        assumed: BTreeMap::new(),
        leave: BTreeMap::new(),
    };
    pass.through(doing, progress)
}

impl Pass<'_> {
    fn through(mut self, doing: &'static str, progress: &mut dyn FnMut(Progress)) -> Result<Found, Error> {
        let Orders { log, from, to, .. } = self.orders;
        let mut at = from;
        while at < to {
            let next = at.plus(CHUNK).min(to);
            let mut failed = None;
            let read = log.read(at, next, &mut |record| {
                if failed.is_none() {
                    failed = self.meet(record).err();
                }
            });
            read.map_err(Error::Log)?;
            if let Some(why) = failed {
                return Err(why);
            }
            at = next;
            progress(Progress { doing, done: at.0 - from.0, all: to.0 - from.0 });
        }
        // What is due by the time of the last record, and what waits for a record that no longer comes.
        for decided in &mut self.decided {
            decided.stands = None;
        }
        self.follow()?;
        let told = |((rule, step, action), times)| Assumed { rule, step, action, times };
        self.found.assumed = std::mem::take(&mut self.assumed).into_iter().map(told).collect();
        Ok(self.found)
    }

    /// A record of the history.
    fn meet(&mut self, record: &Record) -> Result<(), Error> {
        if self.found.records == 0 {
            (self.last, self.at) = (record.position, record.at);
            self.begin()?;
        }
        self.found.records += 1;
        (self.last, self.at, self.between) = (record.position, record.at, 0);
        let due = self.found.engine.due().is_some_and(|due| due <= record.at);
        let met = match &record.origin {
            // What no pattern asks for changes nothing of what rules decide.
            Origin::Source(_) => {
                let wanted = due || self.matches(&record.event);
                wanted.then(|| (record.origin.clone(), record.event.clone()))
            }
            Origin::Emitted(place) => return self.decided_then(record, *place, due),
            Origin::Node => self.node(record)?,
        };
        match met {
            Some((origin, event)) => self.fold(place::moved(record.position), origin, event),
            None => self.tick(due),
        }?;
        self.follow()
    }

    /// A record of the fold of then.
    fn decided_then(&mut self, record: &Record, place: Emission, due: bool) -> Result<(), Error> {
        // A record that was appended twice is nothing.
        if self.seen.is_some_and(|last| place <= last) {
            return self.tick(due);
        }
        self.seen = Some(place);
        let foreign = match self.orders.rules_only {
            true => !self.found.met.note(record, place),
            false => self.orders.recorded.foreign.contains(&record.position),
        };
        if self.decided.front().is_some_and(|first| first.stands == Some(record.position)) {
            // It is this record: what is due before it is so at its fold.
        } else if foreign && (due || self.matches(&record.event)) {
            self.fold(place::moved(record.position), heard(), record.event.clone())?;
        } else {
            self.tick(due)?;
        }
        self.follow()
    }

    /// A record of the node: as what it is taken, if it is.
    fn node(&mut self, record: &Record) -> Result<Option<(Origin, Event)>, Error> {
        let as_it_is = || Some((Origin::Node, record.event.clone()));
        Ok(match Ours::of(&record.event) {
            Ok(Ours::ConfigApplied(applied)) => self.applied(applied),
            Ok(Ours::ActionAnswered(told)) => {
                let Some(expected) = self.expected.remove(&record.position) else {
                    return Ok(self.overhear(record, told.of.run));
                };
                let told = ActionAnswered { of: expected.of, answer: told.answer, began: None, log: None };
                Some((Origin::Node, Ours::from(told).event(record.event.id.clone(), &record.event.source)))
            }
            Ok(Ours::ActionUncertain(told)) => {
                let Some(expected) = self.expected.remove(&record.position) else {
                    return Ok(self.overhear(record, told.of.run));
                };
                self.expect(&expected);
                let told = ActionUncertain { of: expected.of, reason: told.reason };
                Some((Origin::Node, Ours::from(told).event(record.event.id.clone(), &record.event.source)))
            }
            Ok(Ours::ActionStarted(told)) => {
                let Some(of) = self.leave.remove(&(told.of.run, told.of.step.clone(), told.of.attempt)) else {
                    return Ok(self.overhear(record, told.of.run));
                };
                let told = ActionStarted { of, ..told };
                Some((Origin::Node, Ours::from(told).event(record.event.id.clone(), &record.event.source)))
            }
            Ok(Ours::Operator(operator)) => match self.command(&operator) {
                Some(command) => {
                    let told = Operator { command, ..operator };
                    Some((Origin::Node, Ours::from(told).event(record.event.id.clone(), &record.event.source)))
                }
                None => self.hear(record),
            },
            Ok(Ours::Backfill(told)) => matches!(self.orders.manifests, Manifests::Recorded).then(|| {
                let told = Backfill { from: place::moved(told.from), to: place::moved(told.to), rule: told.rule };
                (Origin::Node, Ours::from(told).event(record.event.id.clone(), SOURCE))
            }),
            // What could not be folded then may be now; an answer then left its step uncertain.
            Ok(Ours::RecordQuarantined(told)) => match self.expected.remove(&record.position) {
                Some(expected) => {
                    let told = unfolded(told, expected.of);
                    Some((Origin::Node, Ours::from(told).event(record.event.id.clone(), &record.event.source)))
                }
                None => self.hear(record),
            },
            Err(_) => self.hear(record),
            Ok(_) => as_it_is(),
        })
    }

    /// A record that only rules hear which listen to ours.
    fn hear(&mut self, record: &Record) -> Option<(Origin, Event)> {
        self.matches(&record.event).then(|| (heard(), record.event.clone()))
    }

    /// The same, about a run: if that is there now too, or is older than the history.
    fn overhear(&mut self, record: &Record, run: Key) -> Option<(Origin, Event)> {
        let gone = !self.orders.rules_only
            && self.orders.recorded.labels.firing(run).is_some()
            && !self.now.contains_key(&run);
        if gone { None } else { self.hear(record) }
    }

    fn matches(&mut self, event: &Event) -> bool {
        self.found.engine.config().index.matches(&View::new(event), &mut self.matched);
        !self.matched.is_empty()
    }

    /// Before the first record: the configuration, where one was in force already or none ever is.
    fn begin(&mut self) -> Result<(), Error> {
        let Orders { recorded, manifests, rules_only, to, .. } = self.orders;
        let none = recorded.eras.iter().all(|era| era.from >= to);
        let Some(applied) = (match (manifests, &recorded.before) {
            (Manifests::Given(files), Some(before)) => Some(given(files, before.observe || rules_only)),
            (Manifests::Given(files), None) if none => Some(given(files, rules_only)),
            (Manifests::Recorded, Some(before)) => {
                Some(ConfigApplied { observe: before.observe || rules_only, ..before.clone() })
            }
            _ => None,
        }) else {
            return Ok(());
        };
        (self.configured, self.observe) = (true, applied.observe);
        let before = Position(place::moved(self.last).0 - 1);
        self.fold(before, Origin::Node, Ours::from(applied).event("replay", SOURCE))?;
        self.follow()
    }

    fn applied(&mut self, applied: ConfigApplied) -> Option<(Origin, Event)> {
        let observe = applied.observe || self.orders.rules_only;
        let applied = match self.orders.manifests {
            Manifests::Recorded => ConfigApplied { observe, ..applied },
            Manifests::Given(_) if self.configured && observe == self.observe => return None,
            Manifests::Given(files) => given(files, observe),
        };
        (self.configured, self.observe) = (true, observe);
        Some((Origin::Node, Ours::from(applied).event(format!("replay-{}", self.last), SOURCE)))
    }

    /// An operator's command as it is meant for the replay; nothing if it is about what is not there.
    fn command(&mut self, operator: &Operator) -> Option<Command> {
        match &operator.command {
            Command::SetMode { rule, .. } => {
                // What a person set goes with a change of the rule.
                let digest = self.found.engine.config().rule(rule)?.digest;
                let then = self.orders.recorded.rules(self.last)?.rule(rule)?.digest;
                (digest == then).then(|| operator.command.clone())
            }
            command => {
                let mut told = serde_json::to_value(command).ok()?;
                for field in ["run", "firing"] {
                    let Some(slot) = told.get_mut(field) else { continue };
                    let id: Key = slot.as_str()?.parse().ok()?;
                    *slot = json!(self.now.get(&id).copied().or_else(|| self.parked(id))?);
                }
                serde_json::from_value(told).ok()
            }
        }
    }

    /// The firing that is parked here and had this id then: it may have no record.
    fn parked(&self, id: Key) -> Option<Key> {
        let engine = &self.found.engine;
        let mut rows = engine.state().parked.iter();
        rows.find(|(_, parked)| id_then(engine, &parked.fired) == Some(id)).map(|(key, _)| *key)
    }

    /// Time goes on where a timer is due and nothing else is taken.
    fn tick(&mut self, due: bool) -> Result<(), Error> {
        if !due {
            return Ok(());
        }
        let event = Ours::from(Tick {}).event(format!("tick-{}", self.last), SOURCE);
        self.fold(place::moved(self.last), Origin::Node, event)
    }

    /// All that follows from the last fold, as far as it does not stand in the place of a later record.
    fn follow(&mut self) -> Result<(), Error> {
        loop {
            let ready = self.decided.front().is_some_and(|first| first.stands.is_none_or(|there| there <= self.last));
            if ready && let Some(Decided { place, event, labelled, stands }) = self.decided.pop_front() {
                let at = match stands {
                    Some(there) if there == self.last && self.between == 0 => place::moved(there),
                    _ => self.next()?,
                };
                self.found.labels.stands(at, labelled.label);
                if let Some(fired) = &labelled.fired {
                    self.fired(labelled.label, fired, place);
                }
                self.fold(at, Origin::Emitted(place), event)?;
            } else if let Some(answer) = self.answers.pop_front() {
                let at = self.next()?;
                self.fold(at, Origin::Node, answer)?;
            } else if let Some(told) = self.starts_now() {
                let at = self.next()?;
                self.fold(at, Origin::Node, Ours::from(told).event(format!("backfill-{at}"), SOURCE))?;
            } else {
                return Ok(());
            }
        }
    }

    /// A rule that starts in the past and has none here.
    fn starts_now(&self) -> Option<Backfill> {
        let own = matches!(self.orders.manifests, Manifests::Given(_)) && self.decided.is_empty();
        let row = self.found.engine.backfill().filter(|_| own)?;
        Some(Backfill { rule: row.rule.clone(), from: row.next, to: Position(u64::MAX) })
    }

    /// The next place after the record of the history at hand.
    fn next(&mut self) -> Result<Position, Error> {
        self.between += 1;
        if self.between + 1 >= place::ROOM {
            return Err(Error::Endless(self.last));
        }
        Ok(place::moved(self.last).plus(self.between))
    }

    fn fold(&mut self, position: Position, origin: Origin, event: Event) -> Result<(), Error> {
        let record = Record { position, at: self.at, origin, event };
        let log = self.orders.log;
        let before = Before(matches!(self.orders.manifests, Manifests::Recorded).then_some(log));
        let outcome = match self.found.engine.fold_with(&record, &before) {
            Ok(outcome) => {
                self.found.engine.settle();
                outcome
            }
            Err(why) => {
                self.found.engine.set_aside(&record);
                self.found.set_aside.push(SetAside { position: self.last, why: why.to_string() });
                Outcome::default()
            }
        };
        if !self.orders.wanted.is_empty() {
            self.look(position);
        }
        if outcome.emitted > 0 {
            self.emitted();
        }
        for key in outcome.ready {
            self.act(key)?;
        }
        Ok(())
    }

    /// Takes what was emitted, and finds the place of each.
    fn emitted(&mut self) {
        let new: Vec<(Emission, Event)> =
            self.found.engine.emissions(self.handed).map(|(place, event)| (place, event.clone())).collect();
        for (place, event) in new {
            self.handed = Some(place);
            let labelled = self.found.labels.of(&event);
            self.said(&event, &labelled);
            let stood = self.orders.recorded.stood.get(&labelled.label);
            let same = stood.filter(|stood| place::back(place.position) == Some(stood.decided));
            let stands = same.map(|stood| stood.position).filter(|there| *there > self.last);
            self.decided.push_back(Decided { place, event, labelled, stands });
        }
    }

    /// Notes an event that a step emits.
    fn said(&mut self, event: &Event, labelled: &Labelled) {
        let Some(Of::Firing(label)) = labelled.of.filter(|_| self.orders.steps) else { return };
        if event.kind.starts_with(ours::PREFIX) {
            return;
        }
        let data: Value = event.json().and_then(|json| serde_json::from_slice(json).ok()).unwrap_or(Value::Null);
        let does = json!({"emit": event.kind, "source": event.source, "subject": event.subject, "data": data});
        let steps = self.found.steps.entry(label).or_default();
        let name = format!("emit {}", event.kind);
        let nth = (2..).map(|nth| format!("{name} ({nth})"));
        if let Some(free) = std::iter::once(name.clone()).chain(nth).find(|name| !steps.contains_key(name)) {
            steps.insert(free, does);
        }
    }

    fn fired(&mut self, label: Key, fired: &RuleFired, place: Emission) {
        let recorded = self.orders.recorded;
        let labels = &self.found.labels;
        let there = |position: Position| {
            place::back(position).or_else(|| recorded.stood.get(&labels.decided(position)?).map(|stood| stood.position))
        };
        let seen = summary(fired, self.at, place::at(place.position), there);
        self.found.fired.insert(label, seen);
        if fired.mode == Mode::Live
            && let Some(known) = recorded.known.get(&label)
        {
            self.now.insert(known.firing, fired.firing);
            self.then.insert(fired.firing, known.firing);
        }
    }

    /// An effect is to be done: it gets the answer that it got then, or is taken to succeed.
    fn act(&mut self, key: Key) -> Result<(), Error> {
        let Some(row) = self.found.engine.state().outbox.get(&key).cloned() else { return Ok(()) };
        let (effect, of) = (&row.effect, row.attempt());
        if self.orders.steps
            && let Some(label) = self.found.labels.firing(effect.run)
        {
            let does = json!({"uses": effect.action, "connection": effect.connection, "with": effect.with});
            self.found.steps.entry(label).or_default().entry(effect.step.clone()).or_insert(does);
        }
        if let Some(run) = self.then.get(&effect.run).copied() {
            if effect.idempotency == Idempotency::None {
                self.leave.insert((run, effect.step.clone(), effect.attempt), of.clone());
            }
            let outcome = self.outcomes.get_mut(&(run, effect.step.clone(), effect.attempt));
            if let Some((then, position)) = outcome.and_then(VecDeque::pop_front) {
                let expected = Expected { of, run, effect: then };
                return self.answered(expected, position);
            }
            if self.as_then(effect.run) {
                // Nobody answered then either: it was cancelled, or is under way.
                return Ok(());
            }
        }
        let name = (effect.rule.clone(), effect.step.clone(), effect.action.clone());
        *self.assumed.entry(name).or_default() += 1;
        self.answers.push_back(told(of, Answer::Ok(json!({}))));
        Ok(())
    }

    /// Whether a run goes by the definition that it went by then.
    fn as_then(&self, run: Key) -> bool {
        let label = self.found.labels.firing(run);
        let known = label.and_then(|label| self.orders.recorded.known.get(&label));
        let now = self.found.engine.state().runs.get(&run);
        known.zip(now).is_some_and(|(then, now)| then.definition == now.definition)
    }

    /// An outcome that was recorded: it comes when it came, or at once if that is over.
    fn answered(&mut self, expected: Expected, position: Position) -> Result<(), Error> {
        if position > self.last {
            self.expected.insert(position, expected);
            return Ok(());
        }
        let mut found = None;
        let read = self.orders.log.read(position, position.next(), &mut |record| found = Ours::of(&record.event).ok());
        read.map_err(Error::Log)?;
        let event = match found {
            Some(Ours::ActionAnswered(then)) => Some(told(expected.of, then.answer)),
            Some(Ours::ActionUncertain(then)) => {
                let id = format!("{}.{}.uncertain", expected.of.effect, expected.of.attempt);
                self.expect(&expected);
                Some(Ours::from(ActionUncertain { of: expected.of, reason: then.reason }).event(id, SOURCE))
            }
            Some(Ours::RecordQuarantined(then)) => {
                let id = format!("{}.{}.unfolded", expected.of.effect, expected.of.attempt);
                Some(Ours::from(unfolded(then, expected.of)).event(id, SOURCE))
            }
            _ => None,
        };
        self.answers.extend(event);
        Ok(())
    }

    /// After an uncertain outcome: a late answer of the same attempt is waited for, if there is one.
    fn expect(&mut self, before: &Expected) {
        let Expected { of, run, effect } = before;
        let Some(outcomes) = self.outcomes.get_mut(&(*run, of.step.clone(), of.attempt)) else { return };
        if let Some((_, position)) = outcomes.front().copied().filter(|(then, at)| then == effect && *at > self.last) {
            outcomes.pop_front();
            self.expected.insert(position, Expected { of: of.clone(), run: *run, effect: *effect });
        }
    }

    /// Notes what was decided at this place about what is asked.
    fn look(&mut self, position: Position) {
        let here = self.last;
        let Found { engine, told, .. } = &mut self.found;
        let decisions = engine.state().decisions.from((position, String::new())..);
        for ((_, rule), decided) in decisions.take_while(|((at, _), _)| *at == position) {
            let Some(wanted) = self.orders.wanted.get(rule) else { continue };
            for decision in &decided.all {
                let decision = Decision { verdict: then(&decision.verdict), ..decision.clone() };
                let own = place::back(position);
                let about: BTreeSet<Position> = events_of(&decision.verdict).iter().copied().chain(own).collect();
                for event in about.intersection(wanted) {
                    let later = (*event != here).then_some(here);
                    let decision = decision.clone();
                    told.entry((rule.clone(), *event)).or_default().push(Told { later, decision });
                }
            }
        }
    }
}

fn given(files: &[ConfigFile], observe: bool) -> ConfigApplied {
    ConfigApplied { documents: Vec::new(), files: files.to_vec(), observe }
}

/// The origin of a record of ours that is only heard.
fn heard() -> Origin {
    Origin::Source("history".into())
}

fn told(of: Attempt, answer: Answer) -> Event {
    let id = format!("{}.{}.answered", of.effect, of.attempt);
    Ours::from(ActionAnswered { of, answer, began: None, log: None }).event(id, SOURCE)
}

/// An answer that could not be folded then: nor is it here.
fn unfolded(then: RecordQuarantined, of: Attempt) -> RecordQuarantined {
    RecordQuarantined { position: place::moved(then.position), answer: Some(of), firing: None, ..then }
}

/// A verdict in positions of the history.
fn then(verdict: &Verdict) -> Verdict {
    let all = |events: &[Position]| events.iter().map(|event| place::at(*event)).collect();
    match verdict {
        Verdict::Expired { missing, events } => Verdict::Expired { missing: missing.clone(), events: all(events) },
        Verdict::Unless { by, events } => Verdict::Unless { by: place::at(*by), events: all(events) },
        Verdict::Came { by, events } => Verdict::Came { by: place::at(*by), events: all(events) },
        Verdict::Replaced { by, events } => Verdict::Replaced { by: by.clone(), events: all(events) },
        other => other.clone(),
    }
}

/// The id that a firing of the replay had then, if the rule is the same and all its events are of the history.
fn id_then(engine: &Engine, fired: &RuleFired) -> Option<Key> {
    let decider = engine.config().rule(&fired.rule)?;
    let mut found = ensue_engine::decide::Match {
        key: fired.key.clone(),
        events: fired.events.clone(),
        timed: fired.timed,
        due: fired.due,
        count: fired.count,
        batch: fired.batch.clone(),
        lets: serde_json::Map::new(),
        correlation: String::new(),
        cause: String::new(),
        depth: 0,
    };
    let batched = found.batch.iter_mut().flat_map(|one| &mut one.events);
    for took in found.events.iter_mut().chain(batched) {
        took.position = place::back(took.position)?;
    }
    Some(firing(decider, &found))
}
