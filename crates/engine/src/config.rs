//! A configuration, compiled: what the fold goes by until the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ensue_event::ours::ConfigFile;
use ensue_event::{Digest, Key};
use ensue_expr::Value;
use ensue_lang::catalog::{self, Idempotency};
use ensue_lang::{Config, Connection, Item, Loaded, Name, Rule, SourceFile, Span, TimeBy};
use ensue_rule::{Index, Pattern, lift};
use ensue_run::{Definition, Effect, Graph};

use crate::freeze::Window;
use crate::policy::{Judge, rego};
use crate::state::Timer;

/// All rules of a configuration in one index, and what they refer to.
#[derive(Debug)]
pub struct Compiled {
    /// The resources.
    pub config: Config,
    /// The rules, in the order of their names.
    pub rules: Vec<Decider>,
    /// The patterns of all their items, narrowed by their conditions, each under its place in `places`.
    pub index: Index<u32>,
    /// Items that the index cannot look up, so that every event pays for them: their rules, and where they stand.
    pub unindexed: Vec<(Name, Span)>,
    /// Of each pattern: the place of its rule in `rules`, and of its item in [`Decider::watches`].
    places: Vec<(u32, u16)>,
    by_name: BTreeMap<Arc<str>, usize>,
    by_digest: BTreeMap<Digest, usize>,
    by_id: BTreeMap<Key, usize>,
    /// Whether a rule listens to our own records.
    pub hears_ours: bool,
    /// Policies, in the order of their names.
    pub policies: Vec<Judge>,
    /// Tables by namespace.
    pub tables: BTreeMap<String, Value>,
    /// Windows of `freeze`, by the ids of their timers.
    pub windows: BTreeMap<Key, Window>,
}

/// A rule, ready to decide.
#[derive(Debug, Clone)]
pub struct Decider {
    /// The rule.
    pub rule: Arc<Rule>,
    /// What a run of it goes by.
    pub definition: Definition,
    /// The digest of that.
    pub digest: Digest,
    /// Its steps.
    pub graph: Arc<Graph>,
    /// `namespace/name`.
    pub name: Arc<str>,
    /// What its rows are kept under: a hash of its name.
    pub id: Key,
    /// What the timers of its half-matches wake: one value for all of them.
    pub half: Arc<Timer>,
    /// The digest of its `when`: an edit that leaves it equal keeps half-matches.
    pub when: Digest,
    /// The items of `when` in the order of [`ensue_lang::WhenKind::items`], and `unless` last.
    pub watches: Vec<Watch>,
}

/// An item of a rule, ready to be met.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The item.
    pub item: Item,
    /// What its event looks like.
    pub pattern: Pattern,
    /// It is the rule's `unless`.
    pub unless: bool,
}

impl Decider {
    /// The pattern of its first item.
    #[must_use]
    pub fn pattern(&self) -> Option<&Pattern> {
        self.watches.first().map(|watch| &watch.pattern)
    }
}

/// What the rows of a rule are kept under, by its full name, also when it is no longer there.
pub(crate) fn rule_id(name: &str) -> Key {
    Key::of("rule", &[name.as_bytes()])
}

/// What came of files.
#[derive(Debug)]
pub struct Checked {
    /// The resources and all diagnostics.
    pub loaded: Loaded,
    /// The configuration, if nothing is wrong.
    pub compiled: Option<Compiled>,
    /// What the language allows and the engine does not, by rule.
    pub refused: Option<(Name, String)>,
}

impl Checked {
    /// Everything that is wrong, as people read it; `styled` with colours.
    #[must_use]
    pub fn render(&self, styled: bool) -> String {
        let mut out = self.loaded.render(styled);
        if let Some((rule, why)) = &self.refused {
            out.push_str(&format!("error: rule {rule}: {why}\n"));
        }
        out
    }
}

/// Reads and compiles files: all diagnostics, and the configuration if none of them is an error.
#[must_use]
pub fn check(files: &[ConfigFile]) -> Checked {
    let sources: Vec<SourceFile> =
        files.iter().map(|file| SourceFile { path: file.path.clone(), text: file.text.clone() }).collect();
    let pattern = |json: &serde_json::Value| match Pattern::compile(json) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|problem| (problem.pointer, problem.message)).collect(),
    };
    let rego = |text: &str| rego::Module::compile(text).map(|_| ());
    let mut loaded =
        ensue_lang::load_with(&sources, &ensue_lang::Checks { pattern: Some(&pattern), rego: Some(&rego) });
    if !loaded.ok() {
        return Checked { loaded, compiled: None, refused: None };
    }
    match Compiled::of(loaded.config.clone()) {
        Ok(compiled) => {
            for (rule, at) in &compiled.unindexed {
                loaded.warn(
                    "not-indexed",
                    *at,
                    format!("every event pays for rule {rule}: nothing that this item asks for can be looked up"),
                    "name a type, `type: [com.example.made]`, or a value, a prefix or a suffix of a field; in `if`, a \
                     comparison such as `event.data.action == \"opened\"` counts where it is not behind a macro",
                );
            }
            Checked { loaded, compiled: Some(compiled), refused: None }
        }
        Err(refused) => Checked { loaded, compiled: None, refused: Some(refused) },
    }
}

impl Compiled {
    /// A configuration with nothing in it.
    #[must_use]
    pub fn empty() -> Compiled {
        Compiled {
            config: Config::default(),
            rules: Vec::new(),
            index: Index::new(),
            unindexed: Vec::new(),
            places: Vec::new(),
            by_name: BTreeMap::new(),
            by_digest: BTreeMap::new(),
            by_id: BTreeMap::new(),
            hears_ours: false,
            policies: Vec::new(),
            tables: BTreeMap::new(),
            windows: BTreeMap::new(),
        }
    }

