//! Names of documents.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a document within its kind: `namespace/name`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name {
    /// The namespace; `default` where none was written.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Name {
    /// The namespace of documents that name none.
    pub const DEFAULT: &'static str = "default";

    /// A name in a namespace.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Name {
        Name { namespace: namespace.into(), name: name.into() }
    }

    /// A name as a document of `namespace` writes it: `name`, or `namespace/name` of another one.
    #[must_use]
    pub fn resolve(written: &str, namespace: &str) -> Name {
        match written.split_once('/') {
            Some((namespace, name)) => Name::new(namespace, name),
            None => Name::new(namespace, written),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl std::str::FromStr for Name {
    type Err = std::convert::Infallible;

    /// `name` or `namespace/name`.
    fn from_str(text: &str) -> Result<Name, Self::Err> {
        Ok(Name::resolve(text, Name::DEFAULT))
    }
}
