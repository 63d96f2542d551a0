//! Random rules, random inputs: never a panic, never a stuck run, and every run that gets its answers ends.

use ensue_event::Key;
use ensue_event::ours::{Answer, Failure};
use ensue_run::Input;
use ensue_run::Waits;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::kit::{Play, documents};

/// Steps as JSON, which is YAML. Ids are given afterwards.
fn steps(depth: u32) -> BoxedStrategy<Vec<Value>> {
    let leaf = prop_oneof![
        3 => Just(json!({"uses": "exec/run", "connection": "shell", "with": {"argv": ["x"]}})),
        2 => Just(json!({"uses": "http/request", "connection": "api", "with": {"path": "/x", "method": "POST"},
            "retry": {"max": 2, "initial": "1s", "jitter": "none"}})),
        1 => Just(json!({"uses": "slack/post", "connection": "team", "with": {"text": "x"}})),
        1 => Just(json!({"set": {"x": "${{ event.data.n }}"}})),
        1 => Just(json!({"set": {"x": "${{ event.data.missing }}"}})),
        1 => Just(json!({"fail": "no"})),
        1 => Just(json!({"emit": {"type": "x"}})),
        2 => Just(json!({"wait": "1m"})),
        1 => Just(json!({"wait": {"for": {"event": {"type": ["came"]}}, "timeout": "1h"}})),
        1 => Just(json!({"wait": {"for": {"event": {"type": ["came"]}}, "since": "run"}})),
        1 => Just(json!({"approve": {"from": ["sre"], "min": 2, "timeout": "1h", "show": ["event.data.n"]}})),
        1 => Just(json!({"approve": {"from": ["sre"]}})),
        1 => Just(json!({"workflow": "w", "with": {"num": 1}})),
        1 => Just(json!({"workflow": "w", "with": {"num": 1}, "timeout": "2m"})),
        1 => Just(json!({"workflow": "w", "with": {"num": "${{ event.data.missing }}"}})),
    ];
    let step = if depth == 0 {
        leaf.boxed()
    } else {
        let inner = steps(depth - 1);
        prop_oneof![
            4 => leaf,
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| json!({"switch": [
                {"if": "event.data.n == 8", "steps": a}, {"steps": b}
            ]})),
            1 => (inner.clone(), inner.clone(), inner.clone(), 0..3_u8).prop_map(|(a, b, c, join)| {
                let mut parallel = json!({"branches": {"a": a, "b": b, "c": c}});
                match join {
                    0 => {}
                    1 => parallel["join"] = "any".into(),
                    _ => (parallel["join"], parallel["quorum"]) = ("quorum".into(), 2.into()),
                }
                json!({"parallel": parallel})
            }),
            1 => inner.clone().prop_map(|steps| json!({"foreach": {"items": "${{ event.data.list }}", "steps": steps}})),
            1 => inner.prop_map(|steps| json!({"foreach": {
                "matrix": {"a": [1, 2], "b": ["x", "y"]}, "maxParallel": 2, "steps": steps
            }})),
        ]
        .boxed()
    };
    let inner = || if depth == 0 { Just(Vec::new()).boxed() } else { steps(depth - 1) };
    let dressed = (step, 0..3_u8, any::<bool>(), 0..6_u8, inner(), inner(), 0..8_u8).prop_map(
        |(mut step, cond, carry_on, extra, one, two, more)| {
            let object = step.as_object_mut().unwrap();
            match cond {
                0 => drop(object.insert("if".into(), "event.data.n == 8".into())),
                1 => drop(object.insert("if".into(), "event.data.n == 7".into())),
                _ => {}
            }
            if carry_on {
                object.insert("continueOnError".into(), true.into());
            }
            if extra & 1 == 1 && !one.is_empty() {
                let errors =
                    if extra & 2 == 2 { json!({"errors": ["Denied"], "steps": one}) } else { json!({"steps": one}) };
                object.insert("catch".into(), json!([errors]));
            }
            if extra & 4 == 4 && !two.is_empty() {
                object.insert("finally".into(), json!(two));
            }
            if more == 0 {
                object.insert("needs".into(), json!([]));
            }
            if more < 4 {
                let undo = match more {
                    0 | 1 => json!({"uses": "exec/run", "connection": "shell", "with": {"argv": ["back"]}}),
                    2 => json!({"emit": {"type": "back"}}),
                    _ => json!({"set": {"x": "${{ event.data.missing }}"}}),
                };
                object.insert("undo".into(), undo);
            }
            if more == 7 && (object.contains_key("parallel") || object.contains_key("foreach")) {
                object.insert("timeout".into(), "90s".into());
            }
            step
        },
    );
    prop::collection::vec(dressed, 1..4).boxed()
}

/// Gives every step an id of its own, the same as its place.
fn name(steps: &mut Value, next: &mut u32) {
    let mut before: Option<String> = None;
    for step in steps.as_array_mut().unwrap() {
        let object = step.as_object_mut().unwrap();
        let id = format!("s{next}");
        if object.contains_key("needs") {
            object.insert("needs".into(), json!(before.iter().collect::<Vec<_>>()));
        }
        before = Some(id.clone());
        object.insert("id".into(), id.into());
        *next += 1;
        if let Some(undo) = object.get_mut("undo") {
            undo["id"] = format!("s{next}").into();
            *next += 1;
        }
        for branch in ["a", "b", "c"] {
            if let Some(steps) = object.get_mut("parallel").map(|parallel| &mut parallel["branches"][branch]) {
                name(steps, next);
            }
        }
        if let Some(each) = object.get_mut("foreach") {
            name(&mut each["steps"], next);
        }
        for list in ["catch", "switch"] {
            for arm in object.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                name(&mut arm["steps"], next);
            }
        }
        if let Some(finally) = object.get_mut("finally") {
            name(finally, next);
        }
    }
}

