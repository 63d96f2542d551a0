//! `ensue test`: scenarios, and what a difference looks like.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use crate::bench::{ensue, example, run};

#[test]
fn the_example_is_green() {
    let (code, out, err) = run(&["test", &example("gitops")]);
    assert_eq!(code, 0, "{out}{err}");
    // The last line tells how long it took.
    let out = out.rsplit_once(" in ").unwrap().0;
    insta::assert_snapshot!(out, @r"
    ok    an image becomes a commit and a message
          not named under `actions`, so they succeeded with {}: slack/post
    ok    nothing to change is nothing to tell
    ok    a remote that refuses at first
          not named under `actions`, so they succeeded with {}: slack/post
    ok    a push to main is built
    ok    a push to a branch is not
    ok    a broken build is told
          not named under `actions`, so they succeeded with {}: slack/post

    6 passed, 0 failed
    ");
}

#[test]
fn all_examples_are_green_without_their_environment() {
    let examples = example("");
    let (code, out, err) = run(&["test", &examples]);
    assert_eq!(code, 0, "{out}{err}");
    let heads = ["alert-storm", "gitops", "policy", "preview", "pull-requests", "self-healing"]
        .map(|name| format!("{examples}/{name}\n"));
    assert!(heads.iter().all(|head| out.contains(head)), "{out}");
    // The one that is wrong on purpose is named, not forgotten.
    assert!(out.contains(&format!("\nignored: {examples}/broken, by {examples}/.ensueignore\n")), "{out}");
    assert!(out.contains(" passed, 0 failed in "), "{out}");
}

#[test]
fn a_wrong_expectation_shows_what_happened_instead() {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(&example("gitops")), folder.path());
    let file = folder.path().join("scenarios/image.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let wrong = text.replacen("image.tag: 6f1d2c3b4a59", "image.tag: another", 1).replacen("fires: 1", "fires: 2", 1);
    assert_ne!(text, wrong);
    fs::write(&file, wrong).unwrap();
    let (code, out, _) = run(&["test", &folder.path().display().to_string(), "--name", "an image"]);
    assert_eq!(code, 1);
    let out = out.rsplit_once(" in ").unwrap().0;
    insta::assert_snapshot!(out, @r##"
    FAILS an image becomes a commit and a message
          scenarios/image.yaml:10
            expected  rule default/deploy fires twice
            happened  once
                      it fired at 0s
          scenarios/image.yaml:11
            expected  action git/commit with {"branch":"main","set":{"apps/api/values.yaml":{"image.tag":"another"}}} is called once
            happened  never
                      git/commit at 0s by default/deploy: commit
                        with.set.apps/api/values.yaml.image.tag is "6f1d2c3b4a59"; expected "another"
          the story:
            0s  event com.docker.distribution.push of shop/api:6f1d2c3b4a59, id given-0
            0s  rule default/deploy fires
            0s  call default/deploy: commit: git/commit {"branch":"main","message":"shop/api: 6f1d2c3b4a59","set":{"apps/api/values.yaml":{"image.tag":"6f1d…
            0s  answer default/deploy: commit: succeeded with {"changed":true,"commit":"41c0ffee"}
            0s  call default/deploy: say: slack/post {"channel":"#shop","text":"shop/api 6f1d2c3b4a59 goes out with commit 41c0ffee"}
            0s  answer default/deploy: say: succeeded with {}
            0s  run of default/deploy succeeded
          not named under `actions`, so they succeeded with {}: slack/post

    0 passed, 1 failed
    "##);
}

#[test]
fn a_folder_without_scenarios_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("a.yaml"),
        "apiVersion: ensue.dev/v1\nkind: Table\nmetadata: { name: a }\nspec: { key: a, rows: [] }\n",
    )
    .unwrap();
    let (code, _, err) = run(&["test", &folder.path().display().to_string()]);
    assert!(code == 1 && err.ends_with("no scenario is here\n"), "{err}");
}

const RULE: &str = r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: api }
spec: { http: { url: "${{ env.TEST_SCENARIO_URL }}" } }
---
apiVersion: ensue.dev/v1
kind: Source
metadata: { name: nightly }
spec: { schedule: { cron: "${{ env.TEST_SCENARIO_CRON }}" } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: deploy }
spec:
  when: { event: { type: [push] } }
  if: event.data.to == "${{ env.TEST_SCENARIO_STAGE.orValue('prod') }}"
  steps:
    - { id: go, uses: http/request, connection: api, with: { method: PUT, path: /go } }
"#;

/// A scenario of the rule above.
fn scenario(name: &str, more: &str, times: u32) -> String {
    format!(
        "apiVersion: ensue.dev/v1\nkind: Scenario\nmetadata: {{ name: {name} }}\nspec:\n  {more}\n  \
         given: [{{ event: {{ type: push, data: {{ to: prod }} }} }}]\n  actions: {{ http/request: {{ returns: {{}} }} }}\n  \
         expect: [{{ rule: deploy, fires: {times} }}]\n"
    )
}

#[test]
fn the_environment_is_what_the_scenario_says_or_something_that_fits() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rule.yaml"), RULE).unwrap();
    fs::write(folder.path().join("unset.yaml"), scenario("as it is here", "", 1)).unwrap();
    let env = "env: { TEST_SCENARIO_STAGE: staging, TEST_SCENARIO_URL: \"https://staging.example.com\" }";
    fs::write(folder.path().join("set.yaml"), scenario("on staging", env, 0)).unwrap();
    let (code, out, err) = run(&["test", &folder.path().display().to_string()]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("ok    on staging\n") && out.contains("2 passed, 0 failed"), "{out}");
    // `check` reads it in the same way, and says what is not set.
    let (code, out, err) = run(&["check", &folder.path().display().to_string()]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("needed by `ensue up`: TEST_SCENARIO_CRON, TEST_SCENARIO_URL"), "{out}");
}

#[test]
fn folders_are_configurations_of_their_own_unless_they_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    // One whose scenarios lie beside its rules, in a folder of their own.
    write("shop/rules/rule.yaml", RULE);
    write("shop/scenarios/one.yaml", &scenario("in the shop", "", 1));
    // Two of which neither knows the other.
    write("teams/a/all.yaml", &format!("{}---\n{}", RULE.trim_start(), scenario("of a", "", 1)));
    write("teams/b/all.yaml", &format!("{}---\n{}", RULE.trim_start(), scenario("of b", "", 1)));
    write("teams/c/all.yaml", "kind: Nothing");
    write("teams/.ensueignore", "c/   # not yet\n");
    let (code, out, err) = run(&["test", &folder.path().display().to_string(), "-o", "json"]);
    assert_eq!(code, 0, "{out}{err}");
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let at = |line: usize, field: &str| lines[line][field].as_str().unwrap().to_owned();
    assert_eq!([at(0, "scenario"), at(1, "scenario"), at(2, "scenario")], ["in the shop", "of a", "of b"]);
    assert!(at(0, "configuration").ends_with("/shop") && at(2, "configuration").ends_with("/teams/b"), "{out}");
    assert_eq!((lines[3]["passed"].as_u64(), lines[3]["ignored"].as_array().map(Vec::len)), (Some(3), Some(1)));
    // Without the line it counts, and what is wrong with it is told.
    fs::remove_file(folder.path().join("teams/.ensueignore")).unwrap();
    let (code, out, err) = run(&["test", &folder.path().display().to_string()]);
    assert!(code == 1 && err.contains("a document needs `apiVersion`"), "{out}{err}");
    assert!(out.contains("3 passed, 0 failed, 1 configuration cannot be played"), "{out}");
}

