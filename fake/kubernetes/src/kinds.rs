//! Resources: the table of the built-in ones and what CustomResourceDefinitions add.

use std::sync::Arc;

use serde_json::Value;

/// A resource of one group and version.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    /// Empty for core/v1.
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) namespaced: bool,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) verbs: Vec<String>,
    /// Empty where it is not known.
    pub(crate) hash: String,
    pub(crate) subresources: Vec<Subresource>,
    /// Where the objects are kept; versions and the two event groups share it.
    pub(crate) storage: Arc<str>,
    /// The definition, and the version's part of it, of a custom resource.
    pub(crate) custom: Option<Arc<Custom>>,
}

/// What a definition says of one version.
#[derive(Debug)]
pub(crate) struct Custom {
    /// `spec.versions[i]`.
    pub(crate) version: Value,
}

/// A subresource with the kind that it answers with.
#[derive(Clone, Debug)]
pub(crate) struct Subresource {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// `group/version`, empty for that of the resource.
    pub(crate) api_version: String,
    pub(crate) verbs: Vec<String>,
}

const ALL: &str = "create,delete,deletecollection,get,list,patch,update,watch";

impl Kind {
    /// `plural.group`, as messages name the resource.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `group/version`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The name of its type in the schema.
    pub(crate) fn type_name(&self) -> String {
        if self.group == "events.k8s.io" { "Event.events.k8s.io".to_owned() } else { self.kind.clone() }
    }

    pub(crate) fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|one| one.name == name)
    }

    /// Whether its objects are kept there.
    pub(crate) fn is(&self, storage: &str) -> bool {
        &*self.storage == storage
    }

    fn of_row(row: &str) -> Option<Kind> {
        let columns: Vec<&str> = row.split('\t').collect();
        let [group, version, plural, kind, scope, singular, short, categories, verbs, hash, rest @ ..] =
            columns.as_slice()
        else {
            return None;
        };
        let list = |text: &str| -> Vec<String> {
            let text = if text == "ALL" { ALL } else { text };
            text.split(',').filter(|one| *one != "-").map(str::to_owned).collect()
        };
        let or_empty = |text: &str| if text == "-" { String::new() } else { text.to_owned() };
        let storage = match (*plural, or_empty(group)) {
            ("events", _) => "events".to_owned(),
            (_, group) if group.is_empty() => (*plural).to_owned(),
            (_, group) => format!("{plural}.{group}"),
        };
        let subresources = rest
            .iter()
            .filter_map(|text| {
                let mut words = text.split(' ');
                Some(Subresource {
                    name: words.next()?.to_owned(),
                    kind: words.next()?.to_owned(),
                    api_version: or_empty(words.next()?),
                    verbs: list(words.next()?),
                })
            })
            .collect();
        Some(Kind {
            group: or_empty(group),
            version: (*version).to_owned(),
            plural: (*plural).to_owned(),
            kind: (*kind).to_owned(),
            list_kind: format!("{kind}List"),
            namespaced: *scope == "N",
            singular: (*singular).to_owned(),
            short_names: list(short),
            categories: list(categories),
            verbs: list(verbs),
            hash: or_empty(hash),
            subresources,
            storage: storage.into(),
            custom: None,
        })
    }
}

/// The built-in resources, in the server's order.
pub(crate) fn built_in() -> Vec<Arc<Kind>> {
    let rows = include_str!("resources.tsv").lines().filter(|row| !row.starts_with('#'));
    rows.filter_map(Kind::of_row).map(Arc::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_resource() {
        let rows = include_str!("resources.tsv").lines().filter(|row| !row.starts_with('#')).count();
        let kinds = built_in();
        assert_eq!(kinds.len(), rows);
        let pods = kinds.iter().find(|kind| kind.plural == "pods").unwrap();
        assert_eq!(pods.subresource("eviction").unwrap().api_version, "policy/v1");
        assert!(pods.verbs.contains(&"watch".to_owned()) && pods.namespaced);
    }
}
