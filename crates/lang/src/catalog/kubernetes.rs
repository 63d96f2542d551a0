//! The actions of clusters.

use super::{ActionSpec, Idempotency, On, Permission, Target, Uncertain};
use crate::shape::{Field, Shape, Ty};

const fn action(
    name: &'static str,
    doc: &'static str,
    with: Shape,
    outputs: &'static [Field],
    permissions: &'static [Permission],
) -> ActionSpec {
    ActionSpec {
        name,
        connection: "kubernetes",
        doc,
        with,
        outputs,
        idempotency: Idempotency::Natural,
        default_retry: true,
        uncertain: Uncertain::Retry,
        target: Target::Object,
        permissions,
    }
}

/// The other side knows the key: by a name made of it, or by the mark on the object.
const fn keyed(mut spec: ActionSpec) -> ActionSpec {
    spec.idempotency = Idempotency::Keyed;
    spec
}

/// It changes nothing.
const fn reads(mut spec: ActionSpec) -> ActionSpec {
    spec.target = Target::None;
    spec
}

const fn with(what: &'static str, fields: &'static [Field]) -> Shape {
    Shape { what, fields, one_of: &[], habits: HABITS }
}

const HABITS: &[(&str, &str)] = &[
    ("ns", "namespace"),
    ("resource", "kind"),
    ("labelSelector", "labels"),
    ("fieldSelector", "fields"),
    ("selector", "labels"),
    ("propagationPolicy", "propagation"),
    ("gracePeriodSeconds", "gracePeriod"),
    ("ignoreNotFound", "missingOk"),
];

const NAMESPACE: Field =
    Field::new("namespace", Ty::Text, "The namespace; that of the kubeconfig's context if left out.");
const KIND: Field =
    Field::new("kind", Ty::Text, "The kind: `Deployment`, `apps/v1/Deployment`, `widgets.example.com`.");
const NAME: Field = Field::new("name", Ty::Text, "Its name.");
const DEPLOYMENT: Field = Field::new("deployment", Ty::Text, "The deployment, instead of `kind` and `name`.");
const STATEFUL_SET: Field = Field::new("statefulSet", Ty::Text, "The stateful set, instead of `kind` and `name`.");
const DAEMON_SET: Field = Field::new("daemonSet", Ty::Text, "The daemon set, instead of `kind` and `name`.");
const NODE: Field = Field::new("node", Ty::Text, "The node.").required();
const WAIT: Field = Field::new(
    "wait",
    Ty::Choice(&[
        "job",
        "argo-workflow",
        "tekton-pipelinerun",
        "tekton-taskrun",
        "argocd-sync",
        "argo-rollout",
        "flux-reconcile",
        "established",
        "ready",
    ]),
    "Wait until the object says that it has succeeded; if it says that it has failed, the step fails.",
);
const LABELS: Field = Field::new("labels", Ty::Text, "A selector of labels: `app=web,tier!=cache`.");
const GRACE: Field = Field::new("gracePeriod", Ty::Duration, "How long pods get to end; what they say if left out.");

const CHANGED: Field = Field::new("changed", Ty::Bool, "Whether there was something to change.");
const OBJECT: Field =
    Field::new("object", Ty::Map(&Ty::Any), "The object, without managed fields and without the values of a Secret.");
const UID: Field = Field::new("uid", Ty::Text, "Its uid.");
const IMAGES: Field = Field::new("images", Ty::List(&Ty::Text), "The images of its containers.");
const REVISION: Field = Field::new("revision", Ty::Int(0, i64::MAX), "The revision of a deployment's template.");
const OUTPUTS: &[Field] = &[CHANGED, OBJECT, IMAGES, REVISION, UID];

const CHANGES: &[Permission] = &[Permission { verbs: &["get", "patch"], on: On::Object("") }];
const WATCHES: &[Permission] = &[Permission { verbs: &["get", "watch"], on: On::Object("") }];

const fn beside(verbs: &'static [&'static str], group: &'static str, resource: &'static str) -> Permission {
    Permission { verbs, on: On::Beside { group, resource } }
}

