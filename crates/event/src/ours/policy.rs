//! What policies decide.

use serde::{Deserialize, Serialize};

use crate::{Key, Time};

/// What was decided by a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ruled {
    /// It is not done.
    Denied,
    /// It is done when people say so.
    Asked,
    /// They said so.
    Approved,
    /// Somebody said no, or nobody answered in time.
    Refused,
}

impl Ruled {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Ruled::Denied => "denied",
            Ruled::Asked => "asked",
            Ruled::Approved => "approved",
            Ruled::Refused => "refused",
        }
    }
}

/// Fields of `dev.ensue.policy.decided`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyDecided {
    /// `namespace/name` of the policy.
    pub policy: String,
    /// What was decided.
    pub verdict: Ruled,
    /// Why.
    pub reason: String,
    /// The run that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Key>,
    /// The rule that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The step whose action it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The effect of that step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Key>,
    /// The number of the try, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The operator's command that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Who answered, or asked for the command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// When it is refused if nobody answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
}

impl PolicyDecided {
    /// A decision, without what it is about.
    #[must_use]
    pub fn of(policy: &str, verdict: Ruled, reason: &str) -> PolicyDecided {
        PolicyDecided {
            policy: policy.to_owned(),
            verdict,
            reason: reason.to_owned(),
            run: None,
            rule: None,
            step: None,
            effect: None,
            attempt: None,
            action: None,
            command: None,
            by: Vec::new(),
            due: None,
        }
    }
}
