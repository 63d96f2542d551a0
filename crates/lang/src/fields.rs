//! The fields of the language itself: one table from which reading, messages and the JSON Schema come.

mod policy;

use crate::model::InputType;
use crate::shape::{Field, Shape, Ty};

pub(crate) use policy::POLICY;

/// A list of steps. A macro, since a constant cannot refer to a static that refers to it.
macro_rules! steps {
    () => {
        Ty::List(&Ty::Object(&STEP))
    };
}

const COUNT: Ty = Ty::Int(1, 1_000_000_000);
const PART_KEY: Field =
    Field::new("key", Ty::Key, "For what each; the rule's correlation key if left out, `none` for the whole rule.");

pub(crate) static METADATA: Shape = Shape {
    what: "`metadata`",
    fields: &[
        Field::new("name", Ty::Text, "The name, unique for its kind within the namespace.").required(),
        Field::new("namespace", Ty::Name, "The namespace; `default` if left out."),
        Field::new("labels", Ty::Map(&Ty::Text), "Labels to select by."),
        Field::new("annotations", Ty::Map(&Ty::Text), "Notes for people and tools."),
    ],
    one_of: &[],
    habits: &[],
};

pub(crate) static RULE: Shape = Shape {
    what: "a rule",
    fields: &[
        Field::new("when", Ty::Object(&WHEN), "What must happen.").required(),
        Field::new("let", LET, "Named values, evaluated once, in the order written."),
        Field::new("if", Ty::Expr, "What must hold once `when` is complete."),
        Field::new("dedupe", Ty::Object(&DEDUPE), "The same thing is not done again within a window."),
        Field::new("debounce", Ty::Object(&DEBOUNCE), "Wait until nothing more comes."),
        Field::new("batch", Ty::Object(&BATCH), "Several together."),
        Field::new("throttle", Ty::Object(&THROTTLE), "So many firings within a time."),
        Field::new("concurrency", Ty::Object(&CONCURRENCY), "So many runs at once."),
        Field::new("order", Ty::Object(&ORDER), "In which order the events of a key are looked at."),
        Field::new("storm", Ty::Object(&STORM), "The rates past which firings are parked."),
        Field::new("mode", Ty::Choice(&["live", "shadow", "paused"]), "Whether it acts; live if left out."),
        Field::new("start", Ty::Either(&[Ty::Int(0, i64::MAX), Ty::Text]), "`now`, `beginning`, a time or a position."),
        Field::new("backfill", Ty::Object(&BACKFILL), "How a rule that starts in the past treats it."),
        Field::new("freeze", FREEZES, "Windows in which what it does is held back."),
        Field::new("timeout", Ty::Duration, "How long a whole run may take."),
        Field::new("steps", steps!(), "What follows.").required(),
        Field::new("onFailure", steps!(), "What follows if that failed."),
        Field::new("finally", steps!(), "What follows at the end in any case."),
    ],
    one_of: &[],
    habits: &[
        ("on", "when"),
        ("trigger", "when"),
        ("triggers", "when"),
        ("event", "when: {event: …}"),
        ("detail-type", "when: {event: {type: […]}}"),
        ("condition", "if"),
        ("conditions", "if"),
        ("filter", "if"),
        ("jobs", "steps"),
        ("actions", "steps"),
        ("do", "steps"),
        ("then", "steps"),
        ("tasks", "steps"),
        ("variables", "let"),
        ("vars", "let"),
        ("onError", "onFailure"),
        ("on_failure", "onFailure"),
        ("rateLimit", "throttle"),
        ("enabled", "mode: paused"),
        ("suspend", "mode: paused"),
        ("timeout-minutes", "timeout"),
    ],
};

const LET: Ty = Ty::Either(&[Ty::Map(&Ty::Expr), Ty::List(&Ty::Map(&Ty::Expr))]);