#[test]
fn the_report_in_junit_form_is_xml_whatever_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rule.yaml"), RULE).unwrap();
    fs::write(folder.path().join("a.yaml"), scenario("\"a <b> & \\\"c\\\" \\u0007\"", "", 2)).unwrap();
    fs::write(folder.path().join("b.yaml"), scenario("it is met", "", 1)).unwrap();
    let file = scenario("no such file", "", 1).replace("event: { type: push, data: { to: prod } }", "event: none.json");
    fs::write(folder.path().join("c.yaml"), file).unwrap();
    let report = folder.path().join("report.xml");
    let (code, out, err) =
        run(&["test", &folder.path().display().to_string(), "--junit", &report.display().to_string()]);
    assert_eq!(code, 1, "{out}{err}");
    let text = fs::read_to_string(&report).unwrap();
    let xml = roxmltree::Document::parse(&text).unwrap();
    let root = xml.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    let suite = root.first_element_child().unwrap();
    assert_eq!(suite.tag_name().name(), "testsuite");
    for (name, wanted) in [("tests", "3"), ("failures", "1"), ("errors", "1")] {
        assert_eq!((suite.attribute(name), root.attribute(name)), (Some(wanted), Some(wanted)), "{text}");
    }
    let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
    let child = |at: usize| cases[at].first_element_child().map(|node| node.tag_name().name().to_owned());
    assert_eq!([child(0), child(1), child(2)], [Some("failure".to_owned()), None, Some("error".to_owned())]);
    assert_eq!(cases[0].attribute("name"), Some("a <b> & \"c\" \u{fffd}"));
    let failure = cases[0].first_element_child().unwrap();
    assert_eq!(failure.attribute("message"), Some("rule default/deploy fires twice"));
    assert!(failure.text().unwrap().contains("it fired at 0s"), "{text}");
    assert!(cases.iter().all(|case| case.attribute("time").unwrap().parse::<f64>().unwrap() < 60.0));
    assert_eq!((cases[1].attribute("file"), cases[1].attribute("line")), (Some("b.yaml"), Some("1")));
}

#[test]
fn watching_plays_what_changed_and_survives_what_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let rule = folder.path().join("rule.yaml");
    fs::write(&rule, RULE).unwrap();
    fs::write(folder.path().join("a.yaml"), scenario("a push is a deployment", "", 1)).unwrap();
    let mut child = ensue(&["test", ".", "--watch"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    // Everything up to the line that says that it waits again.
    let mut until_it_waits = || {
        let lines = out.by_ref().map(Result::unwrap).take_while(|line| !line.starts_with("waiting for changes"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let first = until_it_waits();
    assert!(first.contains("ok    a push is a deployment\n") && !first.contains("as before"), "{first}");
    fs::write(&rule, RULE.replace("type: [push]", "type: [pull]")).unwrap();
    let fails = until_it_waits();
    assert!(fails.contains("FAILS a push") && fails.contains("\nfails now: a push is a deployment"), "{fails}");
    assert!(fails.contains("why not") && fails.contains("type is \"push\"; expected \"pull\""), "{fails}");
    fs::write(&rule, RULE.replace("spec:", "spec: [")).unwrap();
    let broken = until_it_waits();
    assert!(
        broken.contains("1 configuration cannot be played") && broken.contains("cannot be played now: ."),
        "{broken}"
    );
    fs::write(&rule, format!("{RULE}# mended\n")).unwrap();
    let mended = until_it_waits();
    assert!(
        mended.contains("1 passed, 0 failed in") && mended.contains("\npasses now: a push is a deployment"),
        "{mended}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { assert!(fs::copy(&path, &target).is_ok()) }
    }
}
