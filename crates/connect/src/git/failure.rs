//! What git's words mean for whoever waits for the commit.

use ensue_event::ours::Failure;

use super::repository::Failed;
use crate::action::{denied, wrong};

/// What a failed command comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Somebody else was faster: fetch and try again.
    Race,
    /// The remote does not want it, from us or at all.
    Denied,
    /// The remote could not be reached, or broke off.
    Network,
    /// The branch is not there.
    NoBranch,
    /// The repository is not there, or not for us.
    NoRepository,
    /// Anything else.
    Other,
}

/// In this order: a hook's refusal also says `remote rejected`, and a hook may say anything.
const TABLE: &[(&str, Meaning)] = &[
    ("hook declined", Meaning::Denied),
    ("protected branch", Meaning::Denied),
    ("not allowed to push", Meaning::Denied),
    ("GH006", Meaning::Denied),
    ("GH013", Meaning::Denied),
    ("[rejected]", Meaning::Race),
    ("non-fast-forward", Meaning::Race),
    ("fetch first", Meaning::Race),
    ("cannot lock ref", Meaning::Race),
    ("failed to update ref", Meaning::Race),
    ("incorrect old value provided", Meaning::Race),
    ("Authentication failed", Meaning::Denied),
    ("could not read Username", Meaning::Denied),
    ("could not read Password", Meaning::Denied),
    ("Permission denied", Meaning::Denied),
    ("Write access to repository not granted", Meaning::Denied),
    ("returned error: 401", Meaning::Denied),
    ("returned error: 403", Meaning::Denied),
    ("access denied", Meaning::Denied),
    ("branch is currently checked out", Meaning::Denied),
    ("[remote rejected]", Meaning::Denied),
    ("couldn't find remote ref", Meaning::NoBranch),
    ("does not appear to be a git repository", Meaning::NoRepository),
    ("Repository not found", Meaning::NoRepository),
    ("returned error: 404", Meaning::NoRepository),
    ("' not found", Meaning::NoRepository),
    ("does not exist", Meaning::NoRepository),
    ("Could not resolve host", Meaning::Network),
    ("Could not connect", Meaning::Network),
    ("Couldn't connect to server", Meaning::Network),
    ("Failed to connect", Meaning::Network),
    ("Connection refused", Meaning::Network),
    ("Connection reset", Meaning::Network),
    ("Connection timed out", Meaning::Network),
    ("Operation timed out", Meaning::Network),
    ("unable to connect", Meaning::Network),
    ("early EOF", Meaning::Network),
    ("hung up unexpectedly", Meaning::Network),
    ("RPC failed", Meaning::Network),
    ("returned error: 429", Meaning::Network),
    ("returned error: 5", Meaning::Network),
];

pub(super) fn meaning(failed: &Failed) -> Meaning {
    let said = |words: &str| failed.stderr.contains(words) || failed.stdout.contains(words);
    TABLE.iter().find(|(words, _)| said(words)).map_or(Meaning::Other, |(_, meaning)| *meaning)
}

/// The failure, with what the other side said.
pub(super) fn failure(failed: &Failed, branch: &str) -> Failure {
    let said = said(failed);
    let command = &failed.command;
    match meaning(failed) {
        Meaning::Race => {
            Failure::new("StepFailed", format!("`{branch}` moved on each time before the push: {said}")).retryable()
        }
        Meaning::Denied => denied(format!("the remote refused git {command} of `{branch}`: {said}")),
        Meaning::Network => Failure::new("Connect", format!("git {command}: {said}")).retryable(),
        Meaning::NoBranch => wrong(format!("the repository has no branch `{branch}`; create it first")),
        Meaning::NoRepository => wrong(format!("the repository is not there, or not for this user: {said}")),
        Meaning::Other => wrong(format!("git {command}: {said}")),
    }
}

/// The lines that say something to a person, at most 1,000 characters.
fn said(failed: &Failed) -> String {
    let lines = failed.stderr.lines().chain(failed.stdout.lines().filter(|line| line.starts_with('!')));
    let lines = lines.map(|line| line.trim_start_matches("remote:").trim()).filter(|line| {
        !line.is_empty() && !line.starts_with("hint:") && !line.starts_with("To ") && !line.starts_with("Updating")
    });
    let text = lines.collect::<Vec<_>>().join("; ");
    let text = text.replace('\t', " ");
    let short: String = text.chars().take(1_000).collect();
    if short.is_empty() { "git said nothing".to_owned() } else { short }
}