pub(crate) static WHEN: Shape = Shape {
    what: "`when`",
    fields: &[
        Field::new("event", Ty::Pattern, "One event that looks like this."),
        Field::new("any", Ty::List(&Ty::Object(&ITEM)), "One of several."),
        Field::new("all", Ty::List(&Ty::Object(&ITEM)), "All of them, in any order."),
        Field::new("sequence", Ty::List(&Ty::Object(&ITEM)), "All of them, in this order."),
        Field::new("count", Ty::Object(&COUNT_OF), "So many within a window."),
        Field::new("absence", Ty::Object(&ABSENCE), "Something that does not come."),
        Field::new("name", Ty::Ident, "With `event`: its name in `events.<name>`."),
        Field::new("if", Ty::Expr, "With `event`: tested before the event is taken."),
        Field::new("key", Ty::Key, "What ties the events together."),
        Field::new("within", Ty::Duration, "How long it may take from the first event, end excluded."),
        Field::new("unless", Ty::Object(&ITEM), "What drops a half-match."),
        Field::new(
            "repeat",
            Ty::Choice(&["restart", "ignore", "each"]),
            "What a repeated first event does; restart if left out.",
        ),
        Field::new("time", Ty::Choice(&["position", "event"]), "Which time orders the events."),
        Field::new("lateness", Ty::Duration, "With `time: event`: how long late ones are waited for."),
        Field::new("maxKeys", COUNT, "How many keys are kept; 100,000 if left out."),
    ],
    one_of: &["event", "any", "all", "sequence", "count", "absence"],
    habits: &PATTERN_OUTSIDE,
};

/// Fields of a pattern that stand where `event:` was forgotten.
const PATTERN_OUTSIDE: [(&str, &str); 8] = [
    ("type", "event: {type: […]}"),
    ("source", "event: {source: […]}"),
    ("subject", "event: {subject: […]}"),
    ("data", "event: {data: {…}}"),
    ("detail-type", "event: {type: […]}"),
    ("detail", "event: {data: {…}}"),
    ("pattern", "event"),
    ("filter", "event"),
];

pub(crate) static ITEM: Shape = Shape {
    what: "an item of `when`",
    fields: &[
        Field::new("name", Ty::Ident, "Its name in `events.<name>`."),
        Field::new("event", Ty::Pattern, "What it looks like.").required(),
        Field::new("if", Ty::Expr, "Tested before the event is kept."),
        Field::new("key", Ty::Key, "Its own correlation key."),
    ],
    one_of: &[],
    habits: &PATTERN_OUTSIDE,
};

static COUNT_OF: Shape = Shape {
    what: "`count`",
    fields: &[
        Field::new("of", Ty::Object(&ITEM), "Of what.").required(),
        // The time of each is kept: more than these are not counted one by one.
        Field::new("atLeast", Ty::Int(1, 10_000), "How many, at most 10,000.").required(),
        Field::new("distinct", Ty::Expr, "Only different values of this count."),
    ],
    one_of: &[],
    habits: &[("min", "atLeast"), ("threshold", "atLeast")],
};

static ABSENCE: Shape = Shape {
    what: "`absence`",
    fields: &[
        Field::new("after", Ty::Object(&ITEM), "After what; from the rule's start if left out."),
        Field::new("of", Ty::Object(&ITEM), "Of what.").required(),
        Field::new("for", Ty::Duration, "For how long.").required(),
        Field::new("expect", Ty::List(&Ty::Text), "The keys that are expected from the start."),
        Field::new("remember", Ty::Duration, "How long a key that was seen is expected again; 7d if left out."),
    ],
    one_of: &[],
    habits: &[],
};

static DEDUPE: Shape = Shape {
    what: "`dedupe`",
    fields: &[PART_KEY, Field::new("window", Ty::Duration, "How long.").required()],
    one_of: &[],
    habits: &[("within", "window"), ("per", "window")],
};

static DEBOUNCE: Shape = Shape {
    what: "`debounce`",
    fields: &[
        PART_KEY,
        Field::new("quiet", Ty::Duration, "How long it must be quiet.").required(),
        Field::new("max", Ty::Duration, "The longest wait."),
    ],
    one_of: &[],
    habits: &[("wait", "quiet"), ("window", "quiet")],
};

static BATCH: Shape = Shape {
    what: "`batch`",
    fields: &[
        PART_KEY,
        Field::new("size", COUNT, "At most so many."),
        Field::new("every", Ty::Duration, "At the latest after this time."),
    ],
    one_of: &[],
    habits: &[],
};

static THROTTLE: Shape = Shape {
    what: "`throttle`",
    fields: &[
        PART_KEY,
        Field::new("limit", COUNT, "How many.").required(),
        Field::new("per", Ty::Duration, "In which time.").required(),
        Field::new("excess", Ty::Choice(&["drop", "queue"]), "What becomes of more; drop if left out."),
    ],
    one_of: &[],
    habits: &[("max", "limit"), ("window", "per"), ("every", "per")],
};

