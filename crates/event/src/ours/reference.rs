//! `docs/reference/records.md`, made from the list of records, the fields below and the samples.

use std::fmt::Write as _;

use super::{LIST, Ours, Writer, samples};

/// The fields of each type: name, type, meaning. A test holds them against the samples.
const FIELDS: &[(&str, &[[&str; 3]])] = &[
    (
        "dev.ensue.node.started",
        &[
            ["version", "string", "The version of the program."],
            ["fold", "integer", "The version of the fold; state of another version is rebuilt or migrated."],
            ["boot", "string", "Names this boot of the machine: effects of another boot may have been lost with it."],
            ["stoppedAt", "time, null", "The append time of the last record before; null on an empty log."],
            ["clean", "boolean", "Whether the last stop was in good order."],
        ],
    ),
    ("dev.ensue.node.stopped", &[["reason", "string", "Why: a signal, an operator."]]),
    (
        "dev.ensue.clock.stepped",
        &[
            [
                "step",
                "string",
                "`back`: the clock is behind the last append time, and time goes on at half speed until they meet. \
                 `forward`: it is more than a minute ahead and not believed yet. `believed`: it stayed ahead.",
            ],
            ["wall", "time", "What the wall clock says."],
            ["by", "microseconds", "How far it is from the time of the log; negative: behind."],
        ],
    ),
    ("dev.ensue.tick", &[]),
    (
        "dev.ensue.source.disconnected",
        &[["source", "string", "The name of the source."], ["reason", "string", "What was seen."]],
    ),
    ("dev.ensue.source.caught-up", &[["source", "string", "The name of the source."]]),
    (
        "dev.ensue.source.gap",
        &[
            ["source", "string", "The name of the source."],
            ["from", "time", "From when on events may be missing."],
            ["to", "time", "Until when."],
        ],
    ),
    (
        "dev.ensue.config.applied",
        &[
            ["documents", "list", "All documents by kind and name: `kind`, `name`, `digest` of the canonical form."],
            ["files", "list", "The files that they stand in: `path`, `text`; secrets are handles, never values."],
            ["observe", "boolean", "Whether every rule only decides and records."],
        ],
    ),
    (
        "dev.ensue.action.started",
        &[
            EFFECT,
            ATTEMPT,
            RUN,
            PATH,
            ["action", "string", "The action, such as `slack/post`."],
            ["connection", "string, null", "The connection that it goes through."],
        ],
    ),
    (
        "dev.ensue.action.answered",
        &[
            EFFECT,
            ATTEMPT,
            RUN,
            PATH,
            [
                "answer",
                "object",
                "`ok` with the outputs, or `err` with a failure: `name`, `message`, `retryable`, \
              `retryAfter` in microseconds, `details`.",
            ],
            ["began", "time", "When the try left."],
            LOG,
        ],
    ),
    (
        "dev.ensue.action.stopped",
        &[
            EFFECT,
            ATTEMPT,
            RUN,
            PATH,
            ["began", "time", "When the try left: after a crash another try has the same number."],
            [
                "why",
                "string",
                "`cancelled`: its run went on without it, and it was stopped. `interrupted`: the node ended while it was \
                 under way.",
            ],
            LOG,
        ],
    ),
    ("dev.ensue.action.uncertain", &[EFFECT, ATTEMPT, RUN, PATH, ["reason", "string", "Why nobody knows."]]),
    (
        "dev.ensue.operator",
        &[
            [
                "command",
                "object",
                "`verb` and what it needs: `freeze`, `thaw`, `setMode`, `retryRun`, `resumeRun`, `skipStep`, \
                 `cancelRun`, `settle`, `redrive`, `discard`, `redriveAll`, `discardAll`.",
            ],
            ["actor", "string", "Who asks: the name of the token, `file` or `local`."],
            ["reason", "string", "Why."],
        ],
    ),
    (
        "dev.ensue.event.conflict",
        &[
            ["source", "string", "The source of both events."],
            ["id", "string", "Their id."],
            ["kept", "position", "Where the first one stands."],
            ["refused", "digest", "BLAKE3 of the body that was refused."],
        ],
    ),
    (
        "dev.ensue.record.quarantined",
        &[
            ["position", "position", "The record that is set aside."],
            ["reason", "string", "What happened when it was read or folded."],
            ["answer", "object", "If it was an action's answer: `effect`, `attempt`, `run`, `step`; uncertain now."],
            ["firing", "id", "If it was a firing: which; parked now."],
        ],
    ),
    (
        "dev.ensue.log.trimmed",
        &[
            ["first", "position", "The first record that is still there."],
            ["bytes", "integer", "How many bytes were freed."],
        ],
    ),
    (
        "dev.ensue.log.purged",
        &[
            ["positions", "list", "The records whose bodies were destroyed."],
            ["reason", "string", "Why."],
            ["actor", "string", "Who asked for it."],
        ],
    ),
    (
        "dev.ensue.state.snapshot",
        &[
            ["position", "position", "The last record that it holds."],
            ["digest", "digest", "BLAKE3 of its logical dump."],
        ],
    ),
    (
        "dev.ensue.backfill",
        &[
            ["rule", "string", "The rule."],
            ["from", "position", "The first record to look at."],
            ["to", "position", "The record after the last one."],
        ],
    ),
    (
        "dev.ensue.rule.fired",
        &[
            ["firing", "id", "The firing, and the run that it starts."],
            ["rule", "string", "`namespace/name` of the rule."],
            DEFINITION,
            ["mode", "string", "`live`: it acts. `shadow`: it is recorded and nothing else."],
            ["key", "string", "The correlation key; a composite one as canonical JSON."],
            ["events", "list", "The events that took part, by value: `position`, `item` of `when`, `event`."],
            ["due", "time", "When a timer decided it."],
            ["lets", "object", "The values of `let`."],
        ],
    ),
    (
        "dev.ensue.rule.parked",
        &[
            ["firing", "id", "The firing that is held."],
            RULE,
            ["reason", "string", "Why: a storm, a full outbox, a record that could not be folded."],
        ],
    ),
    ("dev.ensue.run.started", &[RUN, RULE, DEFINITION, ["key", "string", "Its key."]]),
    (
        "dev.ensue.run.finished",
        &[RUN, RULE, ["status", "string", "`succeeded` or `cancelled`."], ["started", "time", "When it started."]],
    ),
    (
        "dev.ensue.run.failed",
        &[
            RUN,
            RULE,
            ["step", "string", "The step that failed."],
            ["error", "object", "A failure, as in `dev.ensue.action.answered`."],
            ["started", "time", "When it started."],
        ],
    ),
    (
        "dev.ensue.approval.asked",
        &[
            RUN,
            RULE,
            ["step", "string", "The step, with its place in a `foreach`: `deploy[3]`."],
            ["from", "array", "The roles of who may answer."],
            ["min", "integer", "How many must say yes."],
            ["shown", "array", "What is shown: each expression with its value."],
            ["digest", "digest", "BLAKE3 of what is shown: an answer names it."],
            ["until", "time", "When it is too late to answer."],
        ],
    ),
    (
        "dev.ensue.freeze.began",
        &[
            ["connection", "string", "The connection whose effects are held."],
            ["rule", "string", "The rule whose effects are held."],
            ["until", "time", "Until when."],
            ["reason", "string", "Why, as the window says."],
        ],
    ),
    (
        "dev.ensue.freeze.ended",
        &[
            ["connection", "string", "The connection whose effects were held."],
            ["rule", "string", "The rule whose effects were held."],
            ["since", "time", "Since when."],
            ["reason", "string", "Why, as the window says."],
        ],
    ),
    (
        "dev.ensue.chain.cut",
        &[
            ["rule", "string", "The rule that would have gone on."],
            ["position", "position", "The event that it would have acted on."],
            ["depth", "integer", "How long the chain is."],
        ],
    ),
    (
        "dev.ensue.key.refused",
        &[
            RULE,
            ["limit", "integer", "How many keys it may hold."],
            ["refused", "integer", "How many were refused since the last such record."],
        ],
    ),
    (
        "dev.ensue.event.diverted",
        &[
            ["rule", "string", "The rule that did not look at it."],
            ["key", "string", "The key of its `order`; absent where that is `none`."],
            ["position", "integer", "Where the event stands in the log."],
            ["value", "string", "The value that it is ordered by."],
            ["last", "string", "The value of the last one that was looked at."],
            ["event", "event", "The event, in the JSON form of CloudEvents."],
        ],
    ),
    (
        "dev.ensue.policy.decided",
        &[
            ["policy", "string", "The policy, with its namespace."],
            [
                "verdict",
                "string",
                "`denied`: it is not done. `asked`: it is done when people say so. `approved`: they did. `refused`: \
                 somebody said no, or nobody answered in time.",
            ],
            ["reason", "string", "Why."],
            ["run", "id", "The run that it is about."],
            ["rule", "string", "The rule that it is about."],
            ["step", "string", "The step whose action it is about; absent for a command."],
            ["effect", "id", "The effect of that step."],
            ["attempt", "integer", "The number of the try, from 1."],
            ["action", "string", "The action."],
            ["command", "string", "The operator's command; absent for an action."],
            ["by", "list", "Who answered, or asked for the command."],
            ["due", "time", "When it is refused if nobody answers."],
        ],
    ),
];

