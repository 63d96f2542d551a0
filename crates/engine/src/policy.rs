//! Policies: what is looked at before an effect gets into the outbox, and before a command is carried out.
//!
//! All policies that are about the matter are asked, in the order of their names. One that denies is enough; those that
//! want people to look first are all to be satisfied ([`asks`]). What cannot be computed denies.

pub mod asks;
mod names;
pub mod rego;

use std::collections::BTreeMap;
use std::sync::Arc;

use ensue_event::ours::{Command, Failure, Operator, Ours, PolicyDecided, Ruled};
use ensue_event::{Event, Key, Span, Time};
use ensue_expr::{Budget, Template};
use ensue_lang::{Ask, Decides, Policy, Then};
use ensue_run::{Effect, Run};
use serde::{Deserialize, Serialize};

use crate::config::Compiled;
use crate::emit::{Chain, correlation};
use crate::fold::Engine;
use names::{Names, Subject};

/// A policy, ready to be asked.
#[derive(Clone, Debug)]
pub struct Judge {
    /// The policy.
    pub policy: Arc<Policy>,
    /// `namespace/name`.
    pub name: String,
    module: Option<rego::Module>,
}

/// What is kept of a policy: how often it decided what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyState {
    /// It let something go.
    pub allowed: u64,
    /// It did not.
    pub denied: u64,
    /// It wanted people to look first.
    pub asked: u64,
}

/// What a policy wants of people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wanted {
    /// `namespace/name` of the policy.
    #[serde(default)]
    pub policy: String,
    /// The roles that may answer.
    pub from: Vec<String>,
    /// How many people must say yes.
    #[serde(default = "one")]
    pub min: u32,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long it is waited for, as manifests write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

const fn one() -> u32 {
    1
}

impl Wanted {
    fn timeout(&self) -> Option<Span> {
        self.timeout.as_deref().and_then(|text| ensue_expr::duration::parse(text).ok()).map(Span)
    }
}

/// What one policy says.
enum Ruling {
    Allow,
    Deny(String),
    Ask(Vec<Wanted>),
}

/// What all of them say.
#[derive(Default)]
struct Judged {
    /// The first that denies, and why.
    denied: Option<(String, String)>,
    asks: Vec<Wanted>,
    /// How each decided, for its counts.
    each: Vec<(String, PolicyState)>,
}

impl Judge {
    /// Compiles a policy.
    pub(crate) fn of(policy: &Arc<Policy>) -> Result<Judge, String> {
        let module = match &policy.decides {
            Decides::Checks(_) => None,
            Decides::Rego { text, .. } => Some(
                rego::Module::compile(text)
                    .map_err(|(line, column, why)| format!("line {line}, column {column} of its Rego: {why}"))?,
            ),
        };
        Ok(Judge { policy: Arc::clone(policy), name: policy.name.to_string(), module })
    }

    /// Whether it is for what belongs to this rule; what belongs to none concerns every namespace.
    fn reaches(&self, rule: Option<&str>) -> bool {
        let namespace = rule.and_then(|rule| rule.split_once('/')).map(|(namespace, _)| namespace);
        self.policy.everywhere || namespace.is_none_or(|namespace| namespace == self.policy.name.namespace)
    }

    fn rule(&self, names: &Names<'_>) -> Ruling {
        match (&self.policy.decides, &self.module) {
            (Decides::Checks(checks), _) => {
                for check in checks {
                    match check.cond.as_ref().map(|cond| (cond, cond.eval(names, &mut Budget::new()))) {
                        None => return self.then(&check.then, names),
                        Some((cond, Ok(value))) => match value.as_bool() {
                            Some(true) => return self.then(&check.then, names),
                            Some(false) => {}
                            None => {
                                let (source, got) = (cond.source(), value.type_name());
                                return Ruling::Deny(format!("`if: {source}` gives a {got}, neither true nor false"));
                            }
                        },
                        Some((cond, Err(why))) => {
                            return Ruling::Deny(format!("`if: {}` cannot be told: {why}", cond.source()));
                        }
                    }
                }
                self.rest()
            }
            (Decides::Rego { .. }, Some(module)) => match module.ask(&names.all()) {
                Ok(said) if !said.deny.is_empty() => Ruling::Deny(in_words(&said.deny)),
                Ok(said) if !said.approve.is_empty() => self.wanted(said.approve),
                Ok(said) => match said.allow {
                    Some(true) => Ruling::Allow,
                    Some(false) => Ruling::Deny("its `allow` is false".to_owned()),
                    None => self.rest(),
                },
                Err(why) => Ruling::Deny(format!("its Rego cannot decide: {why}")),
            },
            (Decides::Rego { .. }, None) => Ruling::Deny("its Rego is not compiled".to_owned()),
        }
    }