static CONCURRENCY: Shape = Shape {
    what: "`concurrency`",
    fields: &[
        Field::new(
            "group",
            Ty::Name,
            "Rules of a namespace that name the same group share its slots: with `limit: 1` a lock, else a semaphore. Without `key` it is one for the whole group.",
        ),
        PART_KEY,
        Field::new("limit", COUNT, "How many; the same in all rules of a group.").required(),
        Field::new(
            "excess",
            Ty::Choice(&["queue", "latest", "skip", "cancelRunning"]),
            "What becomes of more; queue if left out.",
        ),
    ],
    one_of: &[],
    habits: &[("cancel-in-progress", "excess: cancelRunning"), ("max", "limit"), ("lock", "group")],
};

static ORDER: Shape = Shape {
    what: "`order`",
    fields: &[
        Field::new("key", Ty::Key, "The events of what.").required(),
        Field::new("by", Ty::Expr, "By what: `sequence`, or an expression.").required(),
        Field::new("lateness", Ty::Duration, "How long a gap is waited for."),
        Field::new(
            "late",
            Ty::Choice(&["deliver", "divert", "drop"]),
            "What becomes of a late event; deliver if left out.",
        ),
        Field::new("remember", Ty::Duration, "How long the last value is remembered; 30d if left out."),
    ],
    one_of: &[],
    habits: &[],
};

static STORM: Shape = Shape {
    what: "`storm`",
    fields: &[
        Field::new("perKey", COUNT, "Firings a minute of one key; 60 if left out."),
        Field::new("perRule", COUNT, "Firings a minute of the rule; 1,000 if left out."),
    ],
    one_of: &[],
    habits: &[],
};

static BACKFILL: Shape = Shape {
    what: "`backfill`",
    fields: &[
        Field::new("act", Ty::Bool, "Whether past events are acted on.").required(),
        Field::new("maxAge", Ty::Duration, "Older events are passed over."),
    ],
    one_of: &[],
    habits: &[],
};

pub(crate) static STEP: Shape = Shape {
    what: "a step",
    fields: &[
        Field::new("id", Ty::Ident, "Its name in `steps.<id>`; unique in the document."),
        Field::new("if", Ty::Expr, "It is skipped unless this holds."),
        Field::new("uses", Ty::Text, "An action: `http/request`."),
        Field::new("connection", Ty::Ref, "The connection of the action; a literal."),
        Field::new("with", Ty::Map(&Ty::Any), "What the action or workflow is called with."),
        Field::new("workflow", Ty::Ref, "A workflow to call."),
        Field::new("emit", Ty::Object(&EMIT), "An event to say that something happened."),
        Field::new("set", Ty::Map(&Ty::Any), "Named values, in `steps.<id>.outputs`."),
        Field::new("fail", Ty::Template, "Fails with this message."),
        Field::new("switch", Ty::List(&Ty::Object(&CASE)), "Goes on with the first case that holds."),
        Field::new("wait", Ty::Either(&[Ty::Object(&WAIT), Ty::Duration]), "Waits for a time or an event."),
        Field::new("approve", Ty::Object(&APPROVE), "Asks a person."),
        Field::new("parallel", Ty::Object(&PARALLEL), "Several at once."),
        Field::new("foreach", Ty::Object(&FOREACH), "The same for many."),
        Field::new("needs", Ty::List(&Ty::Ident), "The steps that must be finished before."),
        Field::new("retry", Ty::Object(&RETRY), "When it is tried again."),
        Field::new("timeout", Ty::Duration, "How long one attempt may take."),
        Field::new("catch", Ty::List(&Ty::Object(&CATCH)), "What is done about errors."),
        Field::new("finally", steps!(), "What is done afterwards in any case."),
        Field::new("undo", Ty::Object(&STEP), "The step that takes it back."),
        Field::new("cache", Ty::Object(&CACHE), "Its outputs are kept for the next run."),
        Field::new("outputs", Ty::Map(&Ty::Any), "The outputs that it shows, made from its own."),
        Field::new("continueOnError", Ty::Bool, "A failure is recorded and the run goes on."),
        Field::new("env", Ty::Map(&Ty::MaybeSecret), "For exec/run: the same as `env` under `with`."),
    ],
    one_of: &["uses", "workflow", "emit", "set", "fail", "switch", "wait", "approve", "parallel", "foreach"],
    habits: &[
        ("run", "uses: exec/run"),
        ("script", "uses: exec/run"),
        ("shell", "uses: exec/run"),
        ("name", "id"),
        ("action", "uses"),
        ("type", "uses"),
        ("args", "with"),
        ("params", "with"),
        ("inputs", "with"),
        ("when", "if"),
        ("condition", "if"),
        ("continue-on-error", "continueOnError"),
        ("ignoreErrors", "continueOnError"),
        ("timeout-minutes", "timeout"),
        ("retries", "retry: {max: …}"),
        ("register", "id, then steps.<id>.outputs"),
        ("depends_on", "needs"),
        ("dependsOn", "needs"),
        ("rescue", "catch"),
        ("always", "finally"),
        ("case", "switch"),
        ("for", "foreach"),
        ("loop", "foreach"),
        ("with_items", "foreach"),
    ],
};

