//! HTTP: one list of routes, each with what it needs. A route that is not on the list does not exist, and one whose
//! need is not met is not called.

mod answer;
mod audit;
mod auth;
mod body;
mod bulk;
mod config;
mod connections;
mod doctor;
mod events;
mod hooks;
mod ingest;
mod logs;
mod operate;
mod page;
mod policies;
mod probes;
mod purge;
mod query;
mod rules;
mod runs;
mod serve;
mod stream;
mod why;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use crate::node::Core;
use crate::token::Scope;

pub(crate) use serve::serve;

/// What handlers share.
pub(crate) type App = Arc<Core>;

/// What a request needs to be let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it says nothing that is not public, or checks for itself, as a webhook its signature.
    Open,
    /// A token with this scope, unless the node was started with open ingest.
    Ingest,
    /// A token with this scope.
    Scope(Scope),
}

/// One route.
#[derive(Clone, Copy)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path, with `{names}`.
    pub path: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// What it does, in one sentence.
    pub says: &'static str,
    handler: fn() -> MethodRouter<App>,
}

const READ: Needs = Needs::Scope(Scope::Read);
const OPERATE: Needs = Needs::Scope(Scope::Operate);
const ADMIN: Needs = Needs::Scope(Scope::Admin);

macro_rules! routes {
    ($($method:ident $path:literal $needs:expr, $handler:path: $says:literal;)+) => {
        /// All routes, in the order in which an event meets them.
        pub const ROUTES: &[Route] = &[$(Route {
            method: stringify!($method), path: $path, needs: $needs, says: $says, handler: || routes!(@ $method $handler),
        }),+];
    };
    (@ GET $handler:path) => { get($handler) };
    (@ POST $handler:path) => { post($handler) };
}

