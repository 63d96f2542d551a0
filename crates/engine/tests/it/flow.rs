//! Flow control, sentence by sentence. A story is told by what was done when, and what followed; each is told once more
//! by a fold that is stopped and started after every record, and by one that folds the whole log anew.

use std::fmt::Write as _;

use ensue_engine::Verdict;
use ensue_engine::flow::flows;
use ensue_event::ours::{Answer, Command, Failure, Mode};
use ensue_event::{Key, Ours, Position, Span, Time};
use serde_json::{Value, json};

use crate::bench::{Bench, START, fold_anew, rule};

const RULE: &str = "default/r";

/// A rule on `go` by `data.k`, with these fields.
fn keyed(fields: &str) -> String {
    format!("when: {{ event: {{ type: [go] }}, key: event.data.k }}\n{fields}\nsteps: []")
}

/// The same, and each run waits for an answer.
fn runs(fields: &str) -> String {
    let step = r#"{ id: a, uses: http/request, connection: api, with: { path: "/" } }"#;
    format!("when: {{ event: {{ type: [go] }}, key: event.data.k }}\n{fields}\nsteps: [ {step} ]")
}

/// Plays acts, each `SECOND WHAT`: `e1 a` is the event e1 of the key a (`a=…` in JSON, `-` for none), `ok e1` and `fails
/// e1` answer the run of e1, `cancel e1` and `retry e1` are an operator's, as are `pause` and `live`; `tick` is nothing.
struct Stage {
    bench: Bench,
    /// Stop and start after each record.
    restarts: bool,
}

impl Stage {
    fn new(spec: &str, restarts: bool) -> Stage {
        Stage { bench: Bench::new(&[rule("r", spec)]), restarts }
    }

    fn play(&mut self, acts: &str) {
        for act in acts.lines().map(str::trim).filter(|act| !act.is_empty()) {
            let (second, what) = act.split_once(' ').unwrap();
            self.until(START + Span((second.parse::<f64>().unwrap() * 1e6).round() as i64));
            self.act(what);
            self.restart();
        }
    }

    /// Time goes on, as the node lets it: a tick whenever a timer is due.
    fn until(&mut self, time: Time) {
        while let Some(due) = self.bench.engine.due().filter(|due| *due < time) {
            self.bench.now = due.max(self.bench.now);
            self.bench.tick();
            self.restart();
        }
        self.bench.now = time.max(self.bench.now);
    }

    fn restart(&mut self) {
        if self.restarts {
            self.bench.checkpoint();
            self.bench.engine = self.bench.reloaded();
        }
    }

    fn run_of(&self, id: &str) -> Key {
        let runs = self.bench.runs();
        let of = |run: &&ensue_run::Run| run.events.last().is_some_and(|took| took.event["id"] == id);
        runs.iter().find(of).unwrap_or_else(|| panic!("no run of {id}")).id
    }

    fn act(&mut self, what: &str) {
        let (verb, of) = what.split_once(' ').unwrap_or((what, ""));
        let mode = |mode: &str| Command::SetMode { rule: RULE.into(), mode: mode.into() };
        let command = match verb {
            "tick" => {
                self.bench.tick();
                return;
            }
            "ok" | "fails" => {
                let run = self.run_of(of);
                let outbox = &self.bench.engine.state().outbox;
                let row = outbox.iter().find(|(_, row)| row.effect.run == run).map(|(_, row)| row.as_ref().clone());
                let answer = match verb {
                    "ok" => Answer::Ok(json!({})),
                    _ => Answer::Err(Failure::new("Denied", "it says so")),
                };
                self.bench.answer(&row.expect("an effect"), answer);
                return;
            }
            "cancel" => Command::CancelRun { run: self.run_of(of) },
            "retry" => Command::RetryRun { run: self.run_of(of) },
            "pause" => mode("paused"),
            "live" => mode("live"),
            "shadow" => mode("shadow"),
            id => {
                let key: Value = match of {
                    "-" => Value::Null,
                    other => other.strip_prefix("=").map_or(json!(other), |json| serde_json::from_str(json).unwrap()),
                };
                self.bench.event("go", id, json!({"k": key, "id": id}));
                return;
            }
        };
        assert_eq!(self.bench.operator(command), "done");
    }

    /// What followed: decisions, firings and runs, in order.
    fn told(&self) -> String {
        let mut out = String::new();
        for record in &self.bench.log {
            let mut decisions = String::new();
            let decided = self.bench.engine.state().decisions.get(&(record.position, RULE.to_owned()));
            for decision in decided.map(|decided| decided.all.clone()).unwrap_or_default() {
                let _ = writeln!(decisions, "{} {}", seconds(decision.at), self.verdict(&decision.verdict));
            }
            let at = seconds(record.at);
            // What is decided at the record of a firing is decided about it.
            if record.event.kind != "dev.ensue.rule.fired".into() {
                out.push_str(&std::mem::take(&mut decisions));
            }
            let what = match Ours::of(&record.event) {
                Ok(Ours::RuleFired(fired)) => {
                    let ids =
                        |took: &[ensue_event::ours::Took]| took.iter().map(|took| id(&took.event)).collect::<Vec<_>>();
                    let mut what = format!("fires {}", ids(&fired.events).join(" "));
                    if !fired.batch.is_empty() {
                        let all: Vec<String> = fired.batch.iter().flat_map(|one| ids(&one.events)).collect();
                        let _ = write!(what, ", batch {}", all.join(" "));
                    }
                    if let Some(due) = fired.due {
                        let _ = write!(what, ", due {}", seconds(due));
                    }
                    if fired.mode == Mode::Shadow {
                        what.push_str(", shadow");
                    }
                    what
                }
                Ok(Ours::RunFailed(told)) => format!("run of {} fails", self.event_of(told.run)),
                Ok(Ours::RunFinished(told)) if self.waits(told.run) => {
                    format!("run of {} {}", self.event_of(told.run), told.status)
                }
                Ok(Ours::RunStarted(told)) if self.waits(told.run) => {
                    format!("run of {} starts", self.event_of(told.run))
                }
                Ok(Ours::RuleParked(told)) => format!("told: {}", told.reason),
                _ => continue,
            };
            let _ = writeln!(out, "{at} {what}");
            out.push_str(&decisions);
        }
        out
    }