static EMIT: Shape = Shape {
    what: "`emit`",
    fields: &[
        Field::new("type", Ty::Template, "Its type.").required(),
        Field::new("source", Ty::Template, "Its source; `/ensue/<namespace>/<rule>` if left out."),
        Field::new("subject", Ty::Template, "Its subject."),
        Field::new("data", Ty::Any, "Its data."),
        Field::new("extensions", Ty::Map(&Ty::Template), "Extension attributes."),
    ],
    one_of: &[],
    habits: &[("detail-type", "type"), ("detail", "data"), ("payload", "data"), ("body", "data")],
};

static CASE: Shape = Shape {
    what: "a case of `switch`",
    fields: &[
        Field::new("if", Ty::Expr, "When; the rest if left out."),
        Field::new("steps", steps!(), "What is done.").required(),
    ],
    one_of: &[],
    habits: &[("when", "if"), ("then", "steps"), ("do", "steps"), ("case", "if")],
};

static WAIT: Shape = Shape {
    what: "`wait`",
    fields: &[
        Field::new("for", Ty::Object(&WAIT_FOR), "The event."),
        Field::new("until", Ty::Template, "A time."),
        Field::new("duration", Ty::Duration, "So long."),
        Field::new("since", Ty::Text, "From when on events count: `run`, `step:<id>` or `now`."),
        Field::new("timeout", Ty::Duration, "At most so long."),
    ],
    one_of: &["for", "until", "duration"],
    habits: &[("event", "for: {event: …}")],
};

static WAIT_FOR: Shape = Shape {
    what: "`wait.for`",
    fields: &[
        Field::new("event", Ty::Pattern, "What it looks like.").required(),
        Field::new("if", Ty::Expr, "Tested before the event is taken."),
        Field::new("key", Ty::Key, "What ties it to this run."),
    ],
    one_of: &[],
    habits: &PATTERN_OUTSIDE,
};

static APPROVE: Shape = Shape {
    what: "`approve`",
    fields: &[
        Field::new("from", Ty::List(&Ty::Text), "The roles that may approve.").required(),
        Field::new("min", COUNT, "How many must; 1 if left out."),
        Field::new("notStarter", Ty::Bool, "Who started the run may not."),
        Field::new("show", Ty::List(&Ty::Expr), "What is shown."),
        Field::new("timeout", Ty::Duration, "How long it is waited for."),
        Field::new("onTimeout", Ty::Choice(&["refuse", "approve"]), "What happens then; refuse if left out."),
    ],
    one_of: &[],
    habits: &[("approvers", "from"), ("reviewers", "from")],
};

static PARALLEL: Shape = Shape {
    what: "`parallel`",
    fields: &[
        Field::new("branches", Ty::Either(&[Ty::Map(&steps!()), Ty::List(&steps!())]), "What is done.").required(),
        Field::new("join", Ty::Choice(&["all", "any", "quorum"]), "When it is over; all if left out."),
        Field::new("quorum", COUNT, "With `join: quorum`: how many must succeed."),
    ],
    one_of: &[],
    habits: &[],
};

static FOREACH: Shape = Shape {
    what: "`foreach`",
    fields: &[
        Field::new("items", Ty::Template, "A list; in the steps, `item` and `index`."),
        Field::new("matrix", Ty::Map(&Ty::Any), "Lists; every combination is one `item`."),
        Field::new("maxParallel", COUNT, "At most so many at once."),
        Field::new("steps", steps!(), "What is done.").required(),
    ],
    one_of: &["items", "matrix"],
    habits: &[("in", "items"), ("list", "items"), ("do", "steps")],
};

