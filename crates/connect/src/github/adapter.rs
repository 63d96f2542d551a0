//! The CloudEvents adapter for GitHub as a table.

use ensue_event::Time;

use crate::source::scalar_at;

/// What the adapter says of one delivery.
pub(super) struct Facts {
    pub(super) kind: String,
    pub(super) source: String,
    pub(super) subject: Option<String>,
    pub(super) time: String,
}

/// How one event of GitHub becomes a CloudEvent: paths into the payload, their segments joined by dots.
struct Row {
    /// `X-GitHub-Event`.
    event: &'static str,
    /// What follows `com.github.`.
    kind: &'static str,
    /// What follows that, joined by dots.
    suffix: &'static [&'static str],
    source: &'static str,
    subject: &'static str,
    /// The first that is there and is an RFC 3339 time; else the time of receipt.
    times: &'static [&'static str],
}

const ACTION: &[&str] = &["action"];

/// In the order of the document, then what GitHub has added since, in the same manner. A payload without the named
/// source gets the first of the repository, the organisation, the account and the sender that it has.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    row("check_run", ACTION, "repository.url", "check_run.id", &["check_run.completed_at", "check_run.started_at"]),
    row("check_suite", ACTION, "repository.url", "check_suite.id", &["check_suite.updated_at"]),
    row("commit_comment", ACTION, "comment.url", "comment.id", &["comment.updated_at"]),
    row("content_reference", ACTION, "repository.url", "content_reference.id", &[]),
    row("create", &["ref_type"], "repository.url", "ref", &[]),
    row("delete", &["ref_type"], "repository.url", "ref", &[]),
    row("deploy_key", ACTION, "repository.url", "key.id", &["key.deleted_at", "key.created_at"]),
    row("deployment", &[], "repository.url", "deployment.id", &["deployment.updated_at"]),
    row("deployment_status", &["deployment_status.state"], "deployment.url", "deployment_status.url", &["deployment_status.updated_at"]),
    row("fork", &[], "repository.url", "forkee.url", &["forkee.created_at"]),
    row("github_app_authorization", &[], "sender.url", "", &[]),
    row("gollum", &[], "repository.url", "", &[]),
    row("installation", ACTION, "installation.account.url", "installation.id", &["installation.updated_at"]),
    Row { event: "installation_repositories", kind: "installation_repository", ..row("", ACTION, "installation.account.url", "installation.id", &["installation.updated_at"]) },
    row("issue_comment", ACTION, "issue.url", "comment.id", &["comment.updated_at"]),
    Row { event: "issues", kind: "issue", ..row("", ACTION, "repository.url", "issue.number", &["issue.updated_at"]) },
    row("label", ACTION, "repository.url", "label.name", &[]),
    row("marketplace_purchase", ACTION, "sender.url", "marketplace_purchase.account.login", &["effective_date"]),
    row("member", ACTION, "repository.url", "member.login", &[]),
    row("membership", &["scope", "action"], "team.url", "member.login", &[]),
    row("meta", ACTION, "repository.url", "hook_id", &["hook.updated_at"]),
    row("milestone", ACTION, "repository.url", "milestone.number", &["milestone.updated_at"]),
    row("organization", ACTION, "organization.url", "membership.user.login", &[]),
    row("org_block", ACTION, "organization.url", "blocked_user.login", &[]),
    row("page_build", &[], "repository.url", "build.url", &["pusher.updated_at"]),
    row("project_card", ACTION, "repository.url", "project_card.id", &["project_card.updated_at"]),
    row("project_column", ACTION, "repository.url", "project_column.id", &["project_column.updated_at"]),
    row("project", ACTION, "repository.url", "project.id", &["project.updated_at"]),
    row("public", &[], "repository.owner.url", "repository.name", &["repository.updated_at"]),
    row("pull_request", ACTION, "repository.url", "number", &["pull_request.updated_at"]),
    row("pull_request_review", ACTION, "pull_request.url", "review.id", &["review.submitted_at"]),
    row("pull_request_review_comment", ACTION, "pull_request.url", "comment.id", &["pull_request.updated_at"]),
    row("push", &[], "repository.url", "ref", &[]),
    row("registry_package", ACTION, "repository.url", "registry_package.html_url", &["registry_package.updated_at"]),
    row("release", ACTION, "repository.url", "release.id", &["release.published_at", "release.created_at"]),
    row("repository", ACTION, "repository.owner.url", "repository.name", &["repository.updated_at"]),
    row("repository_import", &[], "repository.owner.url", "repository.name", &["repository.updated_at"]),
    row("repository_vulnerability_alert", ACTION, "repository.url", "alert.id", &[]),
    row("security_advisory", ACTION, "", "security_advisory.ghsa_id", &["security_advisory.updated_at"]),
    row("star", ACTION, "repository.url", "", &["starred_at"]),
    // The document ends this type with a dot and asks whether the state should follow; it does.
    row("status", &["state"], "repository.url", "sha", &["updated_at"]),
    row("team", ACTION, "repository.url", "team.id", &["updated_at"]),
    row("team_add", ACTION, "repository.url", "team.id", &[]),
    row("watch", ACTION, "repository.url", "", &[]),
    row("code_scanning_alert", ACTION, "repository.url", "alert.number", &["alert.updated_at"]),
    row("dependabot_alert", ACTION, "repository.url", "alert.number", &["alert.updated_at"]),
    row("package", ACTION, "repository.url", "package.html_url", &["package.updated_at"]),
    row("secret_scanning_alert", ACTION, "repository.url", "alert.number", &["alert.updated_at"]),
    row("workflow_job", ACTION, "repository.url", "workflow_job.id", &["workflow_job.completed_at", "workflow_job.started_at"]),
    row("workflow_run", ACTION, "repository.url", "workflow_run.id", &["workflow_run.updated_at"]),
];