    /// Whether a run has a step at all.
    fn waits(&self, run: Key) -> bool {
        self.bench.engine.state().runs.get(&run).is_some_and(|run| !run.trunk.steps.is_empty())
    }

    fn event_of(&self, run: Key) -> String {
        self.bench.engine.state().runs.get(&run).map_or_else(String::new, |run| id(&run.events.last().unwrap().event))
    }

    fn event_at(&self, position: &Position) -> String {
        self.bench.log[position.0 as usize].event.id.to_string()
    }

    fn verdict(&self, verdict: &Verdict) -> String {
        let until = |until: &Option<Time>| until.map_or_else(String::new, |until| format!(" until {}", seconds(until)));
        match verdict {
            Verdict::Deduped { until } => format!("deduped until {}", seconds(*until)),
            Verdict::Throttled { until } => format!("throttled until {}", seconds(*until)),
            Verdict::Held { by, until: time } => format!("{by} holds it{}", until(time)),
            Verdict::Replaced { by, events } => {
                format!("{by} replaces {}", events.iter().map(|at| self.event_at(at)).collect::<Vec<_>>().join(" "))
            }
            Verdict::Skipped { running } => {
                format!(
                    "skipped: {} goes on",
                    running.iter().map(|run| self.event_of(*run)).collect::<Vec<_>>().join(" ")
                )
            }
            Verdict::Paused => "paused".to_owned(),
            Verdict::NoKey { expression, why } => format!("no key: {expression}: {why}"),
            Verdict::Error { expression, why } => format!("error: {expression}: {why}"),
            Verdict::KeyRefused { limit } => format!("refused: {limit} keys"),
            Verdict::Parked { why } => format!("parked: {why}"),
            Verdict::Dropped { why } => format!("dropped: {why}"),
            other => format!("{other:?}"),
        }
    }
}

fn id(event: &Value) -> String {
    event["id"].as_str().unwrap().to_owned()
}

fn seconds(time: Time) -> String {
    let micros = time.since(START).0;
    if micros % 1_000_000 == 0 { format!("{}s", micros / 1_000_000) } else { format!("{}s", micros as f64 / 1e6) }
}

/// What follows from these acts, whether the fold goes on or begins anew.
fn story(spec: &str, acts: &str) -> String {
    let mut live = Stage::new(spec, false);
    live.play(acts);
    let told = live.told();
    let dump = live.bench.dump();

    let mut restarted = Stage::new(spec, true);
    restarted.play(acts);
    assert_eq!(restarted.told(), told, "stopped and started after each record");
    assert_eq!(restarted.bench.dump(), dump, "stopped and started after each record");

    assert_eq!(fold_anew(&live.bench.log).dump(), dump, "folded anew");
    told
}

fn tells(spec: &str, acts: &str, expected: &str) {
    let told = story(spec, acts);
    let expected: String =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
    assert!(told == expected, "{spec}\n--- it should tell\n{expected}--- it tells\n{told}");
}

#[test]
fn dedupe_passes_the_first_and_no_more_until_its_window_is_over() {
    tells(
        &keyed("dedupe: { window: 60s }"),
        "0 e1 a
         1 e2 b
         59.999999 e3 a
         60 e4 a
         119 e5 a
         120 e6 a",
        "0s fires e1
         1s fires e2
         59.999999s deduped until 60s
         60s fires e4
         119s deduped until 120s
         120s fires e6",
    );
}

#[test]
fn dedupe_has_a_key_of_its_own() {
    // `let` is evaluated before; `none` is rule-wide; without a key it is that of the rule.
    let own = r#"let: { first: "event.data.k.substring(0, 1)" }
dedupe: { key: let.first, window: 60s }"#;
    tells(&keyed(own), "0 e1 ab\n1 e2 ac\n2 e3 bc", "0s fires e1\n1s deduped until 60s\n2s fires e3");
    tells(&keyed("dedupe: { key: none, window: 60s }"), "0 e1 a\n1 e2 b", "0s fires e1\n1s deduped until 60s");
    tells(
        "when: { event: { type: [go] } }\ndedupe: { window: 60s }\nsteps: []",
        "0 e1 a\n1 e2 b",
        "0s fires e1\n1s deduped until 60s",
    );
    // A composite key; numbers and texts are one.
    tells(
        &keyed("dedupe: { key: [event.data.k, key], window: 60s }"),
        "0 e1 =42\n1 e2 =42.0\n2 e3 =\"42\"\n3 e4 =43",
        "0s fires e1\n1s deduped until 60s\n2s deduped until 60s\n3s fires e4",
    );
}

#[test]
fn a_key_that_cannot_be_computed_is_a_decision_and_the_match_is_not_acted_on() {
    for (part, step) in [
        ("dedupe: { key: KEY, window: 60s }", ""),
        ("debounce: { key: KEY, quiet: 60s }", ""),
        ("batch: { key: KEY, size: 1 }", ""),
        ("throttle: { key: KEY, limit: 1, per: 60s }", ""),
        ("concurrency: { key: KEY, limit: 1 }", "0s fires e1\n"),
    ] {
        let spec = |key: &str| keyed(&part.replace("KEY", key));
        tells(&spec("event.data.x"), "0 e1 a", &format!("{step}0s no key: event.data.x: it is absent"));
        let (told, wanted) =
            (story(&spec("event.data.k + 1"), "0 e1 a"), format!("{step}0s error: event.data.k + 1: "));
        assert!(told.replace("\n\n", "\n").starts_with(&wanted), "{part}: {told}");
        assert_eq!(told.lines().count(), wanted.lines().count(), "{told}");
    }
}

