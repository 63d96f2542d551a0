//! From step lists to one graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use ensue_event::Digest;
use ensue_lang::{Name, Rule, Step, StepKind, Workflow};
use ensue_lang::{UntilTime, Wait};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::graph::{
    Arm, ArmKind, Dag, Emit, Enter, Graph, Map, Node, NodeId, NodeKind, Region, RegionId, Since, Task, Until, WaitFor,
    Ways,
};

/// What a run goes by, whole: the rule and every workflow that it can reach, in canonical form. Its digest is pinned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// The rule's canonical form.
    pub rule: serde_json::Value,
    /// The canonical forms of the workflows, by full name.
    pub workflows: BTreeMap<String, serde_json::Value>,
}

/// Why a definition has no graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A call of a workflow that is not there.
    #[error("step `{step}` calls the workflow `{workflow}`, which is not part of the configuration")]
    NoWorkflow {
        /// The calling step.
        step: String,
        /// The name it calls.
        workflow: String,
    },
    /// Workflows that call each other in a circle, or too deep.
    #[error(
        "step `{step}` calls the workflow `{workflow}` more than {MAX_CALLS} deep; workflows must not call themselves"
    )]
    TooDeep {
        /// The calling step.
        step: String,
        /// The name it calls.
        workflow: String,
    },
    /// A step that needs what is not before it.
    #[error("step `{step}` needs `{needs}`, which is no other step of its list that can be finished before it")]
    Needs {
        /// The step.
        step: String,
        /// What it names.
        needs: String,
    },
    /// A pinned definition that cannot be read.
    #[error("the pinned definition cannot be read: {0}")]
    Pinned(String),
}

/// How deep workflows may call workflows: deep enough for any real library, and a bound on what one rule expands to.
pub const MAX_CALLS: usize = 16;

impl Definition {
    /// Collects the rule and what it reaches.
    #[must_use]
    pub fn of(rule: &Rule, workflows: &BTreeMap<Name, Arc<Workflow>>) -> Definition {
        let mut found = BTreeMap::new();
        let mut open: Vec<&[Step]> = vec![&rule.steps, &rule.on_failure, &rule.finally];
        while let Some(steps) = open.pop() {
            for step in steps {
                open.push(&step.finally);
                open.extend(step.catch.iter().map(|arm| arm.steps.as_slice()));
                open.extend(step.undo.iter().map(|undo| std::slice::from_ref(undo.as_ref())));
                match &step.kind {
                    StepKind::Parallel(all) => open.extend(all.branches.iter().map(|one| one.steps.as_slice())),
                    StepKind::Foreach(each) => open.push(&each.steps),
                    StepKind::Switch(cases) => open.extend(cases.iter().map(|case| case.steps.as_slice())),
                    StepKind::Workflow { name, .. } => {
                        let full = Name::resolve(name, &rule.name.namespace);
                        if let Some(workflow) = workflows.get(&full)
                            && found.insert(full.to_string(), workflow.canonical.clone()).is_none()
                        {
                            open.extend([workflow.steps.as_slice(), &workflow.on_failure, &workflow.finally]);
                        }
                    }
                    _ => {}
                }
            }
        }
        Definition { rule: rule.canonical.clone(), workflows: found }
    }

    /// BLAKE3 of its JSON.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads the pinned rule and workflows again.
    pub fn read(&self) -> Result<(Rule, BTreeMap<Name, Arc<Workflow>>), Error> {
        let wrong = |why: &dyn std::fmt::Display| Error::Pinned(why.to_string());
        let rule = Rule::from_canonical(&self.rule).map_err(|why| wrong(&why))?;
        let mut workflows = BTreeMap::new();
        for canonical in self.workflows.values() {
            let workflow = Workflow::from_canonical(canonical).map_err(|why| wrong(&why))?;
            workflows.insert(workflow.name.clone(), Arc::new(workflow));
        }
        Ok((rule, workflows))
    }
}

/// Compiles the steps of a rule.
pub fn compile(rule: &Rule, workflows: &BTreeMap<Name, Arc<Workflow>>) -> Result<Graph, Error> {
    let mut builder = Builder { graph: Graph::default(), workflows, namespace: rule.name.namespace.clone(), calls: 0 };
    let root = builder.region(Region::default());
    let end = builder.plain("", NodeKind::End, root, 0);
    let (entry, body) = builder.body("", &rule.steps, &rule.on_failure, &rule.finally, end, root)?;
    builder.graph.rollback = builder.region(Region { undoes: true, ..Region::default() });
    (builder.graph.entry, builder.graph.body, builder.graph.timeout) = (entry, body, rule.timeout);
    Ok(builder.graph)
}

