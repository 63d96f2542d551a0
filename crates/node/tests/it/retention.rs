//! Retention: old segments go, what runs need does not, and a lost state comes back from a snapshot.

use ensue_event::Position;
use ensue_node::{Configured, Options, Retention};
use ensue_pump::Pump;
use ensue_state::{Sqlite, State as _};
use serde_json::{Value, json};

use crate::support::{Place, Sink, file, options, order};

fn small(options: &mut Options) {
    options.log.segment_bytes = 8 << 10;
    options.retention = Retention { age: None, bytes: Some(0) };
}

async fn fill(place: &Place, name: &str, count: usize) {
    for n in 0..count {
        let (status, told) = place.send(order(&format!("{name}{n}"), 1)).await;
        assert_eq!(status, 202, "{told}");
    }
    assert!(place.node.settled().await);
}

fn data(record: &ensue_event::Record) -> Value {
    serde_json::from_slice(record.event.json().unwrap()).unwrap()
}

/// Everything from the first record that is there.
fn kept(place: &Place, first: Position, kind: &str) -> Vec<Value> {
    let all = place.node.records(first, usize::MAX).unwrap();
    all.iter().filter(|record| &*record.event.kind == kind).map(data).collect()
}

fn dump(folder: &std::path::Path) -> String {
    Sqlite::open(&folder.join("data/state.db"), Pump::<Sqlite>::tables()).unwrap().dump().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_everything_stays() {
    let place = Place::with(|options| options.log.segment_bytes = 8 << 10).await;
    fill(&place, "a", 100).await;
    assert_eq!(place.node.retain().await, Ok(None));
    assert_eq!(place.of_type("shop.order.placed").len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_under_way_outlives_its_event() {
    let sink = Sink::new().await;
    let config = sink.config(true);
    let place = Place::with(|options| {
        small(options);
        options.config = file(config);
    })
    .await;
    sink.hold(true);
    let (_, sent) = place.send(order("long", 100)).await;
    sink.wait(1).await;
    fill(&place, "a", 100).await;
    let first = place.node.retain().await.unwrap().expect("something went");
    assert!(first > Position(sent["position"].as_u64().unwrap()));
    let (_, told) = place.get("/api/v1/log/verify").await;
    assert_eq!((&told["whole"], &told["first"]), (&json!(true), &json!(first)), "{told}");
    let trimmed = kept(&place, first, "dev.ensue.log.trimmed");
    assert_eq!(trimmed[0]["first"], json!(first));
    assert!(trimmed[0]["bytes"].as_u64().unwrap() > 0);
    let snapshot = &kept(&place, first, "dev.ensue.state.snapshot")[0];
    assert!(snapshot["position"].as_u64().unwrap() >= first.0, "{snapshot}");
    assert_eq!(place.node.retain().await, Ok(None), "there is nothing more to go");
    // The same id is still known, and the run goes on: here, and after a start.
    let (status, _) = place.send(order("a3", 1)).await;
    assert_eq!(status, 200);
    let folder = place.crash().await;
    sink.hold(false);
    let place = Place::at(folder, |options| {
        small(options);
        options.config = Configured::Kept;
    })
    .await;
    let (status, _) = place.send(order("a4", 1)).await;
    assert_eq!(status, 200);
    let mut over = Vec::new();
    for _ in 0..2_000 {
        over = kept(&place, first, "dev.ensue.run.finished");
        if !over.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(over[0]["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_lost_comes_back_from_a_snapshot() {
    let sink = Sink::new().await;
    let config = sink.config(true);
    let place = Place::with(|options| {
        small(options);
        options.config = file(config);
    })
    .await;
    for n in 0..5 {
        place.send(order(&format!("run{n}"), 100)).await;
    }
    place.finished(5).await;
    for round in 0..4 {
        fill(&place, &format!("{round}."), 60).await;
        assert!(place.node.retain().await.unwrap().is_some());
    }
    fill(&place, "after", 20).await;
    let snapshots = std::fs::read_dir(place.data().join("snapshots")).unwrap().count();
    assert_eq!(snapshots, 2);
    let (_, runs) = place.get("/api/v1/runs").await;
    let (clean, folder) = place.stop().await;
    assert!(clean);
    let before = dump(folder.path());
    std::fs::remove_file(folder.path().join("data/state.db")).unwrap();
    let place = Place::at(folder, small).await;
    let (_, again) = place.get("/api/v1/runs").await;
    assert_eq!(runs, again);
    assert_eq!(sink.sent().len(), 5, "nothing is done twice");
    let folder = place.crash().await;

    // A broken one too; what it was folded to is what is folded again, but for the records of the starts.
    std::fs::write(folder.path().join("data/state.db"), b"this is no state").unwrap();
    let place = Place::at(folder, small).await;
    let (_, again) = place.get("/api/v1/runs").await;
    assert_eq!(runs, again);
    let (_, folder) = place.stop().await;
    let rows = |dump: &str| {
        let lines = dump.lines().filter(|line| !line.starts_with("meta\t")).map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    assert_eq!(rows(&before), rows(&dump(folder.path())));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_data_goes_with_the_last_record_that_names_it() {
    let place = Place::with(|options| {
        small(options);
        options.limits.event_body = 8 << 20;
    })
    .await;
    let large = |id: &str, letter: &str| {
        let mut event = order(id, 1);
        event["data"]["text"] = json!(letter.repeat(2 << 20));
        event
    };
    let blobs = || {
        let shelves = std::fs::read_dir(place.data().join("blobs")).unwrap();
        let files = shelves.flat_map(|shelf| std::fs::read_dir(shelf.unwrap().path()).unwrap());
        files.map(|file| file.unwrap().path()).collect::<Vec<_>>()
    };
    for event in [large("old", "a"), large("also old", "b")] {
        assert_eq!(place.send(event).await.0, 202);
    }
    fill(&place, "a", 100).await;
    assert_eq!(place.send(large("new", "b")).await.0, 202);
    assert!(place.node.settled().await);
    assert!(place.node.retain().await.unwrap().is_some());
    assert_eq!(blobs().len(), 2, "they are young");
    fill(&place, "b", 100).await;
    assert_eq!(place.send(large("newer", "b")).await.0, 202);
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 3600);
    for path in blobs() {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    assert!(place.node.settled().await);
    assert!(place.node.retain().await.unwrap().is_some());
    assert_eq!(blobs().len(), 1, "one is named by a record that is there");
    let (_, verified) = place.get("/api/v1/events/newer").await;
    assert_eq!(verified["event"]["data"]["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_snapshot_a_start_says_what_can_be_done() {
    let place = Place::with(small).await;
    fill(&place, "a", 100).await;
    assert!(place.node.retain().await.unwrap().is_some());
    let (_, folder) = place.stop().await;
    std::fs::remove_file(folder.path().join("data/state.db")).unwrap();
    std::fs::remove_dir_all(folder.path().join("data/snapshots")).unwrap();
    for _ in 0..2 {
        let mut options = options(folder.path());
        small(&mut options);
        let error = ensue_node::Node::start(options).await.unwrap_err();
        assert!(matches!(error, ensue_node::Error::NoSnapshot { .. }), "{error}");
        assert!(error.to_string().contains("restore the data folder from a backup"), "{error}");
    }
}