static RETRY: Shape = Shape {
    what: "`retry`",
    fields: &[
        Field::new(
            "max",
            Ty::Int(0, 1_000),
            "How often after the first try; a try that was lost with the process does not count.",
        )
        .required(),
        Field::new(
            "backoff",
            Ty::Choice(&["exponential", "linear", "constant"]),
            "How the wait grows; exponential if left out.",
        ),
        Field::new("initial", Ty::Duration, "The first wait; 1s if left out."),
        Field::new("cap", Ty::Duration, "The longest wait; 30s if left out."),
        Field::new("jitter", Ty::Choice(&["full", "none"]), "Whether waits are spread; full if left out."),
        Field::new("errors", Ty::List(&Ty::Text), "The errors that it is for; those that may pass if left out."),
    ],
    one_of: &[],
    habits: &[
        ("attempts", "max (the tries after the first)"),
        ("maxAttempts", "max (the tries after the first)"),
        ("limit", "max"),
        ("delay", "initial"),
        ("maxDelay", "cap"),
        ("interval", "initial"),
        // Not our own word for it: `on` needs quotes.
        ("on", "errors"),
    ],
};

static CATCH: Shape = Shape {
    what: "an arm of `catch`",
    fields: &[
        Field::new("errors", Ty::List(&Ty::Text), "Their names; all if left out."),
        Field::new("steps", steps!(), "What is done.").required(),
    ],
    one_of: &[],
    habits: &[("error", "errors"), ("on", "errors"), ("do", "steps")],
};

static CACHE: Shape = Shape {
    what: "`cache`",
    fields: &[Field::new("key", Ty::Key, "For what.").required(), Field::new("keep", Ty::Duration, "How long.")],
    one_of: &[],
    habits: &[("ttl", "keep")],
};

pub(crate) static WORKFLOW: Shape = Shape {
    what: "a workflow",
    fields: &[
        Field::new("inputs", Ty::Map(&Ty::Object(&INPUT)), "What it is called with."),
        Field::new("steps", steps!(), "What it does.").required(),
        Field::new("outputs", Ty::Map(&Ty::Any), "What it gives back."),
        Field::new("timeout", Ty::Duration, "How long the whole may take."),
        Field::new("onFailure", steps!(), "What follows if its steps failed."),
        Field::new("finally", steps!(), "What follows at the end in any case."),
    ],
    one_of: &[],
    habits: &[
        ("on", "a Rule's `when`: a workflow is called by a rule"),
        ("when", "a Rule's `when`: a workflow is called by a rule"),
        ("jobs", "steps"),
        ("parameters", "inputs"),
        ("params", "inputs"),
        ("arguments", "inputs"),
        ("onError", "onFailure"),
    ],
};

static INPUT: Shape = Shape {
    what: "an input",
    fields: &[
        Field::new("type", Ty::Choice(InputType::WORDS), "What it must be; any if left out."),
        Field::new("default", Ty::Any, "What it is where the caller gives none; without it the caller must."),
        Field::new("description", Ty::Text, "What it is for."),
    ],
    one_of: &[],
    habits: &[("required", "no `default`: an input without one must be given")],
};

pub(crate) static TABLE: Shape = Shape {
    what: "a table",
    fields: &[
        Field::new("key", Ty::Text, "The column that is the key.").required(),
        Field::new("rows", Ty::List(&Ty::Map(&Ty::Any)), "The rows.").required(),
    ],
    one_of: &[],
    habits: &[("data", "rows"), ("items", "rows")],
};

/// Beside the key that names the type.
pub(crate) static CONNECTION: Shape = Shape {
    what: "a connection",
    fields: &[
        Field::new("limits", Ty::Object(&LIMITS), "The most it can do."),
        Field::new("freeze", FREEZES, "Windows in which what goes through it is held back."),
        Field::new("dryRun", Ty::Bool, "Actions are decided and recorded, and not done."),
    ],
    one_of: &[],
    habits: &[],
};

const FREEZES: Ty = Ty::List(&Ty::Object(&FREEZE_WINDOW));

