//! Lists of steps, with the names that each of them sees.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ensue_event::Time;
use ensue_expr::TemplateValue;
use indexmap::IndexMap;

use crate::diagnostic::Diagnostic;
use crate::fields;
use crate::model::{
    Approve, Backoff, Branch, Cache, Case, Catch, Foreach, Jitter, Join, Name, OnTimeout, Parallel, Retry, Since, Step,
    StepKind, UntilTime, Wait, WaitFor,
};
use crate::read::{Cx, count, flag, micros, text, texts};
use crate::refs::Ref;
use crate::scope::Scope;
use crate::span::Span;
use crate::tree::{Kind, Node};

/// The first wait, where none is written.
const INITIAL: i64 = 1_000_000;
/// The longest wait, where none is written.
const CAP: i64 = 30_000_000;
/// The names of errors (design 5.3): what `catch` and `retry.on` may name.
const ERRORS: &[&str] =
    &["Timeout", "Connect", "Status", "StepFailed", "Denied", "Cancelled", "Uncertain", "Expression"];

/// The steps of one document.
pub(super) struct Body<'c, 'a> {
    pub(super) cx: &'c mut Cx<'a>,
    /// The workflow that these steps are of; none: a rule.
    pub(super) workflow: Option<Name>,
    pub(super) scope: Scope,
    first: BTreeMap<String, Span>,
    counted: usize,
}

impl<'c, 'a> Body<'c, 'a> {
    pub(super) fn new(cx: &'c mut Cx<'a>, spec: &Node, scope: Scope) -> Body<'c, 'a> {
        let mut ids = BTreeSet::new();
        collect_ids(spec, &mut ids);
        let scope = Scope { ids: Rc::new(ids), ..scope.at("a step") };
        Body { cx, workflow: None, scope, first: BTreeMap::new(), counted: 0 }
    }

    /// Steps in order.
    pub(super) fn list(&mut self, node: Option<&Node>, path: &str) -> Vec<Step> {
        let items = node.map(Node::items).unwrap_or_default();
        let steps = items.iter().enumerate().map(|(index, node)| self.step(node, &format!("{path}/{index}")));
        let steps: Vec<Step> = steps.collect::<Vec<_>>().into_iter().flatten().collect();
        if !self.cx.pinned && steps.len() == items.len() {
            self.needed(items, &steps);
        }
        steps
    }

    /// What steps need must stand in their list, and none may need itself by way of others.
    fn needed(&mut self, items: &[Node], steps: &[Step]) {
        let place = |id: &str| steps.iter().position(|step| step.named && step.id == id);
        let mut known = true;
        for (node, step) in items.iter().zip(steps) {
            for need in node.get("needs").map(Node::items).unwrap_or_default() {
                let Some(id) = need.text() else { continue };
                if place(id).is_none() || id == step.id {
                    known = false;
                    let names = steps.iter().filter(|other| other.named && other.id != step.id);
                    let help = crate::diagnostic::did_you_mean(id, names.map(|other| other.id.as_str()));
                    let message = format!("`needs: {id}` is no other step of the same list");
                    self.cx.report.push(Diagnostic::error("name", need.span, message).maybe_help(help));
                }
            }
        }
        // Takes away what needs nothing that is left, until all are gone or a circle is.
        let mut left: Vec<usize> = (0..steps.len()).collect();
        let waits =
            |step: &Step, left: &[usize]| step.needs.iter().any(|id| place(id).is_some_and(|at| left.contains(&at)));
        loop {
            let still: Vec<usize> =
                left.iter().copied().filter(|at| steps.get(*at).is_some_and(|step| waits(step, &left))).collect();
            if still.len() == left.len() {
                break;
            }
            left = still;
        }
        if let (true, Some(node)) = (known, left.first().and_then(|at| items.get(*at))) {
            let names: Vec<&str> = left.iter().filter_map(|at| Some(steps.get(*at)?.id.as_str())).collect();
            let at = node.entry("needs").map_or(node.span, |entry| entry.key_span);
            let message = format!("these steps need each other in a circle: {}", names.join(", "));
            self.cx.report.push(Diagnostic::error("exclusive", at, message));
        }
    }

