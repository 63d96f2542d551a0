use std::path::{Path, PathBuf};
use std::process::Command;

use ensue_connect::Call;
use ensue_event::{Key, Span};
use serde_json::{Value, json};

use crate::support::{Fixture, call, err, ok, world};

/// A bare repository with a branch `main`.
pub(crate) struct Remote {
    dir: tempfile::TempDir,
}

pub(crate) fn git(dir: &Path, arguments: &[&str]) -> String {
    let out = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(out.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim_end().to_owned()
}

const VALUES: &str = "# shop\nimage:\n  tag: 1.4.1 # by ensue\nreplicas: 2\n";

impl Remote {
    pub(crate) fn new() -> Remote {
        let dir = tempfile::tempdir().unwrap();
        let seed = dir.path().join("seed");
        std::fs::create_dir_all(seed.join("apps/shop")).unwrap();
        std::fs::write(seed.join("apps/shop/values.yaml"), VALUES).unwrap();
        std::fs::write(seed.join("package.json"), "{\n  \"version\": \"1.0.0\"\n}\n").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", seed.join("link")).unwrap();
        std::os::unix::fs::symlink("/etc", seed.join("folder")).unwrap();
        git(&seed, &["init", "--quiet"]);
        git(&seed, &["add", "."]);
        git(&seed, &["commit", "--quiet", "-m", "first"]);
        git(dir.path(), &["clone", "--quiet", "--bare", "seed", "remote.git"]);
        Remote { dir }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("remote.git")
    }

    fn connection(&self) -> Value {
        json!({ "url": format!("file://{}", self.path().display()), "author": { "name": "Bot", "email": "bot@example.com" } })
    }

    fn show(&self, what: &str) -> String {
        git(&self.path(), &["show", what])
    }

    pub(crate) fn count(&self) -> usize {
        git(&self.path(), &["rev-list", "--count", "main"]).parse().unwrap()
    }

    pub(crate) fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path().join("hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

pub(crate) fn commit(remote: &Remote, with: Value) -> Call {
    let mut full = json!({ "branch": "main", "message": "shop 1.4.2" });
    for (name, value) in with.as_object().unwrap() {
        full[name] = value.clone();
    }
    call("git/commit", Some(remote.connection()), full)
}

pub(crate) fn tag(version: &str) -> Value {
    json!({ "set": { "apps/shop/values.yaml": { "image.tag": version } } })
}

#[tokio::test]
async fn a_value_is_set_and_pushed_with_its_cause() {
    let (remote, Fixture { world, dir: _dir }) = (Remote::new(), world(&[]));
    let out = ok(world.perform(commit(&remote, tag("1.4.2"))).await);
    assert_eq!(out["changed"], true);
    assert_eq!(out["files"], json!(["apps/shop/values.yaml"]));
    assert_eq!(out["commit"], git(&remote.path(), &["rev-parse", "main"]).as_str());
    assert_eq!(remote.show("main:apps/shop/values.yaml"), VALUES.replace("1.4.1", "1.4.2").trim_end());
    let message = git(&remote.path(), &["log", "-1", "--format=%an <%ae> %cn%n%B", "main"]);
    let (effect, run) = ("07".repeat(16), "09".repeat(16));
    assert_eq!(message.trim_end(), format!("Bot <bot@example.com> Bot\nshop 1.4.2\n\nEnsue-Cause: {effect} {run}"));
    // Nothing else of the tree has changed.
    assert_eq!(git(&remote.path(), &["diff", "--name-only", "main~1", "main"]), "apps/shop/values.yaml");
}

#[tokio::test]
async fn the_same_effect_is_one_commit_whatever_happened_since() {
    let (remote, Fixture { world, dir: _dir }) = (Remote::new(), world(&[]));
    let first = ok(world.perform(commit(&remote, tag("1.4.2"))).await);
    let mut other = commit(&remote, tag("1.4.3"));
    other.effect = Key([8; 16]);
    ok(world.perform(other).await);
    // Again, from another machine: the trailer is found, and 1.4.3 stays.
    let again = crate::support::world(&[]);
    let second = ok(again.world.perform(commit(&remote, tag("1.4.2"))).await);
    assert_eq!(first, second);
    assert_eq!(remote.count(), 3);
    assert!(remote.show("main:apps/shop/values.yaml").contains("1.4.3"));
}

/// Two engines with the same rule count from the same positions; once the second one's commit was taken for done.
#[tokio::test]
async fn the_same_effect_of_another_log_is_another_commit() {
    let (remote, Fixture { world, dir: _dir }) = (Remote::new(), world(&[]));
    for (version, cause) in [("1.4.2", "default/deploy aa"), ("1.4.3", "default/deploy bb")] {
        let mut call = commit(&remote, tag(version));
        call.cause = cause.to_owned();
        assert_eq!(ok(world.perform(call).await)["changed"], true);
    }
    assert!(remote.show("main:apps/shop/values.yaml").contains("1.4.3"));
}

#[tokio::test]
async fn nothing_to_do_is_a_success() {
    let (remote, Fixture { world, dir: _dir }) = (Remote::new(), world(&[]));
    let out = ok(world.perform(commit(&remote, tag("1.4.1"))).await);
    assert_eq!((&out["changed"], &out["files"]), (&json!(false), &json!([])));
    assert_eq!(out["commit"], git(&remote.path(), &["rev-parse", "main"]).as_str());
    assert_eq!(remote.count(), 1);
}

#[tokio::test]
async fn files_are_written_and_several_changes_are_one_commit() {
    let (remote, Fixture { world, dir: _dir }) = (Remote::new(), world(&[]));
    let with = json!({
        "set": { "package.json": { "/version": "1.0.1" }, "apps/shop/values.yaml": { "image.tag": "1.4.2", "replicas": 5 } },
        "files": { "new/folder/note.md": "# Note\n" },
        "message": "many\n\nSigned-off-by: Dana <dana@example.com>",
    });
    let out = ok(world.perform(commit(&remote, with)).await);
    assert_eq!(out["files"], json!(["apps/shop/values.yaml", "new/folder/note.md", "package.json"]));
    assert_eq!(remote.show("main:new/folder/note.md"), "# Note");
    assert_eq!(remote.show("main:package.json"), "{\n  \"version\": \"1.0.1\"\n}");
    let trailers = git(&remote.path(), &["log", "-1", "--format=%(trailers:keyonly)", "main"]);
    assert_eq!(trailers.trim_end(), "Signed-off-by\nEnsue-Cause");
}

#[tokio::test]
async fn a_path_leads_nowhere_else() {
    let (remote, Fixture { world, dir: _dir }) = (Remote::new(), world(&[]));
    let paths = [
        "../x",
        "/etc/passwd",
        "a/../../x",
        "a//b",
        "",
        ".",
        ".git/config",
        "a/.GIT/hooks/x",
        "git~1/x",
        ".git /x",
        "a\\b",
        "a\nb",
        "c:x",
        "link",
        "link/x",
        "folder/passwd",
        "apps",
    ];
    for path in paths {
        let failure = err(world.perform(commit(&remote, json!({ "files": { path: "x" } }))).await);
        assert_eq!(failure.name, "Denied", "{path}: {}", failure.message);
    }
    let failure = err(world.perform(commit(&remote, json!({ "files": { "package.json/x": "y" } }))).await);
    assert!(failure.message.contains("leads through `package.json`"), "{}", failure.message);
    assert_eq!(remote.count(), 1);
    assert!(!std::fs::read_to_string("/etc/passwd").unwrap().contains("\nx"));
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let (remote, Fixture { world, dir: _dir }) = (Remote::new(), world(&[]));
    #[rustfmt::skip]
    let cases = [
        (json!({}), "needs `set` or `files`"),
        (json!({ "set": { "absent.yaml": { "a": 1 } } }), "no file `absent.yaml`"),
        (json!({ "set": { "apps/shop/values.yaml": { "image.tag.x": 1 } } }), "`image.tag` is a single value"),
        (json!({ "set": { "package.json": { "a": 1 } }, "files": { "package.json": "x" } }), "under `set` and under `files`"),
        (json!({ "files": { "a": "b" }, "branch": "absent" }), "no branch `absent`"),
        (json!({ "files": { "a": "b" }, "branch": "--upload-pack=x" }), "is not the name of a branch"),
        (json!({ "files": { "a": "b" }, "branch": "a..b" }), "is not the name of a branch"),
        (json!({ "files": { "a": "b" }, "message": "" }), "needs a text `message`"),
    ];
    for (with, part) in cases {
        let failure = err(world.perform(commit(&remote, with.clone())).await);
        assert!(failure.message.contains(part), "{with}: {failure:?}");
        assert!(!failure.retryable, "{with}");
    }
    let mut call = commit(&remote, tag("1"));
    call.connection.as_mut().unwrap().config["url"] = "file:///nowhere/at/all.git".into();
    let failure = err(world.perform(call.clone()).await);
    assert!(failure.message.contains("the repository is not there"), "{failure:?}");
    // A remote helper would run a program.
    call.connection.as_mut().unwrap().config["url"] = "ext::sh -c true".into();
    assert!(err(world.perform(call).await).message.contains("not allowed"), "ext");
}

#[tokio::test]
async fn a_refusal_of_the_remote_is_its_own_words_without_secrets() {
    let (remote, Fixture { world, dir: _dir }) = (Remote::new(), world(&[("TOKEN", "canary-4711-token")]));
    remote.hook("pre-receive", "echo 'main is protected; ask canary-4711-token in #platform' >&2; exit 1");
    let mut call = commit(&remote, tag("1.4.2"));
    call.connection.as_mut().unwrap().config["token"] = json!({ "$secret": "TOKEN" });
    let failure = err(world.perform(call).await);
    assert_eq!((failure.name.as_str(), failure.retryable), ("Denied", false));
    assert!(failure.message.contains("main is protected; ask *** in #platform"), "{}", failure.message);
    assert!(!format!("{failure:?}").contains("canary"));
    assert_eq!(remote.count(), 1);
}

/// The branch moves between our fetch and our push, as often as the hook says.
fn moving(remote: &Remote, times: usize) {
    remote.hook(
        "pre-receive",
        &format!(
            "n=$(cat count 2>/dev/null || echo 0); [ $n -ge {times} ] && exit 0; echo $((n+1)) > count\n\
         unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n\
         c=$(git -c user.name=o -c user.email=o@example.com commit-tree main^{{tree}} -p main -m \"other $n\")\n\
         git update-ref refs/heads/main $c"
        ),
    );
}

#[tokio::test]
async fn a_lost_race_is_run_again() {
    let (remote, Fixture { world, dir: _dir }) = (Remote::new(), world(&[]));
    moving(&remote, 2);
    let out = ok(world.perform(commit(&remote, tag("1.4.2"))).await);
    assert_eq!(out["changed"], true);
    assert_eq!(remote.count(), 4);
    assert!(remote.show("main:apps/shop/values.yaml").contains("1.4.2"));
}

#[tokio::test]
async fn a_race_that_is_always_lost_ends() {
    let (remote, Fixture { world, dir: _dir }) = (Remote::new(), world(&[]));
    moving(&remote, 100);
    let failure = err(world.perform(commit(&remote, tag("1.4.2"))).await);
    assert!(failure.retryable, "{failure:?}");
    assert!(failure.message.contains("moved on each time"), "{}", failure.message);
    assert_eq!(remote.count(), 1 + 6);
}

/// Four nodes with caches of their own, and within each two calls at once: each commit lands, none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_at_once_all_land() {
    let remote = std::sync::Arc::new(Remote::new());
    let mut tasks = Vec::new();
    for node in 0..2_u8 {
        let fixture = std::sync::Arc::new(world(&[]));
        for part in 0..3_u8 {
            let (remote, fixture) = (remote.clone(), fixture.clone());
            tasks.push(tokio::spawn(async move {
                let name = format!("file-{node}-{part}.txt");
                let mut call = commit(&remote, json!({ "files": { name: "x" } }));
                call.effect = Key([node * 16 + part; 16]);
                call.timeout = Span::secs(60);
                ok(fixture.world.perform(call).await)
            }));
        }
    }
    for task in tasks {
        assert_eq!(task.await.unwrap()["changed"], true);
    }
    assert_eq!(remote.count(), 7);
    assert_eq!(git(&remote.path(), &["ls-tree", "--name-only", "main"]).matches("file-").count(), 6);
}

#[tokio::test]
async fn a_call_that_was_cut_off_leaves_a_cache_that_mends() {
    let (remote, Fixture { world, dir }) = (Remote::new(), world(&[]));
    ok(world.perform(commit(&remote, tag("1.4.2"))).await);
    let cache = std::fs::read_dir(dir.path().join("cache/git")).unwrap().next().unwrap().unwrap().path();
    // What a kill in the middle leaves behind.
    for (name, text) in [("ensue-busy", ""), ("shallow.lock", ""), ("HEAD", "broken")] {
        std::fs::write(cache.join(name), text).unwrap();
    }
    let mut call = commit(&remote, tag("1.4.3"));
    call.effect = Key([8; 16]);
    assert_eq!(ok(world.perform(call).await)["changed"], true);
}

#[tokio::test]
async fn a_remote_that_hangs_is_cut_off() {
    let (remote, Fixture { world, dir: _dir }) = (Remote::new(), world(&[]));
    remote.hook("pre-receive", "exec sleep 60");
    let mut call = commit(&remote, tag("1.4.2"));
    call.timeout = Span::millis(1_500);
    let begin = std::time::Instant::now();
    let failure = err(world.perform(call).await);
    assert_eq!((failure.name.as_str(), failure.retryable), ("Timeout", true));
    assert!(begin.elapsed().as_secs() < 10);
}

/// The repository over HTTP, for who knows the password: `git http-backend` as nginx or Apache would call it.
async fn over_http(root: PathBuf) -> u16 {
    use axum::body::Bytes;
    use axum::http::{HeaderMap, Method, StatusCode, Uri};
    use axum::response::{IntoResponse, Response};
    use base64::Engine as _;

    async fn backend(root: PathBuf, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
        let good = base64::engine::general_purpose::STANDARD.encode("deploy:canary-git-token");
        let header =
            |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        if header("authorization") != format!("Basic {good}") {
            return (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic realm=\"git\"")]).into_response();
        }
        let mut command = tokio::process::Command::new("git");
        command.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
        command.env("REMOTE_USER", "deploy").env("REQUEST_METHOD", method.as_str()).env("PATH_INFO", uri.path());
        command.env("QUERY_STRING", uri.query().unwrap_or_default()).env("CONTENT_TYPE", header("content-type"));
        command.env("GIT_PROTOCOL", header("git-protocol")).env("HTTP_CONTENT_ENCODING", header("content-encoding"));
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let feed = tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut stdin, &body).await });
        let out = child.wait_with_output().await.unwrap().stdout;
        let _ = feed.await;
        let split = out.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let mut response = Response::builder();
        for line in String::from_utf8_lossy(&out[..split]).lines() {
            let (name, value) = line.split_once(": ").unwrap();
            response = match name {
                "Status" => response.status(value[..3].parse::<u16>().unwrap()),
                _ => response.header(name, value),
            };
        }
        response.body(axum::body::Body::from(out[split + 4..].to_vec())).unwrap()
    }

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = axum::Router::new()
        .fallback(move |method, uri, headers, body| backend(root.clone(), method, uri, headers, body));
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_opens_a_repository_over_http() {
    let (remote, Fixture { world, dir: _dir }) =
        (Remote::new(), world(&[("TOKEN", "canary-git-token"), ("WRONG", "canary-wrong")]));
    git(&remote.path(), &["config", "http.receivepack", "true"]);
    let port = over_http(remote.dir.path().to_owned()).await;
    let with = |token: Value| {
        let mut call = commit(&remote, tag("1.4.2"));
        let config = &mut call.connection.as_mut().unwrap().config;
        config["url"] = format!("http://127.0.0.1:{port}/remote.git").into();
        config["username"] = "deploy".into();
        config["token"] = token;
        call
    };
    let out = ok(world.perform(with(json!({ "$secret": "TOKEN" }))).await);
    assert_eq!(out["changed"], true);
    assert!(remote.show("main:apps/shop/values.yaml").contains("1.4.2"));
    for token in [json!({ "$secret": "WRONG" }), Value::Null] {
        let failure = err(world.perform(with(token.clone())).await);
        assert_eq!((failure.name.as_str(), failure.retryable), ("Denied", false), "{token}: {}", failure.message);
        assert!(!format!("{failure:?}").contains("canary"));
    }
    let mut nowhere = with(json!({ "$secret": "TOKEN" }));
    nowhere.connection.as_mut().unwrap().config["url"] = "http://127.0.0.1:1/remote.git".into();
    let failure = err(world.perform(nowhere).await);
    assert_eq!((failure.name.as_str(), failure.retryable), ("Connect", true), "{}", failure.message);
}
