//! One record of each kind, with every field set: what the reference shows, and what holds the formats still. Kinds
//! whose fields come in several forms have one record for each form.

use serde_json::{Map, json};

use super::*;

/// The samples, in the order of [`LIST`].
#[must_use]
pub fn samples() -> Vec<Ours> {
    let mut all = node();
    all.extend(actions());
    all.extend(operator());
    all.extend(log());
    all.extend(fold());
    all
}

fn run() -> Key {
    Key::of("sample", &[b"run"])
}

fn attempt() -> Attempt {
    Attempt { effect: Key::of("sample", &[b"effect"]), attempt: 2, run: run(), step: "deploy/notify".into() }
}

fn failure() -> Failure {
    Failure {
        name: "Status".into(),
        message: "the answer was 503 Service Unavailable".into(),
        retryable: true,
        retry_after: Some(Span::secs(30)),
        details: json!({"status": 503, "body": "try later"}),
    }
}

fn at(seconds: i64) -> Time {
    Time::from_secs(1_772_357_400 + seconds)
}

fn node() -> Vec<Ours> {
    let clock = |step, by| ClockStepped { step, wall: at(60), by }.into();
    vec![
        NodeStarted {
            version: "0.1.0".into(),
            fold: 1,
            boot: "b3c1c0de-0000-4000-8000-000000000001".into(),
            stopped_at: Some(at(0)),
            clean: true,
        }
        .into(),
        NodeStopped { reason: "SIGTERM".into() }.into(),
        clock(Step::Back, Span::secs(-90)),
        clock(Step::Forward, Span::mins(2)),
        clock(Step::Believed, Span::mins(2)),
        Tick {}.into(),
        SourceDisconnected { source: "cluster".into(), reason: "connection refused".into() }.into(),
        SourceCaughtUp { source: "cluster".into() }.into(),
        SourceGap { source: "github".into(), from: at(0), to: at(120) }.into(),
        ConfigApplied {
            documents: vec![Document {
                kind: "Rule".into(),
                name: "shop/build".into(),
                digest: Digest::of(b"sample: a rule"),
            }],
            files: vec![ConfigFile { path: "build.yaml".into(), text: "kind: Rule\n".into() }],
            observe: true,
        }
        .into(),
    ]
}

fn actions() -> Vec<Ours> {
    vec![
        ActionStarted { of: attempt(), action: "slack/post".into(), connection: Some("team".into()) }.into(),
        ActionAnswered {
            of: attempt(),
            answer: Answer::Ok(json!({"status": 200})),
            began: Some(at(0)),
            log: Some(Logged { size: 3, cut: 0, text: Some("on\n".into()), digest: None }),
        }
        .into(),
        ActionAnswered { of: attempt(), answer: Answer::Ok(json!({"status": 200})), began: None, log: None }.into(),
        ActionAnswered { of: attempt(), answer: Answer::Err(failure()), began: None, log: None }.into(),
        ActionStopped {
            of: attempt(),
            began: at(0),
            why: Stopped::Interrupted,
            log: Some(Logged { size: 9_000, cut: 70, text: None, digest: Some(Digest::of(b"sample: a rule")) }),
        }
        .into(),
        ActionUncertain { of: attempt(), reason: "it was started and no answer is known".into() }.into(),
    ]
}

fn operator() -> Vec<Ours> {
    let (rule, step, firing) = ("shop/build".to_owned(), "deploy".to_owned(), Key::of("sample", &[b"firing"]));
    let commands = [
        Command::Freeze { connection: Some("team".into()), rule: Some(rule.clone()) },
        Command::Thaw { connection: Some("team".into()), rule: Some(rule.clone()), discard: true },
        Command::SetMode { rule, mode: "paused".into() },
        Command::RetryRun { run: run() },
        Command::ResumeRun { run: run(), from: Some(step.clone()) },
        Command::SkipStep { run: run(), step: step.clone() },
        Command::CancelRun { run: run() },
        Command::Settle { run: run(), step: step.clone(), verdict: "done".into() },
        Command::Approve { run: run(), step, refuse: true, shown: Some(Digest::of(b"sample: what was shown")) },
        Command::Rollback { run: run() },
        Command::Redrive { firing },
        Command::Discard { firing },
    ];
    let asked =
        |command| Operator { command, actor: "ann".into(), roles: Vec::new(), reason: "maintenance".into() }.into();
    commands.into_iter().map(asked).collect()
}