#[test]
fn debounce_lets_the_newest_go_when_it_was_quiet() {
    tells(
        &keyed("debounce: { quiet: 10s }"),
        "0 e1 a
         9.999999 e2 a
         15 e3 b
         19.999999 e4 a
         29.999999 e5 a
         100 tick",
        "0s debounce holds it until 10s
         9.999999s debounce holds it until 19.999999s
         9.999999s debounce replaces e1
         15s debounce holds it until 25s
         19.999999s debounce holds it until 29.999999s
         19.999999s fires e2, due 19.999999s
         25s fires e3, due 25s
         29.999999s debounce holds it until 39.999999s
         29.999999s fires e4, due 29.999999s
         39.999999s fires e5, due 39.999999s",
    );
}

#[test]
fn debounce_waits_no_longer_than_max() {
    tells(
        &keyed("debounce: { quiet: 10s, max: 25s }"),
        "0 e1 a
         8 e2 a
         16 e3 a
         24 e4 a
         25 e5 a",
        "0s debounce holds it until 10s
         8s debounce holds it until 18s
         8s debounce replaces e1
         16s debounce holds it until 25s
         16s debounce replaces e2
         24s debounce holds it until 25s
         24s debounce replaces e3
         25s debounce holds it until 35s
         25s fires e4, due 25s",
    );
}

#[test]
fn batch_goes_at_its_size_or_after_a_while() {
    tells(
        &keyed("batch: { size: 3, every: 10s }"),
        "0 e1 a
         1 e2 a
         2 e3 b
         3 e4 a
         4 e5 a
         100 tick",
        "0s batch holds it until 10s
         1s batch holds it until 10s
         2s batch holds it until 12s
         3s fires e4, batch e1 e2 e4
         4s batch holds it until 14s
         12s fires e3, batch e3, due 12s
         14s fires e5, batch e5, due 14s",
    );
    tells(&keyed("batch: { size: 2 }"), "0 e1 a\n1 e2 a", "0s batch holds it\n1s fires e2, batch e1 e2");
    tells(&keyed("batch: { key: none, size: 2 }"), "0 e1 a\n1 e2 b", "0s batch holds it\n1s fires e2, batch e1 e2");
}

#[test]
fn a_batch_has_a_thousand_at_most() {
    let mut bench = Bench::new(&[rule("r", &keyed("batch: { key: none, size: 5000, every: 1h }"))]);
    for n in 0..2_500 {
        bench.event("go", &format!("e{n}"), json!({"k": n}));
    }
    let batches: Vec<usize> = fired(&bench).iter().map(|fired| fired.batch.len()).collect();
    assert_eq!(batches, [1_000, 1_000]);
    assert_eq!(flows(&bench.engine, RULE)[0].held, 500);
}

fn fired(bench: &Bench) -> Vec<ensue_event::ours::RuleFired> {
    let of = bench.log.iter().filter_map(|record| Ours::of(&record.event).ok());
    of.filter_map(|ours| if let Ours::RuleFired(fired) = ours { Some(fired) } else { None }).collect()
}

#[test]
fn steps_see_the_batch_and_the_newest_event() {
    let spec = r#"
when: { event: { type: [go] }, key: event.data.k }
batch: { size: 2, every: 1m }
steps:
  - { id: a, uses: http/request, connection: api, with: { path: "${{ event.id }} ${{ size(batch) }} ${{ batch[0].event.id }} ${{ batch[0].key }}" } }
"#;
    for (acts, path) in [("0 e1 a\n1 e2 a", "e2 2 e1 a"), ("0 e1 a\n60 tick", "e1 1 e1 a")] {
        let mut stage = Stage::new(spec, false);
        stage.play(acts);
        assert_eq!(stage.bench.row("a").effect.with["path"], path);
    }
}

#[test]
fn throttle_drops_what_is_too_much() {
    tells(
        &keyed("throttle: { limit: 2, per: 10s }"),
        "0 e1 a
         3 e2 a
         3 e3 b
         4 e4 a
         9.999999 e5 a
         10 e6 a
         12 e7 a
         13 e8 a",
        "0s fires e1
         3s fires e2
         3s fires e3
         4s throttled until 10s
         9.999999s throttled until 10s
         10s fires e6
         12s throttled until 13s
         13s fires e8",
    );
    tells(
        &keyed("throttle: { key: none, limit: 1, per: 10s }"),
        "0 e1 a\n1 e2 b",
        "0s fires e1\n1s throttled until 10s",
    );
}

#[test]
fn throttle_queues_what_is_too_much() {
    tells(
        &keyed("throttle: { limit: 2, per: 10s, excess: queue }"),
        "0 e1 a
         3 e2 a
         4 e3 a
         5 e4 a
         6 e5 a
         7 e6 b
         10 e7 a
         100 e8 a",
        "0s fires e1
         3s fires e2
         4s throttle holds it until 10s
         5s throttle holds it until 13s
         6s throttle holds it until 20s
         7s fires e6
         10s throttle holds it until 23s
         10s fires e3, due 10s
         13s fires e4, due 13s
         20s fires e5, due 20s
         23s fires e7, due 23s
         100s fires e8",
    );
}

