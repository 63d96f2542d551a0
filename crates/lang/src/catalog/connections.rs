//! Kinds of connections.

use super::ConnectionSpec;
use crate::model::Limits;
use crate::shape::{Field, Shape, Ty};

/// All kinds of connections.
pub static CONNECTIONS: &[ConnectionSpec] = &[
    ConnectionSpec {
        name: "http",
        doc: "An HTTP API.",
        config: Shape {
            what: "the settings of an http connection",
            fields: &[
                Field::new("url", Ty::Url, "The address that `path` of an action is added to."),
                Field::new("headers", Ty::Map(&Ty::MaybeSecret), "Headers of every request; values may be secrets."),
                Field::new("bearer", Ty::Text, "The token for `Authorization: Bearer`.").secret(),
                Field::new("basic", Ty::Object(&BASIC), "User and password for `Authorization: Basic`."),
                Field::new(
                    "idempotencyHeader",
                    Ty::Text,
                    "The header in which the other side takes a key and answers a repeated one as it did the first: it makes POST and PATCH repeatable.",
                ),
                NETWORKS,
            ],
            one_of: &[],
            habits: &[("baseUrl", "url"), ("endpoint", "url"), ("token", "bearer"), ("auth", "bearer")],
        },
        limits: Limits::NONE,
    },
    ConnectionSpec {
        name: "git",
        doc: "A git repository.",
        config: Shape {
            what: "the settings of a git connection",
            fields: &[
                Field::new("url", Ty::Text, "The address of the repository.").required(),
                Field::new("token", Ty::Text, "The password or token for HTTP.").secret(),
                Field::new("username", Ty::Text, "The user that goes with the token; `x-access-token` if left out."),
                Field::new("author", Ty::Object(&AUTHOR), "Who the commits are by."),
            ],
            one_of: &[],
            habits: &[("repo", "url"), ("repository", "url"), ("password", "token"), ("user", "username")],
        },
        limits: Limits::NONE,
    },
    ConnectionSpec {
        name: "slack",
        doc: "A Slack channel, by incoming webhook.",
        config: Shape {
            what: "the settings of a slack connection",
            fields: &[
                Field::new("webhook", Ty::Text, "The address of the incoming webhook.").required().secret(),
                NETWORKS,
            ],
            one_of: &[],
            habits: &[("url", "webhook"), ("webhookUrl", "webhook")],
        },
        limits: Limits::NONE,
    },
    ConnectionSpec {
        name: "exec",
        doc: "Programs on the machine that ensue runs on. Off unless turned on.",
        config: Shape {
            what: "the settings of an exec connection",
            fields: &[
                Field::new("enabled", Ty::Bool, "Must be true, or nothing is run."),
                Field::new("dir", Ty::Text, "The folder to run in; a fresh temporary one if left out."),
                Field::new(
                    "env",
                    Ty::Map(&Ty::MaybeSecret),
                    "The environment of the programs beside PATH, HOME and LANG, and under that of the step; values may be secrets.",
                ),
                Field::new(
                    "secretsFor",
                    Ty::List(&Ty::Text),
                    "The namespaces whose steps may name secrets in their own `env`.",
                ),
                Field::new(
                    "maxOutput",
                    Ty::Int(1, 25 << 20),
                    "How many bytes of standard output and of standard error are kept each.",
                ),
            ],
            one_of: &[],
            habits: &[("cwd", "dir"), ("workdir", "dir"), ("workingDirectory", "dir"), ("environment", "env")],
        },
        limits: Limits::NONE,
    },
    ConnectionSpec {
        name: "kubernetes",
        doc: "A Kubernetes cluster.",
        config: Shape {
            what: "the settings of a kubernetes connection",
            fields: &[
                Field::new("context", Ty::Text, "The context of the kubeconfig; its current one if left out."),
                Field::new(
                    "kubeconfig",
                    Ty::MaybeSecret,
                    "The path of a kubeconfig, or a secret that holds one; if left out what KUBECONFIG names, `~/.kube/config`, or in a pod its service account.",
                ),
                Field::new("inCluster", Ty::Bool, "Use the service account of the pod that ensue runs in."),
                Field::new("impersonate", Ty::Object(&IMPERSONATE), "Whom requests are made for."),
            ],
            one_of: &[],
            habits: &[
                ("config", "kubeconfig"),
                ("cluster", "context"),
                ("incluster", "inCluster"),
                ("as", "impersonate"),
            ],
        },
        // What a wrong rule can do to a cluster within an hour; only actions that change something count.
        limits: Limits { distinct_targets_per_hour: Some(10), ..Limits::NONE },
    },
];

static IMPERSONATE: Shape = Shape {
    what: "whom requests are made for",
    fields: &[
        USER,
        GROUPS,
        Field::new(
            "byNamespace",
            Ty::Map(&Ty::Object(&IDENTITY)),
            "By the namespace of the rule or source; without `user` beside it other namespaces are refused.",
        ),
    ],
    one_of: &[],
    habits: &[("username", "user"), ("group", "groups")],
};

static IDENTITY: Shape = Shape {
    what: "a user of the cluster",
    fields: &[USER.required(), GROUPS],
    one_of: &[],
    habits: &[("username", "user"), ("group", "groups")],
};

const USER: Field = Field::new("user", Ty::Text, "The user: `system:serviceaccount:shop:deployer`.");
const GROUPS: Field = Field::new("groups", Ty::List(&Ty::Text), "Its groups.");

const NETWORKS: Field = Field::new(
    "allowNetworks",
    Ty::List(&Ty::Cidr),
    "Private address ranges that may be called; public addresses always may.",
);

static BASIC: Shape = Shape {
    what: "a user and a password",
    fields: &[
        Field::new("user", Ty::Text, "The user.").required(),
        Field::new("password", Ty::Text, "The password.").required().secret(),
    ],
    one_of: &[],
    habits: &[("username", "user")],
};

static AUTHOR: Shape = Shape {
    what: "a name and an e-mail address",
    fields: &[
        Field::new("name", Ty::Text, "The name.").required(),
        Field::new("email", Ty::Text, "The e-mail address.").required(),
    ],
    one_of: &[],
    habits: &[],
};