static FREEZE_WINDOW: Shape = Shape {
    what: "a window of `freeze`",
    fields: &[
        Field::new("cron", Ty::Cron, "When it begins.").required(),
        Field::new("for", Ty::Duration, "How long it lasts; at least a minute.").required(),
        Field::new("zone", Ty::Zone, "The time zone of `cron`; UTC if left out."),
        Field::new("reason", Ty::Text, "Why, for whoever asks."),
    ],
    one_of: &[],
    habits: &[("schedule", "cron"), ("duration", "for"), ("timezone", "zone"), ("timeZone", "zone")],
};

static LIMITS: Shape = Shape {
    what: "`limits`",
    fields: &[
        Field::new("perMinute", COUNT, "Actions a minute."),
        Field::new("concurrent", COUNT, "Actions at once."),
        Field::new(
            "distinctTargetsPerHour",
            COUNT,
            "Different targets an hour: what an action changes, as its description says.",
        ),
    ],
    one_of: &[],
    habits: &[("maxConcurrent", "concurrent"), ("rate", "perMinute")],
};

/// Beside the key that names the type.
pub(crate) static SOURCE: Shape = Shape {
    what: "a source",
    fields: &[
        Field::new("id", Ty::Expr, "The id of the events; sees `event` and `headers`."),
        Field::new("dedupe", Ty::Object(&BODY), "Events without an id: the same body is the same event."),
    ],
    one_of: &[],
    habits: &[],
};

static BODY: Shape = Shape {
    what: "`dedupe`",
    fields: &[Field::new("body", Ty::Duration, "How long.").required()],
    one_of: &[],
    habits: &[],
};

pub(crate) static SCENARIO: Shape = Shape {
    what: "a scenario",
    fields: &[
        Field::new("env", Ty::Map(&Ty::Text), "Variables of the environment, as this scenario finds them."),
        Field::new("given", Ty::List(&Ty::Object(&GIVEN)), "What happens.").required(),
        Field::new(
            "actions",
            Ty::Map(&Ty::Either(&[Ty::List(&Ty::Object(&MOCK)), Ty::Object(&MOCK)])),
            "What actions answer; of several the first whose `when` fits.",
        ),
        Field::new("expect", Ty::List(&Ty::Object(&EXPECT)), "What must come of it.").required(),
        Field::new("until", Ty::Duration, "How long it goes on after the last event."),
    ],
    one_of: &[],
    habits: &[("when", "given"), ("then", "expect"), ("events", "given"), ("mocks", "actions")],
};

static GIVEN: Shape = Shape {
    what: "an item of `given`",
    fields: &[
        Field::new("at", Ty::Duration, "When, from the start; 0s if left out."),
        Field::new(
            "event",
            Ty::Either(&[Ty::Map(&Ty::Any), Ty::Text]),
            "An event, or a file beside the scenario. Written out, `${{ index }}` in it is the number of the repetition.",
        ),
        Field::new("via", Ty::Ref, "With `event`: the source that it comes through."),
        Field::new("times", COUNT, "With `event`: how often; once if left out."),
        Field::new("every", Ty::Duration, "With `event`: how long from one to the next; 0s if left out."),
        Field::new(
            "apply",
            Ty::Template,
            "Another configuration is in force from then on: a file or folder beside the scenario, hidden from the folder's \
             own by a name that begins with a dot; or the documents themselves, as a text of several lines.",
        ),
        Field::new("restart", Ty::Object(&RESTART), "The node stops, and starts again from what it has stored."),
        Field::new("operator", Ty::Object(&OPERATOR), "What a person asks for."),
        Field::new("source", Ty::Object(&SOURCE_SAYS), "What a source says of itself."),
    ],
    one_of: &["event", "apply", "restart", "operator", "source"],
    habits: &[
        ("config", "apply"),
        ("command", "operator"),
        ("approve", "operator: {approve: RULE, step: STEP}"),
        ("cancel", "operator: {cancel: RULE}"),
        ("freeze", "operator: {freeze: {}}"),
        ("thaw", "operator: {thaw: {}}"),
    ],
};

static RESTART: Shape = Shape {
    what: "`restart`",
    fields: &[Field::new("down", Ty::Duration, "How long it is down.").required()],
    one_of: &[],
    habits: &[("for", "down")],
};

