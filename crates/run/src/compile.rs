//! From step lists to one graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use ensue_event::Digest;
use ensue_lang::{Name, Rule, Step, StepKind, Workflow};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::graph::{Arm, ArmKind, Emit, Enter, Graph, Node, NodeId, NodeKind, Region, RegionId, Task};

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
    /// A kind of step that this version does not run.
    #[error("step `{step}` uses `{what}`, which this version of ensue does not run yet")]
    Unsupported {
        /// The step.
        step: String,
        /// The word in the definition.
        what: &'static str,
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
                match &step.kind {
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
    let entry = builder.body("", &rule.steps, &rule.on_failure, &rule.finally, end, root)?;
    builder.graph.entry = entry;
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
        Region { parent: Some(parent), arms: Vec::new(), finally: None, frames, held, sticky: false }
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.graph.nodes.push(node);
        self.graph.nodes.len() - 1
    }

    fn plain(&mut self, path: &str, kind: NodeKind, region: RegionId, next: NodeId) -> NodeId {
        let outputs = IndexMap::new();
        self.push(Node { path: path.into(), next, region, cond: None, outputs, kind })
    }

    /// Steps with the `onFailure` and `finally` of their document around them.
    fn body(
        &mut self,
        prefix: &str,
        steps: &[Step],
        on_failure: &[Step],
        finally: &[Step],
        next: NodeId,
        region: RegionId,
    ) -> Result<NodeId, Error> {
        let (region, next) = self.with_finally(prefix, finally, next, region)?;
        let mut inside = region;
        if !on_failure.is_empty() {
            let mut sticky = self.inner(region);
            (sticky.held, sticky.sticky) = (sticky.held + 1, true);
            let sticky = self.region(sticky);
            let rethrow = self.plain(prefix, NodeKind::Rethrow, sticky, next);
            let to = self.list(prefix, on_failure, rethrow, sticky)?;
            let mut caught = self.inner(region);
            caught.arms.push(Arm { errors: Vec::new(), to, kind: ArmKind::OnFailure });
            inside = self.region(caught);
        }
        self.list(prefix, steps, next, inside)
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
        let prefix = path.rsplit_once('/').map_or("", |(prefix, _)| prefix);
        let prefix = if path.ends_with('/') || path.is_empty() { path } else { prefix };
        let resume = self.plain(path, NodeKind::Resume, held, next);
        let entry = self.list(prefix, finally, resume, held)?;
        let mut guarded = self.inner(region);
        guarded.finally = Some(entry);
        let guarded = self.region(guarded);
        let close = self.plain(path, NodeKind::Close(entry), guarded, next);
        Ok((guarded, close))
    }

    /// Steps in order; the result is the node that starts the first one.
    fn list(&mut self, prefix: &str, steps: &[Step], next: NodeId, region: RegionId) -> Result<NodeId, Error> {
        let mut next = next;
        for step in steps.iter().rev() {
            next = self.step(prefix, step, next, region)?;
        }
        Ok(next)
    }

    fn step(&mut self, prefix: &str, step: &Step, next: NodeId, region: RegionId) -> Result<NodeId, Error> {
        let path = join(prefix, &step.id);
        let (region, leave) = self.with_finally(&path, &step.finally, next, region)?;
        let mut inside = region;
        if step.continue_on_error || !step.catch.is_empty() {
            let mut caught = self.inner(region);
            for arm in &step.catch {
                let mut within = self.inner(region);
                within.held += 1;
                let within = self.region(within);
                let done = self.plain(&path, NodeKind::Caught, within, leave);
                let to = self.list(prefix, &arm.steps, done, within)?;
                caught.arms.push(Arm { errors: arm.errors.clone(), to, kind: ArmKind::Catch });
            }
            if step.continue_on_error {
                caught.arms.push(Arm { errors: Vec::new(), to: leave, kind: ArmKind::CarryOn });
            }
            inside = self.region(caught);
        }
        // A step that is skipped passes its finally steps by.
        let mut start = self.kind(&path, step, leave, inside)?;
        if let Some(cond) = &step.cond
            && leave != next
        {
            let guard = NodeKind::Guard { cond: cond.clone(), otherwise: next };
            start = self.plain(&path, guard, inside, start);
        }
        Ok(start)
    }

    fn kind(&mut self, path: &str, step: &Step, next: NodeId, region: RegionId) -> Result<NodeId, Error> {
        let unsupported = |what| Err(Error::Unsupported { step: path.to_owned(), what });
        let kind = match &step.kind {
            StepKind::Uses { action, connection, with } => NodeKind::Task(Arc::new(Task {
                action: action.clone(),
                connection: connection.clone(),
                with: with.clone(),
                retry: step.retry.clone(),
                timeout: step.timeout,
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
                let prefix = path.rsplit_once('/').map_or("", |(prefix, _)| prefix);
                let mut arms = Vec::new();
                for case in cases {
                    let to = self.list(prefix, &case.steps, next, region)?;
                    arms.push((case.cond.clone(), to));
                }
                NodeKind::Choice(arms)
            }
            StepKind::Workflow { name, with } => return self.call(path, step, name, with, next, region),
            StepKind::Wait(_) => return unsupported("wait"),
            StepKind::Approve(_) => return unsupported("approve"),
            StepKind::Parallel(_) => return unsupported("parallel"),
            StepKind::Foreach(_) => return unsupported("foreach"),
        };
        let (cond, outputs) = (step.cond.clone(), step.outputs.clone());
        Ok(self.push(Node { path: path.to_owned(), next, region, cond, outputs, kind }))
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
            kind: NodeKind::Leave(workflow.outputs.clone()),
        };
        let leave = self.push(leave);
        let prefix = format!("{path}/");
        let body = self.body(&prefix, &workflow.steps, &workflow.on_failure, &workflow.finally, leave, within)?;
        self.calls -= 1;
        let enter =
            Enter { workflow: full.to_string(), with: with.clone(), inputs: workflow.inputs.clone(), after: next };
        let kind = NodeKind::Enter(Arc::new(enter));
        let enter =
            self.push(Node { path: path.to_owned(), next: body, region, cond: None, outputs: IndexMap::new(), kind });
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
