//! What all documents of a configuration ask their clusters for.

use std::collections::{BTreeMap, BTreeSet};

use ensue_lang::catalog;
use ensue_lang::{Config, Connection, Name, Step, StepKind};
use serde_json::Value;

use super::calls::{Place, Want, wants};
use super::kinds::resource;
use super::{Asker, Role, Rule, VERBS};
use crate::kubernetes::source::Spec;

/// Where, what and which.
type Slot = (Option<String>, String, String, Option<String>);

/// What is asked for in one slot: verbs, and why each.
type Entry = BTreeMap<&'static str, BTreeSet<String>>;

/// By connection and whom it asks for.
type Asked = BTreeMap<(Name, Option<String>), BTreeMap<Slot, Entry>>;

struct Collector<'c> {
    config: &'c Config,
    /// The namespace of calls that name none.
    own: &'c str,
    asked: Asked,
    /// The workflows that we are in.
    within: Vec<Name>,
}

/// What sources watch and steps call, by connection. `own` is the namespace of calls that name none: that of the
/// kubeconfig's context, or of the pod.
#[must_use]
pub fn of(config: &Config, own: &str) -> Vec<Asker> {
    let mut all = Collector { config, own, asked: Asked::new(), within: Vec::new() };
    for (name, source) in config.sources.iter().filter(|(_, source)| source.type_name == "kubernetes") {
        let written = source.config.get("connection").and_then(Value::as_str).unwrap_or_default();
        if let (Some((connection, found)), Ok(spec)) =
            (config.connection(written, &name.namespace), Spec::read(&source.config))
        {
            all.source(name, (connection, found), &spec);
        }
    }
    for (name, rule) in &config.rules {
        let why = format!("rule {name}");
        for steps in [&rule.steps, &rule.on_failure, &rule.finally] {
            all.steps(steps, &rule.canonical, &name.namespace, (&why, ""));
        }
    }
    let askers = all.asked.into_iter();
    askers.map(|((connection, user), slots)| Asker { connection, user, roles: roles(slots) }).collect()
}