#[test]
fn the_order_of_flow_control_is_fixed() {
    // Deduped before it is debounced; throttled after it was put together.
    tells(
        &keyed(
            "debounce: { quiet: 10s }\ndedupe: { key: event.data.id, window: 1h }\nthrottle: { key: none, limit: 1, per: 1h }",
        ),
        "0 e1 a
         5 e1 a
         7 e2 b
         50 tick",
        "0s debounce holds it until 10s
         5s deduped until 3600s
         7s debounce holds it until 17s
         10s fires e1, due 10s
         17s throttled until 3610s",
    );
    tells(
        &keyed("batch: { key: none, size: 2 }\nthrottle: { key: none, limit: 1, per: 1h }"),
        "0 e1 a\n1 e2 b\n2 e3 c\n3 e4 d",
        "0s batch holds it\n1s fires e2, batch e1 e2\n2s batch holds it\n3s throttled until 3601s",
    );
}

#[test]
fn what_is_held_when_its_rule_is_paused_is_let_go_and_not_acted_on() {
    for (part, held) in [
        ("debounce: { quiet: 10s }", "0s debounce holds it until 10s"),
        ("batch: { every: 10s }", "0s batch holds it until 10s"),
    ] {
        tells(&keyed(part), "0 e1 a\n1 pause\n5 e2 a\n60 live\n61 tick", &format!("{held}\n5s paused\n10s paused"));
    }
    tells(
        &keyed("throttle: { limit: 1, per: 10s, excess: queue }"),
        "0 e1 a\n1 e2 a\n2 e3 a\n3 pause\n12 live\n60 tick",
        "0s fires e1
         1s throttle holds it until 10s
         2s throttle holds it until 20s
         10s paused
         20s fires e3, due 20s",
    );
}

#[test]
fn shadow_firings_go_the_same_way_and_never_run() {
    tells(
        &runs("mode: shadow\nthrottle: { limit: 1, per: 10s }\nconcurrency: { limit: 1, excess: skip }"),
        "0 e1 a\n1 e2 a\n10 e3 a",
        "0s fires e1, shadow\n1s throttled until 10s\n10s fires e3, shadow",
    );
}

#[test]
fn concurrency_queue() {
    tells(
        &runs("concurrency: { limit: 1 }"),
        "0 e1 a
         1 e2 a
         2 e3 a
         3 e4 b
         4 ok e1
         5 fails e2
         6 ok e3
         7 e5 a",
        "0s fires e1
         0s run of e1 starts
         1s fires e2
         1s concurrency holds it
         2s fires e3
         2s concurrency holds it
         3s fires e4
         3s run of e4 starts
         4s run of e1 succeeded
         4s run of e2 starts
         5s run of e2 fails
         5s run of e3 starts
         6s run of e3 succeeded
         7s fires e5
         7s run of e5 starts",
    );
}

#[test]
fn concurrency_latest() {
    tells(
        &runs("concurrency: { limit: 1, excess: latest }"),
        "0 e1 a
         1 e2 a
         2 e3 a
         3 ok e1",
        "0s fires e1
         0s run of e1 starts
         1s fires e2
         1s concurrency holds it
         2s fires e3
         2s concurrency holds it
         2s concurrency replaces e2
         3s run of e1 succeeded
         3s run of e3 starts",
    );
}

#[test]
fn concurrency_skip() {
    tells(
        &runs("concurrency: { key: none, limit: 2, excess: skip }"),
        "0 e1 a
         1 e2 b
         2 e3 c
         3 ok e1
         4 e4 d",
        "0s fires e1
         0s run of e1 starts
         1s fires e2
         1s run of e2 starts
         2s fires e3
         2s skipped: e1 e2 goes on
         3s run of e1 succeeded
         4s fires e4
         4s run of e4 starts",
    );
}

#[test]
fn concurrency_cancel_running() {
    tells(
        &runs("concurrency: { limit: 1, excess: cancelRunning }"),
        "0 e1 a
         1 e2 a
         2 ok e2",
        "0s fires e1
         0s run of e1 starts
         1s fires e2
         1s concurrency holds it
         1s run of e1 cancelled
         1s run of e2 starts
         2s run of e2 succeeded",
    );
    // What runs has something to do before it is over; only the newest waits for it.
    let slow = runs("concurrency: { limit: 1, excess: cancelRunning }")
        + r#"
finally: [ { id: f, uses: http/request, connection: api, with: { path: "/" } } ]"#;
    tells(
        &slow,
        "0 e1 a
         1 e2 a
         2 e3 a
         3 ok e1
         4 ok e3
         5 ok e3",
        "0s fires e1
         0s run of e1 starts
         1s fires e2
         1s concurrency holds it
         2s fires e3
         2s concurrency holds it
         2s concurrency replaces e2
         3s run of e1 cancelled
         3s run of e3 starts
         5s run of e3 succeeded",
    );
}

#[test]
fn a_slot_comes_free_however_its_run_ends_and_a_retried_run_takes_one_beyond_the_limit() {
    tells(
        &runs("concurrency: { limit: 1 }"),
        "0 e1 a
         1 e2 a
         2 e3 a
         3 cancel e1
         4 retry e1
         5 ok e2
         6 ok e1
         7 ok e3",
        "0s fires e1
         0s run of e1 starts
         1s fires e2
         1s concurrency holds it
         2s fires e3
         2s concurrency holds it
         3s run of e1 cancelled
         3s run of e2 starts
         5s run of e2 succeeded
         6s run of e1 succeeded
         6s run of e3 starts
         7s run of e3 succeeded",
    );
}