/// `kubernetes/apply`.
pub(super) const APPLY: ActionSpec = action(
    "kubernetes/apply",
    "Applies objects on the server's side, as the field manager `ensue`.",
    Shape {
        what: "what is applied",
        fields: &[
            Field::new("manifest", Ty::Map(&Ty::Any), "The object."),
            Field::new("manifests", Ty::List(&Ty::Map(&Ty::Any)), "Several objects, in this order."),
            NAMESPACE,
            Field::new("force", Ty::Bool, "Take over fields that belong to somebody else."),
            WAIT,
        ],
        one_of: &["manifest", "manifests"],
        habits: HABITS,
    },
    &[
        CHANGED,
        OBJECT,
        IMAGES,
        REVISION,
        UID,
        Field::new("objects", Ty::List(&Ty::Any), "Of `manifests`, these of each."),
    ],
    &[Permission { verbs: &["get", "create", "patch", "watch"], on: On::Object("") }],
);

/// `kubernetes/create`.
pub(super) const CREATE: ActionSpec = keyed(action(
    "kubernetes/create",
    "Creates an object of any kind, and waits for it where that is asked.",
    with(
        "what is created",
        &[
            Field::new(
                "manifest",
                Ty::Map(&Ty::Any),
                "The object; with `generateName` its name ends in a part of the effect's key.",
            )
            .required(),
            NAMESPACE,
            WAIT,
        ],
    ),
    OUTPUTS,
    &[Permission { verbs: &["get", "create", "watch"], on: On::Object("") }],
));

/// `kubernetes/get`.
pub(super) const GET: ActionSpec = reads(action(
    "kubernetes/get",
    "Reads one object.",
    with(
        "what is read",
        &[
            KIND,
            NAME,
            DEPLOYMENT,
            NAMESPACE,
            Field::new("missingOk", Ty::Bool, "Succeed with `found: false` where it is not there."),
        ],
    ),
    &[Field::new("found", Ty::Bool, "Whether it is there."), OBJECT, IMAGES, REVISION, UID],
    &[Permission { verbs: &["get"], on: On::Object("") }],
));

/// `kubernetes/list`.
pub(super) const LIST: ActionSpec = reads(action(
    "kubernetes/list",
    "Lists objects of a kind.",
    with(
        "what is listed",
        &[
            KIND.required(),
            NAMESPACE,
            Field::new("allNamespaces", Ty::Bool, "Those of all namespaces."),
            LABELS,
            Field::new("fields", Ty::Text, "A selector of fields: `spec.nodeName=node-1`."),
            Field::new("limit", Ty::Int(1, 10_000), "How many at most; 500 if left out."),
        ],
    ),
    &[
        Field::new("items", Ty::List(&Ty::Map(&Ty::Any)), "The objects, without the values of Secrets."),
        Field::new("count", Ty::Int(0, i64::MAX), "How many these are."),
        Field::new("more", Ty::Bool, "Whether there are more."),
    ],
    &[Permission { verbs: &["list"], on: On::Object("") }],
));

/// `kubernetes/patch`.
pub(super) const PATCH: ActionSpec = keyed(action(
    "kubernetes/patch",
    "Patches an object.",
    with(
        "a patch",
        &[
            KIND,
            NAME,
            DEPLOYMENT,
            NAMESPACE,
            Field::new("patch", Ty::Any, "What is to change: a map, or with `type: json` a list of operations.")
                .required(),
            Field::new("type", Ty::Choice(&["merge", "strategic", "json"]), "The kind of patch; `merge` if left out."),
            Field::new(
                "subresource",
                Ty::Text,
                "A part that is written by itself: `status`, `scale`; not by a list of operations.",
            ),
            Field::new("resourceVersion", Ty::Text, "Only this version of the object."),
            WAIT,
        ],
    ),
    OUTPUTS,
    &[Permission { verbs: &["get", "patch", "watch"], on: On::Object("") }],
));

