//! Several at once: `parallel`, `foreach`, and lists with `needs`.
//!
//! ```text
//!   step ──► branch first      each walks its own steps; when one has ended, its step decides:
//!        ├─► branch first+1    more begin, the others are told to end, or all is done
//!        └─► …
//! ```

use std::sync::Arc;

use ensue_event::ours::Failure;
use ensue_expr::{Budget, Value};
use ensue_lang::Join;
use serde_json::{Map as Object, json};

use super::{CANCELLED, Flow, Machine, expression};
use crate::branch::{Branch, Failed, Of, Place, Stands, Undo};
use crate::graph::{Dag, Map, Node, NodeId, NodeKind, Ways};
use crate::step::{Closing, Fork, StepStatus};

/// The most items that one `foreach` takes.
pub const MAX_ITEMS: usize = 10_000;

impl<'a> Machine<'a> {
    pub(super) fn parallel(&mut self, node: &'a Node, ways: &Ways) -> Result<Flow, Failure> {
        let all = ways.ways.iter().map(|(_, entry)| (*entry, None)).collect();
        self.fork(node, all)
    }

    pub(super) fn dag(&mut self, node: &'a Node, dag: &Dag) -> Result<Flow, Failure> {
        let all = dag.steps.iter().map(|(entry, _)| (*entry, None)).collect();
        self.fork(node, all)
    }

    pub(super) fn map(&mut self, node: &'a Node, map: &Map) -> Result<Flow, Failure> {
        if self.again_from_failed(node) {
            return Ok(Flow::Wait);
        }
        let items = self.items(map);
        if items.is_err() {
            self.begin(node);
        }
        let all = items?.into_iter().map(|item| (map.entry, Some(item))).collect();
        self.fork(node, all)
    }

    /// The items of a `foreach`.
    fn items(&self, map: &Map) -> Result<Vec<serde_json::Value>, Failure> {
        if let Some(template) = &map.items {
            let value = template.render(&self.names(), &mut Budget::new()).map_err(|why| expression("", &why))?;
            let Some(list) = value.as_list() else {
                let got = value.type_name();
                return Err(Failure::new("Expression", format!("`foreach.items` must be a list; it is a {got}")));
            };
            within(list.len())?;
            return Ok(list.iter().map(Value::to_json).collect());
        }
        let mut all = vec![Object::new()];
        for (name, values) in &map.matrix {
            let value = self.render(values)?;
            let Some(list) = value.as_list() else {
                let got = value.type_name();
                let why = format!("`foreach.matrix.{name}` must be a list; it is a {got}");
                return Err(Failure::new("Expression", why));
            };
            within(all.len().saturating_mul(list.len()))?;
            let with = |known: &Object<String, serde_json::Value>, one: &Value| {
                let mut next = known.clone();
                next.insert(name.clone(), one.to_json());
                next
            };
            all = all.iter().flat_map(|known| list.iter().map(|one| with(known, one)).collect::<Vec<_>>()).collect();
        }
        Ok(all.into_iter().map(serde_json::Value::Object).collect())
    }

    /// Makes the branches of a step and begins as many as may go on at once.
    fn fork(&mut self, node: &'a Node, ways: Vec<(NodeId, Option<serde_json::Value>)>) -> Result<Flow, Failure> {
        if self.again_from_failed(node) {
            return Ok(Flow::Wait);
        }
        self.begin(node);
        let parent = self.id();
        let outer = self.here().index().to_vec();
        let count = u32::try_from(ways.len()).unwrap_or(u32::MAX);
        let first = self.run.branches + 1;
        for (way, (entry, item)) in (0_u32..).zip(ways) {
            let mut index = outer.clone();
            if item.is_some() {
                index.push(way);
            }
            let at = Place { node: entry, ..Place::default() };
            let step = node.path.clone();
            let of = Of { parent, step, way, index, item, stands: Stands::Waiting, cancelled: false, undo: false };
            self.adopt(Branch { at, of: Some(Box::new(of)), ..Branch::default() });
        }
        self.state(&node.path).fork = Some(Box::new(Fork { first, count, ..Fork::default() }));
        if count == 0 {
            return self.joined(node);
        }
        self.begin_more(node);
        Ok(Flow::Wait)
    }