#[test]
fn runs_that_end_where_they_begin_follow_each_other() {
    let spec = r#"
when: { event: { type: [go] }, key: event.data.k }
concurrency: { limit: 1 }
steps:
  - { id: a, if: "event.id == 'e0'", uses: http/request, connection: api, with: { path: "/" } }
storm: { perKey: 100000, perRule: 100000 }
"#;
    let mut stage = Stage::new(spec, false);
    for n in 0..3_000 {
        stage.bench.event("go", &format!("e{n}"), json!({"k": "a"}));
    }
    let shown = &flows(&stage.bench.engine, RULE);
    let slots = shown.iter().find(|state| state.what == "concurrency").unwrap();
    assert_eq!((slots.held, slots.running.len(), slots.waiting.len()), (2_999, 1, 100));
    stage.act("ok e0");
    let counts = stage.bench.engine.state().meta.counts;
    assert_eq!((counts.fired, counts.succeeded), (3_000, 3_000));
    assert!(flows(&stage.bench.engine, RULE).iter().all(|state| state.what != "concurrency"));
}

#[test]
fn a_run_waits_by_the_definition_that_fired_it() {
    let mut stage = Stage::new(&runs("concurrency: { limit: 1 }"), false);
    stage.play("0 e1 a\n1 e2 a");
    // The next configuration allows more, and has another rule; then none of it at all.
    stage.bench.configure(&[rule("r", &runs("concurrency: { limit: 5 }"))], false);
    stage.play("2 e3 a");
    stage.bench.configure(&[], false);
    stage.bench.configure(&[], false);
    stage.play("3 ok e1\n4 ok e2\n5 ok e3");
    let told = stage.told();
    let runs: Vec<&str> = told.lines().filter(|line| line.contains("run of")).collect();
    assert_eq!(
        runs,
        [
            "0s run of e1 starts",
            "3s run of e1 succeeded",
            "3s run of e2 starts",
            "3s run of e3 starts",
            "4s run of e2 succeeded",
            "5s run of e3 succeeded"
        ]
    );
    assert_eq!(stage.bench.engine.state().flows.len(), 0);
}

#[test]
fn an_edit_of_flow_control_lets_go_what_is_held_no_longer() {
    let with = |part: &str| [rule("r", &keyed(part))];
    for (before, after, told) in [
        ("debounce: { quiet: 10s }", "", "0s debounce holds it until 10s\n1s fires e1, due 1s"),
        ("debounce: { quiet: 10s }", "debounce: { quiet: 4s }", "0s debounce holds it until 10s\n4s fires e1, due 4s"),
        (
            "debounce: { quiet: 10s }",
            "debounce: { quiet: 90s }",
            "0s debounce holds it until 10s\n90s fires e1, due 90s",
        ),
        ("batch: { size: 5 }", "", "0s batch holds it\n1s fires e1, batch e1, due 1s"),
        ("batch: { size: 5 }", "batch: { size: 1 }", "0s batch holds it\n1s fires e1, batch e1, due 1s"),
        ("batch: { size: 5 }", "batch: { size: 5, every: 30s }", "0s batch holds it\n30s fires e1, batch e1, due 30s"),
    ] {
        let mut stage = Stage::new(&keyed(before), false);
        stage.play("0 e1 a");
        stage.bench.now = START + Span::secs(1);
        stage.bench.configure(&with(after), false);
        stage.play("2 tick\n200 tick");
        assert_eq!(stage.told().trim(), told, "{before} -> {after}");
    }
    // The throttle is gone: what waits for it goes.
    let mut stage = Stage::new(&keyed("throttle: { limit: 1, per: 1h, excess: queue }"), false);
    stage.play("0 e1 a\n0 e2 a\n0 e3 a");
    stage.bench.configure(&with(""), false);
    stage.play("2 tick");
    let fired: Vec<String> = fired(&stage.bench).iter().map(|fired| id(&fired.events[0].event)).collect();
    assert_eq!(fired, ["e1", "e2", "e3"]);
}

#[test]
fn another_when_drops_what_is_held_and_what_was_done_still_counts() {
    for (part, told) in [
        (
            "debounce: { quiet: 10s }",
            "debounce holds it until 10s\n1s Edited { halves: 0, held: 1 }\n3s debounce holds it until 13s\n13s fires e3, due 13s",
        ),
        ("batch: { size: 2 }", "batch holds it\n1s Edited { halves: 0, held: 1 }\n3s batch holds it"),
        (
            "throttle: { limit: 1, per: 10s, excess: queue }",
            "fires e1\n0s throttle holds it until 10s\n1s Edited { halves: 0, held: 1 }\n3s throttle holds it until 10s\n10s fires e3, due 10s",
        ),
        ("dedupe: { key: none, window: 10s }", "fires e1\n0s deduped until 10s\n3s deduped until 10s"),
    ] {
        let mut stage = Stage::new(&keyed(part), false);
        stage.play(if told.starts_with("fires") { "0 e1 a\n0 e2 a" } else { "0 e1 a" });
        stage.bench.now = START + Span::secs(1);
        let edited = keyed(part).replace("type: [go]", "type: [go, went]");
        stage.bench.configure(&[rule("r", &edited)], false);
        stage.play("3 e3 a\n100 tick");
        assert_eq!(stage.told().trim(), format!("0s {told}"), "{part}");
        let dump = stage.bench.dump();
        assert_eq!(fold_anew(&stage.bench.log).dump(), dump);
    }
}

#[test]
fn what_flow_control_keeps_is_shown() {
    let spec = runs(
        "dedupe: { key: event.id, window: 1h }\nthrottle: { limit: 2, per: 10s, excess: queue }\nconcurrency: { limit: 1 }",
    );
    let mut stage = Stage::new(&spec, false);
    stage.play("0 e1 a\n1 e2 a\n2 e3 a");
    let shown: Vec<String> = flows(&stage.bench.engine, RULE)
        .iter()
        .map(|state| {
            let until = state.until.map_or_else(String::new, |until| format!(" until {}", seconds(until)));
            let key = state.key.as_deref().unwrap_or("-");
            let (running, waiting) = (state.running.len(), state.waiting.len());
            format!("{} {key} {}{until} {running} run, {waiting} wait", state.what, state.held)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "concurrency a 1 1 run, 1 wait",
            "dedupe e1 0 until 3600s 0 run, 0 wait",
            "dedupe e2 0 until 3601s 0 run, 0 wait",
            "dedupe e3 0 until 3602s 0 run, 0 wait",
            "throttle a 1 until 10s 0 run, 0 wait",
        ]
    );
}

