use std::time::{Duration, Instant};

use ensue_event::Span;
use serde_json::{Value, json};

use ensue_connect::Outputs;
use ensue_event::Digest;

use crate::support::{Fixture, call, err, ok, world};

fn run(argv: &[&str], more: Value) -> ensue_connect::Call {
    let mut with = json!({ "argv": argv });
    for (name, value) in more.as_object().unwrap() {
        with[name] = value.clone();
    }
    call("exec/run", Some(json!({ "enabled": true })), with)
}

pub(crate) fn sh(script: &str) -> ensue_connect::Call {
    run(&["sh", "-c", script], json!({}))
}

#[tokio::test]
async fn outputs_and_what_they_say() {
    let Fixture { world, dir: _dir } = world(&[]);
    let cases = [
        ("echo hello", Value::Null),
        ("echo '{\"a\": [1, 2]}'", json!({ "a": [1, 2] })),
        ("echo building; echo '{\"image\": \"x\"}'; echo", json!({ "image": "x" })),
        ("printf '[1,\\n2]'", json!([1, 2])),
    ];
    for (script, expected) in cases {
        let out = ok(world.perform(sh(script)).await);
        assert_eq!((&out["exitCode"], &out["json"]), (&json!(0), &expected), "{script}");
    }
    let out = ok(world.perform(sh("echo out; echo err >&2")).await);
    assert_eq!(out, json!({ "exitCode": 0, "stdout": "out\n", "stderr": "err\n" }));
    let out = ok(world.perform(run(&["cat"], json!({ "stdin": "in" }))).await);
    assert_eq!(out["stdout"], "in");
    // No shell: nothing is expanded, nothing is split.
    let out = ok(world.perform(run(&["printf", "%s|", "$HOME", "a b", "`id`", "; ls"], json!({}))).await);
    assert_eq!(out["stdout"], "$HOME|a b|`id`|; ls|");
}

#[tokio::test]
async fn exit_codes() {
    let Fixture { world, dir: _dir } = world(&[]);
    let failure = err(world.perform(sh("echo broken >&2; exit 3")).await);
    assert_eq!((failure.name.as_str(), failure.message.as_str()), ("StepFailed", "`sh` exited with 3: broken"));
    assert_eq!(failure.details["exitCode"], 3);
    let out = ok(world.perform(run(&["sh", "-c", "exit 2"], json!({ "expect": [0, 2] }))).await);
    assert_eq!(out["exitCode"], 2);
    let failure = err(world.perform(run(&["true"], json!({ "expect": [1] }))).await);
    assert!(failure.message.contains("exited with 0"));
    let failure = err(world.perform(sh("kill -TERM $$")).await);
    assert!(failure.message.contains("ended by signal 15"), "{}", failure.message);
    let failure = err(world.perform(run(&["no-such-program-here"], json!({}))).await);
    assert!(failure.message.contains("`no-such-program-here` cannot be started"), "{}", failure.message);
    for argv in [json!([]), json!("ls"), json!([{}]), json!(null), json!(["a\u{0}b"])] {
        let call = call("exec/run", Some(json!({ "enabled": true })), json!({ "argv": argv }));
        assert_eq!(err(world.perform(call).await).name, "StepFailed", "{argv}");
    }
}

#[tokio::test]
async fn off_unless_turned_on() {
    let Fixture { world, dir: _dir } = world(&[]);
    for config in [json!({}), json!({ "enabled": false }), json!({ "enabled": "true" })] {
        let call = call("exec/run", Some(config), json!({ "argv": ["true"] }));
        assert_eq!(err(world.perform(call).await).name, "Denied");
    }
    let call = call("exec/run", None, json!({ "argv": ["true"] }));
    assert!(err(world.perform(call).await).message.contains("needs a connection of type exec"));
}

