//! The fields of a policy.

use super::COUNT;
use crate::model::VERBS;
use crate::shape::{Field, Shape, Ty};

pub(crate) static POLICY: Shape = Shape {
    what: "a policy",
    fields: &[
        Field::new(
            "scope",
            Ty::Choice(&["namespace", "all"]),
            "Whose actions and commands: those of its namespace, if left out, or `all`.",
        ),
        Field::new("match", Ty::Object(&MATCH), "What it is asked about; every action if left out."),
        Field::new("checks", Ty::List(&Ty::Object(&CHECK)), "The first that holds decides."),
        Field::new(
            "rego",
            Ty::Text,
            "Instead of `checks`: Rego of the package `ensue` with `deny`, `approve`, `allow`.",
        ),
        Field::new("default", Ty::Choice(&["allow", "deny"]), "What holds if nothing else decides; allow if left out."),
    ],
    one_of: &["checks", "rego"],
    habits: &[
        ("rules", "checks"),
        ("conditions", "checks"),
        ("validations", "checks"),
        ("validate", "checks"),
        ("effect", "checks: [{ if: …, deny: … }]"),
        ("deny", "checks: [{ if: …, deny: … }]"),
        ("selector", "match"),
        ("matchConstraints", "match"),
    ],
};

static MATCH: Shape = Shape {
    what: "the `match` of a policy",
    fields: &[
        Field::new("actions", Ty::List(&Ty::Text), "Actions, with `*` for any text: `kubernetes/*`."),
        Field::new("connections", Ty::List(&Ty::Text), "Connections by name, with `*` for any text."),
        Field::new("rules", Ty::List(&Ty::Text), "Rules: `shop/*`, or a name in any namespace."),
        Field::new("commands", Ty::List(&Ty::Choice(VERBS)), "Operators' commands instead of actions; `*` for all."),
    ],
    one_of: &[],
    habits: &[("action", "actions"), ("connection", "connections"), ("rule", "rules"), ("verbs", "commands")],
};

static CHECK: Shape = Shape {
    what: "a check of a policy",
    fields: &[
        Field::new("if", Ty::Expr, "When; always if left out."),
        Field::new("deny", Ty::Template, "It is not done, for this reason."),
        Field::new("approve", Ty::Object(&ASK), "It is done when people say so."),
        Field::new("allow", Ty::Bool, "It is done, whatever the checks below say."),
    ],
    one_of: &["deny", "approve", "allow"],
    habits: &[("when", "if"), ("condition", "if"), ("expression", "if"), ("message", "deny"), ("ask", "approve")],
};

static ASK: Shape = Shape {
    what: "the `approve` of a policy",
    fields: &[
        Field::new("from", Ty::List(&Ty::Text), "The roles that may answer.").required(),
        Field::new("min", COUNT, "How many people must; 1 if left out."),
        Field::new("timeout", Ty::Duration, "How long it is waited for; for ever if left out. Then it is refused."),
        Field::new("reason", Ty::Template, "Why it is asked."),
    ],
    one_of: &[],
    habits: &[("approvers", "from"), ("reviewers", "from"), ("roles", "from"), ("message", "reason")],
};