const EFFECT: [&str; 3] = ["effect", "id", "The idempotency key, shared by all automatic retries."];
const ATTEMPT: [&str; 3] = ["attempt", "integer", "The number of the try, from 1."];
const RUN: [&str; 3] = ["run", "id", "The run."];
const LOG: [&str; 3] = [
    "log",
    "object",
    "What the try said, if anything: `size` in bytes, `cut` bytes left out in the middle, `text` where it is short, else \
     the `digest` of a blob.",
];
const PATH: [&str; 3] = ["step", "string", "The path of the step within the run."];
const RULE: [&str; 3] = ["rule", "string", "The rule."];
const DEFINITION: [&str; 3] = ["definition", "digest", "The definition that decided, and that the run goes by."];

const HEAD: &str = "\
# Records of ensue itself

<!-- Made from crates/event/src/ours. Do not edit. -->

Beside the events that it receives, the log holds records that ensue writes itself. Each is a CloudEvent whose type
begins with `dev.ensue.`, so `ensue events`, rules and exports treat it like any other; an event from outside with such
a type is refused. A pattern must name the prefix to match them.

Records of the **node** say what it saw or did. Records of the **fold** say what was decided; a later version of the
rule engine never rewrites them. `v` in the data is the version of a type's fields.

A *time* is RFC 3339 in UTC, a *position* the number of a record in the log, an *id* 32 and a *digest* 64 hexadecimal
digits. A field without a value is left out, or null where the table says so.
";

