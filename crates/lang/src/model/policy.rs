//! Policies: what is looked at before an action is done or a command carried out.

use ensue_expr::{Program, Template};

use super::{Micros, Resource};
use crate::span::Span;

/// The operators' commands that a policy can be about, and `*` for all of them.
pub(crate) const VERBS: &[&str] = &[
    "*", "freeze", "thaw", "mode", "retry", "resume", "skip", "cancel", "settle", "approve", "rollback", "redrive",
    "discard",
];

/// A policy.
pub type Policy = Resource<PolicySpec>;

/// What a policy says.
#[derive(Clone, Debug)]
pub struct PolicySpec {
    /// It is for every namespace, not only for its own.
    pub everywhere: bool,
    /// What it is asked about.
    pub matches: Matches,
    /// How it decides.
    pub decides: Decides,
    /// What holds if nothing else decides: it is allowed.
    pub allows: bool,
}

/// What a policy is asked about: each list that is there must have an entry that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// Actions.
    pub actions: Option<Vec<String>>,
    /// Connections.
    pub connections: Option<Vec<String>>,
    /// Rules.
    pub rules: Option<Vec<String>>,
    /// Operators' commands: with it, the policy is about these and not about actions.
    pub commands: Option<Vec<String>>,
}

impl Matches {
    /// Whether it is asked about this action, through the connection and of the rule with these full names.
    #[must_use]
    pub fn action(&self, action: &str, connection: Option<&str>, rule: &str) -> bool {
        self.commands.is_none()
            && self.actions.as_ref().is_none_or(|all| all.iter().any(|pattern| glob(pattern, action)))
            && self.connections.as_ref().is_none_or(|all| connection.is_some_and(|name| fits(all, name)))
            && self.rules.as_ref().is_none_or(|all| fits(all, rule))
    }

    /// Whether it is asked about this command. A command that names no connection or rule is about all of them.
    #[must_use]
    pub fn command(&self, verb: &str, connection: Option<&str>, rule: Option<&str>) -> bool {
        let named = |all: &Option<Vec<String>>, name: Option<&str>| {
            all.as_ref().is_none_or(|all| name.is_none_or(|name| fits(all, name)))
        };
        self.commands.as_ref().is_some_and(|all| all.iter().any(|known| known == "*" || known == verb))
            && named(&self.connections, connection)
            && named(&self.rules, rule)
    }
}

/// How a policy decides.
#[derive(Clone, Debug)]
pub enum Decides {
    /// By the first check that holds.
    Checks(Vec<Check>),
    /// By a module of Rego.
    Rego {
        /// Its text.
        text: String,
        /// Where it stands.
        span: Span,
    },
}

/// One check.
#[derive(Clone, Debug)]
pub struct Check {
    /// When it holds; always if there is none.
    pub cond: Option<Program>,
    /// What follows then.
    pub then: Then,
}

/// What follows from a check.
#[derive(Clone, Debug)]
pub enum Then {
    /// It is done.
    Allow,
    /// It is not done, for this reason.
    Deny(Template),
    /// It is done when people say so.
    Approve(Ask),
}

/// Who is asked, and for how long.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The roles that may answer.
    pub from: Vec<String>,
    /// How many people must.
    pub min: u32,
    /// How long it is waited for.
    pub timeout: Option<Micros>,
    /// Why.
    pub reason: Option<Template>,
}

/// Whether one of these texts with `*` is this name. Of `namespace/name`, one without `/` fits the name alone.
#[must_use]
pub fn fits(patterns: &[String], name: &str) -> bool {
    let alone = name.split_once('/').map_or(name, |(_, alone)| alone);
    patterns.iter().any(|pattern| glob(pattern, if pattern.contains('/') { name } else { alone }))
}

/// Whether a text is that of the pattern, in which `*` stands for any text.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    // All parts but the last as early as they come: what is behind them is then as long as it can be.
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, behind)) = text.split_once(part) else { return false };
        text = behind;
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{fits, glob};

    #[test]
    fn a_star_is_any_text() {
        for (pattern, text, fits) in [
            ("git/commit", "git/commit", true),
            ("git/commit", "git/commits", false),
            ("kubernetes/*", "kubernetes/patch", true),
            ("kubernetes/*", "kubernetes", false),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYb", false),
            ("a*a", "a", false),
            ("**x", "x", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_name_alone_is_that_of_any_namespace() {
        let all = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert!(fits(&all(&["deploy-*"]), "shop/deploy-web") && fits(&all(&["shop/*"]), "shop/deploy-web"));
        assert!(!fits(&all(&["shop"]), "shop/deploy-web") && !fits(&all(&["default/*"]), "shop/deploy-web"));
    }
}