    /// Steps that run when something has failed: they see `error`.
    pub(super) fn failing(&mut self, node: Option<&Node>, path: &str) -> Vec<Step> {
        self.with_roots(&["error"], |body| body.list(node, path))
    }

    fn with_roots<T>(&mut self, roots: &[&'static str], read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.scope.roots.clone();
        self.scope.roots.extend(roots);
        let out = read(self);
        self.scope.roots = before;
        out
    }

    pub(super) fn outputs(&mut self, node: Option<&Node>) -> IndexMap<String, TemplateValue> {
        self.cx.trees(node, &self.scope)
    }

    fn step(&mut self, node: &Node, path: &str) -> Option<Step> {
        self.counted += 1;
        let (id, named) = self.id(node);
        self.scope.condition = true;
        let cond = self.cx.program_of(node, "if", &self.scope);
        self.scope.condition = false;
        self.belongs(node);
        let kind = self.kind(node, path);

        let outputs_node = node.get("outputs");
        if let (Some(entry), false) = (node.entry("outputs"), named) {
            let diagnostic = Diagnostic::error("missing-field", entry.key_span, "a step with `outputs` needs an `id`");
            self.cx.report.push(diagnostic.help("nothing can refer to its outputs without one"));
        }
        let raw = kind.as_ref().and_then(raw_outputs);
        self.scope.steps.insert(id.clone(), raw);
        let outputs = self.outputs(outputs_node);
        if outputs_node.is_some() {
            self.scope.steps.insert(id.clone(), Some(outputs.keys().cloned().collect()));
        }
        if !named {
            // Its generated id is nobody's business.
            self.scope.steps.remove(&id);
        }
        let catch = node.get("catch").map(Node::items).unwrap_or_default();
        let catch = catch.iter().enumerate().map(|(index, arm)| Catch {
            errors: self.errors(arm, "errors"),
            steps: self.failing(arm.get("steps"), &format!("{path}/catch/{index}/steps")),
        });
        let catch: Vec<Catch> = catch.collect();
        let finally = self.failing(node.get("finally"), &format!("{path}/finally"));
        let undo = node.get("undo").and_then(|undo| self.step(undo, &format!("{path}/undo"))).map(Box::new);
        Some(Step {
            id,
            named,
            path: path.to_owned(),
            span: self.cx.mark(node),
            cond,
            retry: node.get("retry").and_then(|node| self.retry(node)),
            timeout: micros(node, "timeout"),
            catch,
            finally,
            outputs,
            continue_on_error: flag(node, "continueOnError"),
            undo,
            cache: node.get("cache").and_then(|cache| {
                Some(Cache { key: self.cx.key(cache.get("key"), &self.scope)?, keep: micros(cache, "keep") })
            }),
            needs: texts(node, "needs"),
            kind: kind?,
        })
    }

    /// The written id, or one by the step's number.
    fn id(&mut self, node: &Node) -> (String, bool) {
        if let Some(entry) = node.entry("id")
            && let Some(id) = entry.value.text()
        {
            if let Some(first) = self.first.get(id).copied() {
                let message = format!("the id `{id}` is there twice");
                let twice = Diagnostic::error("duplicate", entry.value.span, message).label(first, "first here");
                self.cx.report.push(twice.help("ids are unique in the document, in all its lists of steps"));
            } else {
                self.first.insert(id.to_owned(), entry.value.span);
            }
            return (id.to_owned(), true);
        }
        let mut id = format!("step_{}", self.counted);
        while self.scope.ids.contains(&id) {
            id.push('_');
        }
        (id, false)
    }

    /// Fields that only some kinds of steps have.
    fn belongs(&mut self, node: &Node) {
        if self.cx.pinned {
            return;
        }
        let has = |field: &str| node.get(field).is_some();
        let action = has("uses");
        let exec = text(node, "uses") == Some("exec/run");
        let many = has("workflow") || has("parallel") || has("foreach");
        for (field, fits, to) in [
            ("connection", action, "an action (`uses`)"),
            ("with", action || has("workflow"), "an action or a workflow (`uses`, `workflow`)"),
            ("env", exec, "exec/run"),
            ("retry", action, "an action (`uses`): write it at the steps within"),
            ("cache", action, "an action (`uses`)"),
            (
                "timeout",
                action || many,
                "an action, a workflow, `parallel` or `foreach`; `wait` and `approve` have one of their own",
            ),
        ] {
            if let Some(entry) = node.entry(field).filter(|_| !fits) {
                // A step without any kind was reported already.
                if fields::STEP.one_of.iter().any(|kind| has(kind)) {
                    let message = format!("`{field}` belongs to {to}");
                    self.cx.report.push(Diagnostic::error("exclusive", entry.key_span, message));
                }
            }
        }
    }

    fn errors(&mut self, node: &Node, field: &str) -> Vec<String> {
        for name in node.get(field).map(Node::items).unwrap_or_default() {
            if let Some(text) = name.text().filter(|text| !ERRORS.contains(text) && !self.cx.pinned) {
                let help = crate::diagnostic::did_you_mean(text, ERRORS.iter().copied());
                let message = format!("there is no error called `{text}`");
                self.cx.report.push(Diagnostic::error("name", name.span, message).maybe_help(help));
            }
        }
        texts(node, field)
    }

    fn retry(&mut self, node: &Node) -> Option<Retry> {
        Some(Retry {
            max: count(node, "max")?,
            backoff: match text(node, "backoff") {
                Some("linear") => Backoff::Linear,
                Some("constant") => Backoff::Constant,
                _ => Backoff::Exponential,
            },
            initial: micros(node, "initial").unwrap_or(INITIAL),
            cap: micros(node, "cap").unwrap_or(CAP.max(micros(node, "initial").unwrap_or(0))),
            jitter: if text(node, "jitter") == Some("none") { Jitter::None } else { Jitter::Full },
            on: self.errors(node, "errors"),
        })
    }

    fn kind(&mut self, node: &Node, path: &str) -> Option<StepKind> {
        let field = fields::STEP.one_of.iter().find(|kind| node.get(kind).is_some())?;
        let inner = node.get(field)?;
        match *field {
            "uses" => self.uses(node, inner),
            "workflow" => self.call(node, inner),
            "emit" => self.emit(inner),
            "set" => Some(StepKind::Set(self.cx.trees(Some(inner), &self.scope))),
            "fail" => Some(StepKind::Fail { message: self.cx.template(inner, &self.scope)? }),
            "switch" => Some(StepKind::Switch(self.switch(inner, path))),
            "wait" => self.wait(inner).map(|wait| StepKind::Wait(Box::new(wait))),
            "approve" => Some(StepKind::Approve(Box::new(self.approve(inner)))),
            "parallel" => Some(StepKind::Parallel(self.parallel(inner, path))),
            _ => Some(StepKind::Foreach(Box::new(self.foreach(inner, path)))),
        }
    }

    fn call(&mut self, node: &Node, inner: &Node) -> Option<StepKind> {
        let name = inner.text()?.to_owned();
        let empty = Node { span: inner.span, kind: Kind::Map(Vec::new()) };
        let with = node.get("with").filter(|with| matches!(with.kind, Kind::Map(_))).unwrap_or(&empty);
        if !self.cx.pinned {
            let given = with.entries().iter().map(|entry| (entry.key.clone(), entry.key_span, entry.value.clone()));
            let call = Ref::workflow(&name, inner.span, &self.cx.namespace, self.workflow.clone(), given.collect());
            self.cx.refs.push(call);
        }
        let with = self.cx.tree(with, &with.to_json(), &self.scope)?;
        Some(StepKind::Workflow { name, with })
    }

    fn emit(&mut self, node: &Node) -> Option<StepKind> {
        let kind = node.get("type").and_then(|node| self.cx.template(node, &self.scope));
        let mut part = |field| node.get(field).and_then(|node| self.cx.template(node, &self.scope));
        let (source, subject) = (part("source"), part("subject"));
        let mut extensions = IndexMap::new();
        for entry in node.get("extensions").map(Node::entries).unwrap_or_default() {
            if !entry.key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
                let message = format!("`{}` is no name of an extension: lower-case letters and digits only", entry.key);
                self.cx.report.push(Diagnostic::error("name", entry.key_span, message));
            }
            if let Some(template) = self.cx.template(&entry.value, &self.scope) {
                extensions.insert(entry.key.clone(), template);
            }
        }
        extensions.sort_unstable_keys();
        if let Some(kind_node) = node.get("type")
            && kind_node.text().is_some_and(|kind| kind.starts_with(ensue_event::ours::PREFIX))
        {
            let message = format!("types that begin with `{}` are ensue's own", ensue_event::ours::PREFIX);
            self.cx.report.push(Diagnostic::error("name", kind_node.span, message));
        }
        let data = node.get("data").and_then(|node| self.cx.tree(node, &node.to_json(), &self.scope));
        Some(StepKind::Emit { kind: kind?, source, subject, data, extensions })
    }