    fn rest(&self) -> Ruling {
        if self.policy.allows { Ruling::Allow } else { Ruling::Deny("nothing in it allows this".to_owned()) }
    }

    fn then(&self, then: &Then, names: &Names<'_>) -> Ruling {
        match then {
            Then::Allow => Ruling::Allow,
            Then::Deny(reason) => Ruling::Deny(match text(reason, names) {
                Ok(reason) => reason,
                Err(why) => format!("its reason cannot be written: {why}"),
            }),
            Then::Approve(Ask { from, min, timeout, reason }) => {
                let reason = match reason.as_ref().map(|reason| text(reason, names)).transpose() {
                    Ok(reason) => reason,
                    Err(why) => return Ruling::Deny(format!("what it would ask cannot be written: {why}")),
                };
                let timeout = timeout.map(ensue_expr::duration::format);
                Ruling::Ask(vec![Wanted { policy: self.name.clone(), from: from.clone(), min: *min, reason, timeout }])
            }
        }
    }

    /// The members of `approve` of a module.
    fn wanted(&self, all: Vec<serde_json::Value>) -> Ruling {
        if all.len() > MOST_ASKS {
            return Ruling::Deny(format!("its `approve` has {} members, at most {MOST_ASKS} are asked", all.len()));
        }
        let mut out = Vec::new();
        for one in all {
            let wrong = format!(
                "its `approve` gives {one}, not {{\"from\": [ROLE], \"min\": 1, \"timeout\": \"1h\", \"reason\": TEXT}}"
            );
            let read = serde_json::from_value::<Wanted>(one).ok();
            match read.filter(|want| !want.from.is_empty() && want.timeout.is_some() == want.timeout().is_some()) {
                Some(want) => out.push(Wanted { policy: self.name.clone(), ..want }),
                None => return Ruling::Deny(wrong),
            }
        }
        Ruling::Ask(out)
    }
}

/// Texts as they are, and anything else as JSON.
fn in_words(all: &[serde_json::Value]) -> String {
    let word = |one: &serde_json::Value| match one {
        serde_json::Value::Bool(true) => "its `deny` holds".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    all.iter().map(word).collect::<Vec<_>>().join("; ")
}

fn text(template: &Template, names: &Names<'_>) -> Result<String, String> {
    let value = template.render(names, &mut Budget::new()).map_err(|why| why.to_string())?;
    Ok(value.as_str().map_or_else(|| value.to_json().to_string(), str::to_owned))
}

/// How long a reason may be, in characters: it stands in records and rows, and people read it.
const MOST_REASON: usize = 2_000;
/// How much one policy can want of people at once.
const MOST_ASKS: usize = 16;

fn cut(text: String) -> String {
    match text.char_indices().nth(MOST_REASON) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Asks those of the policies that are about the matter.
fn judge<'a>(judges: impl Iterator<Item = &'a Judge>, names: &Names<'_>) -> Judged {
    let mut all = Judged::default();
    for judge in judges {
        let mut state = PolicyState::default();
        match judge.rule(names) {
            Ruling::Allow => state.allowed = 1,
            Ruling::Deny(why) => {
                state.denied = 1;
                all.denied.get_or_insert((judge.name.clone(), cut(why)));
            }
            Ruling::Ask(wanted) => {
                state.asked = 1;
                let short = |want: Wanted| Wanted { reason: want.reason.map(cut), ..want };
                all.asks.extend(wanted.into_iter().map(short));
            }
        }
        all.each.push((judge.name.clone(), state));
    }
    all
}

/// The word by which policies and people call a command.
fn verb(command: &Command) -> &'static str {
    match command {
        Command::Freeze { .. } => "freeze",
        Command::Thaw { .. } => "thaw",
        Command::SetMode { .. } => "mode",
        Command::RetryRun { .. } => "retry",
        Command::ResumeRun { .. } => "resume",
        Command::SkipStep { .. } => "skip",
        Command::CancelRun { .. } => "cancel",
        Command::Settle { .. } => "settle",
        Command::Approve { .. } => "approve",
        Command::Rollback { .. } => "rollback",
        Command::Redrive { .. } | Command::RedriveAll { .. } => "redrive",
        Command::Discard { .. } | Command::DiscardAll { .. } => "discard",
    }
}