static OPERATOR: Shape = Shape {
    what: "`operator`",
    fields: &[
        Field::new("rule", Ty::Ref, "The rule whose `mode` is changed."),
        Field::new("mode", Ty::Choice(&["live", "shadow", "paused"]), "With `rule`: its mode from then on."),
        Field::new("redrive", Ty::Ref, "All parked firings of this rule go on."),
        Field::new("discard", Ty::Ref, "All parked firings of this rule are dropped."),
        Field::new("approve", Ty::Ref, "The runs of this rule in which `step` asks get an answer: yes."),
        Field::new("refuse", Ty::Bool, "With `approve`: no instead of yes."),
        Field::new("cancel", Ty::Ref, "The runs of this rule that are not over are ended."),
        Field::new("retry", Ty::Ref, "The failed runs of this rule start once more."),
        Field::new("resume", Ty::Ref, "The failed runs of this rule go on at the step that failed."),
        Field::new("from", Ty::Text, "With `resume`: at this step instead."),
        Field::new("skip", Ty::Ref, "In the runs of this rule `step` is taken as done."),
        Field::new("settle", Ty::Ref, "In the runs of this rule it is said what became of an uncertain `step`."),
        Field::new("verdict", Ty::Choice(&["done", "failed", "retry"]), "With `settle`: what."),
        Field::new("rollback", Ty::Ref, "What the runs of this rule did is taken back, where they are over."),
        Field::new("step", Ty::Text, "With `approve`, `skip` or `settle`: the path of the step."),
        Field::new("key", RUN_KEY, "Only runs of this key."),
        Field::new("freeze", Ty::Object(&FREEZE), "Effects are held."),
        Field::new("thaw", Ty::Object(&THAW), "Held effects go on."),
        Field::new("by", Ty::Text, "Who asks; `scenario` if left out."),
        Field::new("roles", Ty::List(&Ty::Text), "The roles of who asks."),
        Field::new("reason", Ty::Text, "Why."),
    ],
    one_of: &[
        "rule", "redrive", "discard", "approve", "cancel", "retry", "resume", "skip", "settle", "rollback", "freeze",
        "thaw",
    ],
    habits: &[
        ("pause", "rule: NAME, mode: paused"),
        ("refused", "approve: RULE, step: STEP, refuse: true"),
        ("actor", "by"),
        ("role", "roles"),
        ("run", "the verb: cancel: RULE"),
    ],
};

const RUN_KEY: Ty = Ty::Either(&[Ty::List(&Ty::Text), Ty::Text]);
const ONLY_CONNECTION: Field = Field::new("connection", Ty::Ref, "Only those through this connection.");
const ONLY_RULE: Field = Field::new("rule", Ty::Ref, "Only those of this rule.");

static FREEZE: Shape = Shape { what: "`freeze`", fields: &[ONLY_CONNECTION, ONLY_RULE], one_of: &[], habits: &[] };

static THAW: Shape = Shape {
    what: "`thaw`",
    fields: &[ONLY_CONNECTION, ONLY_RULE, Field::new("discard", Ty::Bool, "They fail as cancelled instead.")],
    one_of: &[],
    habits: &[],
};

static SOURCE_SAYS: Shape = Shape {
    what: "what a source says",
    fields: &[
        Field::new("disconnected", Ty::Ref, "This source lost its connection."),
        Field::new("caughtUp", Ty::Ref, "This source has delivered all that it had missed."),
    ],
    one_of: &["disconnected", "caughtUp"],
    habits: &[("caught-up", "caughtUp"), ("connected", "caughtUp")],
};

static MOCK: Shape = Shape {
    what: "the answers of an action",
    fields: &[
        Field::new("when", Ty::Object(&CALL), "Only such calls; all if left out."),
        RETURNS,
        FAILS_WITH,
        UNCERTAIN,
        AFTER,
        Field::new("sequence", Ty::List(&Ty::Object(&ANSWER)), "One after the other; the last goes on for ever."),
    ],
    one_of: &["returns", "fails", "uncertain", "sequence"],
    habits: ANSWER_HABITS,
};

static CALL: Shape = Shape {
    what: "`when` of an answer",
    fields: &[
        Field::new("rule", Ty::Ref, "Those of this rule's runs."),
        Field::new("step", Ty::Text, "Those of this step, by its path: `build`, or `call/build` in a called workflow."),
        Field::new("with", Ty::Map(&Ty::Any), "Those that are called with at least these values."),
    ],
    one_of: &[],
    habits: &[("action", "the key that the answer stands under")],
};