    fn switch(&mut self, node: &Node, path: &str) -> Vec<Case> {
        let mut cases = Vec::new();
        let count = node.items().len();
        for (index, case) in node.items().iter().enumerate() {
            if case.get("if").is_none() && index + 1 < count && case.get("steps").is_some() {
                let at = self.cx.mark(case);
                let message = "a case without `if` takes all that is left: it must be the last";
                self.cx.report.push(Diagnostic::error("exclusive", at, message));
            }
            let cond = self.cx.program_of(case, "if", &self.scope);
            let steps = self.list(case.get("steps"), &format!("{path}/switch/{index}/steps"));
            cases.push(Case { cond, steps });
        }
        cases
    }

    fn wait(&mut self, node: &Node) -> Option<Wait> {
        if let Some(scalar) = node.scalar() {
            return ensue_expr::duration::parse(&scalar.text).ok().map(Wait::Duration);
        }
        if let Some(duration) = micros(node, "duration") {
            return Some(Wait::Duration(duration));
        }
        if let Some(until) = node.get("until") {
            let written = until.text().and_then(|text| Time::parse(text).ok());
            return Some(Wait::Until(match written {
                Some(time) => UntilTime::At(time),
                None => UntilTime::Computed(self.cx.template(until, &self.scope)?),
            }));
        }
        let wanted = node.get("for")?;
        if let Some(entry) = wanted.entry("key").filter(|_| !self.cx.pinned && !self.scope.roots.contains("key")) {
            let message = "`key` ties the event to the run's key, and `when` has no `key`";
            let help = "give `when` a `key`, or write what ties the event to the run as `if`";
            self.cx.report.push(Diagnostic::error("name", entry.key_span, message).help(help));
        }
        let event = WaitFor {
            event: self.cx.pattern(wanted.get("event")?),
            cond: self.with_roots(&["event"], |body| body.cx.program_of(wanted, "if", &body.scope)),
            key: self.with_roots(&["event"], |body| body.cx.key(wanted.get("key"), &body.scope)),
        };
        let since = match text(node, "since") {
            None => Since::Before,
            Some("run") => Since::Run,
            Some("now") => Since::Now,
            Some(other) => match other.strip_prefix("step:") {
                Some(id) if self.scope.steps.contains_key(id) => Since::Step(id.to_owned()),
                _ => {
                    let at = node.get("since").map_or(node.span, |node| node.span);
                    let message = format!("`since` is run, now or step:<id> of an earlier step, not `{other}`");
                    self.cx.report.push(Diagnostic::error("name", at, message));
                    Since::Before
                }
            },
        };
        Some(Wait::For { event, since, timeout: micros(node, "timeout") })
    }

