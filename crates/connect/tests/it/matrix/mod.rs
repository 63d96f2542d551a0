//! Every action in every situation, against its real counterpart or a recorder of what it is sent.
//!
//! A new action adds its rows to [`rows`] and its counterpart as a file beside: the test fails for an action that has
//! none. What must hold follows from what the catalog says of it.

mod exec;
mod git;
pub(crate) mod kubernetes;
mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ensue_connect::{Call, Log, Provider, Secrets, Sink, World, actions};
use ensue_event::Span;
use ensue_event::ours::{Answer, Failure};
use ensue_lang::catalog::{self, Idempotency, Uncertain};
use ensue_lang::{SourceFile, load};
use futures::future::BoxFuture;
use insta::assert_snapshot;

use crate::support::{err, ok};

/// How the other side behaves from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// It does what it is asked, and answers.
    Well,
    /// It refuses.
    Refuses,
    /// It does what it is asked, and the answer stays away.
    Stalls,
}

/// What an action acts on.
pub(crate) trait Counterpart: Send + Sync {
    /// A call of the action: always of the same effect.
    fn call(&self) -> Call;
    /// The secrets that the call needs.
    fn secrets(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    /// From now on it behaves like this.
    fn behaves(&self, how: How);
    /// How often it was done, as the other side holds it.
    fn held(&self) -> usize;
    /// How much of calls still goes on: requests that are not answered, programs that run.
    fn goes_on(&self) -> usize;
}

/// An action, and how one call of it can be repeated.
struct Row {
    action: &'static str,
    idempotency: Idempotency,
    starts: Box<dyn Fn() -> BoxFuture<'static, Box<dyn Counterpart>> + Send + Sync>,
}

/// The table. An action whose idempotency depends on the call has a row for each.
fn rows() -> Vec<Row> {
    use Idempotency::{Keyed, Natural, None};
    fn row(
        action: &'static str,
        idempotency: Idempotency,
        starts: impl Fn() -> BoxFuture<'static, Box<dyn Counterpart>> + Send + Sync + 'static,
    ) -> Row {
        Row { action, idempotency, starts: Box::new(starts) }
    }
    vec![
        row("http/request", Natural, || Box::pin(web::request("PUT", false))),
        row("http/request", Keyed, || Box::pin(web::request("POST", true))),
        row("http/request", None, || Box::pin(web::request("POST", false))),
        row("git/commit", Keyed, || Box::pin(git::remote())),
        row("slack/post", None, || Box::pin(web::slack())),
        row("exec/run", None, || Box::pin(exec::program())),
    ]
}

/// The actions of clusters: what each is called with stands in a table of its own, and all have one counterpart.
fn cluster_rows() -> Vec<Row> {
    let rows = kubernetes::table().into_iter().map(|(action, ..)| Row {
        action,
        idempotency: catalog::action(action).unwrap().idempotency,
        starts: Box::new(move || Box::pin(kubernetes::cluster(action))),
    });
    rows.collect()
}

struct Nowhere;

impl Sink for Nowhere {
    fn write(&self, _: &[u8]) {}
}

/// An action's other side, and a node that calls it.
struct Scene {
    there: Box<dyn Counterpart>,
    dir: tempfile::TempDir,
    world: World,
}

impl Scene {
    async fn of(row: &Row) -> Scene {
        let (there, dir) = ((row.starts)().await, tempfile::tempdir().unwrap());
        for (name, value) in there.secrets() {
            std::fs::write(dir.path().join(name), value).unwrap();
        }
        let world = Scene::node(&dir);
        Scene { there, dir, world }
    }

    fn node(dir: &tempfile::TempDir) -> World {
        let secrets = Arc::new(Secrets::new(vec![Provider::Folder(dir.path().to_owned())]));
        World::new(secrets, dir.path().join("cache"))
    }

    /// The process has died, and another one has the same folder.
    fn restart(&mut self) {
        self.world = Scene::node(&self.dir);
    }

    /// One try; nothing of it is left when it is over.
    async fn tries(&self, attempt: u32, how: How) -> Answer {
        self.there.behaves(how);
        let mut call = Call { attempt, ..self.there.call() };
        let (log, silence) = Log::new(Arc::new(Nowhere), Arc::clone(self.world.secrets()));
        call.log = log;
        if how == How::Stalls {
            // Long enough for the other side to have done it, on a busy machine too.
            call.timeout = Span::secs(5);
        }
        let answer = self.world.perform(call).await;
        assert!(silence.await.is_err());
        self.comes_to_rest().await;
        answer
    }