/// `kubernetes/delete`.
pub(super) const DELETE: ActionSpec = action(
    "kubernetes/delete",
    "Deletes an object; one that is not there counts as deleted.",
    with(
        "what is deleted",
        &[
            KIND,
            NAME,
            DEPLOYMENT,
            NAMESPACE,
            Field::new(
                "propagation",
                Ty::Choice(&["Background", "Foreground", "Orphan"]),
                "What becomes of what it owns; Background if left out.",
            ),
            Field::new(
                "missingOk",
                Ty::Bool,
                "`false`: fail where it is not there. After a crash a call that was done already fails then, too.",
            ),
            GRACE,
            Field::new("wait", Ty::Bool, "Wait until it is gone."),
        ],
    ),
    &[Field::new("deleted", Ty::Bool, "Whether it was there."), UID],
    &[Permission { verbs: &["get", "delete", "watch"], on: On::Object("") }],
);

/// `kubernetes/scale`.
pub(super) const SCALE: ActionSpec = action(
    "kubernetes/scale",
    "Sets the replicas of a workload; refused where an autoscaler has them.",
    with(
        "how something is scaled",
        &[
            KIND,
            NAME,
            DEPLOYMENT,
            STATEFUL_SET,
            NAMESPACE,
            Field::new("replicas", Ty::Int(0, 1_000_000), "How many.").required(),
            Field::new("fromReplicas", Ty::Int(0, 1_000_000), "Only where it has so many; else nothing happens."),
            Field::new("force", Ty::Bool, "Also where a HorizontalPodAutoscaler scales it."),
        ],
    ),
    &[
        CHANGED,
        Field::new("replicas", Ty::Int(0, i64::MAX), "How many it is to have now."),
        OBJECT,
        IMAGES,
        REVISION,
        UID,
    ],
    &[
        Permission { verbs: &["get", "patch"], on: On::Object("") },
        Permission { verbs: &["get", "update"], on: On::Object("scale") },
        beside(&["list"], "autoscaling", "horizontalpodautoscalers"),
    ],
);

const WORKLOAD: &[Field] = &[KIND, NAME, DEPLOYMENT, STATEFUL_SET, DAEMON_SET, NAMESPACE];

/// `kubernetes/rollout-restart`.
pub(super) const ROLLOUT_RESTART: ActionSpec = keyed(action(
    "kubernetes/rollout-restart",
    "Replaces all pods of a workload, once for an effect.",
    with("what is restarted", WORKLOAD),
    &[
        CHANGED,
        Field::new("restartedAt", Ty::Text, "What was written into the template."),
        OBJECT,
        IMAGES,
        REVISION,
        UID,
    ],
    CHANGES,
));

/// `kubernetes/rollout-undo`.
pub(super) const ROLLOUT_UNDO: ActionSpec = keyed(action(
    "kubernetes/rollout-undo",
    "Takes a deployment back to an earlier revision, if the one to undo is current still.",
    with(
        "a rollback",
        &[
            DEPLOYMENT,
            KIND,
            NAME,
            NAMESPACE,
            Field::new(
                "fromRevision",
                Ty::Int(1, i64::MAX),
                "The revision that is to be undone; where it is no longer current nothing happens.",
            )
            .required(),
            Field::new("toRevision", Ty::Int(1, i64::MAX), "The revision to go back to; the one before if left out."),
        ],
    ),
    &[
        Field::new("changed", Ty::Bool, "Whether it went back."),
        Field::new("reason", Ty::Text, "Why nothing happened, if so."),
        Field::new("revision", Ty::Int(0, i64::MAX), "The revision that is current then."),
        Field::new("toRevision", Ty::Int(0, i64::MAX), "The revision whose template it has."),
        IMAGES,
        OBJECT,
        UID,
    ],
    &[Permission { verbs: &["get", "patch"], on: On::Object("") }, beside(&["list"], "apps", "replicasets")],
));

/// `kubernetes/rollout-pause`.
pub(super) const ROLLOUT_PAUSE: ActionSpec = action(
    "kubernetes/rollout-pause",
    "Holds the rollout of a deployment.",
    with("what is paused", &[DEPLOYMENT, KIND, NAME, NAMESPACE]),
    OUTPUTS,
    CHANGES,
);

