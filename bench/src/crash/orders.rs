//! The first set: each kind of action that a crash can hit, in short runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use ensue_event::{Origin, Record};
use serde_json::{Value, json};

use super::example::{Asked, Example, Expected, SOURCE, Wanted};
use super::verify::{Fired, Verdict, about};
use crate::Result;
use crate::http::{Message, Reply};
use crate::rng::Rng;

/// Type of the events.
const ORDER: &str = "crash.order";
/// What the first rule emits, and the second one hears.
const DONE: &str = "crash.done";

/// A rule with the steps of which a run of it consists, where nothing is uncertain.
struct Rule {
    name: &'static str,
    /// Whether it matches only orders that are bad.
    bad: bool,
    /// Whether it matches what is emitted, not the order itself.
    follows: bool,
    /// How its runs end.
    succeeds: bool,
    /// Its actions, each with the status that the sink gives in the end.
    steps: &'static [&'static str],
}

/// All rules.
const RULES: &[Rule] = &[
    Rule { name: "default/order", bad: false, follows: false, succeeds: true, steps: &["put", "post"] },
    Rule { name: "default/follow", bad: false, follows: true, succeeds: true, steps: &["note", "tell"] },
    Rule { name: "default/careful", bad: true, follows: false, succeeds: true, steps: &["refuse", "caught", "last"] },
    Rule { name: "default/sad", bad: true, follows: false, succeeds: false, steps: &["sorry"] },
];

pub(crate) struct Orders;

impl Example for Orders {
    const PACE: (u64, (u64, u64)) = (20, (10, 300));
    const ANNOUNCED: &[&str] = &["note", "tell"];

    fn config(&self, sink: SocketAddr) -> Result<(String, String)> {
        let sink = sink.to_string();
        // The address of the message is a secret, as that of a real webhook is.
        Ok((DOCUMENTS.replace("SINK", &sink), format!("CRASH_WEBHOOK=http://{sink}/tell\n")))
    }

    fn event(&self, sender: u64, nth: u64, rng: &mut Rng) -> Value {
        let id = format!("{sender}-{nth}");
        let data = json!({"id": id, "bad": rng.once_in(8), "total": rng.range(1, 1_000)});
        json!({"id": id, "type": ORDER, "data": data})
    }

    fn asked(&self, message: &Message) -> Asked {
        let body = message.json();
        let id = body.get("id").or_else(|| body.get("text")).and_then(Value::as_str).unwrap_or_default().to_owned();
        let step = message.word(1).trim_start_matches('/').to_owned();
        Asked { step, id, key: message.header("idempotency-key").map(str::to_owned), ..Asked::default() }
    }

    fn answer(&self, asked: &Asked, _: u32, rng: &mut Rng) -> (Reply, Duration) {
        let status = match asked.step.as_str() {
            "refuse" => 400,
            _ if rng.once_in(20) => 503,
            _ => 200,
        };
        // A quick answer, a slow one: a kill must find both under way.
        let wait = if rng.once_in(2) { rng.range(0, 30) } else { 0 };
        (status.into(), Duration::from_millis(wait))
    }

    fn wanted(&self, records: &[Record], verdict: &mut Verdict) -> Vec<Wanted> {
        let (mut orders, mut bad) = (BTreeMap::new(), BTreeSet::new());
        let mut done: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for Record { event, position, origin, .. } in records {
            match (origin, &*event.kind) {
                (Origin::Source(_), ORDER) if &*event.source == SOURCE => {
                    let data = event.json().and_then(|json| serde_json::from_slice::<Value>(json).ok());
                    if data.unwrap_or_default().get("bad") == Some(&Value::Bool(true)) {
                        bad.insert(event.id.to_string());
                    }
                    orders.insert(event.id.to_string(), vec![position.0]);
                }
                (Origin::Emitted(_), DONE) => done.entry(about(&event.to_json())).or_default().push(position.0),
                _ => {}
            }
        }
        for (id, positions) in done.iter().filter(|(_, positions)| positions.len() > 1) {
            verdict.decided_twice.push(format!("order {id} was emitted again: {positions:?}"));
        }
        for id in orders.keys().filter(|id| !done.contains_key(*id)) {
            verdict.lost.push(format!("order {id} was never done"));
        }
        let mut wanted = Vec::new();
        for rule in RULES {
            let events = if rule.follows { &done } else { &orders };
            for (id, positions) in events.iter().filter(|(id, _)| !rule.bad || bad.contains(*id)) {
                let one = |position: &u64| Wanted { rule: rule.name, id: id.clone(), position: *position };
                wanted.extend(positions.iter().map(one));
            }
        }
        wanted
    }

