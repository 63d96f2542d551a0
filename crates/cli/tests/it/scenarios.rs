//! `ensue test`: scenarios, and what a difference looks like.

use std::fs;
use std::path::Path;

use crate::bench::{example, run};

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
    let heads =
        ["alert-storm", "gitops", "policy", "preview", "pull-requests"].map(|name| format!("{examples}/{name}\n"));
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

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { assert!(fs::copy(&path, &target).is_ok()) }
    }
}