    /// A try that nobody waits for any more, from the moment at which the other side has done it.
    async fn is_dropped(&self) {
        self.there.behaves(How::Stalls);
        let (log, silence) = Log::new(Arc::new(Nowhere), Arc::clone(self.world.secrets()));
        let call = Call { log, ..self.there.call() };
        tokio::select! {
            answer = self.world.perform(call) => panic!("it answered: {answer:?}"),
            () = until("it is under way", || self.there.goes_on() > 0 && self.there.held() == 1) => {}
        }
        assert!(silence.await.is_err());
        self.comes_to_rest().await;
    }

    async fn comes_to_rest(&self) {
        until("nothing of it goes on", || self.there.goes_on() == 0).await;
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(10), "it never comes that {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A failure, and whether there is another try.
fn brief(row: &Row, failure: &Failure) -> String {
    let again = match (failure.retryable, catalog::default_retry(row.action)) {
        (true, true) => ", again",
        (true, false) => ", `retry` decides",
        (false, _) => "",
    };
    format!("{}{again}", failure.name)
}

/// How often the other side holds what was done a second time under the same key.
const fn twice(idempotency: Idempotency) -> usize {
    match idempotency {
        Idempotency::Natural | Idempotency::Keyed => 1,
        Idempotency::None => 2,
        Idempotency::ByMethod => panic!("only in the catalog, never a call's"),
    }
}

/// It is refused: an answer, and nothing is done.
async fn fails(row: &Row) -> String {
    let scene = Scene::of(row).await;
    let failure = err(scene.tries(1, How::Refuses).await);
    assert_eq!(scene.there.held(), 0, "{}: nothing is done", row.action);
    assert_ne!(failure.name, "Timeout", "{}", row.action);
    // And afterwards it can be done.
    ok(scene.tries(2, How::Well).await);
    assert_eq!(scene.there.held(), 1, "{}", row.action);
    brief(row, &failure)
}

/// It is done twice under the same key.
async fn done_twice(row: &Row) -> String {
    let scene = Scene::of(row).await;
    ok(scene.tries(1, How::Well).await);
    ok(scene.tries(1, How::Well).await);
    assert_eq!(scene.there.held(), twice(row.idempotency), "{}", row.action);
    announced(row, scene.there.held())
}

/// What happens twice is announced, and after a crash somebody decides.
fn announced(row: &Row, held: usize) -> String {
    match (row.idempotency, catalog::uncertain(row.action)) {
        (Idempotency::None, Uncertain::Ask) => format!("{held}: a person is asked"),
        (Idempotency::None, Uncertain::Retry) => format!("{held}: rather than never"),
        _ => held.to_string(),
    }
}

/// Nobody waits for it any more: it ends with all that it began, and can be done again.
async fn dropped(row: &Row) -> String {
    let scene = Scene::of(row).await;
    scene.is_dropped().await;
    ok(scene.tries(1, How::Well).await);
    assert_eq!(scene.there.held(), twice(row.idempotency), "{}", row.action);
    "nothing is left".to_owned()
}

/// The other side has done it, and the answer comes too late: by itself, only what can be repeated is.
async fn late(row: &Row) -> String {
    let scene = Scene::of(row).await;
    let failure = err(scene.tries(1, How::Stalls).await);
    assert_eq!((failure.name.as_str(), scene.there.held()), ("Timeout", 1), "{}", row.action);
    let again = failure.retryable && catalog::default_retry(row.action);
    assert_eq!(again, twice(row.idempotency) == 1, "{}: {failure:?}", row.action);
    if again {
        ok(scene.tries(2, How::Well).await);
        assert_eq!(scene.there.held(), 1, "{}", row.action);
    }
    brief(row, &failure)
}

/// The process dies after the effect; the next one does it with the same key.
async fn dies(row: &Row) -> String {
    let mut scene = Scene::of(row).await;
    scene.is_dropped().await;
    scene.restart();
    ok(scene.tries(1, How::Well).await);
    assert_eq!(scene.there.held(), twice(row.idempotency), "{}", row.action);
    announced(row, scene.there.held())
}

fn line([name, fails, twice, dropped, late, dies]: [&str; 6]) -> String {
    format!("{name:<34}{fails:<29}{twice:<23}{dropped:<18}{late:<25}{dies}\n")
}

#[tokio::test]
async fn every_action_in_every_situation() {
    let lines = futures::future::join_all(rows().into_iter().map(|row| async move {
        let (fails, twice, dropped, late, dies) =
            tokio::join!(fails(&row), done_twice(&row), dropped(&row), late(&row), dies(&row));
        let idempotency = serde_json::to_value(row.idempotency).unwrap();
        let name = format!("{}, {}", row.action, idempotency.as_str().unwrap());
        line([&name, &fails, &twice, &dropped, &late, &dies])
    }));
    let head = line(["", "fails", "twice", "dropped", "late", "dies after the effect"]);
    let table = head + &lines.await.concat();
    // `cargo xtask test` shows it.
    table.lines().for_each(|line| println!("matrix: {line}"));
    assert_snapshot!(table, @r"
                                      fails                        twice                  dropped           late                     dies after the effect
    http/request, natural             Status                       1                      nothing is left   Timeout, again           1
    http/request, keyed               Status                       1                      nothing is left   Timeout, again           1
    http/request, none                Status                       2: a person is asked   nothing is left   Timeout                  2: a person is asked
    git/commit, keyed                 Denied                       1                      nothing is left   Timeout, again           1
    slack/post, none                  Status                       2: rather than never   nothing is left   Timeout                  2: rather than never
    exec/run, none                    StepFailed, `retry` decides  2: a person is asked   nothing is left   Timeout, `retry` decides 2: a person is asked
    ");
}

/// What is done to a cluster is done once for a key, or is the same when it is done twice. A few at a time: each has a
/// cluster of its own.
#[tokio::test(flavor = "multi_thread")]
async fn every_action_of_a_cluster_in_every_situation() {
    let rows = cluster_rows();
    for some in rows.chunks(7) {
        let lines = some.iter().map(|row| async move {
            let (fails, twice, dropped, late, dies) =
                tokio::join!(fails(row), done_twice(row), dropped(row), late(row), dies(row));
            let line = line([row.action, &fails, &twice, &dropped, &late, &dies]);
            println!("matrix: {}", line.trim_end());
            let expected = ["Denied", "1", "nothing is left", "Timeout, again", "1"];
            assert_eq!([fails, twice, dropped, late, dies], expected.map(str::to_owned), "{}", row.action);
        });
        futures::future::join_all(lines).await;
    }
}

#[tokio::test]
async fn every_action_has_its_rows_and_each_is_what_the_catalog_says() {
    let mut known: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for row in rows().into_iter().chain(cluster_rows()) {
        let call = (row.starts)().await.call();
        let config = call.connection.as_ref().map(|connection| connection.config.clone()).unwrap_or_default();
        assert_eq!(idempotency(&call, config), row.idempotency, "{}", row.action);
        assert_eq!(call.action, row.action);
        known.entry(row.action).or_default().insert(format!("{:?}", row.idempotency));
    }
    for name in actions().into_keys() {
        let rows = known.get(name).unwrap_or_else(|| panic!("{name} has no row: add one to `rows`, see there"));
        let wanted = if catalog::action(name).unwrap().idempotency == Idempotency::ByMethod { 3 } else { 1 };
        assert_eq!(rows.len(), wanted, "{name}: a row for each way in which it can be repeated");
    }
}

/// What the catalog says of a call through a connection with these settings.
fn idempotency(call: &Call, config: serde_json::Value) -> Idempotency {
    let system = call.action.split('/').next().unwrap();
    let document = serde_json::json!({
        "apiVersion": "ensue.dev/v1", "kind": "Connection", "metadata": { "name": "it" }, "spec": { system: config },
    });
    let file = SourceFile { path: "connection.yaml".to_owned(), text: document.to_string() };
    let loaded = load(&[file]);
    let connection = loaded.config.connections.values().next();
    assert!(connection.is_some(), "{:?}", loaded.diagnostics);
    catalog::idempotency(&call.action, &call.with, connection.map(Arc::as_ref))
}