    /// A resumed run goes on at a step whose branches failed: those that did not succeed go on, each from where it
    /// failed, and those that did are left alone.
    fn again_from_failed(&mut self, node: &'a Node) -> bool {
        if !self.resumed.remove(&(self.id(), self.here().at.node)) {
            return false;
        }
        let Some(mut fork) = self.here().steps.get(&node.path).and_then(|step| step.fork.as_deref()).cloned() else {
            return false;
        };
        let parent = self.id();
        for id in fork.first..fork.first + fork.count {
            let Some(branch) = self.load(id) else { continue };
            let stands = branch.of.as_ref().map(|of| of.stands);
            if !matches!(stands, Some(Stands::Failed | Stands::Cancelled)) {
                continue;
            }
            self.turn_to(id);
            let here = self.here_mut();
            here.at = here.failed_at.take().unwrap_or_else(|| here.at.clone());
            here.failed = None;
            if let Some(of) = &mut here.of {
                (of.stands, of.cancelled) = (Stands::Going, false);
            }
            self.resumed.insert((id, self.here().at.node));
            self.wake(id);
            fork.live += 1;
        }
        self.turn_to(parent);
        (fork.failed, fork.closing) = (0, None);
        let none = fork.live == 0;
        let state = self.state(&node.path);
        (state.status, state.finished, state.error) = (StepStatus::Running, None, None);
        state.fork = Some(Box::new(fork));
        self.begin_more(node);
        if none {
            let flow = self.rejoin(node);
            self.go_on_if(node, flow);
        }
        true
    }

    fn fork_of(&mut self, node: &Node) -> Option<&mut Fork> {
        self.state(&node.path).fork.as_deref_mut()
    }

    /// Begins the branches whose turn has come.
    fn begin_more(&mut self, node: &'a Node) {
        let Some(fork) = self.fork_of(node).cloned() else { return };
        if fork.closing.is_some() {
            return;
        }
        let turn: Vec<u32> = match &node.kind {
            NodeKind::Dag(dag) => {
                let first = fork.first;
                let stands = |machine: &mut Self, place: usize| {
                    let id = first + u32::try_from(place).unwrap_or(u32::MAX);
                    machine.load(id).and_then(|branch| branch.of.as_ref().map(|of| of.stands))
                };
                let mut turn = Vec::new();
                for (place, (_, needs)) in dag.steps.iter().enumerate() {
                    // A branch that has succeeded is gone: its steps are its parent's.
                    let waits = stands(self, place) == Some(Stands::Waiting);
                    if waits && needs.iter().all(|need| stands(self, *need).is_none()) {
                        turn.push(first + u32::try_from(place).unwrap_or(u32::MAX));
                    }
                }
                turn
            }
            NodeKind::Map(map) => {
                let room = map.max_parallel.unwrap_or(u32::MAX).saturating_sub(fork.live);
                let next = fork.first + fork.begun;
                (next..fork.first + fork.count).take(usize::try_from(room).unwrap_or(usize::MAX)).collect()
            }
            _ => (fork.first + fork.begun..fork.first + fork.count).collect(),
        };
        let parent = self.id();
        let more = u32::try_from(turn.len()).unwrap_or(u32::MAX);
        for id in turn {
            if self.turn_to(id) {
                if let Some(of) = &mut self.here_mut().of {
                    of.stands = Stands::Going;
                }
                self.wake(id);
            }
        }
        self.turn_to(parent);
        if let Some(fork) = self.fork_of(node) {
            fork.begun += more;
            fork.live += more;
        }
    }

    /// A branch has ended: whose it is decides what follows.
    pub(super) fn ended(&mut self, child: u32) {
        let Some(branch) = self.load(child).map(Arc::clone) else { return };
        let Some(of) = &branch.of else { return };
        if !self.turn_to(of.parent) {
            return;
        }
        if let Some(undoing) = self.here_mut().undoing.take_if(|undoing| undoing.branch == child) {
            self.taken_back(child, *undoing);
            return;
        }
        let Some(node) = self.node().filter(|node| node.path == of.step) else { return };
        let succeeded = of.stands == Stands::Succeeded;
        if matches!(node.kind, NodeKind::Map(_)) {
            if succeeded && !branch.undos.is_empty() {
                let undo = Undo { step: node.path.clone(), frames: Vec::new(), branch: child };
                self.here_mut().undos.push(undo);
            }
        } else {
            let (steps, undos) = (branch.steps.clone(), branch.undos.clone());
            let here = self.here_mut();
            here.steps.extend(steps);
            if succeeded {
                here.undos.extend(undos);
                self.inherit(&branch);
                self.remove(child);
            }
        }
        let Some(fork) = self.fork_of(node) else { return };
        fork.live = fork.live.saturating_sub(1);
        match of.stands {
            Stands::Succeeded => fork.succeeded += 1,
            Stands::Failed => fork.failed += 1,
            _ => {}
        }
        let closes = if fork.closing.is_some() { None } else { closes(&node.kind, fork, branch.failed.as_ref()) };
        if let Some(closing) = closes {
            fork.closing = Some(closing);
            if let NodeKind::Parallel(_) = &node.kind {
                self.end_others(node, "the other branches decided without it");
            }
        }
        self.begin_more(node);
        if self.fork_of(node).is_some_and(|fork| fork.live == 0) {
            let flow = self.rejoin(node);
            self.go_on_if(node, flow);
        }
    }

