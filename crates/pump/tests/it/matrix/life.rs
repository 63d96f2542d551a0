//! One run from its event to rest, one thing at a time, with something in the way at one place.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ensue_engine::state::Timer;
use ensue_engine::{Outboxed, State};
use ensue_event::ours::{Answer, Command, Failure};
use ensue_event::{Key, Time};
use ensue_lang::catalog::{self, Idempotency};
use ensue_log::Log;
use ensue_pump::Outgoing;
use ensue_pump::pump::answered;
use ensue_run::{Run, Status, StepState, StepStatus};
use serde_json::json;

use super::rows::{How, Row};
use super::{Situation, kinds};
use crate::kit::{Node, World};

/// More things than a run of the table takes.
const ENDLESS: usize = 500;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// What is durable is folded.
    Fold,
    /// The first of what waits to be appended is.
    Append,
    /// The state is committed.
    Commit,
    /// Effects are handed out.
    Work,
    /// The world moves the run.
    Meet(Meets),
}

/// What the world does when nothing else is left to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meets {
    /// The effect of this step is done and answered.
    Acts(String),
    /// A person settles this uncertain step.
    Settles(String),
    /// Somebody answers what this step asks.
    Says(&'static str, String),
    /// The event comes that is waited for.
    Comes,
    /// A person ends the freeze.
    Thaws,
    /// A person takes back what the run did that is over.
    RollsBack,
    /// This time comes.
    Passes(Time),
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Lived {
    pub(crate) status: Status,
    /// How often the effect of each step was done, and how often the event that `emit` says was acted on.
    pub(crate) done: BTreeMap<String, u32>,
    /// The rows that its effects are of.
    pub(crate) uses: BTreeSet<&'static str>,
    /// The effect whose answer was on its way when something came first.
    pub(crate) cut: Option<Outboxed>,
    /// The steps whose effects a freeze held and a thaw discarded.
    pub(crate) discarded: BTreeSet<String>,
    /// What happened, and whether the step under test was going on.
    pub(crate) ops: Vec<(Op, bool)>,
    /// What was wrong; empty for a good life.
    pub(crate) wrong: Vec<String>,
}

/// What happens at one place instead of what would.
pub(crate) type Interferes<'a> = dyn Fn(Life, &Op) -> Life + 'a;

pub(crate) struct Life {
    pub(crate) row: &'static Row,
    situation: Option<Situation>,
    world: World,
    node: Node,
    outbound: VecDeque<Outgoing>,
    under_way: Vec<Outboxed>,
    done: BTreeMap<String, u32>,
    /// The effect of each step: all tries have its key.
    keys: BTreeMap<String, Key>,
    /// Effects whose good answer is durable.
    answered: BTreeSet<Key>,
    /// Effects that cannot be repeated, by try.
    once: BTreeSet<(Key, u32)>,
    uses: BTreeSet<&'static str>,
    /// The effect whose answer was on its way when something came first.
    cut: Option<Outboxed>,
    /// A try whose time was over.
    pub(crate) given_up: Option<Outboxed>,
    discarded: BTreeSet<String>,
    wrong: Vec<String>,
    events: u32,
}

impl Life {
    pub(crate) fn begin(row: &'static Row, situation: Option<Situation>) -> Life {
        let mut world = World::with(super::manifest(row, situation));
        let mut node = world.start();
        let absent = situation == Some(Situation::Fails) && row.fails == How::Absent;
        let data = json!({"key": "k", "v": "x", "list": [1, 2, 3], "until": "2026-01-01T02:00:00Z"});
        node.said("go", "go", if absent { json!({"key": "k"}) } else { data });
        Life {
            row,
            situation,
            world,
            node,
            outbound: VecDeque::new(),
            under_way: Vec::new(),
            done: BTreeMap::new(),
            keys: BTreeMap::new(),
            answered: BTreeSet::new(),
            once: BTreeSet::new(),
            uses: BTreeSet::new(),
            cut: None,
            given_up: None,
            discarded: BTreeSet::new(),
            wrong: Vec::new(),
            events: 0,
        }
    }

    /// Lives to the end. At the place with this number, `interferes` is called instead of what would happen.
    pub(crate) fn live(mut self, place: Option<usize>, interferes: &Interferes) -> Lived {
        let mut ops = Vec::new();
        while let Some(op) = self.next() {
            let middle = self.in_the_middle();
            if Some(ops.len()) == place {
                self = interferes(self, &op);
            } else {
                self.do_it(&op);
            }
            ops.push((op, middle));
            assert!(ops.len() <= ENDLESS, "it does not come to rest");
        }
        self.rest(ops)
    }

    pub(crate) fn state(&self) -> &State {
        self.node.pump.engine().state()
    }

    /// The run of the row, as soon as there is one.
    pub(crate) fn run(&self) -> Option<&Run> {
        let mut runs = self.state().runs.iter().map(|(_, run)| run.as_ref());
        runs.find(|run| run.rule == "default/t")
    }

    fn steps(&self) -> BTreeMap<String, StepState> {
        self.run().map(|run| run.steps(&self.state().branches_of(run.id))).unwrap_or_default()
    }

    /// The step under test goes on: the run is not over, and nothing that follows it has begun.
    fn in_the_middle(&self) -> bool {
        let (steps, begun) = (self.steps(), self.run().filter(|run| !run.status.over()));
        begun.is_some_and(|run| match self.row.rolls_back {
            true => run.generation > 0,
            false => !steps.contains_key("z") && !steps.contains_key("f"),
        })
    }

    /// What happens next; nothing when all is at rest.
    fn next(&mut self) -> Option<Op> {
        self.outbound.extend(self.node.pump.outgoing());
        let state = self.state();
        if self.node.pump.wants() < self.node.log.end() {
            return Some(Op::Fold);
        }
        if !self.outbound.is_empty() {
            return Some(Op::Append);
        }
        if self.node.pump.checkpoint_due() && self.node.pump.behind() > 0 {
            return Some(Op::Commit);
        }
        if self.node.pump.dispatch().waiting() > 0 || self.announced() {
            return Some(Op::Work);
        }
        let steps = self.steps();
        let stands = |wanted: StepStatus| steps.iter().find(|(_, step)| step.status == wanted);
        if let Some(row) = self.first_under_way() {
            return Some(Op::Meet(Meets::Acts(row.effect.step.clone())));
        }
        if state.outbox.iter().any(|(_, row)| row.held) {
            return Some(Op::Meet(Meets::Thaws));
        }
        if let Some((step, _)) = stands(StepStatus::Uncertain) {
            return Some(Op::Meet(Meets::Settles(step.clone())));
        }
        if let Some((step, known)) = stands(StepStatus::Asking) {
            let voices = known.ask.as_ref().map_or(0, |ask| ask.yes.len());
            return Some(Op::Meet(Meets::Says(["ann", "bob"][voices], step.clone())));
        }
        if let Some((_, asks)) = state.asks.iter().find(|(_, asks)| asks.open()) {
            return Some(Op::Meet(Meets::Says("ann", asks.step.clone())));
        }
        if !state.awaits.is_empty() && !self.refuses() {
            return Some(Op::Meet(Meets::Comes));
        }
        if !state.freezes.is_empty() && self.node.pump.engine().due().is_none() {
            return Some(Op::Meet(Meets::Thaws));
        }
        if self.row.rolls_back && self.run().is_some_and(|run| run.status.over() && run.generation == 0) {
            return Some(Op::Meet(Meets::RollsBack));
        }
        self.node.pump.engine().due().map(|due| Op::Meet(Meets::Passes(due)))
    }

    /// What was announced and is folded waits to be handed out.
    fn announced(&self) -> bool {
        let flies = self.node.pump.dispatch().flying();
        flies > self.under_way.len()
    }

    /// The world answers in the order of the steps' names: a restart hands out what is left in an order of its own.
    fn first_under_way(&self) -> Option<&Outboxed> {
        self.under_way.iter().min_by(|a, b| a.effect.step.cmp(&b.effect.step))
    }

    fn refuses(&self) -> bool {
        self.situation == Some(Situation::Fails) && self.row.fails == How::Refused
    }

    pub(crate) fn do_it(&mut self, op: &Op) {
        match op {
            Op::Fold => self.fold(),
            Op::Append => {
                let out = self.outbound.pop_front().into_iter().collect();
                self.send(out);
            }
            Op::Commit => assert!(self.node.checkpoint()),
            Op::Work => self.work(),
            Op::Meet(Meets::Acts(_)) => {
                let (row, answer) = self.act();
                // While the next try is under way, something comes about the one that was given up: it is nothing.
                if let Some(earlier) = self.given_up.take_if(|earlier| earlier.effect.key == row.effect.key) {
                    self.late(&earlier, Answer::Err(Failure::new("Status", "410")));
                }
                self.answer(&row, answer);
            }
            Op::Meet(Meets::Settles(step)) => {
                let done = self.done.contains_key(step);
                let verdict = if done { "done" } else { "retry" }.to_owned();
                let run = self.id();
                self.command("ada", Command::Settle { run, step: step.clone(), verdict });
            }
            Op::Meet(Meets::Says(who, step)) => {
                let (run, refuse) = (self.id(), self.refuses());
                self.command(who, Command::Approve { run, step: step.clone(), refuse, shown: None });
            }
            Op::Meet(Meets::Comes) => {
                for _ in 0..1 + u32::from(self.twice()) {
                    self.events += 1;
                    self.node.said("came", &format!("came-{}", self.events), json!({"key": "k"}));
                }
            }
            Op::Meet(Meets::Thaws) => {
                let discard = self.situation == Some(Situation::Discard);
                let held = self.state().outbox.iter().filter(|(_, row)| discard && row.held);
                let held: Vec<String> = held.map(|(_, row)| row.effect.step.clone()).collect();
                self.discarded.extend(held);
                self.command("ada", Command::Thaw { connection: None, rule: None, discard });
            }
            Op::Meet(Meets::RollsBack) => {
                let run = self.id();
                self.command("ada", Command::Rollback { run });
            }
            Op::Meet(Meets::Passes(due)) => self.pass(*due),
        }
    }

    fn twice(&self) -> bool {
        self.situation == Some(Situation::Twice)
    }

    pub(crate) fn id(&self) -> Key {
        self.run().map(|run| run.id).unwrap()
    }

    /// Appends, and once more where everything comes twice.
    fn send(&mut self, out: Vec<Outgoing>) {
        if self.twice() {
            self.node.send(out.clone());
        }
        self.node.send(out);
    }

    pub(crate) fn answer(&mut self, row: &Outboxed, answer: Answer) {
        if matches!(answer, Answer::Ok(_)) {
            self.answered.insert(row.effect.key);
        }
        self.send(vec![answered(row, answer, None, None)]);
    }

    /// A person asks for something, and presses the button once more where that is to change nothing: a second cancel
    /// ends the finally steps too.
    pub(crate) fn command(&mut self, who: &str, command: Command) {
        let roles: &[&str] = &["sre"];
        let twice = self.twice() || matches!(command, Command::Settle { .. });
        for _ in 0..1 + u32::from(twice) {
            self.node.asks(who, roles, command.clone());
        }
    }

    pub(crate) fn pass(&mut self, until: Time) {
        self.node.wall = self.node.wall.max(until);
        self.node.tick();
        if self.twice() {
            self.node.tick();
        }
    }

    /// The fold, and what must hold after each record.
    pub(crate) fn fold(&mut self) {
        self.node.fold();
        // What nobody waits for any more is stopped.
        for stopped in self.node.pump.cancelled() {
            self.under_way.retain(|row| row.effect.key != stopped);
        }
        let state = self.node.pump.engine().state();
        for (id, run) in state.runs.iter().filter(|(_, run)| run.status.over()) {
            let left = left_of(state, *id);
            if !left.is_empty() {
                self.wrong.push(format!("the run of {} is over and leaves {left:?}", run.rule));
            }
        }
    }

    fn work(&mut self) {
        let (announce, perform) = self.node.pump.work(self.node.wall);
        self.outbound.extend(announce);
        self.under_way.extend(perform);
    }

    /// The world does the effect that is answered next; what it would answer.
    pub(crate) fn act(&mut self) -> (Outboxed, Answer) {
        let row = self.first_under_way().cloned().unwrap();
        self.under_way.retain(|other| other.effect.key != row.effect.key);
        let (key, step, attempt) = (row.effect.key, row.effect.step.clone(), row.effect.attempt);
        if self.answered.contains(&key) {
            self.wrong.push(format!("{step} is done again after its answer"));
        }
        if row.effect.idempotency == Idempotency::None && !self.once.insert((key, attempt)) {
            self.wrong.push(format!("try {attempt} of {step} is made twice, and it cannot be repeated"));
        }
        if *self.keys.entry(step.clone()).or_insert(key) != key {
            self.wrong.push(format!("{step} is done under two keys"));
        }
        if !matches!(step.as_str(), "z" | "f") {
            self.uses.insert(kinds::uses(row.effect.idempotency, catalog::uncertain(&row.effect.action)));
        }
        *self.done.entry(step.clone()).or_default() += 1;
        let path = row.effect.with.get("path").and_then(|path| path.as_str()).unwrap_or_default();
        let refused = path.ends_with("bad") || self.refuses() && step.starts_with('s');
        let answer = if refused {
            Answer::Err(Failure::new("Status", "404"))
        } else if path.ends_with("flaky") && attempt == 1 {
            Answer::Err(Failure::new("Status", "503").retryable())
        } else {
            Answer::Ok(json!({"status": 200}))
        };
        (row, answer)
    }

    /// What is on its way when something else comes first: an effect that is done, with its answer.
    pub(crate) fn on_its_way(&mut self, op: &Op) -> Option<(Outboxed, Answer)> {
        let acts = matches!(op, Op::Meet(Meets::Acts(_)));
        let way = acts.then(|| self.act());
        self.cut = way.as_ref().map(|(row, _)| row.clone());
        way
    }

    /// And now it is here. Time that was waited for is over in any case.
    pub(crate) fn arrives(&mut self, op: &Op, way: Option<(Outboxed, Answer)>) {
        match (op, way) {
            (_, Some((row, answer))) => self.late(&row, answer),
            (Op::Meet(Meets::Passes(_)), None) => {}
            _ => self.do_it(op),
        }
    }

    /// The time of a step is over; without a name, that of the run.
    pub(crate) fn runs_out(&mut self, of: &str) {
        let timers = self.state().timers.iter();
        let due = timers.filter_map(|(_, timer)| match timer.as_ref() {
            Timer::Run { step, due, .. } if step == of => Some(*due),
            _ => None,
        });
        let due = due.min();
        match due {
            Some(due) => self.pass(due),
            None => self.wrong.push(format!("there is no timer of `{of}`")),
        }
    }

    /// An answer that comes after its attempt was given up.
    pub(crate) fn late(&mut self, row: &Outboxed, answer: Answer) {
        self.send(vec![answered(row, answer, None, None)]);
    }

    /// The process dies, and another one starts.
    pub(crate) fn crash(self, power: bool) -> Life {
        let Life { mut world, node, .. } = self;
        world.wall = node.wall;
        if power {
            world.cut_power(node, 0)
        } else {
            world.kill(node)
        }
        let node = world.start();
        Life { world, node, outbound: VecDeque::new(), under_way: Vec::new(), ..self }
    }

    /// What must hold when nothing is left to do.
    fn rest(mut self, ops: Vec<(Op, bool)>) -> Lived {
        let state = self.node.pump.engine().state();
        for (id, run) in state.runs.iter().filter(|(_, run)| !run.status.over()) {
            self.wrong.push(format!("run {id} of {} is {} at rest", run.rule, run.status.as_str()));
        }
        let left = [
            ("outbox", state.outbox.len()),
            ("timers", state.timers.len()),
            ("emissions", state.emissions.len()),
            ("locks", state.locks.len()),
            ("queued", state.queued.len()),
            ("parked", state.parked.len()),
            ("awaits", state.awaits.len()),
            ("waits", state.waits.len()),
            ("awaited", state.awaited.len()),
            ("under way", self.under_way.len()),
            ("dispatched", self.node.pump.dispatch().flying() + self.node.pump.dispatch().waiting()),
        ];
        self.wrong.extend(
            left.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what} are left")),
        );
        if let Some(heard) = state.rules.get("default/heard").filter(|heard| heard.fired > 0) {
            self.done.insert("said".to_owned(), u32::try_from(heard.fired).unwrap());
        }
        let status = self.run().map_or(Status::Running, |run| run.status);
        self.node.is_what_the_log_says(&self.world);
        Lived {
            status,
            done: self.done,
            uses: self.uses,
            cut: self.cut,
            discarded: self.discarded,
            ops,
            wrong: self.wrong,
        }
    }
}

/// What is kept for a run.
fn left_of(state: &State, id: Key) -> Vec<String> {
    let outbox = state
        .outbox
        .iter()
        .filter(|(_, row)| row.effect.run == id)
        .map(|(_, row)| format!("the effect of {}", row.effect.step));
    let timers = state.timers.iter().filter(|(_, timer)| match timer.as_ref() {
        Timer::Run { run, .. } | Timer::Asks { run, .. } => *run == id,
        _ => false,
    });
    let branches = state.branches.iter().filter(|((run, _), branch)| *run == id && branch.goes_on());
    let awaits = state.awaits.iter().filter(|(_, row)| row.run == id);
    let asks = state.asks.iter().filter(|((run, _), asks)| *run == id && asks.open());
    let locks = state.locks.iter().filter(|(_, lock)| lock.slots.running().contains(&id));
    outbox
        .chain(timers.map(|(_, timer)| format!("{timer:?}")))
        .chain(branches.map(|((_, number), _)| format!("branch {number}")))
        .chain(awaits.map(|(_, row)| format!("{row:?}")))
        .chain(asks.map(|(_, asks)| format!("{asks:?}")))
        .chain(locks.map(|(_, lock)| format!("{lock:?}")))
        .collect()
}
