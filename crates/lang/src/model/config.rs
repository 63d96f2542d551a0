//! All documents of a folder.

use std::collections::BTreeMap;
use std::sync::Arc;

use ensue_event::Digest;
use serde_json::Value;

use super::{Connection, Kind, Name, Policy, Rule, Scenario, Source, Table, Workflow};
use crate::span::SourceFile;

/// A configuration: everything that is in force together.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Outside systems.
    pub connections: BTreeMap<Name, Arc<Connection>>,
    /// Where events come from.
    pub sources: BTreeMap<Name, Arc<Source>>,
    /// What must happen, and what follows.
    pub rules: BTreeMap<Name, Arc<Rule>>,
    /// Steps that rules share.
    pub workflows: BTreeMap<Name, Arc<Workflow>>,
    /// Rows to look things up in.
    pub tables: BTreeMap<Name, Arc<Table>>,
    /// What is looked at before an action is done or a command carried out.
    pub policies: BTreeMap<Name, Arc<Policy>>,
    /// Tests.
    pub scenarios: BTreeMap<Name, Arc<Scenario>>,
    /// The files that it was read from.
    pub files: Vec<SourceFile>,
}

/// A document found by reference: its full name and itself.
pub type Found<'a, T> = Option<(&'a Name, &'a Arc<T>)>;

impl Config {
    /// Kind, name and digest of every document, in that order.
    #[must_use]
    pub fn documents(&self) -> Vec<(Kind, Name, Digest)> {
        self.canonical().map(|(kind, name, digest, _)| (kind, name.clone(), digest)).collect()
    }

    /// Every document with its canonical form; scenarios too, though they are never in force.
    pub fn canonical(&self) -> impl Iterator<Item = (Kind, &Name, Digest, &Value)> {
        macro_rules! all {
            ($field:ident, $kind:ident) => {
                self.$field.iter().map(|(name, found)| (Kind::$kind, name, found.digest, &found.canonical))
            };
        }
        all!(connections, Connection)
            .chain(all!(sources, Source))
            .chain(all!(rules, Rule))
            .chain(all!(workflows, Workflow))
            .chain(all!(tables, Table))
            .chain(all!(policies, Policy))
            .chain(all!(scenarios, Scenario))
    }

    /// The connection that a document of `namespace` means: its own, else that of the namespace `default`.
    #[must_use]
    pub fn connection(&self, written: &str, namespace: &str) -> Found<'_, Connection> {
        find(&self.connections, written, namespace)
    }

    /// The workflow that a document of `namespace` means; always of that namespace unless the name says another.
    #[must_use]
    pub fn workflow(&self, written: &str, namespace: &str) -> Found<'_, Workflow> {
        self.workflows.get_key_value(&Name::resolve(written, namespace))
    }

    /// What `tables` is in expressions of `namespace`: tables of its own, and those of `default` that it has not.
    #[must_use]
    pub fn tables(&self, namespace: &str) -> Value {
        let mut all = serde_json::Map::new();
        for wanted in [Name::DEFAULT, namespace] {
            let of = self.tables.iter().filter(|(name, _)| name.namespace == wanted);
            all.extend(of.map(|(name, table)| (name.name.clone(), table.to_json())));
        }
        Value::Object(all)
    }
}

/// A name in its own namespace, else in `default`; with a namespace, only there.
fn find<'a, T>(all: &'a BTreeMap<Name, Arc<T>>, written: &str, namespace: &str) -> Found<'a, T> {
    let own = all.get_key_value(&Name::resolve(written, namespace));
    own.or_else(|| all.get_key_value(&Name::resolve(written, Name::DEFAULT)))
}