const WORKFLOW: &str = r#"
kind: Workflow
metadata: { name: w }
spec:
  inputs: { num: { type: int } }
  steps:
    - { id: p, uses: exec/run, connection: shell, with: { argv: ["${{ inputs.num }}"] } }
    - { id: q, uses: exec/run, connection: shell, with: { argv: [q] }, catch: [ { errors: [Denied], steps: [ { id: r, set: { x: 1 } } ] } ] }
  onFailure: [ { id: f, set: { x: "${{ error.message }}" } } ]
  finally: [ { id: z, uses: exec/run, connection: shell, with: { argv: [z] } } ]
  outputs: { num: "${{ inputs.num }}" }
"#;

fn rule() -> impl Strategy<Value = String> {
    (steps(2), prop::option::of(steps(1)), prop::option::of(steps(1))).prop_map(|(steps, on_failure, finally)| {
        let mut next = 0;
        let mut out = String::new();
        for (field, steps) in [("steps", Some(steps)), ("onFailure", on_failure), ("finally", finally)] {
            if let Some(steps) = steps {
                let mut steps = json!(steps);
                name(&mut steps, &mut next);
                out.push_str(&format!("{field}: {steps}\n"));
            }
        }
        documents(&out, WORKFLOW)
    })
}

/// What happens next, drawn: most often what the run waits for.
fn happen(play: &mut Play, what: u16) {
    let mut paths: Vec<String> = play.run.trunk.steps.keys().cloned().collect();
    paths.extend(["s0".into(), "s3".into(), "w/p".into(), String::new()]);
    let path = paths[usize::from(what) % paths.len()].clone();
    let attempt = u32::from(what % 3) + 1;
    let drawn = match what % 40 {
        0..2 => Some(Input::Cancel { reason: "enough".into() }),
        2..4 => Some(Input::Resume { from: None }),
        4..7 => Some(Input::Resume { from: Some(path) }),
        7..9 => Some(Input::Skip { step: path }),
        9 => Some(Input::Settle { step: path, verdict: "done".into() }),
        10 => Some(Input::Settle { step: path, verdict: "nonsense".into() }),
        11 => Some(Input::Due { branch: attempt, step: path, due: play.now }),
        12 => Some(Input::Answer { branch: attempt, effect: Key([7; 16]), attempt, answer: Answer::Ok(json!({})) }),
        13 => Some(Input::Rollback { reason: "back".into() }),
        _ => None,
    };
    match drawn {
        Some(input) => drop(play.input(input)),
        None => go_on(play, what),
    }
}

/// Gives the run what it waits for.
fn go_on(play: &mut Play, what: u16) {
    let answer = match what % 7 {
        0..3 => Answer::Ok(json!({"exitCode": 0})),
        3 => Answer::Err(Failure::new("Denied", "no")),
        4 => Answer::Err(Failure::new("Connect", "no").retryable()),
        _ => Answer::Err(Failure::new("Status", "no")),
    };
    // Any of the branches may be the next to be moved.
    let waits: Vec<(u32, Waits)> = play.run.waits(&play.branches).into_iter().map(|(id, w)| (id, w.unwrap())).collect();
    let moves: Vec<&(u32, Waits)> = waits.iter().filter(|(_, waits)| *waits != Waits::Branches).collect();
    let Some((id, waits)) = moves.get(usize::from(what / 7) % moves.len().max(1)) else { return };
    let index = play.branches.get(id).map(|branch| branch.index().to_vec()).unwrap_or_default();
    let name = |path: &str| ensue_run::branch::named(path, &index);
    match waits {
        Waits::Answer(key) => {
            let effect = play.outbox[key].clone();
            let result = if what.is_multiple_of(11) { play.lost(&effect) } else { play.answer(&effect, answer) };
            result.unwrap();
        }
        Waits::Until(_) => drop(play.due()),
        Waits::Event(..) if what.is_multiple_of(5) && play.timed() => drop(play.due()),
        Waits::Event(step, _) if what.is_multiple_of(13) => {
            let why = "too many came".to_owned();
            play.input(Input::Overflowed { branch: *id, step: step.clone(), why }).unwrap();
        }
        Waits::Event(step, _) => play.comes_at(*id, step.clone(), "{}").map(drop).unwrap(),
        Waits::Person(step) if play.asks(*id, step) => {
            drop(play.word(&name(step), ["ann", "bob", "eve:dev"][usize::from(what / 7 % 3)], what.is_multiple_of(4)));
        }
        Waits::Person(step) => {
            let verdict = ["done", "failed", "retry"][usize::from(what % 3)].to_owned();
            play.input(Input::Settle { step: name(step), verdict }).unwrap();
        }
        Waits::Branches => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_run_never_sticks_and_ends(rule in rule(), inputs in prop::collection::vec(any::<u16>(), 0..40)) {
        let mut play = Play::new(&rule);
        play.input(Input::Start).unwrap();
        for what in inputs {
            happen(&mut play, what);
        }
        // From here on everything succeeds: it comes to an end within a few steps for each node.
        let mut left = 5_000;
        while !play.run.status.over() {
            go_on(&mut play, 7 * left);
            left -= 1;
            prop_assert!(left > 0, "the run does not end: {:?}", play.run);
        }
    }
}