#[test]
fn a_storm_of_one_key_is_parked_and_the_others_go_on() {
    let spec = keyed("storm: { perKey: 2, perRule: 100 }");
    let why = "storm: more than 2 firings in a minute of key `a`";
    let told = |many: u64, parked: u64| {
        format!("told: {why}; {many} held back so far, {parked} parked; `ensue run redrive` lets them go")
    };
    tells(
        &spec,
        "0 e1 a
         1 e2 a
         2 e3 a
         3 e4 a
         3 e5 b
         61.999999 e6 a
         62 e7 a
         63 e8 a
         362.999999 e9 a
         363 f1 a
         423 f2 a
         424 f3 a
         425 f4 a",
        &format!(
            "0s fires e1
             1s fires e2
             2s parked: {why}
             2s {}
             3s parked: {why}
             3s fires e5
             61.999999s parked: {why}
             62s fires e7
             63s parked: {why}
             63s {}
             362.999999s fires e9
             363s fires f1
             423s fires f2
             424s fires f3
             425s parked: {why}
             425s {}",
            told(1, 1),
            told(4, 4),
            told(1, 5)
        ),
    );
}

/// A storm of a whole rule, and what becomes of it.
fn stormy(many: usize) -> Stage {
    let mut stage = Stage::new(&runs("storm: { perKey: 10, perRule: 20 }"), false);
    for n in 0..many {
        stage.act(&format!("e{n} k{n}"));
    }
    stage
}

#[test]
fn a_storm_of_a_rule_is_parked_and_told_once_a_minute() {
    let mut stage = stormy(100);
    let state = stage.bench.engine.state();
    assert_eq!((state.meta.counts.fired, state.parked.len()), (20, 80));
    let told = |stage: &Stage| stage.told().lines().filter(|line| line.contains("told")).count();
    assert_eq!(told(&stage), 1);
    // A day of it, one a second: one a minute fires, and it is told once a minute.
    for second in 1..3_600 {
        stage.play(&format!("{second} f{second} g{second}"));
    }
    let state = stage.bench.engine.state();
    assert_eq!((state.meta.counts.fired, state.parked.len()), (20 + 59, 80 + 3_599 - 59));
    assert_eq!(told(&stage), 60);
    // Breakers of keys are forgotten when they are quiet.
    assert!(state.flows.len() < 30, "{}", state.flows.len());
}

#[test]
fn parked_firings_are_redriven_past_the_breaker_or_discarded() {
    let mut stage = stormy(30);
    let mut parked: Vec<Key> = stage.bench.engine.state().parked.iter().map(|(key, _)| *key).collect();
    let (one, two) = (parked.pop().unwrap(), parked.pop().unwrap());
    assert_eq!(stage.bench.operator(Command::Redrive { firing: one }), "done");
    assert_eq!(stage.bench.engine.state().meta.counts.fired, 21);
    assert_eq!(stage.bench.engine.state().runs.get(&one).map(|run| run.id), Some(one));
    let record = stage.bench.log.iter().find(|record| *record.event.id == *one.to_string());
    assert!(record.is_some(), "a firing has a record, at the latest when it is let go");
    assert_eq!(stage.bench.operator(Command::Discard { firing: two }), "done");
    assert!(stage.bench.operator(Command::Redrive { firing: two }).starts_with("refused"));
    assert_eq!(flows(&stage.bench.engine, RULE)[0].held, 8);
    assert_eq!(stage.bench.operator(Command::RedriveAll { rule: RULE.into() }), "done");
    let state = stage.bench.engine.state();
    assert_eq!((state.meta.counts.fired, state.parked.len()), (29, 0));
    // In the order in which they were parked.
    let ids: Vec<String> = fired(&stage.bench).iter().map(|fired| id(&fired.events[0].event)).skip(21).collect();
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(ids, sorted);
    for command in [Command::RedriveAll { rule: RULE.into() }, Command::DiscardAll { rule: RULE.into() }] {
        assert!(stage.bench.operator(command).starts_with("refused: no firing of the rule default/r is parked"));
    }
    let mut stage = stormy(30);
    assert_eq!(stage.bench.operator(Command::DiscardAll { rule: RULE.into() }), "done");
    assert_eq!((stage.bench.engine.state().parked.len(), stage.bench.engine.state().meta.counts.fired), (0, 20));
}

#[test]
fn a_rule_has_ten_thousand_parked_and_what_comes_after_is_dropped_and_said() {
    let mut stage = stormy(10_500);
    let state = stage.bench.engine.state();
    assert_eq!((state.meta.counts.fired, state.parked.len()), (20, 10_000));
    let told = stage.told();
    assert_eq!(told.lines().filter(|line| line.contains("parked: storm")).count(), 10_000);
    let last = told.lines().last().unwrap();
    let position = stage.bench.log.last().unwrap().position;
    assert_eq!(
        last,
        format!(
            "0s dropped: storm: more than 20 firings in a minute of the rule; 10000 firings of the rule are parked already. \
             `ensue events re-emit` offers its events again: {position}"
        )
    );
    // Each costs as much as the one before, however many are parked.
    assert_eq!(stage.bench.operator(Command::DiscardAll { rule: RULE.into() }), "done");
    stage.act("x kx");
    assert_eq!(stage.bench.engine.state().parked.len(), 1);
}