/// The page as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n| type | v | written by | says |\n|---|---|---|---|\n");
    for spec in LIST {
        let anchor: String = spec.kind.chars().filter(|c| *c != '.').collect();
        let _ = writeln!(
            page,
            "| [`{}`](#{anchor}) | {} | {} | {} |",
            spec.kind,
            spec.version,
            writer(spec.writer),
            spec.says.trim()
        );
    }
    let samples = samples();
    for spec in LIST {
        let _ = writeln!(page, "\n## {}\n\n{}", spec.kind, spec.says.trim());
        let fields = fields(spec.kind);
        if !fields.is_empty() {
            page.push_str("\n| field | type | meaning |\n|---|---|---|\n");
        }
        for [name, kind, meaning] in fields {
            let _ = writeln!(page, "| `{name}` | {kind} | {meaning} |");
        }
        if let Some(sample) = samples.iter().find(|sample| sample.kind() == spec.kind) {
            let _ = writeln!(page, "\n```json\n{}\n```", pretty(sample));
        }
    }
    page
}

/// The fields of a type: name, type, meaning; without `v`.
#[must_use]
pub fn fields(kind: &str) -> &'static [[&'static str; 3]] {
    FIELDS.iter().find(|(known, _)| *known == kind).map_or(&[], |(_, fields)| fields)
}

fn writer(writer: Writer) -> &'static str {
    match writer {
        Writer::Node => "node",
        Writer::Fold => "fold",
    }
}

fn pretty(sample: &Ours) -> String {
    serde_json::to_string_pretty(&sample.data()).unwrap_or_default()
}