/// Who freezes by the file in the data folder. Who may write there owns the node; the red button asks nobody.
const BY_FILE: &str = "file";

impl Engine {
    /// The configuration that what is decided now goes by.
    fn by(&self) -> Arc<Compiled> {
        Arc::clone(self.next_config.as_ref().unwrap_or(&self.config))
    }

    /// Whether an effect may be done: at once (false), or when people say so (true). Nothing: it is denied, and its run
    /// is told of that by [`Engine::refusals`].
    pub(crate) fn may(&mut self, run: &Run, effect: &Effect) -> Option<bool> {
        let config = self.by();
        if config.policies.is_empty() {
            return Some(false);
        }
        let asked = |judge: &&Judge| {
            judge.policy.matches.action(&effect.action, effect.connection.as_deref(), &effect.rule)
                && judge.reaches(Some(&effect.rule))
        };
        let labels = BTreeMap::new();
        let line = ensue_run::scope::line(&self.state.branches_of(run.id), effect.branch);
        let names = Names {
            subject: Subject::Action(effect),
            line: line.iter().map(Arc::as_ref).chain([&run.trunk]).collect(),
            rule: Some((&effect.rule, config.rule(&effect.rule).map_or(&labels, |known| &known.rule.labels))),
            run: Some(run),
            tables: config.tables(effect.rule.split_once('/').map_or("", |(namespace, _)| namespace)),
            now: self.now,
        };
        let Judged { denied, asks, mut each } = judge(config.policies.iter().filter(asked), &names);
        if let Some((policy, reason)) = denied {
            self.count(each);
            self.tell_about(run, effect, PolicyDecided::of(&policy, Ruled::Denied, &reason));
            self.deny(effect, format!("policy {policy} denies it: {reason}"));
            return None;
        }
        // Nothing is done there: nobody is bothered.
        let dry = config.dry_run(effect.connection.as_deref());
        for want in asks.iter().filter(|_| dry) {
            let reason = "the connection is a dry run: nobody is asked";
            self.tell_about(run, effect, PolicyDecided::of(&want.policy, Ruled::Asked, reason));
        }
        let waits = !dry && !asks.is_empty() && self.ask(run, effect, asks);
        if !dry && !waits {
            // What people said yes to is allowed by now.
            each.iter_mut().for_each(|(_, state)| *state = PolicyState { allowed: 1, ..PolicyState::default() });
        }
        self.count(each);
        Some(waits)
    }