static ANSWER: Shape = Shape {
    what: "an answer of an action",
    fields: &[RETURNS, FAILS_WITH, UNCERTAIN, AFTER],
    one_of: &["returns", "fails", "uncertain"],
    habits: ANSWER_HABITS,
};

const RETURNS: Field = Field::new("returns", Ty::Any, "It succeeds with these outputs.");
const FAILS_WITH: Field = Field::new("fails", Ty::Object(&FAILS), "It fails.");
const UNCERTAIN: Field = Field::new("uncertain", Ty::Text, "Nobody knows whether it was done, and this is why.");
const AFTER: Field = Field::new("after", Ty::Duration, "How long that takes; it is done at once if left out.");
const ANSWER_HABITS: &[(&str, &str)] = &[
    ("return", "returns"),
    ("fail", "fails"),
    ("error", "fails"),
    ("outputs", "returns"),
    ("answers", "sequence"),
    ("takes", "after"),
    ("delay", "after"),
    ("step", "when: {step: STEP}"),
];

static FAILS: Shape = Shape {
    what: "a failure",
    fields: &[
        Field::new("name", Ty::Text, "The error's name; StepFailed if left out."),
        Field::new("message", Ty::Text, "Its message."),
        Field::new(
            "retryable",
            Ty::Bool,
            "Whether another try may help; if left out, it may after Connect, Timeout and Status.",
        ),
        Field::new("retryAfter", Ty::Duration, "When the other side asks to be tried again."),
        Field::new("details", Ty::Any, "What else is known: `error.details`."),
    ],
    one_of: &[],
    habits: &[("error", "name"), ("reason", "message")],
};

static EXPECT: Shape = Shape {
    what: "an item of `expect`",
    fields: &[
        Field::new("rule", Ty::Ref, "A rule fires."),
        Field::new("fires", TIMES, "With `rule`: how often; at least once if nothing else is asked of it."),
        Field::new("shadow", TIMES, "With `rule`: how often in shadow."),
        Field::new("parked", TIMES, "With `rule`: how many firings wait for a person at the end."),
        Field::new("waiting", TIMES, "With `rule`: how many half-matches wait at the end."),
        Field::new("action", Ty::Text, "An action is called."),
        Field::new("run", Ty::Ref, "A run of this rule is there."),
        Field::new("step", Ty::Text, "With `run`: this step of it; with `action`: called by this step; by its path."),
        Field::new("status", Ty::Choice(STATUSES), "With `run`: how it, or the step, stands at the end."),
        Field::new("error", Ty::Text, "With `run`: the name of the error that it, or the step, ended with."),
        Field::new("order", Ty::List(&Ty::Text), "These are called in this order, actions by name, steps by path."),
        Field::new("event", Ty::Text, "An event of this type is there."),
        Field::new("decision", Ty::Ref, "This rule decides something else than to fire."),
        Field::new("verdict", Ty::Choice(VERDICTS), "With `decision`: what."),
        Field::new(
            "refused",
            Ty::Text,
            "What `apply` gives, or `operator` asks for, is refused, with this in the message.",
        ),
        Field::new("times", TIMES, "How often; at least once if left out."),
        Field::new("at", Ty::Duration, "Only what happens exactly then, from the start."),
        Field::new("key", RUN_KEY, "With `rule`, `run` or `decision`: only of this key."),
        Field::new("with", Ty::Map(&Ty::Any), "With `action` or `decision`: with at least these values."),
        Field::new("data", Ty::Any, "With `event`: with at least these data."),
    ],
    one_of: &["rule", "action", "run", "event", "decision", "refused", "order"],
    habits: &[("count", "times"), ("denied", "run: RULE, step: STEP, error: Denied"), ("emitted", "event")],
};

const TIMES: Ty = Ty::Int(0, 1_000_000_000);

/// As the engine writes them; a test of the scenarios holds the two lists together.
const VERDICTS: &[&str] = &[
    "notIf",
    "error",
    "paused",
    "noKey",
    "keyRefused",
    "expired",
    "unless",
    "full",
    "came",
    "deduped",
    "held",
    "replaced",
    "throttled",
    "skipped",
    "late",
    "edited",
    "chainCut",
    "parked",
    "dropped",
    "refused",
];

/// Of runs, and of their steps.
const STATUSES: &[&str] =
    &["running", "succeeded", "failed", "cancelled", "uncertain", "backoff", "waiting", "asking", "skipped"];
