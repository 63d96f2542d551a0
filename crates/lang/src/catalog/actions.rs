//! Actions.

use super::{ActionSpec, Idempotency, Target, Uncertain};
use crate::shape::{Field, Shape, Ty};

/// All actions.
pub static ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        name: "http/request",
        connection: "http",
        doc: "Sends one HTTP request.",
        with: Shape {
            what: "an HTTP request",
            fields: &[
                Field::new(
                    "method",
                    Ty::Choice(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
                    "The method; GET if left out.",
                ),
                Field::new("url", Ty::Url, "The whole address, instead of the connection's and `path`."),
                Field::new("path", Ty::Text, "What is added to the connection's address."),
                Field::new("headers", Ty::Map(&Ty::Text), "Headers beside the connection's."),
                Field::new("query", Ty::Map(&Ty::Any), "Parameters; a list gives several of one name."),
                Field::new("body", Ty::Any, "The body, sent as JSON."),
                Field::new("text", Ty::Text, "The body, sent as it is."),
                Field::new(
                    "expect",
                    Ty::List(&Ty::Int(100, 599)),
                    "The status codes that are a success; 200 to 299 if left out.",
                ),
            ],
            one_of: &[],
            habits: &[("json", "body"), ("data", "body"), ("params", "query"), ("verb", "method"), ("uri", "url")],
        },
        outputs: &[
            Field::new("status", Ty::Int(100, 599), "The status code."),
            Field::new("headers", Ty::Map(&Ty::Text), "The headers of the answer, names in lower case."),
            Field::new("body", Ty::Any, "The body of the answer: what its JSON says, else a text."),
        ],
        idempotency: Idempotency::ByMethod,
        default_retry: true,
        uncertain: Uncertain::Ask,
        target: Target::Request,
    },
    ActionSpec {
        name: "git/commit",
        connection: "git",
        doc: "Sets values in YAML or JSON files of a branch, or writes files, and pushes the commit.",
        with: Shape {
            what: "a commit",
            fields: &[
                Field::new("branch", Ty::Text, "The branch.").required(),
                Field::new(
                    "set",
                    Ty::Map(&Ty::Map(&Ty::Any)),
                    "Per file, the values to set: a key is a JSON Pointer where it starts with `/`, else a dotted path.",
                ),
                Field::new("files", Ty::Map(&Ty::Text), "Per path, the whole text of a file."),
                Field::new("message", Ty::Text, "The commit message.").required(),
            ],
            one_of: &[],
            habits: &[("ref", "branch"), ("values", "set"), ("file", "files")],
        },
        outputs: &[
            Field::new("commit", Ty::Text, "The commit; the branch's head where nothing had to change."),
            Field::new("changed", Ty::Bool, "Whether there was something to commit."),
            Field::new("files", Ty::List(&Ty::Text), "The files that changed."),
        ],
        // A trailer in the commit message carries the key; it is looked for before a commit is made.
        idempotency: Idempotency::Keyed,
        default_retry: true,
        uncertain: Uncertain::Retry,
        target: Target::Fields(&["url", "branch"]),
    },
    ActionSpec {
        name: "slack/post",
        connection: "slack",
        doc: "Posts a message.",
        with: Shape {
            what: "a message",
            fields: &[
                Field::new("text", Ty::Text, "The text; what notifications show where there are blocks.").required(),
                Field::new("channel", Ty::Text, "Another channel than the webhook's, where Slack allows it."),
                Field::new("blocks", Ty::List(&Ty::Any), "Slack's layout blocks."),
            ],
            one_of: &[],
            habits: &[("message", "text"), ("msg", "text")],
        },
        outputs: &[],
        idempotency: Idempotency::None,
        default_retry: true,
        uncertain: Uncertain::Retry,
        target: Target::Fields(&["channel"]),
    },
    ActionSpec {
        name: "exec/run",
        connection: "exec",
        doc: "Runs a program; no shell is involved.",
        with: Shape {
            what: "a program to run",
            fields: &[
                Field::new("argv", Ty::List(&Ty::Text), "The program and its arguments.").required(),
                Field::new("env", Ty::Map(&Ty::MaybeSecret), "Environment variables beside the connection's."),
                Field::new("stdin", Ty::Text, "What the program reads on standard input."),
                Field::new("expect", Ty::List(&Ty::Int(0, 255)), "The exit codes that are a success; 0 if left out."),
                Field::new(
                    "files",
                    Ty::Map(&Ty::Any),
                    "Per path in its folder, an artifact of an earlier step: \"${{ steps.STEP.outputs.artifacts.NAME }}\".",
                ),
                Field::new(
                    "artifacts",
                    Ty::Map(&Ty::Text),
                    "Per name, the path of a file in its folder that is kept when it has ended well; 32 MiB each at most.",
                ),
                Field::new(
                    "heartbeat",
                    Ty::Duration,
                    "How often it must give a sign of life: a byte of output, or a touch of the file that ENSUE_HEARTBEAT names.",
                ),
            ],
            one_of: &[],
            habits: &[("command", "argv"), ("cmd", "argv"), ("args", "argv"), ("run", "argv"), ("environment", "env")],
        },
        outputs: &[
            Field::new("exitCode", Ty::Int(0, 255), "The exit code."),
            Field::new("stdout", Ty::Text, "Standard output."),
            Field::new("stderr", Ty::Text, "Standard error."),
            Field::new("json", Ty::Any, "What standard output says, where it is JSON."),
            Field::new("artifacts", Ty::Map(&Ty::Any), "Per name, what was kept: digest, size, mediaType, path."),
        ],
        idempotency: Idempotency::None,
        default_retry: false,
        uncertain: Uncertain::Ask,
        target: Target::None,
    },
];