struct Builder<'a> {
    graph: Graph,
    workflows: &'a BTreeMap<Name, Arc<Workflow>>,
    namespace: String,
    calls: usize,
}

impl Builder<'_> {
    fn region(&mut self, region: Region) -> RegionId {
        self.graph.regions.push(region);
        self.graph.regions.len() - 1
    }

    fn inner(&mut self, parent: RegionId) -> Region {
        let (frames, held) = self.graph.regions.get(parent).map_or((0, 0), |region| (region.frames, region.held));
        Region { parent: Some(parent), frames, held, ..Region::default() }
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.graph.nodes.push(node);
        self.graph.nodes.len() - 1
    }

    fn plain(&mut self, path: &str, kind: NodeKind, region: RegionId, next: NodeId) -> NodeId {
        let outputs = IndexMap::new();
        self.push(Node { path: path.into(), next, region, cond: None, outputs, timeout: None, kind })
    }

    /// Steps with the `onFailure` and `finally` of their document around them: where they begin, and their region.
    fn body(
        &mut self,
        prefix: &str,
        steps: &[Step],
        on_failure: &[Step],
        finally: &[Step],
        next: NodeId,
        region: RegionId,
    ) -> Result<(NodeId, RegionId), Error> {
        let before = prefix.strip_suffix('/');
        let (region, next) = self.with_finally(prefix, finally, next, region)?;
        let mut inside = region;
        if !on_failure.is_empty() {
            let mut sticky = self.inner(region);
            (sticky.held, sticky.sticky) = (sticky.held + 1, true);
            let sticky = self.region(sticky);
            let rethrow = self.plain(prefix, NodeKind::Rethrow, sticky, next);
            let to = self.list(prefix, on_failure, before, rethrow, sticky)?;
            let mut caught = self.inner(region);
            caught.arms.push(Arm { errors: Vec::new(), to, kind: ArmKind::OnFailure });
            inside = self.region(caught);
        }
        let mut body = self.inner(inside);
        body.undoes = true;
        let body = self.region(body);
        Ok((self.list(prefix, steps, before, next, body)?, body))
    }

    /// Steps that a branch walks: a graph within the graph, with its own end.
    fn way(&mut self, prefix: &str, steps: &[Step], before: Option<&str>) -> Result<NodeId, Error> {
        let (end, root) = self.root(0, 0);
        self.list(prefix, steps, before, end, root)
    }

    /// A step that a branch walks.
    fn way_of(&mut self, prefix: &str, step: &Step, before: Option<&str>, held: usize) -> Result<NodeId, Error> {
        // What is taken back is taken back within the workflow that it was done in.
        let frames = if held == 0 { 0 } else { self.calls.min(1) };
        let (end, root) = self.root(held, frames);
        self.step(prefix, step, before, end, root)
    }

    /// The end and the region of a graph within the graph.
    fn root(&mut self, held: usize, frames: usize) -> (NodeId, RegionId) {
        let root = self.region(Region { held, frames, undoes: true, ..Region::default() });
        (self.plain("", NodeKind::End, root, 0), root)
    }

    /// A region that is left only through these steps, and the node that leaves it in good order.
    fn with_finally(
        &mut self,
        path: &str,
        finally: &[Step],
        next: NodeId,
        region: RegionId,
    ) -> Result<(RegionId, NodeId), Error> {
        if finally.is_empty() {
            return Ok((region, next));
        }
        let mut held = self.inner(region);
        (held.held, held.sticky) = (held.held + 1, true);
        let held = self.region(held);
        let document = path.ends_with('/') || path.is_empty();
        let (prefix, before) = if document { (path, path.strip_suffix('/')) } else { (outer(path), Some(path)) };
        let resume = self.plain(path, NodeKind::Resume, held, next);
        let entry = self.list(prefix, finally, before, resume, held)?;
        let mut guarded = self.inner(region);
        guarded.finally = Some(entry);
        let guarded = self.region(guarded);
        let close = self.plain(path, NodeKind::Close(entry), guarded, next);
        Ok((guarded, close))
    }

    /// Steps in order; the result is the node that starts the first one. `before` is the step that began before them.
    fn list(
        &mut self,
        prefix: &str,
        steps: &[Step],
        before: Option<&str>,
        next: NodeId,
        region: RegionId,
    ) -> Result<NodeId, Error> {
        if steps.iter().any(|step| !step.needs.is_empty()) {
            return self.dag(prefix, steps, before, next, region);
        }
        let mut next = next;
        for (place, step) in steps.iter().enumerate().rev() {
            let earlier = place.checked_sub(1).and_then(|place| steps.get(place)).map(|step| join(prefix, &step.id));
            next = self.step(prefix, step, earlier.as_deref().or(before), next, region)?;
        }
        Ok(next)
    }

    /// A list in which steps name those that they need: each is a branch.
    fn dag(
        &mut self,
        prefix: &str,
        steps: &[Step],
        before: Option<&str>,
        next: NodeId,
        region: RegionId,
    ) -> Result<NodeId, Error> {
        let mut all = Vec::new();
        for step in steps {
            let mut needs = Vec::new();
            for name in &step.needs {
                let place = steps.iter().position(|other| other.id == *name && other.id != step.id);
                needs.push(place.ok_or_else(|| Error::Needs { step: join(prefix, &step.id), needs: name.clone() })?);
            }
            let earlier = step.needs.last().map(|id| join(prefix, id));
            all.push((self.way_of(prefix, step, earlier.as_deref().or(before), 0)?, needs));
        }
        if let Some(place) = circle(&all) {
            let step = steps.get(place).map(|step| (join(prefix, &step.id), step.needs.join(", ")));
            let (step, needs) = step.unwrap_or_default();
            return Err(Error::Needs { step, needs });
        }
        // No step of the definition can have this path.
        let path = join(prefix, &format!("{}~", steps.first().map_or("", |step| step.id.as_str())));
        Ok(self.plain(&path, NodeKind::Dag(Arc::new(Dag { steps: all })), region, next))
    }

    fn step(
        &mut self,
        prefix: &str,
        step: &Step,
        before: Option<&str>,
        next: NodeId,
        region: RegionId,
    ) -> Result<NodeId, Error> {
        let path = join(prefix, &step.id);
        if let Some(undo) = &step.undo {
            let entry = self.way_of(prefix, undo, Some(&path), 1)?;
            self.graph.undos.insert(path.clone(), entry);
        }
        let (region, leave) = self.with_finally(&path, &step.finally, next, region)?;
        let mut inside = region;
        if step.continue_on_error || !step.catch.is_empty() {
            let mut caught = self.inner(region);
            for arm in &step.catch {
                let mut within = self.inner(region);
                within.held += 1;
                let within = self.region(within);
                let done = self.plain(&path, NodeKind::Caught, within, leave);
                let to = self.list(prefix, &arm.steps, Some(&path), done, within)?;
                caught.arms.push(Arm { errors: arm.errors.clone(), to, kind: ArmKind::Catch });
            }
            if step.continue_on_error {
                caught.arms.push(Arm { errors: Vec::new(), to: leave, kind: ArmKind::CarryOn });
            }
            inside = self.region(caught);
        }
        // A step that is skipped passes its finally steps by.
        let mut start = self.kind(&path, step, before, leave, inside)?;
        if let Some(cond) = &step.cond
            && leave != next
        {
            let guard = NodeKind::Guard { cond: cond.clone(), otherwise: next };
            start = self.plain(&path, guard, inside, start);
        }
        Ok(start)
    }

    fn kind(
        &mut self,
        path: &str,
        step: &Step,
        before: Option<&str>,
        next: NodeId,
        region: RegionId,
    ) -> Result<NodeId, Error> {
        let prefix = outer(path);
        let mut timeout = step.timeout;
        let kind = match &step.kind {
            StepKind::Uses { action, connection, with } => NodeKind::Task(Arc::new(Task {
                action: action.clone(),
                connection: connection.clone(),
                with: with.clone(),
                retry: step.retry.clone(),
                timeout: timeout.take(),
                cache: step.cache.as_ref().map(|cache| (cache.key.clone(), cache.keep)),
            })),
            StepKind::Emit { kind, source, subject, data, extensions } => NodeKind::Emit(Arc::new(Emit {
                kind: kind.clone(),
                source: source.clone(),
                subject: subject.clone(),
                data: data.clone(),
                extensions: extensions.clone(),
            })),
            StepKind::Set(values) => NodeKind::Pass(values.clone()),
            StepKind::Fail { message } => NodeKind::Fail(message.clone()),
            StepKind::Switch(cases) => {
                let mut arms = Vec::new();
                for case in cases {
                    let to = self.list(prefix, &case.steps, Some(path), next, region)?;
                    arms.push((case.cond.clone(), to));
                }
                NodeKind::Choice(arms)
            }
            StepKind::Workflow { name, with } => return self.call(path, step, name, with, next, region),
            StepKind::Wait(wait) => self.wait(path, wait, before, &mut timeout),
            StepKind::Approve(approve) => {
                let mut approve = approve.as_ref().clone();
                approve.timeout = shorter(approve.timeout, timeout.take());
                NodeKind::Approve(Arc::new(approve))
            }
            StepKind::Parallel(parallel) => {
                let mut ways = Vec::new();
                for (place, branch) in parallel.branches.iter().enumerate() {
                    let entry = self.way(prefix, &branch.steps, Some(path))?;
                    ways.push((branch.name.clone().unwrap_or_else(|| place.to_string()), entry));
                }
                NodeKind::Parallel(Arc::new(Ways { ways, join: parallel.join }))
            }
            StepKind::Foreach(each) => NodeKind::Map(Arc::new(Map {
                items: each.items.clone(),
                matrix: each.matrix.clone(),
                max_parallel: each.max_parallel,
                entry: self.way(prefix, &each.steps, Some(path))?,
            })),
        };
        let (cond, outputs) = (step.cond.clone(), step.outputs.clone());
        Ok(self.push(Node { path: path.to_owned(), next, region, cond, outputs, timeout, kind }))
    }

    fn wait(&mut self, path: &str, wait: &Wait, before: Option<&str>, timeout: &mut Option<i64>) -> NodeKind {
        match wait {
            Wait::Duration(span) => NodeKind::Wait(Arc::new(Until::Duration(*span))),
            Wait::Until(UntilTime::At(time)) => NodeKind::Wait(Arc::new(Until::At(*time))),
            Wait::Until(UntilTime::Computed(template)) => NodeKind::Wait(Arc::new(Until::Computed(template.clone()))),
            Wait::For { event, since, timeout: own } => {
                let since = match (since, before) {
                    (ensue_lang::Since::Now, _) => Since::Now,
                    (ensue_lang::Since::Step(id), _) => Since::Step(join(outer(path), id)),
                    (ensue_lang::Since::Before, Some(before)) => Since::Step(before.to_owned()),
                    (ensue_lang::Since::Run, _) | (ensue_lang::Since::Before, None) => Since::Run,
                };
                let wait = Arc::new(WaitFor {
                    pattern: event.event.clone(),
                    cond: event.cond.clone(),
                    key: event.key.clone(),
                    since,
                    timeout: shorter(*own, timeout.take()),
                });
                self.graph.waits.insert(path.to_owned(), Arc::clone(&wait));
                NodeKind::WaitFor(wait)
            }
        }
    }

    fn call(
        &mut self,
        path: &str,
        step: &Step,
        name: &str,
        with: &ensue_expr::TemplateValue,
        next: NodeId,
        region: RegionId,
    ) -> Result<NodeId, Error> {
        let full = Name::resolve(name, &self.namespace);
        let named = || (path.to_owned(), full.to_string());
        let Some(workflow) = self.workflows.get(&full).cloned() else {
            let (step, workflow) = named();
            return Err(Error::NoWorkflow { step, workflow });
        };
        if self.calls == MAX_CALLS {
            let (step, workflow) = named();
            return Err(Error::TooDeep { step, workflow });
        }
        self.calls += 1;
        let mut within = self.inner(region);
        within.frames += 1;
        let within = self.region(within);
        let leave = Node {
            path: path.to_owned(),
            next,
            region: within,
            cond: None,
            outputs: step.outputs.clone(),
            timeout: None,
            kind: NodeKind::Leave(workflow.outputs.clone()),
        };
        let leave = self.push(leave);
        let prefix = format!("{path}/");
        let (body, _) = self.body(&prefix, &workflow.steps, &workflow.on_failure, &workflow.finally, leave, within)?;
        self.calls -= 1;
        let enter =
            Enter { workflow: full.to_string(), with: with.clone(), inputs: workflow.inputs.clone(), after: next };
        let kind = NodeKind::Enter(Arc::new(enter));
        let timeout = shorter(workflow.timeout, step.timeout);
        let outputs = IndexMap::new();
        let enter = self.push(Node { path: path.to_owned(), next: body, region, cond: None, outputs, timeout, kind });
        // The call is skipped whole.
        Ok(match &step.cond {
            Some(cond) => {
                let guard = NodeKind::Guard { cond: cond.clone(), otherwise: next };
                self.plain(path, guard, region, enter)
            }
            None => enter,
        })
    }
}

/// A prefix is empty or ends in `/`.
fn join(prefix: &str, id: &str) -> String {
    if prefix.is_empty() || prefix.ends_with('/') { format!("{prefix}{id}") } else { format!("{prefix}/{id}") }
}

/// The prefix of the document that a step with this path stands in.
fn outer(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(prefix, _)| prefix)
}

fn shorter(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    [one, other].into_iter().flatten().min()
}

/// A step that needs itself by way of others.
fn circle(steps: &[(NodeId, Vec<usize>)]) -> Option<usize> {
    let mut left: Vec<usize> = (0..steps.len()).collect();
    loop {
        let before = left.len();
        let waits =
            |place: &usize| steps.get(*place).is_some_and(|(_, needs)| needs.iter().any(|need| left.contains(need)));
        left = left.iter().copied().filter(waits).collect();
        if left.is_empty() || left.len() == before {
            return left.first().copied();
        }
    }
}
