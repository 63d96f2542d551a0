//! Kinds of sources.

use super::{Recovers, SourceSpec};
use crate::shape::{Field, Shape, Ty};

/// All kinds of sources.
pub static SOURCES: &[SourceSpec] = &[
    SourceSpec {
        name: "http",
        doc: "CloudEvents over HTTP: binary, structured and batched.",
        config: Shape {
            what: "the settings of an http source",
            fields: &[Field::new("bearer", Ty::Text, "The token that senders give, instead of one of ours.").secret()],
            one_of: &[],
            habits: &[("token", "bearer"), ("secret", "bearer"), ("tokens", "bearer")],
        },
        recovers: Recovers::None,
        path: Some("/hooks/NAME"),
    },
    SourceSpec {
        name: "github",
        doc: "Webhooks of GitHub, with the types of the CloudEvents adapter: com.github.push.",
        config: Shape {
            what: "the settings of a github source",
            fields: &[
                Field::new("secret", Ty::Text, "The webhook's secret.").secret(),
                Field::new("secrets", Ty::List(&Ty::Text), "Several secrets, while one replaces the other.").secret(),
                Field::new("connection", Ty::Ref, "The connection to ask for deliveries that failed."),
            ],
            one_of: &["secret", "secrets"],
            habits: &[("webhookSecret", "secret"), ("token", "secret")],
        },
        recovers: Recovers::None,
        path: Some("/hooks/NAME"),
    },
    SourceSpec {
        name: "webhook",
        doc: "Any webhook that is signed with an HMAC.",
        config: Shape {
            what: "the settings of a webhook source",
            fields: &[
                Field::new("secret", Ty::Text, "The key of the HMAC.").secret(),
                Field::new("secrets", Ty::List(&Ty::Text), "Several keys, while one replaces the other.").secret(),
                Field::new("header", Ty::Text, "The header with the signature.").required(),
                Field::new("algorithm", Ty::Choice(&["sha256", "sha1", "sha512"]), "The hash; sha256 if left out."),
                Field::new(
                    "encoding",
                    Ty::Choice(&["hex", "base64"]),
                    "How the signature is written; hex if left out.",
                ),
                Field::new("prefix", Ty::Text, "What stands before the signature: `sha256=`."),
                Field::new("type", Ty::Template, "The type of the events; sees `event.data` and `headers`.").required(),
                Field::new("subject", Ty::Template, "The subject of the events; sees `event.data` and `headers`."),
                Field::new("id", Ty::Expr, "The id of the events; the same as `id` beside `webhook`."),
            ],
            one_of: &["secret", "secrets"],
            habits: &[("signatureHeader", "header"), ("algo", "algorithm"), ("eventType", "type")],
        },
        recovers: Recovers::None,
        path: Some("/hooks/NAME"),
    },
    SourceSpec {
        name: "slack",
        doc: "What people press in Slack: com.slack.block_actions; a button of ours answers an `approve` step.",
        config: Shape {
            what: "the settings of a slack source",
            fields: &[
                Field::new("signingSecret", Ty::Text, "The signing secret of the Slack app.").required().secret(),
                Field::new(
                    "people",
                    Ty::Map(&Ty::List(&Ty::Text)),
                    "By the id of a Slack user (U012AB3CD): the roles for which they may answer.",
                ),
            ],
            one_of: &[],
            habits: &[("secret", "signingSecret"), ("users", "people"), ("approvers", "people")],
        },
        recovers: Recovers::None,
        path: Some("/hooks/NAME"),
    },
    SourceSpec {
        name: "registry",
        doc: "Notifications of a container registry (docker distribution).",
        config: Shape {
            what: "the settings of a registry source",
            fields: &[Field::new("bearer", Ty::Text, "The token that the registry sends.").required().secret()],
            one_of: &[],
            habits: &[("token", "bearer"), ("secret", "bearer")],
        },
        recovers: Recovers::None,
        path: Some("/hooks/NAME"),
    },
    SourceSpec {
        name: "schedule",
        doc: "An event at certain times.",
        config: Shape {
            what: "the settings of a schedule",
            fields: &[
                Field::new("cron", Ty::Cron, "When, in cron's five fields, or six with seconds."),
                Field::new("every", Ty::Duration, "How often, counted from 1970-01-01T00:00:00Z."),
                Field::new("zone", Ty::Zone, "The time zone of `cron`; UTC if left out."),
                Field::new(
                    "missed",
                    Ty::Choice(&["skip", "once", "all"]),
                    "What becomes of times that passed while ensue was down; once if left out.",
                ),
                Field::new("type", Ty::Text, "The type of the events; `schedule.NAME` if left out."),
                Field::new("data", Ty::Any, "The data of the events."),
            ],
            one_of: &["cron", "every"],
            habits: &[("schedule", "cron"), ("interval", "every"), ("timezone", "zone"), ("timeZone", "zone")],
        },
        recovers: Recovers::Resume,
        path: None,
    },
    SourceSpec {
        name: "kubernetes",
        doc: "Objects of a Kubernetes cluster as they change, what its components report, and facts made of both: io.k8s.pod.crash-loop.",
        config: Shape {
            what: "the settings of a kubernetes source",
            fields: &[
                Field::new("connection", Ty::Ref, "The connection to the cluster.").required(),
                Field::new(
                    "resources",
                    Ty::List(&Ty::Either(&[Ty::Object(&RESOURCE), Ty::Text])),
                    "The kinds to watch: `apps/v1/Deployment`, `pods`, or with a selector; what facts are made of if left out.",
                ),
                Field::new("namespaces", Ty::List(&Ty::Text), "The namespaces; the whole cluster if left out."),
                Field::new("events", Ty::Bool, "Whether Events are watched too; true if left out."),
                Field::new(
                    "streamingLists",
                    Ty::Bool,
                    "Whether all objects are asked for by one stream, where the server can do that; else by pages. True if left out.",
                ),
                Field::new("resync", Ty::Duration, "How often all known objects are sent again."),
                Field::new("keepSecretData", Ty::Bool, "Keep what is in Secrets; it is dropped if left out."),
                Field::new(
                    "keepManagedFields",
                    Ty::Bool,
                    "Keep `managedFields` and kubectl's copy of what was applied last; they are dropped if left out.",
                ),
            ],
            one_of: &[],
            habits: &[
                ("kinds", "resources"),
                ("resource", "resources"),
                ("namespace", "namespaces"),
                ("watch", "resources"),
            ],
        },
        recovers: Recovers::Resume,
        path: None,
    },
];

static RESOURCE: Shape = Shape {
    what: "a kind to watch",
    fields: &[
        Field::new("kind", Ty::Text, "The kind: `apps/v1/Deployment`, `Deployment`, `deployments`.").required(),
        Field::new("namespaces", Ty::List(&Ty::Text), "Its namespaces, instead of the source's."),
        Field::new("labelSelector", Ty::Text, "Only objects with these labels: `app=shop,tier!=cache`."),
        Field::new("fieldSelector", Ty::Text, "Only objects with these fields: `spec.nodeName=node-1`."),
    ],
    one_of: &[],
    habits: &[
        ("resource", "kind"),
        ("selector", "labelSelector"),
        ("labels", "labelSelector"),
        ("namespace", "namespaces"),
    ],
};