fn log() -> Vec<Ours> {
    vec![
        EventConflict {
            source: "/shop".into(),
            id: "a1".into(),
            kept: Position(7),
            refused: Digest::of(b"sample: another body"),
        }
        .into(),
        RecordQuarantined {
            position: Position(9),
            reason: "the fold panicked".into(),
            answer: Some(attempt()),
            firing: Some(Key::of("sample", &[b"firing"])),
        }
        .into(),
        LogTrimmed { first: Position(1_000), bytes: 64 << 20 }.into(),
        LogPurged { positions: vec![Position(3), Position(4)], reason: "personal data".into(), actor: "ann".into() }
            .into(),
        StateSnapshot { position: Position(2_000), digest: Digest::of(b"sample: a dump") }.into(),
        Backfill { rule: "shop/build".into(), from: Position(10), to: Position(20) }.into(),
    ]
}

fn fold() -> Vec<Ours> {
    let rule = || "shop/build".to_owned();
    let definition = Digest::of(b"sample: a rule");
    let event = json!({"specversion": "1.0", "id": "a1", "source": "/shop", "type": "com.example.pushed"});
    vec![
        RuleFired {
            firing: run(),
            rule: rule(),
            definition,
            mode: Mode::Live,
            key: Some("main".into()),
            events: vec![Took { position: Position(7), item: Some("push".into()), event: event.clone() }],
            due: Some(at(300)),
            timed: false,
            count: None,
            batch: Vec::new(),
            lets: Map::from_iter([("branch".to_owned(), json!("main"))]),
        }
        .into(),
        RuleParked { firing: run(), rule: rule(), reason: "storm".into() }.into(),
        RunStarted { run: run(), rule: rule(), definition, key: Some("main".into()) }.into(),
        RunFinished { run: run(), rule: rule(), status: "succeeded".into(), started: at(0) }.into(),
        RunFailed { run: run(), rule: rule(), step: Some("deploy".into()), error: failure(), started: at(0) }.into(),
        ApprovalAsked {
            run: run(),
            rule: rule(),
            step: "ask[3]".into(),
            from: vec!["sre".into()],
            min: 2,
            shown: serde_json::json!([{"what": "inputs.version", "value": "1.2"}]),
            digest: Digest::of(b"sample: what is shown"),
            until: Some(at(60)),
        }
        .into(),
        ChainCut { rule: rule(), position: Position(8), depth: 33 }.into(),
        KeyRefused { rule: rule(), limit: 10_000, refused: 12 }.into(),
        EventDiverted {
            rule: rule(),
            key: Some("main".into()),
            position: Position(7),
            value: "3".into(),
            last: "5".into(),
            event,
        }
        .into(),
        PolicyDecided {
            policy: "shop/careful".into(),
            verdict: Ruled::Asked,
            reason: "21 is many".into(),
            run: Some(run()),
            rule: Some(rule()),
            step: Some("deploy".into()),
            effect: Some(Key::of("sample", &[b"effect"])),
            attempt: Some(1),
            action: Some("git/commit".into()),
            command: Some("cancel".into()),
            by: vec!["ann".into()],
            due: Some(at(3_600)),
        }
        .into(),
        FreezeBegan {
            connection: Some("shop/prod".into()),
            rule: Some(rule()),
            until: at(3_600),
            reason: "weekend".into(),
        }
        .into(),
        FreezeEnded {
            connection: Some("shop/prod".into()),
            rule: Some(rule()),
            since: at(0),
            reason: "weekend".into(),
        }
        .into(),
    ]
}