    fn approve(&mut self, node: &Node) -> Approve {
        let show = node.get("show").map(Node::items).unwrap_or_default();
        Approve {
            from: texts(node, "from"),
            min: count(node, "min").unwrap_or(1),
            not_starter: flag(node, "notStarter"),
            show: show.iter().filter_map(|node| self.cx.program(node, &self.scope)).collect(),
            timeout: micros(node, "timeout"),
            on_timeout: if text(node, "onTimeout") == Some("approve") { OnTimeout::Approve } else { OnTimeout::Refuse },
        }
    }

    fn parallel(&mut self, node: &Node, path: &str) -> Parallel {
        let mut branches = Vec::new();
        if let Some(list) = node.get("branches") {
            for (index, steps) in list.items().iter().enumerate() {
                let steps = self.list(Some(steps), &format!("{path}/parallel/branches/{index}"));
                branches.push(Branch { name: None, steps });
            }
            // In the order of their names: that of the canonical form.
            let mut named: Vec<_> = list.entries().iter().collect();
            named.sort_unstable_by_key(|entry| &entry.key);
            for entry in named {
                let steps = self.list(Some(&entry.value), &format!("{path}/parallel/branches/{}", entry.key));
                branches.push(Branch { name: Some(entry.key.clone()), steps });
            }
        }
        let join = match text(node, "join") {
            Some("any") => Join::Any,
            Some("quorum") => Join::Quorum(count(node, "quorum").unwrap_or(1)),
            _ => Join::All,
        };
        let quorum = count(node, "quorum").map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        if let Some(entry) = node.entry("quorum").filter(|_| quorum.is_some_and(|number| number > branches.len())) {
            let message = format!("`quorum` is more than the {} branches there are", branches.len());
            self.cx.report.push(Diagnostic::error("exclusive", entry.key_span, message));
        }
        Parallel { branches, join }
    }