    fn expected(&self, fired: &Fired) -> Option<Expected> {
        let rule = RULES.iter().find(|rule| rule.name == fired.rule)?;
        let always = rule.steps.iter().map(|&step| step.to_owned()).collect();
        Some(Expected { succeeds: rule.succeeds, always, maybe: BTreeSet::new() })
    }
}

const DOCUMENTS: &str = r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: plain }
spec:
  http: { url: "http://SINK", allowNetworks: [127.0.0.0/8] }
---
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: keyed }
spec:
  http: { url: "http://SINK", allowNetworks: [127.0.0.0/8], idempotencyHeader: Idempotency-Key }
---
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: team }
spec:
  slack: { webhook: "${{ secrets.CRASH_WEBHOOK }}", allowNetworks: [127.0.0.0/8] }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: order }
spec:
  when: { event: { type: [crash.order] } }
  storm: { perKey: 1000000, perRule: 1000000 }
  steps:
    - id: put                                   # natural: done again as often as it takes
      uses: http/request
      connection: plain
      with: { method: PUT, path: /put, body: { id: "${{ event.data.id }}" } }
      retry: { max: 8, backoff: constant, initial: 20ms, jitter: none }
    - id: post                                  # keyed: the other side knows our key
      uses: http/request
      connection: keyed
      with: { method: POST, path: /post, body: { id: "${{ event.data.id }}" } }
      retry: { max: 8, backoff: exponential, initial: 10ms, cap: 200ms, jitter: full }
    - id: done
      emit: { type: crash.done, data: { id: "${{ event.data.id }}" } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: follow }
spec:
  when: { event: { type: [crash.done] } }
  storm: { perKey: 1000000, perRule: 1000000 }
  steps:
    - id: note                                  # none: after a crash in between a person decides
      uses: http/request
      connection: plain
      with: { method: POST, path: /note, body: { id: "${{ event.data.id }}" } }
      retry: { max: 8, backoff: constant, initial: 20ms, jitter: none }
    - id: tell                                  # none, and rather twice than never
      uses: slack/post
      connection: team
      with: { text: "${{ event.data.id }}" }
      retry: { max: 8, backoff: constant, initial: 20ms, jitter: none }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: careful }
spec:
  when: { event: { type: [crash.order], data: { bad: [true] } } }
  storm: { perKey: 1000000, perRule: 1000000 }
  steps:
    - id: refuse
      uses: http/request
      connection: keyed
      with: { method: POST, path: /refuse, body: { id: "${{ event.data.id }}" } }
      catch:
        - errors: [Status]
          steps:
            - id: caught
              uses: http/request
              connection: plain
              with: { method: PUT, path: /caught, body: { id: "${{ event.data.id }}" } }
              retry: { max: 8, backoff: constant, initial: 20ms, jitter: none }
  finally:
    - id: last
      uses: http/request
      connection: keyed
      with: { method: POST, path: /last, body: { id: "${{ event.data.id }}" } }
      retry: { max: 8, backoff: constant, initial: 20ms, jitter: none }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: sad }
spec:
  when: { event: { type: [crash.order], data: { bad: [true] } } }
  storm: { perKey: 1000000, perRule: 1000000 }
  steps:
    - id: stop
      fail: "${{ event.data.id }} is bad"
  onFailure:
    - id: sorry
      uses: http/request
      connection: plain
      with: { method: PUT, path: /sorry, body: { id: "${{ event.data.id }}" } }
      retry: { max: 8, backoff: constant, initial: 20ms, jitter: none }
"#;