    /// The items of a branch that is gone are those of the branch at hand, so that they can be taken back.
    pub(super) fn inherit(&mut self, gone: &Branch) {
        let parent = self.id();
        for fork in gone.steps.values().filter_map(|step| step.fork.as_deref()) {
            for id in fork.first..fork.first + fork.count {
                if self.turn_to(id)
                    && let Some(of) = &mut self.here_mut().of
                {
                    of.parent = parent;
                }
            }
        }
        self.turn_to(parent);
    }

    /// The last branch has ended.
    fn rejoin(&mut self, node: &'a Node) -> Option<Result<Flow, Failure>> {
        match self.fork_of(node).and_then(|fork| fork.closing.clone()) {
            None | Some(Closing::Won) => Some(self.joined(node)),
            Some(Closing::Failed(failed)) => {
                if self.fail(node, failed) {
                    self.wake(self.id());
                }
                None
            }
            Some(Closing::Left(failed, region)) => {
                self.mark(&node.path, StepStatus::Cancelled);
                if self.raise(region, failed) {
                    self.wake(self.id());
                }
                None
            }
        }
    }

    fn go_on_if(&mut self, node: &'a Node, flow: Option<Result<Flow, Failure>>) {
        if let Some(flow) = flow {
            self.go_on(node, flow);
        }
    }

    /// All that was to be done is done: what the step gives.
    fn joined(&mut self, node: &'a Node) -> Result<Flow, Failure> {
        let Some(fork) = self.fork_of(node).cloned() else { return self.done(node, serde_json::Value::Null) };
        let outputs = match &node.kind {
            NodeKind::Map(_) => {
                let mut results = Vec::new();
                for id in fork.first..fork.first + fork.count {
                    results.push(self.load(id).map(|branch| given(branch)).unwrap_or_default());
                }
                json!({"results": results, "count": fork.count})
            }
            NodeKind::Parallel(ways) => {
                let mut names = (Vec::new(), Vec::new());
                for (id, (name, _)) in (fork.first..).zip(&ways.ways) {
                    // What succeeded is its parent's now.
                    let list = if self.load(id).is_none() { &mut names.0 } else { &mut names.1 };
                    list.push(name.clone());
                }
                json!({"succeeded": names.0, "others": names.1})
            }
            _ => serde_json::Value::Null,
        };
        if !matches!(node.kind, NodeKind::Map(_)) {
            // Those that lost: their steps are in this branch.
            (fork.first..fork.first + fork.count).for_each(|id| self.remove(id));
        }
        self.done(node, outputs)
    }

    /// Tells all branches of a step to end.
    pub(super) fn end_others(&mut self, node: &Node, why: &str) {
        let Some(fork) = self.fork_of(node).cloned() else { return };
        let parent = self.id();
        for id in fork.first..fork.first + fork.count {
            if self.load(id).is_some_and(|branch| branch.goes_on()) {
                self.interrupt(id, &Failure::new(CANCELLED, why));
            }
        }
        self.turn_to(parent);
    }
}

/// Whether a node has branches.
pub(super) fn forks(kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::Parallel(_) | NodeKind::Map(_) | NodeKind::Dag(_))
}

/// What the end of one branch decides for all.
fn closes(kind: &NodeKind, fork: &Fork, failed: Option<&Failed>) -> Option<Closing> {
    let join = match kind {
        NodeKind::Parallel(ways) => ways.join,
        _ => Join::All,
    };
    let wanted = match join {
        Join::All => fork.count,
        Join::Any => 1,
        Join::Quorum(number) => number.min(fork.count),
    };
    if fork.succeeded >= wanted {
        return Some(Closing::Won);
    }
    let lost = fork.count.saturating_sub(fork.failed) < wanted;
    failed.filter(|_| lost).map(|failed| Closing::Failed(failed.clone()))
}

fn within(count: usize) -> Result<(), Failure> {
    if count <= MAX_ITEMS {
        return Ok(());
    }
    let why = format!("`foreach` has {count} items; it takes at most {MAX_ITEMS}. Emit an event for each part instead");
    Err(Failure::new("Expression", why))
}

/// What an item gave: the outputs of its steps, by id.
fn given(branch: &Branch) -> serde_json::Value {
    let outermost = |path: &str| !path.contains('~');
    let steps = branch.steps.iter().filter(|(path, step)| outermost(path) && !step.outputs.is_null());
    let prefix = branch.of.as_ref().and_then(|of| of.step.rsplit_once('/')).map_or(0, |(prefix, _)| prefix.len() + 1);
    let own = |path: &String| path.get(prefix..).filter(|id| !id.contains('/')).map(str::to_owned);
    steps.filter_map(|(path, step)| Some((own(path)?, step.outputs.clone()))).collect::<Object<_, _>>().into()
}