/// `kubernetes/rollout-resume`.
pub(super) const ROLLOUT_RESUME: ActionSpec = action(
    "kubernetes/rollout-resume",
    "Lets the rollout of a deployment go on.",
    with("what is resumed", &[DEPLOYMENT, KIND, NAME, NAMESPACE]),
    OUTPUTS,
    CHANGES,
);

/// `kubernetes/rollout-wait`.
pub(super) const ROLLOUT_WAIT: ActionSpec = reads(action(
    "kubernetes/rollout-wait",
    "Waits until the rollout of a workload is over; fails when its progress deadline is exceeded.",
    with(
        "what is waited for",
        &[
            DEPLOYMENT,
            STATEFUL_SET,
            DAEMON_SET,
            KIND,
            NAME,
            NAMESPACE,
            Field::new("revision", Ty::Int(1, i64::MAX), "Fail when another revision takes over."),
        ],
    ),
    &[
        Field::new("message", Ty::Text, "What `kubectl rollout status` would say."),
        REVISION,
        IMAGES,
        Field::new("replicas", Ty::Int(0, i64::MAX), "How many replicas there are."),
    ],
    WATCHES,
));

/// `kubernetes/set-image`.
pub(super) const SET_IMAGE: ActionSpec = action(
    "kubernetes/set-image",
    "Sets the images of a workload's containers.",
    with(
        "images",
        &[
            DEPLOYMENT,
            STATEFUL_SET,
            DAEMON_SET,
            KIND,
            NAME,
            NAMESPACE,
            Field::new("images", Ty::Map(&Ty::Text), "Per container its image; `*` is all containers.").required(),
        ],
    ),
    OUTPUTS,
    CHANGES,
);

/// `kubernetes/run-job`.
pub(super) const RUN_JOB: ActionSpec = keyed(action(
    "kubernetes/run-job",
    "Runs a Job to its end, with its log and exit code; one that nobody waits for any more is deleted.",
    Shape {
        what: "a job to run",
        fields: &[
            NAMESPACE,
            Field::new("name", Ty::Text, "The beginning of its name; the rest is a part of the effect's key."),
            Field::new("image", Ty::Text, "The image of its one container."),
            Field::new("command", Ty::List(&Ty::Text), "The program and its first arguments, instead of the image's."),
            Field::new("args", Ty::List(&Ty::Text), "The arguments, instead of the image's."),
            Field::new("env", Ty::Map(&Ty::Any), "The environment of the container."),
            Field::new("serviceAccount", Ty::Text, "The service account of its pod."),
            Field::new("manifest", Ty::Map(&Ty::Any), "A whole Job, instead of `image`."),
            Field::new("cronJob", Ty::Text, "The CronJob whose job is run, instead of `image`."),
            Field::new("container", Ty::Text, "The container whose log is read, where there are several."),
            Field::new(
                "keep",
                Ty::Duration,
                "How long it is left when it is over; 1h if left out. Within that time a repeated call does not run it again.",
            ),
        ],
        one_of: &["image", "manifest", "cronJob"],
        habits: HABITS,
    },
    &[
        Field::new("job", Ty::Text, "Its name."),
        Field::new("pod", Ty::Text, "The name of its newest pod."),
        Field::new("exitCode", Ty::Int(0, 255), "The exit code of that pod."),
        Field::new("log", Ty::Text, "The end of that pod's log, 64 KiB at most."),
    ],
    &[
        beside(&["get", "create", "patch", "delete", "watch"], "batch", "jobs"),
        beside(&["get"], "batch", "cronjobs"),
        beside(&["list"], "", "pods"),
        beside(&["get"], "", "pods/log"),
    ],
));