    /// Whether a command is refused by a policy, and why.
    pub(crate) fn command_denied(&mut self, operator: &Operator, event: &Event) -> Option<String> {
        let config = self.by();
        if config.policies.iter().all(|judge| judge.policy.matches.commands.is_none()) || operator.actor == BY_FILE {
            return None;
        }
        let verb = verb(&operator.command);
        let mut fields = serde_json::to_value(&operator.command).unwrap_or_default();
        let named = |name: &str| fields.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let key = |name: &str| named(name).and_then(|text| text.parse::<Key>().ok());
        let run = key("run").and_then(|run| self.state.runs.get(&run)).cloned();
        let parked =
            key("firing").and_then(|firing| self.state.parked.get(&firing)).map(|held| held.fired.rule.clone());
        let rule = run.as_ref().map(|run| run.rule.clone()).or(parked).or_else(|| named("rule"));
        let connection = named("connection");
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("verb".into(), verb.into());
            fields.insert("reason".into(), operator.reason.clone().into());
            rule.as_ref().and_then(|rule| fields.insert("rule".into(), rule.clone().into()));
        }
        let labels = BTreeMap::new();
        let labelled = |name: &str| config.rule(name).map_or(&labels, |known| &known.rule.labels);
        let names = Names {
            line: run.iter().map(|run| &run.trunk).collect(),
            subject: Subject::Command { fields: &fields, actor: &operator.actor, roles: &operator.roles },
            rule: rule.as_deref().map(|name| (name, labelled(name))),
            run: run.as_deref(),
            tables: config
                .tables(rule.as_deref().and_then(|rule| rule.split_once('/')).map_or("default", |(of, _)| of)),
            now: self.now,
        };
        let asked = |judge: &&Judge| {
            judge.policy.matches.command(verb, connection.as_deref(), rule.as_deref()) && judge.reaches(rule.as_deref())
        };
        let judged = judge(config.policies.iter().filter(asked), &names);
        self.count(judged.each);
        let asks = judged.asks.into_iter().next().map(|want| {
            let who = want.from.join(", ");
            let why = want.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            (want.policy, format!("a command cannot wait for an approval{why}; somebody with the role {who} gives it"))
        });
        let (policy, reason) = judged.denied.or(asks)?;
        let mut told = PolicyDecided::of(&policy, Ruled::Denied, &reason);
        (told.command, told.by) = (Some(verb.to_owned()), vec![operator.actor.clone()]);
        (told.run, told.rule) = (run.as_ref().map(|run| run.id), rule);
        let chain = match run {
            Some(run) => Self::chain(&run),
            None => Chain { correlation: correlation(event), cause: event.id.to_string(), depth: event.depth() + 1 },
        };
        let id = Key::of("policy.command", &[policy.as_bytes(), event.id.as_bytes()]);
        self.emit_ours(id, &Ours::from(told), &chain);
        Some(format!("policy {policy} denies it: {reason}"))
    }

    fn count(&mut self, each: Vec<(String, PolicyState)>) {
        for (name, more) in each {
            let mut state = self.state.policies.get(&name).map(|known| **known).unwrap_or_default();
            state.allowed += more.allowed;
            state.denied += more.denied;
            state.asked += more.asked;
            self.state.policies.put(name, state);
        }
    }

    /// Says what was decided about an effect. One more than the run: a rule that acts on it is cut as any loop is.
    fn tell_about(&mut self, run: &Run, effect: &Effect, mut told: PolicyDecided) {
        (told.run, told.rule, told.step) = (Some(run.id), Some(run.rule.clone()), Some(effect.step.clone()));
        (told.effect, told.attempt) = (Some(effect.key), Some(effect.attempt));
        told.action = Some(effect.action.clone());
        let at = self.position.0.to_be_bytes();
        let id = Key::of("policy", &[told.policy.as_bytes(), &effect.key.0, told.verdict.as_str().as_bytes(), &at]);
        let chain = Self::chain(run);
        self.emit_ours(id, &Ours::from(told), &Chain { depth: chain.depth + 1, ..chain });
    }

    /// What is denied fails, and no try after it would go better by itself.
    fn deny(&mut self, effect: &Effect, why: String) {
        self.denied.push_back((effect.run, effect.key, effect.attempt, Failure::new("Denied", why)));
    }

    /// When a policy's patience ends.
    fn patience(&self, asks: &[Wanted]) -> Option<Time> {
        asks.iter().filter_map(Wanted::timeout).min().map(|span| self.now + span)
    }
}