routes! {
    POST "/events" Needs::Ingest, ingest::events: "Takes CloudEvents: binary, structured or a batch.";
    POST "/hooks/{source}" Needs::Open, hooks::of_default: "Takes a delivery of a webhook of the namespace `default`.";
    POST "/hooks/{namespace}/{source}" Needs::Open, hooks::of: "Takes a delivery of a webhook.";
    GET "/healthz" Needs::Open, probes::health: "Whether the process can go on.";
    GET "/readyz" Needs::Open, probes::ready: "Whether events are taken now.";
    GET "/metrics" Needs::Open, probes::metrics: "Counts and times, as Prometheus reads them.";
    GET "/" Needs::Open, page::page: "A page for people.";
    GET "/page.js" Needs::Open, page::script: "What the page does.";
    GET "/page.css" Needs::Open, page::style: "How the page looks.";
    GET "/api/v1" Needs::Open, probes::routes: "All routes, and what they need.";
    GET "/api/v1/openapi.json" Needs::Open, probes::openapi: "The same as OpenAPI 3.1.";
    GET "/api/v1/events" READ, events::list: "Records of the log, the newest first.";
    POST "/api/v1/events/purge" ADMIN, purge::purge: "Destroys the events at these positions, with the copies that firings carry; what still holds them is named.";
    GET "/api/v1/events/{id}" READ, events::one: "An event by id or position, with what was decided about it.";
    GET "/api/v1/decisions" READ, rules::decisions: "Decisions of rules, the newest first, or those about one event.";
    GET "/api/v1/why/{id}" READ, why::why: "The chain of causes of an event, a run or an effect, as a tree.";
    GET "/api/v1/why-not/{event}" READ, why::why_not: "What kept a rule from firing on an event, as a tree: `?rule=` names it, else the nearest ones.";
    GET "/api/v1/stream" READ, stream::stream: "Records as they become durable, as server-sent events.";
    GET "/api/v1/log" READ, events::export: "Records of the log in order, as JSON lines.";
    GET "/api/v1/log/verify" READ, events::verify: "Checks every record of the log against its chain.";
    GET "/api/v1/rules" READ, rules::list: "Rules with their modes and counts.";
    GET "/api/v1/rules/{name}" READ, rules::of_default: "A rule of the namespace `default`, with what it waits for and holds.";
    GET "/api/v1/rules/{namespace}/{name}" READ, rules::of: "A rule, with what it waits for and holds: `?limit=` of each.";
    GET "/api/v1/policies" READ, policies::list: "Policies with what they are asked about, and how often each allowed, denied and asked.";
    GET "/api/v1/runs" READ, runs::list: "Runs, the newest first.";
    GET "/api/v1/runs/{id}/scenario" READ, why::scenario: "A scenario from a run that is over; `files` names what large events go to.";
    GET "/api/v1/runs/{id}" READ, runs::one: "A run with its steps, and what is under way.";
    GET "/api/v1/runs/{id}/history" READ, logs::history: "All that happened to a run, from the records of the log.";
    GET "/api/v1/runs/{id}/logs" READ, logs::logs: "What its actions said, as text: `?step=`, `?attempt=`; `?follow=true` until it ends.";
    GET "/api/v1/blobs/{digest}" READ, logs::blob: "What an action of a run has left: a log or an artifact.";
    GET "/api/v1/outbox" READ, runs::outbox: "Effects without an answer.";
    GET "/api/v1/parked" READ, runs::parked: "Firings that wait for a person.";
    GET "/api/v1/freezes" READ, runs::freezes: "Freezes in force.";
    GET "/api/v1/connections" READ, connections::list: "Connections: their limits, what of them is used, and what waits or is held.";
    GET "/api/v1/audit" READ, audit::list: "Who asked for what and what became of it, the newest first: `?actor= since= run=`.";
    GET "/api/v1/locks" READ, operate::locks: "Slots of `concurrency` that runs hold, by rule or group and key, and the firings that wait for one.";
    GET "/api/v1/sources" READ, rules::sources: "Sources, what came from them, and how those stand that are read.";
    GET "/api/v1/doctor" READ, doctor::doctor: "What is wrong with connections and sources, asked now: whether they can be reached, and what is not permitted.";
    GET "/api/v1/status" READ, probes::status: "How far the log and the fold are, and what waits.";
    GET "/api/v1/config" READ, config::get: "The configuration in force, and the one that was refused last.";
    POST "/api/v1/config" ADMIN, config::apply: "Puts a configuration in force, or says what is wrong with it.";
    POST "/api/v1/config/check" READ, config::check: "Says what is wrong with a configuration.";
    POST "/api/v1/freeze" OPERATE, operate::freeze: "Holds effects back.";
    POST "/api/v1/thaw" OPERATE, operate::thaw: "Lets held effects go, or discards them.";
    POST "/api/v1/runs/bulk" OPERATE, bulk::bulk: "Retries, resumes, cancels or rolls back the runs that a query finds, one recorded command each; with `dryRun` it only lists them.";
    POST "/api/v1/runs/{id}/retry" OPERATE, operate::retry: "Starts a failed run once more.";
    POST "/api/v1/runs/{id}/resume" OPERATE, operate::resume: "Goes on with a failed run at the step that failed.";
    POST "/api/v1/runs/{id}/skip" OPERATE, operate::skip: "Takes a step as done.";
    POST "/api/v1/runs/{id}/cancel" OPERATE, operate::cancel: "Ends a run.";
    POST "/api/v1/runs/{id}/rollback" OPERATE, operate::rollback: "Takes back what a run that is over did.";
    POST "/api/v1/runs/{id}/settle" OPERATE, operate::settle: "Says what became of an uncertain step.";
    POST "/api/v1/runs/{id}/approve" OPERATE, operate::approve: "Says yes, or no with `refuse`, where a step of a run asks; `shown` is the digest of what was looked at.";
    POST "/api/v1/rules/{name}/mode" OPERATE, operate::mode_of_default: "Sets the mode of a rule of `default`.";
    POST "/api/v1/rules/{namespace}/{name}/mode" OPERATE, operate::mode: "Sets the mode of a rule.";
    POST "/api/v1/parked/redrive" OPERATE, operate::redrive_all: "Lets all parked firings of a rule go, oldest first.";
    POST "/api/v1/parked/discard" OPERATE, operate::discard_all: "Drops all parked firings of a rule.";
    POST "/api/v1/parked/{firing}/redrive" OPERATE, operate::redrive: "Lets a parked firing go.";
    POST "/api/v1/parked/{firing}/discard" OPERATE, operate::discard: "Drops a parked firing.";
}

/// The router: nothing but the list.
pub(crate) fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let guarded = (route.handler)().layer(from_fn_with_state((Arc::clone(&app), route.needs), auth::check));
        router = router.route(route.path, guarded);
    }
    router.fallback(answer::not_found).method_not_allowed_fallback(answer::wrong_method).with_state(app)
}
