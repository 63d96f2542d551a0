//! Rules as people write them.

use ensue_lang::{Happening, KeySpec, Mock, RuleMode, StepKind, Subject, WhenKind};
use serde_json::json;

use super::{fixture, lines, read};

#[test]
fn everything_that_this_version_runs_is_read_without_a_word() {
    let loaded = read(&fixture("all.yaml"));
    assert_eq!(lines(&loaded), "");
    let config = &loaded.config;
    let all: Vec<String> = config.documents().iter().map(|(kind, name, _)| format!("{kind} {name}")).collect();
    assert_eq!(
        all,
        [
            "Connection default/api",
            "Connection default/gitops",
            "Connection default/here",
            "Connection default/team",
            "Source default/ci",
            "Source default/github",
            "Source default/nightly",
            "Rule shop/deploy",
            "Workflow shop/announce",
            "Table default/repos",
            "Scenario shop/one push is one deployment",
        ]
    );

    let (_, api) = config.connection("api", "shop").unwrap();
    assert_eq!(api.type_name, "http");
    assert_eq!(api.config["bearer"], json!({ "$secret": "API_TOKEN" }));
    assert_eq!(api.config["headers"], json!({ "X-Client": "ensue", "X-Key": { "$secret": "API_KEY" } }));
    assert_eq!(api.limits.distinct_targets_per_hour, Some(10));
    assert_eq!(api.labels["team"], "platform");
    assert!(config.connection("gitops", "shop").unwrap().1.dry_run);

    let ci = config.sources.values().find(|source| source.name.name == "ci").unwrap();
    assert_eq!(ci.id.as_ref().unwrap().source(), "headers[\"x-delivery\"]");
    assert_eq!(ci.dedupe_body, Some(60_000_000));

    let tables = config.tables("shop");
    assert_eq!(tables["repos"]["42"]["repo"], "shop/answer");

    let rule = config.rules.values().next().unwrap();
    assert_eq!(rule.mode, RuleMode::Live);
    assert_eq!(rule.lets.keys().collect::<Vec<_>>(), ["sha", "short", "image", "repo"]);
    let WhenKind::Event(item) = &rule.when.kind else { panic!("{:?}", rule.when.kind) };
    assert_eq!(item.event.json["data"]["ref"], json!(["refs/heads/main"]));
    assert_eq!(item.cond.as_ref().unwrap().source(), "!event.data.deleted");
    let ids: Vec<_> =
        rule.steps.iter().map(|step| (step.id.as_str(), step.kind.as_str(), step.path.as_str())).collect();
    assert_eq!(
        ids,
        [
            ("build", "uses", "/steps/0"),
            ("names", "set", "/steps/1"),
            ("commit", "uses", "/steps/2"),
            ("step_6", "switch", "/steps/3"),
            ("step_10", "emit", "/steps/4"),
        ]
    );
    let build = &rule.steps[0];
    assert_eq!(build.timeout, Some(20 * 60_000_000));
    let retry = build.retry.as_ref().unwrap();
    assert_eq!((retry.max, retry.initial, retry.cap, retry.on.len()), (2, 500_000, 10_000_000, 2));
    assert_eq!(build.catch[0].errors, ["StepFailed"]);
    assert_eq!(build.catch[0].steps[1].path, "/steps/0/catch/0/steps/1");
    assert!(matches!(build.catch[0].steps[1].kind, StepKind::Fail { .. }));
    let StepKind::Switch(cases) = &rule.steps[3].kind else { panic!() };
    assert!(cases[0].cond.is_some() && cases[2].cond.is_none());
    assert!(cases[2].steps[0].continue_on_error);

    let scenario = config.scenarios.values().next().unwrap();
    let Happening::Event { times, every, .. } = &scenario.given[1].what else { panic!() };
    assert_eq!((scenario.given[1].at, *times, *every), (60_000_000, 3, 2_000_000));
    assert!(matches!(&scenario.actions["slack/post"][0].mock, Mock::Sequence(list) if list.len() == 2));
    assert_eq!(scenario.expect[0].times, Some(1));
    assert!(
        matches!(&scenario.expect[1].subject, Subject::Action { action, with: Some(_), .. } if action == "git/commit")
    );
}

#[test]
fn secrets_of_a_step_are_handles_and_the_rest_of_its_environment_is_text() {
    let loaded = read(&fixture("all.yaml"));
    let rule = loaded.config.rules.values().next().unwrap();
    let StepKind::Uses { with, .. } = &rule.steps[0].kind else { panic!() };
    let sources: Vec<_> =
        with.programs().iter().map(|(at, program)| (at.clone(), program.source().trim().to_owned())).collect();
    assert!(sources.contains(&("/env/SHA".to_owned(), "string(let.sha\n)".to_owned())), "{sources:?}");
    assert!(!sources.iter().any(|(at, _)| at == "/env/SIGN"), "{sources:?}");
}

#[test]
fn the_examples_of_the_project_are_read_without_a_word() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut folders: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir() && !folder.ends_with("broken"));
    for folder in folders {
        let mut files = Vec::new();
        let mut open = vec![folder];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|end| end == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = ensue_lang::env::fill(&text, &|name, _| Some(format!("http://{name}"))).unwrap();
                files.push(ensue_lang::SourceFile { path: path.display().to_string(), text });
            }
        }
        let loaded = ensue_lang::load(&files);
        assert_eq!(lines(&loaded), "");
    }
}

#[test]
fn the_whole_language_is_typed() {
    let loaded = read(&fixture("examples.yaml"));
    for diagnostic in &loaded.diagnostics {
        assert_eq!(diagnostic.code, "unknown-action", "{diagnostic}");
    }

    let rule = |name: &str| loaded.config.rules.values().find(|rule| rule.name.name == name).unwrap();
    let rollback = rule("rollback-after-crashloop");
    let WhenKind::Sequence(items) = &rollback.when.kind else { panic!() };
    assert_eq!(items[0].name.as_deref(), Some("rollout"));
    assert!(matches!(&rollback.when.key, Some(KeySpec::One(key)) if key.source() == "event.data.deployment"));
    assert_eq!(rollback.when.within, Some(15 * 60_000_000));
    assert_eq!(rollback.throttle.as_ref().unwrap().limit, 1);

    let rest = rule("the-rest");
    assert!(matches!(&rest.when.kind, WhenKind::Absence { after: Some(_), wait, .. } if *wait == 30 * 60_000_000));
    let kinds: Vec<&str> = rest.steps.iter().map(|step| step.kind.as_str()).collect();
    assert_eq!(kinds, ["foreach", "parallel", "approve", "emit", "uses"]);
    assert_eq!(rest.steps[3].needs, ["many", "both"]);
    assert!(rest.steps[3].undo.is_some() && rest.steps[4].cache.is_some());
    assert_eq!(rule("patch-images").steps[1].kind.as_str(), "wait");
    assert_eq!(rule("preview").order.as_ref().unwrap().remember, 30 * 86_400_000_000);
}