#[test]
fn a_rule_that_hears_the_ends_of_its_own_runs_is_bounded_by_the_breaker() {
    let spec = "when: { event: { type: [{ prefix: dev.ensue.run. }, go] } }\nsteps: []";
    let mut bench = Bench::new(&[rule("r", spec)]);
    bench.event("go", "e1", json!({}));
    // Each run is two records more: without a bound it would be two to the power of 32.
    let state = bench.engine.state();
    assert_eq!(state.meta.counts.fired, 1_000);
    assert_eq!(state.parked.len(), 1_001);
    assert!(bench.log.len() < 5_000, "{}", bench.log.len());
    for minute in 1..10 {
        bench.now = START + Span::mins(minute);
        bench.event("go", &format!("m{minute}"), json!({}));
    }
    assert_eq!(bench.engine.state().meta.counts.fired, 1_009, "one a minute");
}

#[test]
fn a_queue_has_ten_thousand_and_more_are_parked() {
    let mut bench = Bench::new(&[rule("r", &keyed("throttle: { limit: 1, per: 1h, excess: queue }"))]);
    for n in 0..10_011 {
        bench.event("go", &format!("e{n}"), json!({"k": "a"}));
    }
    let state = bench.engine.state();
    assert_eq!((state.meta.counts.fired, state.parked.len()), (1, 10));
    let shown: Vec<(String, u64)> =
        flows(&bench.engine, RULE).into_iter().map(|state| (state.what, state.held)).collect();
    assert_eq!(shown, [("storm".to_owned(), 10), ("throttle".to_owned(), 10_000)]);
    let told = bench.log.iter().filter(|record| &*record.event.kind == "dev.ensue.rule.parked").count();
    assert_eq!(told, 1, "and that is told once a minute");
}

#[test]
fn a_million_keys_stay_bounded() {
    for (part, refused) in [
        ("dedupe: { window: 1h }", true),
        ("debounce: { quiet: 1h }", true),
        ("batch: { size: 9 }", true),
        ("throttle: { limit: 1, per: 1h }", true),
        ("storm: { perKey: 5, perRule: 100000 }", false),
    ] {
        let spec = format!(
            "when: {{ event: {{ type: [go] }}, key: event.data.k, maxKeys: 50 }}\nmode: shadow\n{part}\nsteps: []"
        );
        let mut bench = Bench::new(&[rule("r", &spec)]);
        for n in 0..2_000 {
            bench.pass(Span::millis(100));
            bench.event("go", &format!("e{n}"), json!({"k": n}));
        }
        let keys = flows(&bench.engine, RULE).iter().filter(|state| state.what != "storm").count();
        assert_eq!(keys, if refused { 50 } else { 0 }, "{part}");
        // A breaker's rows are those of the last minute or two.
        assert!(bench.engine.state().flows.len() < 1_300, "{part}: {}", bench.engine.state().flows.len());
        let told = bench.log.iter().filter(|record| &*record.event.kind == "dev.ensue.key.refused").count();
        assert_eq!(told, if refused { 4 } else { 0 }, "{part}: told once a minute");
    }
    // What is over makes room for others.
    let mut stage = Stage::new(
        "when: { event: { type: [go] }, key: event.data.k, maxKeys: 2 }\ndedupe: { window: 10s }\nsteps: []",
        false,
    );
    stage.play("0 e1 a\n1 e2 b\n2 e3 c\n10 e4 c\n11 e5 a");
    let told = "0s fires e1\n1s fires e2\n2s refused: 2 keys\n10s fires e4\n11s fires e5\n";
    assert_eq!(stage.told(), told);
}

#[test]
fn past_the_bound_of_the_outbox_firings_are_parked() {
    let mut bench = Bench::new(&[rule("r", &runs(""))]);
    bench.event("go", "e1", json!({"k": "a"}));
    bench.checkpoint();
    // As many effects without an answer as may be.
    let (_, row) = bench.store.iter().find(|((table, _), _)| *table == "outbox").unwrap();
    let row = row.clone();
    bench.engine = bench.reloaded();
    for n in 1..ensue_engine::state::MAX_OUTBOX {
        bench.engine.load("outbox", &Key::of("row", &[&n.to_be_bytes()]).0, &row).unwrap();
    }
    bench.event("go", "e2", json!({"k": "a"}));
    bench.event("go", "e3", json!({"k": "a"}));
    let state = bench.engine.state();
    assert_eq!((state.runs.len(), state.parked.len()), (1, 2));
    let reasons: Vec<&str> = state.parked.iter().map(|(_, parked)| parked.reason.as_str()).collect();
    assert_eq!(reasons, ["pressure: 100000 effects have no answer"; 2]);
    let told = bench.log.iter().filter(|record| &*record.event.kind == "dev.ensue.rule.parked").count();
    assert_eq!(told, 1);
    // A person decides; then nothing is asked any more.
    assert_eq!(bench.operator(Command::RedriveAll { rule: RULE.into() }), "done");
    assert_eq!((bench.engine.state().runs.len(), bench.engine.state().meta.counts.fired), (3, 3));
}

#[test]
fn a_rule_that_goes_drops_what_it_holds_and_says_how_much() {
    let spec = runs(
        "batch: { size: 2, every: 1h }\nthrottle: { limit: 1, per: 1h, excess: queue }\nconcurrency: { limit: 1 }",
    );
    let mut stage = Stage::new(&spec, false);
    stage.play("0 e1 a\n0 e2 a\n1 e3 a\n1 e4 a\n2 e5 a\n3 e6 b");
    assert_eq!(stage.bench.engine.due(), Some(START + Span::secs(3_600)));
    stage.bench.configure(&[], false);
    let told = stage.told();
    assert_eq!(told.lines().last(), Some("3s Edited { halves: 0, held: 3 }"), "{told}");
    assert_eq!(stage.bench.engine.due(), None);
    stage.play("4 ok e2\n5 tick");
    let state = stage.bench.engine.state();
    assert_eq!((state.flows.len(), state.tallies.len()), (0, 0));
}

