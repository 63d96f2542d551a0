//! `ensue check`: each mistake with its place.

use std::process::Command;

use serde_json::Value;

use crate::bench::{ensue, example, run};

/// Place and code of every mistake in `examples/broken`.
const MISTAKES: &str = "\
connections.yaml:4:19 error name
connections.yaml:6:21 error secret
connections.yaml:13:10 error type
connections.yaml:14:31 error secret
connections.yaml:15:5 error unknown-field
connections.yaml:16:24 error type
connections.yaml:22:20 error yaml-ambiguous
connections.yaml:22:44 error yaml-ambiguous
connections.yaml:28:21 error secret
connections.yaml:34:21 error type
connections.yaml:34:36 error exclusive
connections.yaml:34:53 error type
deploy.yaml:5:3 error habit
deploy.yaml:9:12 error name
deploy.yaml:10:51 error expression
deploy.yaml:11:3 error unknown-field
deploy.yaml:14:7 error habit
deploy.yaml:15:11 error type
deploy.yaml:16:13 error unknown-action
deploy.yaml:20:19 error connection-type
deploy.yaml:21:23 error type
deploy.yaml:21:50 error name
deploy.yaml:21:82 error unknown-field
deploy.yaml:22:16 error type
deploy.yaml:23:16 error habit
deploy.yaml:23:38 error type
deploy.yaml:24:39 error unknown-reference
deploy.yaml:24:53 error habit
deploy.yaml:24:76 error secret
deploy.yaml:25:26 error name
deploy.yaml:26:24 error exclusive
deploy.yaml:33:5 error habit
deploy.yaml:34:14 error habit
deploy.yaml:34:54 error pattern
deploy.yaml:35:7 error expression
deploy.yaml:36:3 error yaml-duplicate
deploy.yaml:37:9 error type
deploy.yaml:39:19 error unknown-reference
deploy.yaml:40:43 error type
deploy.yaml:40:46 error unknown-field
deploy.yaml:42:26 error unknown-reference
deploy.yaml:43:11 error duplicate
deploy.yaml:45:7 error exclusive
rest.yaml:7:34 error type
rest.yaml:9:19 error workflow-loop
rest.yaml:9:48 error name
rest.yaml:18:18 error duplicate
rest.yaml:19:7 error missing-field
rest.yaml:26:13 error type
rest.yaml:28:15 error unknown-reference
rest.yaml:29:29 error exclusive
rest.yaml:32:7 error document
rest.yaml:39:25 error yaml";

#[test]
fn every_mistake_of_every_file_is_told_with_its_place() {
    let (code, out, _) = run(&["check", &example("broken"), "--output", "json"]);
    assert_eq!(code, 1);
    let found: Value = serde_json::from_str(&out).unwrap();
    let lines: Vec<String> = found["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap();
            format!("{}:{}:{} {} {}", text("file"), one["line"], one["column"], text("severity"), text("code"))
        })
        .collect();
    assert_eq!(lines, MISTAKES.lines().collect::<Vec<_>>());
    let (code, out, _) = run(&["check", &example("broken")]);
    assert_eq!(code, 1);
    assert_eq!(out.lines().last(), Some(format!("{} errors, no warnings in 3 files", lines.len()).as_str()));
    for place in MISTAKES.lines().map(|line| line.split(' ').next().unwrap()) {
        assert!(out.contains(&format!("--> {place}\n")), "{place} is not in\n{out}");
    }
}

#[test]
fn a_configuration_without_mistakes_is_listed() {
    let (code, out, _) = run(&["check", &example("gitops")]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @r"
    ok  no errors, no warnings in 6 files
      2 sources      github    POST /hooks/github    while it is down: lost, unless the sender repeats
                     registry  POST /hooks/registry  while it is down: lost, unless the sender repeats
      2 rules        build, deploy
      3 connections  builder (exec), gitops (git), team (slack)
      3 secrets      GITHUB_WEBHOOK, REGISTRY_TOKEN, SLACK_WEBHOOK
      1 table        apps
      6 scenarios    `ensue test` plays them
      not set here, and needed by `ensue up`: APP_REPOSITORY, ENSUE, EXAMPLE, GITOPS_REPOSITORY, REGISTRY
    ");
}

#[test]
fn a_file_that_is_not_there_is_an_error_in_one_line() {
    let (code, out, err) = run(&["check", "no/such/folder"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(err, "error: no/such/folder: there is no such file or folder\n");
}

#[test]
fn commands_without_an_engine_say_where_they_looked_and_what_to_do() {
    // A port that nobody listens on: it was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = format!("http://{free}");
    for arguments in
        [&["events"][..], &["runs"], &["rules"], &["why", "1"], &["emit", "--type", "a"], &["freeze", "--list"]]
    {
        let told = ensue(arguments).args(["--server", &server]).output().unwrap();
        let err = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(3), "{arguments:?} {err}");
        assert!(err.contains(&format!("no ensue answers at {server}: ")) && err.contains("\nhint: "), "{err}");
    }
}

#[test]
fn the_schema_is_json_and_the_reference_is_there() {
    let (code, out, _) = run(&["schema", "--crds"]);
    let golden =
        std::fs::read_to_string(format!("{}/../../deploy/chart/ensue/crds/ensue.dev.yaml", env!("CARGO_MANIFEST_DIR")));
    assert!(code == 0 && golden.unwrap().ends_with(&out), "run `cargo xtask gen`");
    let (code, out, _) = run(&["schema"]);
    assert_eq!(code, 0);
    assert!(serde_json::from_str::<Value>(&out).unwrap().get("$schema").is_some());
    for (page, part) in
        [("records", "dev.ensue.rule.fired"), ("language", "### `git/commit`"), ("cli", "## `ensue run settle`")]
    {
        let (code, out, err) = run(&["reference", page]);
        assert!(code == 0 && out.contains(part), "{page}: {err}");
    }
    assert_eq!(run(&["reference", "other"]).0, 2);
}

/// A person at a terminal sees colours, and the same words.
#[test]
fn on_a_terminal_there_are_colours() {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: on_a_terminal_there_are_colours: there is no program `script` to make a terminal");
        return;
    }
    let command = format!("'{}' check '{}'", env!("CARGO_BIN_EXE_ensue"), example("gitops"));
    let told = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .output();
    let out = String::from_utf8(told.unwrap().stdout).unwrap();
    assert!(out.contains("\u{1b}[1m\u{1b}[32mok\u{1b}[0m  no errors"), "{out:?}");
}