#[tokio::test]
async fn the_environment_is_what_is_given() {
    let Fixture { world, dir: _dir } = world(&[("DEPLOY", "canary-deploy-key"), ("STEP", "canary-step-key")]);
    let connection = json!({ "enabled": true, "env": { "MODE": "ci", "KEY": { "$secret": "DEPLOY" } } });
    let mut call = run(&["env"], json!({ "env": { "MINE": 5, "MODE": "own" } }));
    call.connection.as_mut().unwrap().config = connection.clone();
    let out = ok(world.perform(call.clone()).await);
    let stdout = out["stdout"].as_str().unwrap();
    let mut names: Vec<&str> = stdout.lines().map(|line| line.split('=').next().unwrap()).collect();
    names.retain(|name| !["PATH", "HOME", "LANG", "PWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["ENSUE_ATTEMPT", "ENSUE_EFFECT", "ENSUE_RUN", "ENSUE_STEP", "KEY", "MINE", "MODE"]);
    assert!(stdout.contains("MODE=own\n") && stdout.contains("MINE=5\n") && stdout.contains("KEY=***\n"), "{stdout}");
    assert!(stdout.contains(&format!("ENSUE_EFFECT={}\n", "07".repeat(16))));
    // A step's own secret: only where the connection lists the step's namespace.
    call.with["env"]["OWN"] = json!({ "$secret": "STEP" });
    assert!(err(world.perform(call.clone()).await).message.contains("`secretsFor` does not list it"));
    call.connection.as_mut().unwrap().config["secretsFor"] = json!(["default"]);
    assert!(ok(world.perform(call.clone()).await)["stdout"].as_str().unwrap().contains("OWN=***\n"));
    call.with["argv"] = json!(["echo", { "$secret": "STEP" }]);
    assert_eq!(err(world.perform(call).await).name, "Denied");
}

#[tokio::test]
async fn long_outputs_keep_their_beginning_and_their_end() {
    let Fixture { world, dir: _dir } = world(&[]);
    let script = "echo first; i=0; while [ $i -lt 4000 ]; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; i=$((i+1)); done; echo '{\"last\":1}'";
    let out = ok(world.perform(sh(script)).await);
    let stdout = out["stdout"].as_str().unwrap();
    assert!(stdout.starts_with("first\n") && stdout.ends_with("{\"last\":1}\n"));
    assert!(stdout.contains("bytes are left out") && stdout.len() < (129 << 10), "{}", stdout.len());
    assert_eq!(out["json"], json!({ "last": 1 }));
    let mut call = sh("printf 'abcdefghij'");
    call.connection.as_mut().unwrap().config["maxOutput"] = 4.into();
    assert_eq!(ok(world.perform(call).await)["stdout"], "ab\n… 6 bytes are left out …\nij");
}

#[tokio::test]
async fn folders() {
    let Fixture { world, dir } = world(&[]);
    let out = ok(world.perform(run(&["pwd"], json!({}))).await);
    let fresh = out["stdout"].as_str().unwrap().trim().to_owned();
    assert!(fresh.contains("ensue-exec-") && !std::path::Path::new(&fresh).exists());
    let mut call = run(&["pwd"], json!({}));
    call.connection.as_mut().unwrap().config["dir"] = dir.path().to_str().unwrap().into();
    let out = ok(world.perform(call.clone()).await);
    assert_eq!(
        std::fs::canonicalize(out["stdout"].as_str().unwrap().trim()).unwrap(),
        std::fs::canonicalize(dir.path()).unwrap()
    );
    call.connection.as_mut().unwrap().config["dir"] = "/no/such/folder".into();
    assert!(err(world.perform(call).await).message.contains("/no/such/folder"));
}

pub(crate) fn alive(pid: &str) -> bool {
    // A zombie is dead, and waits for somebody to take note.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Waits for the kernel, which kills at its own pace.
pub(crate) async fn gone(pid: &str) -> bool {
    let begin = Instant::now();
    while alive(pid) {
        if begin.elapsed() > Duration::from_secs(5) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    true
}

#[tokio::test]
async fn a_timeout_ends_the_whole_group() {
    let Fixture { world, dir } = world(&[]);
    let file = dir.path().join("pids");
    let mut call = sh(&format!("sleep 300 & echo $! $$ > {}; wait", file.display()));
    call.timeout = Span::millis(700);
    let begin = Instant::now();
    let failure = err(world.perform(call).await);
    assert_eq!(failure.name, "Timeout");
    assert!(begin.elapsed() < Duration::from_secs(5));
    for pid in std::fs::read_to_string(&file).unwrap().split_whitespace() {
        assert!(gone(pid).await, "{pid} lives");
    }
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let Fixture { world, dir: _dir } = world(&[]);
    let begin = Instant::now();
    let out = ok(world.perform(sh("sleep 300 & echo $!")).await);
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert!(gone(out["stdout"].as_str().unwrap().trim()).await);
}

#[tokio::test]
async fn a_program_that_gives_no_sign_of_life_is_ended() {
    let Fixture { world, dir } = world(&[]);
    let file = dir.path().join("pids");
    let beat = |script: &str| run(&["sh", "-c", script], json!({ "heartbeat": "400ms" }));
    let begin = Instant::now();
    let failure =
        err(world.perform(beat(&format!("echo begun; sleep 300 & echo $! $$ > {}; wait", file.display()))).await);
    assert_eq!(failure.name, "Timeout");
    assert!(failure.retryable && failure.message.contains("no sign of life for 400ms"), "{}", failure.message);
    assert_eq!(failure.details["stdout"], "begun\n");
    assert!(begin.elapsed() < Duration::from_secs(5));
    for pid in std::fs::read_to_string(&file).unwrap().split_whitespace() {
        assert!(gone(pid).await, "{pid} lives");
    }
    // Output is a sign of life, and so is a touch of the file that the program is told of.
    for sign in ["echo .", "touch \"$ENSUE_HEARTBEAT\""] {
        let out = ok(world.perform(beat(&format!("for i in 1 2 3 4 5; do sleep 0.2; {sign}; done"))).await);
        assert_eq!(out["exitCode"], 0, "{sign}");
    }
    let failure = err(world.perform(run(&["true"], json!({ "heartbeat": "soon" }))).await);
    assert!(failure.message.contains("`heartbeat: soon` is not a duration"), "{}", failure.message);
}

/// A store of artifacts in memory.
#[derive(Default)]
struct Shelf(std::sync::Mutex<std::collections::BTreeMap<Digest, bytes::Bytes>>);

impl Outputs for Shelf {
    fn put(&self, bytes: &[u8]) -> Result<Digest, String> {
        self.0.lock().unwrap().insert(Digest::of(bytes), bytes.to_vec().into());
        Ok(Digest::of(bytes))
    }

    fn get(&self, digest: &Digest) -> Result<bytes::Bytes, String> {
        self.0.lock().unwrap().get(digest).cloned().ok_or_else(|| format!("{digest} is gone"))
    }
}

#[tokio::test]
async fn artifacts_go_out_by_their_content_and_come_in_again() {
    let Fixture { world, dir } = world(&[("KEY", "canary-of-the-artifact")]);
    let world = world.with_outputs(std::sync::Arc::new(Shelf::default()));
    let make = |script: &str, path: &str| run(&["sh", "-c", script], json!({ "artifacts": { "report": path } }));
    let out = ok(world.perform(make("mkdir out; printf '{}' > out/report.json", "out/report.json")).await);
    let report = out["artifacts"]["report"].clone();
    let digest = Digest::of(b"{}").to_string();
    assert_eq!(
        report,
        json!({ "digest": digest, "size": 2, "mediaType": "application/json", "path": "out/report.json" })
    );
    let out = ok(world.perform(run(&["cat", "in/deep/it"], json!({ "files": { "in/deep/it": report } }))).await);
    assert_eq!(out["stdout"], "{}");
    let outside = dir.path().join("outside");
    std::fs::write(&outside, "not yours").unwrap();
    for (script, path, says) in [
        ("true", "../x", "is not a path below"),
        ("true", "/etc/passwd", "is not a path below"),
        ("true", "nothing", "cannot be opened"),
        ("mkdir there", "there", "is no file"),
        ("mkfifo pipe", "pipe", "is no file"),
        (&format!("ln -s {} link", outside.display()), "link", "symbolic link"),
        (&format!("ln -s {} up", dir.path().display()), "up/outside", "symbolic link"),
        ("dd if=/dev/zero of=large bs=1048576 count=33 2>/dev/null", "large", "larger than 32 MiB"),
        ("exit 3", "nothing", "exited with 3"),
    ] {
        let failure = err(world.perform(make(script, path)).await);
        assert!(failure.message.contains(says), "{script}: {}", failure.message);
    }
    let mut secret = make("printf 'x%sx' \"$KEY\" > it", "it");
    secret.connection.as_mut().unwrap().config["env"] = json!({ "KEY": { "$secret": "KEY" } });
    let failure = err(world.perform(secret).await);
    assert!(failure.message.contains("holds a secret"), "{}", failure.message);
    for (file, says) in [(json!({ "digest": "0".repeat(64) }), "is gone"), (json!("text"), "is no artifact")] {
        let failure = err(world.perform(run(&["true"], json!({ "files": { "it": file } }))).await);
        assert!(failure.message.contains(says), "{}", failure.message);
    }
}