const fn row(
    event: &'static str,
    suffix: &'static [&'static str],
    source: &'static str,
    subject: &'static str,
    times: &'static [&'static str],
) -> Row {
    Row { event, kind: event, suffix, source, subject, times }
}

/// What the adapter makes of this payload, which is a JSON object.
pub(super) fn facts(name: &str, body: &[u8], now: Time) -> Facts {
    const UNKNOWN: Row = row("", ACTION, "repository.url", "", &[]);
    let known = TABLE.iter().find(|row| row.event == name);
    let row = known.unwrap_or(&UNKNOWN);
    let mut kind = format!("com.github.{}", known.map_or(name, |row| row.kind));
    for path in row.suffix {
        if let Some(part) = at(body, path) {
            kind.push('.');
            kind.push_str(&part);
        }
    }
    let mut times = row.times.iter().filter_map(|path| at(body, path));
    let time = times.find(|text| Time::parse(text).is_ok());
    Facts {
        kind,
        source: source(row, body),
        subject: at(body, row.subject),
        time: time.unwrap_or_else(|| now.to_string()),
    }
}

fn source(row: &Row, body: &[u8]) -> String {
    let elsewhere = ["repository.url", "organization.url", "installation.account.url", "sender.url"];
    let elsewhere = if row.source.is_empty() { &[][..] } else { &elsewhere };
    let found = std::iter::once(row.source).chain(elsewhere.iter().copied()).find_map(|path| at(body, path));
    let source = found.unwrap_or_else(|| "github.com".to_owned());
    match row.event {
        "commit_comment" => match at(body, "comment.commit_id") {
            Some(commit) => format!("{source}/{commit}"),
            None => source,
        },
        // "without the `/username` portion"
        "marketplace_purchase" => source.rsplit_once('/').map_or(source.clone(), |(before, _)| before.to_owned()),
        _ => source,
    }
}

fn at(body: &[u8], path: &str) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    let mut segments = [""; 3];
    let mut count = 0;
    for (slot, segment) in segments.iter_mut().zip(path.split('.')) {
        *slot = segment;
        count += 1;
    }
    scalar_at(body, segments.get(..count)?)
}