impl Collector<'_> {
    fn source(&mut self, name: &Name, (connection, found): (&Name, &Connection), spec: &Spec) {
        let mut watched: Vec<(&str, &[String], &str)> = spec
            .resources
            .iter()
            .map(|one| (one.kind.as_str(), one.namespaces.as_slice(), one.kind.as_str()))
            .collect();
        if spec.events {
            watched.push(("events.k8s.io/v1/Event", &spec.namespaces, "Events"));
        }
        for (kind, namespaces, title) in watched {
            let Some(resource) = resource(kind) else { continue };
            let places: Vec<Place> = match namespaces {
                [] => vec![Place::Cluster],
                _ if !resource.namespaced => vec![Place::Cluster],
                some => some.iter().cloned().map(Place::Namespace).collect(),
            };
            let note = resource
                .guessed
                .then(|| format!("`{}` is a guess for {kind}: compare `kubectl api-resources`", resource.plural));
            for place in places {
                let (group, plural) = (resource.group.clone(), resource.plural.clone());
                let verbs = vec!["list", "watch"];
                let want = Want { place, group, resource: plural, name: None, verbs, note: note.clone() };
                self.want(connection, found, &name.namespace, want, &format!("source {name} watches {title}"));
            }
        }
    }

    fn steps(&mut self, steps: &[Step], document: &Value, namespace: &str, of: (&str, &str)) {
        for step in steps {
            self.step(step, document, namespace, of);
        }
    }

    /// `of` is the document that asks, and the steps that led here.
    fn step(&mut self, step: &Step, document: &Value, namespace: &str, (why, before): (&str, &str)) {
        let of = (why, before);
        match &step.kind {
            StepKind::Uses { action, connection, .. } => {
                let with = document.pointer(&format!("/spec{}/with", step.path)).unwrap_or(&Value::Null);
                let why = format!("{why}, step {before}{}: {action}", step.id);
                self.call(action, connection.as_deref().unwrap_or_default(), namespace, with, &why);
            }
            StepKind::Workflow { name, .. } => self.workflow(&format!("{before}{}.", step.id), name, namespace, why),
            StepKind::Switch(cases) => cases.iter().for_each(|one| self.steps(&one.steps, document, namespace, of)),
            StepKind::Parallel(all) => {
                all.branches.iter().for_each(|one| self.steps(&one.steps, document, namespace, of))
            }
            StepKind::Foreach(each) => self.steps(&each.steps, document, namespace, of),
            StepKind::Emit { .. } | StepKind::Set(_) | StepKind::Fail { .. } => {}
            StepKind::Approve(_) | StepKind::Wait(_) => {}
        }
        step.catch.iter().for_each(|catch| self.steps(&catch.steps, document, namespace, of));
        self.steps(&step.finally, document, namespace, of);
        if let Some(undo) = &step.undo {
            self.step(undo, document, namespace, of);
        }
    }

    fn workflow(&mut self, before: &str, written: &str, namespace: &str, why: &str) {
        let Some((name, workflow)) = self.config.workflow(written, namespace) else { return };
        // A loop of workflows is refused when they are read.
        if self.within.contains(name) {
            return;
        }
        self.within.push(name.clone());
        for steps in [&workflow.steps, &workflow.on_failure, &workflow.finally] {
            self.steps(steps, &workflow.canonical, namespace, (why, before));
        }
        self.within.pop();
    }

    fn call(&mut self, action: &str, connection: &str, namespace: &str, with: &Value, why: &str) {
        let Some(action) = catalog::action(action).filter(|action| action.connection == "kubernetes") else { return };
        let Some((name, found)) = self.config.connection(connection, namespace) else { return };
        // What is only recorded asks for nothing.
        if found.dry_run {
            return;
        }
        for want in wants(action, with) {
            self.want(name, found, namespace, want, why);
        }
    }

    fn want(&mut self, connection: &Name, found: &Connection, namespace: &str, want: Want, why: &str) {
        let whom = match found.config.get("impersonate") {
            None => None,
            Some(impersonate) => {
                let own = impersonate.get("byNamespace").and_then(|all| all.get(namespace));
                let whom = own.unwrap_or(impersonate);
                // Another namespace than those that are named is refused by ensue itself.
                let Some(user) = whom.get("user").and_then(Value::as_str) else { return };
                self.impersonates(connection, user, whom);
                Some(user.to_owned())
            }
        };
        let mut notes = Vec::from_iter(want.note);
        let place = match want.place {
            Place::Cluster => None,
            Place::Namespace(namespace) => Some(namespace),
            Place::Own => {
                notes.insert(0, format!("no namespace is named: {} is taken", self.own));
                Some(self.own.to_owned())
            }
        };
        let why = std::iter::once(why.to_owned()).chain(notes).collect::<Vec<_>>().join("; ");
        self.put(connection.clone(), whom, (place, want.group, want.resource, want.name), &want.verbs, why);
    }

    /// What the connection's own user must be allowed to ask for another.
    fn impersonates(&mut self, connection: &Name, user: &str, whom: &Value) {
        let why = format!("connection {connection} asks as {user}");
        let account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
        let slot = match account {
            Some((namespace, name)) => (Some(namespace), "serviceaccounts", name),
            None => (None, "users", user),
        };
        let groups = whom.get("groups").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for (namespace, resource, name) in std::iter::once(slot).chain(groups.map(|group| (None, "groups", group))) {
            let slot = (namespace.map(str::to_owned), String::new(), resource.to_owned(), Some(name.to_owned()));
            self.put(connection.clone(), None, slot, &["impersonate"], why.clone());
        }
    }

    fn put(&mut self, connection: Name, user: Option<String>, slot: Slot, verbs: &[&'static str], why: String) {
        let entry = self.asked.entry((connection, user)).or_default().entry(slot).or_default();
        for verb in verbs {
            entry.entry(verb).or_default().insert(why.clone());
        }
    }
}

/// Roles from slots: what a wider rule of the same user grants already is not granted once more.
fn roles(mut slots: BTreeMap<Slot, Entry>) -> Vec<Role> {
    let all: Vec<Slot> = slots.keys().cloned().collect();
    for slot in all {
        let (place, group, resource, name) = &slot;
        for wider in [(place.clone(), None), (None, name.clone()), (None, None)] {
            let wider = (wider.0, group.clone(), resource.clone(), wider.1);
            if wider == slot {
                continue;
            }
            let Some(entry) = slots.remove(&slot) else { break };
            let Some(wide) = slots.get_mut(&wider) else {
                slots.insert(slot.clone(), entry);
                continue;
            };
            let (granted, left): (Entry, Entry) = entry.into_iter().partition(|(verb, _)| wide.contains_key(verb));
            for (verb, why) in granted {
                wide.entry(verb).or_default().extend(why);
            }
            if !left.is_empty() {
                slots.insert(slot.clone(), left);
            }
        }
    }
    let mut roles: BTreeMap<Option<String>, Vec<Rule>> = BTreeMap::new();
    for ((namespace, group, resource, name), entry) in slots {
        let verbs: Vec<&str> = VERBS.into_iter().filter(|verb| entry.contains_key(verb)).collect();
        let why = entry.into_values().flatten();
        let rules = roles.entry(namespace).or_default();
        let same = |rule: &&mut Rule| {
            (&rule.group, &rule.resource, &rule.verbs) == (&group, &resource, &verbs)
                && rule.names.is_empty() == name.is_none()
        };
        match rules.iter_mut().find(same) {
            Some(rule) => {
                rule.names.extend(name);
                rule.why.extend(why);
            }
            None => {
                let (names, why) = (name.into_iter().collect(), why.collect());
                rules.push(Rule { group, resource, names, verbs, why });
            }
        }
    }
    roles.into_iter().map(|(namespace, rules)| Role { namespace, rules }).collect()
}