/// One of several ways to write each part; `together`: some are put together, and then none is dropped or paused, which
/// would be one decision for several.
fn any_spec(picks: [u8; 5], together: bool) -> String {
    let of = |pick: u8, all: &[&str]| all[pick as usize % all.len()].to_owned();
    let gather: &[&str] = if together {
        &["batch: { size: 3, every: 20s }", "batch: { every: 7s }", "batch: { key: none, size: 2 }"]
    } else {
        &["", "debounce: { quiet: 5s }", "debounce: { key: none, quiet: 5s, max: 9s }"]
    };
    let throttle: &[&str] = if together {
        &["", "throttle: { limit: 1, per: 10s, excess: queue }"]
    } else {
        &["", "throttle: { limit: 2, per: 10s }", "throttle: { key: none, limit: 1, per: 15s, excess: queue }"]
    };
    let parts = [
        of(picks[0], &["", "dedupe: { window: 4s }", "dedupe: { key: event.data.id, window: 1m }"]),
        of(picks[1], gather),
        of(picks[2], throttle),
        of(picks[3], &["", "storm: { perKey: 1, perRule: 3 }"]),
        of(
            picks[4],
            &[
                "",
                "concurrency: { limit: 1 }",
                "concurrency: { key: none, limit: 2, excess: latest }",
                "concurrency: { limit: 1, excess: skip }",
                "concurrency: { limit: 1, excess: cancelRunning }",
            ],
        ),
    ];
    runs(&parts.join("\n"))
}

/// Of all matches and firings, what became of them: nothing is lost, and nothing happens twice.
fn balance(stage: &Stage, events: usize) {
    let state = stage.bench.engine.state();
    let (mut matched, mut fired_so_far) = (0, 0);
    let weight = |fired: &ensue_event::ours::RuleFired| fired.batch.len().max(1);
    for fired in &fired(&stage.bench) {
        matched += weight(fired);
        fired_so_far += 1;
    }
    for (_, parked) in state.parked.iter() {
        match parked.by.as_deref() {
            Some("storm" | "throttle") => matched += weight(&parked.fired),
            other => panic!("{other:?}"),
        }
    }
    let mut seated = state.runs.len();
    for (_, decided) in state.decisions.iter() {
        assert_eq!(decided.more, 0);
        for decision in &decided.all {
            match &decision.verdict {
                Verdict::Deduped { .. } | Verdict::Throttled { .. } | Verdict::Paused => matched += 1,
                Verdict::Replaced { by, .. } if by == "debounce" => matched += 1,
                Verdict::Replaced { .. } | Verdict::Skipped { .. } => seated += 1,
                Verdict::Held { .. } | Verdict::Parked { .. } | Verdict::Done | Verdict::Refused { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    for state in flows(&stage.bench.engine, RULE) {
        match state.what.as_str() {
            "debounce" | "batch" | "throttle" => matched += state.held as usize,
            "concurrency" => seated += state.held as usize,
            _ => {}
        }
    }
    // What waits for a throttle may be a batch of several.
    let batched: usize = state
        .flows
        .iter()
        .map(|(_, row)| match &row.kept {
            ensue_engine::flow::Kept::Held(found) => found.batch.len().saturating_sub(1),
            _ => 0,
        })
        .sum();
    assert_eq!(matched + batched, events, "{}", stage.told());
    assert_eq!(seated, fired_so_far, "{}", stage.told());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 30, ..Default::default() })]

    #[test]
    fn nothing_is_lost_and_a_stop_anywhere_changes_nothing(
        together in proptest::bool::ANY,
        picks in proptest::array::uniform5(0_u8..30),
        edit in proptest::array::uniform5(0_u8..30),
        acts in proptest::collection::vec((0_u8..20, 0_i64..4_000, 0_u8..3), 10..60),
    ) {
        let play = |restarts: bool| {
            let mut stage = Stage::new(&any_spec(picks, together), restarts);
            let mut events = 0;
            for (n, (act, step, key)) in acts.iter().enumerate() {
                stage.until(stage.bench.now + Span::millis(*step));
                let row = stage.bench.engine.state().outbox.iter().map(|(_, row)| row.as_ref().clone()).next();
                match (act, row) {
                    (0, _) if n > 5 => drop(stage.bench.configure(&[rule("r", &any_spec(edit, together))], false)),
                    (1, _) if !together => stage.act(if n % 2 == 0 { "pause" } else { "live" }),
                    (2, Some(row)) => drop(stage.bench.operator(Command::CancelRun { run: row.effect.run })),
                    (3, _) => {
                        let parked = stage.bench.engine.state().parked.first().map(|(firing, _)| *firing);
                        parked.map(|firing| stage.bench.operator(Command::Redrive { firing }));
                    }
                    (4..=7, Some(row)) => drop(stage.bench.answer(&row, Answer::Ok(json!({})))),
                    _ => {
                        events += 1;
                        stage.act(&format!("e{} {}", n % 7, ["a", "b", "c"][*key as usize]));
                    }
                }
                stage.restart();
                balance(&stage, events);
            }
            stage
        };
        let mut live = play(false);
        let dump = live.bench.dump();
        assert_eq!(play(true).bench.dump(), dump, "stopped and started after each record");
        assert_eq!(fold_anew(&live.bench.log).dump(), dump, "folded anew");
    }
}