/// `kubernetes/logs`.
pub(super) const LOGS: ActionSpec = reads(action(
    "kubernetes/logs",
    "Reads the log of a pod, or of the pods that labels select.",
    with(
        "whose log is read",
        &[
            Field::new("pod", Ty::Text, "The pod."),
            Field::new("labels", Ty::Text, "The pods with these labels, 20 at most, instead of `pod`."),
            NAMESPACE,
            Field::new("container", Ty::Text, "The container, where there are several."),
            Field::new("tail", Ty::Int(0, 1_000_000), "How many lines from the end; all if left out, 1 MiB at most."),
            Field::new("since", Ty::Duration, "Only what is newer."),
            Field::new("previous", Ty::Bool, "Of the container that ran before it was restarted."),
        ],
    ),
    &[
        Field::new("text", Ty::Text, "The log; of several pods each line with its pod's name."),
        Field::new("pods", Ty::List(&Ty::Text), "The pods."),
    ],
    &[beside(&["list"], "", "pods"), beside(&["get"], "", "pods/log")],
));

/// `kubernetes/cordon`.
pub(super) const CORDON: ActionSpec =
    action("kubernetes/cordon", "Lets no new pods come to a node.", with("a node", &[NODE]), OUTPUTS, CHANGES);

/// `kubernetes/uncordon`.
pub(super) const UNCORDON: ActionSpec =
    action("kubernetes/uncordon", "Lets pods come to a node again.", with("a node", &[NODE]), OUTPUTS, CHANGES);

/// `kubernetes/drain`.
pub(super) const DRAIN: ActionSpec = action(
    "kubernetes/drain",
    "Cordons a node and evicts its pods as their disruption budgets allow; those of daemon sets stay.",
    with(
        "a node to drain",
        &[
            NODE,
            LABELS,
            Field::new("force", Ty::Bool, "Also pods that no controller makes anew."),
            Field::new("deleteEmptyDirData", Ty::Bool, "Also pods that keep data in an emptyDir."),
            GRACE,
        ],
    ),
    &[
        Field::new("evicted", Ty::List(&Ty::Text), "The pods that are gone, NAMESPACE/NAME."),
        Field::new("left", Ty::List(&Ty::Text), "The pods of daemon sets and of the node itself."),
    ],
    &[
        Permission { verbs: &["get", "patch"], on: On::Object("") },
        Permission { verbs: &["get", "list", "watch"], on: On::Everywhere { group: "", resource: "pods" } },
        Permission { verbs: &["create"], on: On::Everywhere { group: "", resource: "pods/eviction" } },
    ],
);

/// `kubernetes/annotate`.
pub(super) const ANNOTATE: ActionSpec = action(
    "kubernetes/annotate",
    "Sets or removes annotations.",
    with(
        "annotations",
        &[
            KIND,
            NAME,
            DEPLOYMENT,
            NAMESPACE,
            Field::new("annotations", Ty::Map(&Ty::Any), "Per name its text; null removes it.").required(),
            WAIT,
        ],
    ),
    OUTPUTS,
    &[Permission { verbs: &["get", "patch", "watch"], on: On::Object("") }],
);

/// `kubernetes/label`.
pub(super) const LABEL: ActionSpec = action(
    "kubernetes/label",
    "Sets or removes labels.",
    with(
        "labels",
        &[
            KIND,
            NAME,
            DEPLOYMENT,
            NAMESPACE,
            Field::new("labels", Ty::Map(&Ty::Any), "Per name its text; null removes it.").required(),
            WAIT,
        ],
    ),
    OUTPUTS,
    &[Permission { verbs: &["get", "patch", "watch"], on: On::Object("") }],
);

/// `kubernetes/wait-for`.
pub(super) const WAIT_FOR: ActionSpec = reads(action(
    "kubernetes/wait-for",
    "Waits until an object is as it must be, or is gone.",
    Shape {
        what: "what is waited for",
        fields: &[
            KIND,
            NAME,
            DEPLOYMENT,
            NAMESPACE,
            Field::new("condition", Ty::Text, "A condition of its status: `Ready`, `Ready=False`."),
            Field::new("if", Ty::Text, "CEL over `object`: `object.status.phase == \"Bound\"`."),
            Field::new("deleted", Ty::Bool, "Until it is gone."),
            WAIT,
        ],
        one_of: &["condition", "if", "deleted", "wait"],
        habits: HABITS,
    },
    &[OBJECT, IMAGES, REVISION, UID],
    WATCHES,
));
