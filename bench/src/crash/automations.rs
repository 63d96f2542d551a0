//! What the node runs while it is killed: each kind of step that a crash can hit.

use std::net::SocketAddr;

/// Type and source of the events.
pub(crate) const ORDER: &str = "crash.order";
pub(crate) const SOURCE: &str = "/crash";
/// What the first rule emits, and the second one hears.
pub(crate) const DONE: &str = "crash.done";

/// A rule with the steps of which a run of it consists, where nothing is uncertain.
pub(crate) struct Expected {
    pub(crate) rule: &'static str,
    /// Whether it matches only orders that are bad.
    pub(crate) bad: bool,
    /// Whether it matches what is emitted, not the order itself.
    pub(crate) follows: bool,
    /// How its runs end.
    pub(crate) succeeds: bool,
    /// Its actions, each with the status that the sink gives in the end.
    pub(crate) steps: &'static [&'static str],
}

/// All rules.
pub(crate) const RULES: &[Expected] = &[
    Expected { rule: "default/order", bad: false, follows: false, succeeds: true, steps: &["put", "post"] },
    Expected { rule: "default/follow", bad: false, follows: true, succeeds: true, steps: &["note", "tell"] },
    Expected {
        rule: "default/careful",
        bad: true,
        follows: false,
        succeeds: true,
        steps: &["refuse", "caught", "last"],
    },
    Expected { rule: "default/sad", bad: true, follows: false, succeeds: false, steps: &["sorry"] },
];

/// Steps that nobody may repeat blindly: each try is announced first.
pub(crate) const ANNOUNCED: &[&str] = &["note", "tell"];

/// The documents, for a sink at this address.
pub(crate) fn documents(sink: SocketAddr) -> String {
    DOCUMENTS.replace("SINK", &sink.to_string())
}

/// Where the message goes; the address is a secret, as that of a real webhook is.
pub(crate) fn secrets(sink: SocketAddr) -> String {
    format!("CRASH_WEBHOOK=http://{sink}/tell\n")
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