    fn foreach(&mut self, node: &Node, path: &str) -> Foreach {
        Foreach {
            items: node.get("items").and_then(|node| self.cx.template(node, &self.scope)),
            matrix: self.cx.trees(node.get("matrix"), &self.scope),
            max_parallel: count(node, "maxParallel"),
            steps: self
                .with_roots(&["item", "index"], |body| body.list(node.get("steps"), &format!("{path}/foreach/steps"))),
        }
    }
}

/// The raw outputs of a step, where they are known.
fn raw_outputs(kind: &StepKind) -> Option<Vec<String>> {
    match kind {
        StepKind::Uses { action, .. } => {
            let spec = crate::catalog::action(action)?;
            Some(spec.outputs.iter().map(|field| field.name.to_owned()).collect())
        }
        StepKind::Set(values) => Some(values.keys().cloned().collect()),
        _ => None,
    }
}

/// All ids below a node: only steps have a text under `id` beside one of their kinds.
fn collect_ids(node: &Node, ids: &mut BTreeSet<String>) {
    match &node.kind {
        Kind::Scalar(_) => {}
        Kind::Seq(items) => items.iter().for_each(|item| collect_ids(item, ids)),
        Kind::Map(entries) => {
            if fields::STEP.one_of.iter().any(|kind| node.get(kind).is_some())
                && let Some(id) = text(node, "id")
            {
                ids.insert(id.to_owned());
            }
            let inside = |key: &str| !matches!(key, "with" | "set" | "outputs" | "data" | "event" | "env");
            entries.iter().filter(|entry| inside(&entry.key)).for_each(|entry| collect_ids(&entry.value, ids));
        }
    }
}