    /// Compiles checked resources; an error names the rule that it is in.
    pub fn of(config: Config) -> Result<Compiled, (Name, String)> {
        let mut compiled = Compiled::empty();
        for (name, rule) in &config.rules {
            let wrong = |why: String| (name.clone(), why);
            let graph = ensue_run::compile(rule, &config.workflows).map_err(|why| wrong(why.to_string()))?;
            let definition = Definition::of(rule, &config.workflows);
            let place = u32::try_from(compiled.rules.len()).map_err(|_| wrong("too many rules".into()))?;
            let mut watches = Vec::new();
            let items = rule.when.kind.items().into_iter().map(|item| (item, false));
            for (item, unless) in items.chain(rule.when.unless.iter().map(|item| (item, true))) {
                let pattern = Pattern::compile(&item.event.json).map_err(|problems| {
                    let all: Vec<String> =
                        problems.iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect();
                    wrong(all.join("; "))
                })?;
                compiled.hears_ours |= pattern.names_ours();
                let at = u16::try_from(watches.len()).map_err(|_| wrong("too many items".into()))?;
                let number = u32::try_from(compiled.places.len()).map_err(|_| wrong("too many items".into()))?;
                // An order knows gaps: there, events count for which the condition is false.
                let ordered = rule.order.is_some() || rule.when.time == TimeBy::Event;
                let narrowed = match &item.cond {
                    Some(cond) if !ordered => lift(&pattern, cond).pattern,
                    _ => pattern.clone(),
                };
                if !narrowed.indexed() {
                    compiled.unindexed.push((name.clone(), item.event.span));
                }
                compiled.index.add(number, &narrowed);
                compiled.places.push((place, at));
                watches.push(Watch { item: item.clone(), pattern, unless });
            }
            let digest = definition.digest();
            let full: Arc<str> = name.to_string().into();
            let id = rule_id(&full);
            // The order of its fields is none of its meaning.
            let when = rule.canonical.pointer("/spec/when").cloned().map(Value::from);
            let when = when.and_then(|when| when.key_text()).unwrap_or_default();
            compiled.by_name.insert(Arc::clone(&full), compiled.rules.len());
            compiled.by_digest.insert(digest, compiled.rules.len());
            compiled.by_id.insert(id, compiled.rules.len());
            compiled.rules.push(Decider {
                rule: Arc::clone(rule),
                definition,
                digest,
                graph: Arc::new(graph),
                name: full,
                id,
                half: Arc::new(Timer::Half { rule: id }),
                when: Digest::of(when.as_bytes()),
                watches,
            });
        }
        for (name, policy) in &config.policies {
            compiled.policies.push(Judge::of(policy).map_err(|why| (name.clone(), why))?);
        }
        let namespaces: BTreeSet<&str> = config.rules.keys().map(|name| name.namespace.as_str()).collect();
        compiled.tables =
            namespaces.into_iter().map(|name| (name.to_owned(), Value::from(config.tables(name)))).collect();
        compiled.windows = crate::freeze::windows(&config)?;
        compiled.config = config;
        Ok(compiled)
    }

    /// The rule with this full name.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&Decider> {
        self.by_name.get(name).and_then(|place| self.rules.get(*place))
    }

    /// The rule with this definition.
    #[must_use]
    pub fn defined(&self, digest: Digest) -> Option<&Decider> {
        self.by_digest.get(&digest).and_then(|place| self.rules.get(*place))
    }

    /// The rule whose rows are kept under this.
    #[must_use]
    pub fn owner(&self, id: Key) -> Option<&Decider> {
        self.by_id.get(&id).and_then(|place| self.rules.get(*place))
    }

    /// Which rule, and which item of it, a pattern of the index is.
    #[must_use]
    pub fn place(&self, number: u32) -> Option<(&Decider, u16)> {
        let (rule, item) = *self.places.get(usize::try_from(number).ok()?)?;
        Some((self.rules.get(usize::try_from(rule).ok()?)?, item))
    }

    /// The tables that documents of a namespace see.
    #[must_use]
    pub fn tables(&self, namespace: &str) -> Value {
        self.tables.get(namespace).cloned().unwrap_or_else(|| self.config.tables(namespace).into())
    }

    /// The full name of the connection that a document of a namespace means.
    #[must_use]
    pub fn connection(&self, written: &str, namespace: &str) -> String {
        let found = self.config.connection(written, namespace).map(|(name, _)| name.to_string());
        found.unwrap_or_else(|| Name::resolve(written, namespace).to_string())
    }

    /// Whether what goes through the connection of this full name is decided and not done.
    #[must_use]
    pub fn dry_run(&self, connection: Option<&str>) -> bool {
        connection.and_then(|name| self.connected(name)).is_some_and(|connection| connection.dry_run)
    }

    /// What an effect changes, in words.
    #[must_use]
    pub fn target(&self, effect: &Effect) -> Option<String> {
        let connection = effect.connection.as_deref().and_then(|name| self.connected(name));
        catalog::target(&effect.action, &effect.with, connection)
    }

    /// The connection of this full name.
    #[must_use]
    pub fn connected(&self, name: &str) -> Option<&Connection> {
        self.config.connections.get(&Name::resolve(name, Name::DEFAULT)).map(std::convert::AsRef::as_ref)
    }

    /// How an action can be repeated, given its arguments and the full name of its connection.
    #[must_use]
    pub fn idempotency(&self, action: &str, with: &serde_json::Value, connection: Option<&str>) -> Idempotency {
        catalog::idempotency(action, with, connection.and_then(|name| self.connected(name)))
    }
}
