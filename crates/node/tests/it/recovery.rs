//! Stops and crashes: what was acknowledged is there, and nothing is done twice.

use ensue_node::Configured;
use serde_json::json;

use crate::support::{Place, Sink, file, options, order, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_and_a_start_keep_everything() {
    let sink = Sink::new().await;
    let place = Place::new(file(sink.config(true))).await;
    for n in 0..20 {
        place.send(order(&format!("o{n}"), 100)).await;
    }
    place.wait_for("dev.ensue.run.finished", 20).await;
    let (_, before) = place.get("/api/v1/runs?limit=100").await;
    let (clean, folder) = place.stop().await;
    assert!(clean);
    // The configuration is kept too.
    let place = Place::at(folder, |options| options.config = Configured::Kept).await;
    let (_, after) = place.get("/api/v1/runs?limit=100").await;
    assert_eq!(before, after);
    let started = place.of_type("dev.ensue.node.started");
    assert_eq!(started.len(), 2);
    let second: serde_json::Value = serde_json::from_slice(started[1].event.json().unwrap()).unwrap();
    assert_eq!(second["clean"], true);
    assert_eq!(place.of_type("dev.ensue.node.stopped").len(), 1);
    assert_eq!(place.of_type("dev.ensue.config.applied").len(), 1);
    let (status, told) = place.send(order("o3", 100)).await;
    assert_eq!((status, &told["duplicate"]), (200, &json!(true)), "{told}");
    place.send(order("new", 100)).await;
    place.wait_for("dev.ensue.run.finished", 21).await;
    assert_eq!(sink.sent().len(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loses_nothing_that_was_acknowledged_and_fires_nothing_twice() {
    let sink = Sink::new().await;
    let mut folder = tempfile::TempDir::new().unwrap();
    let mut sent = 0;
    for round in 0..4 {
        let config = sink.config(true);
        let place = Place::at(folder, |options| options.config = file(config)).await;
        for n in 0..10 {
            let (status, _) = place.send(order(&format!("{round}.{n}"), 100)).await;
            assert_eq!(status, 202);
            sent += 1;
        }
        folder = place.crash().await;
    }
    let place = Place::at(folder, |_| ()).await;
    place.finished(sent).await;
    assert!(place.node.settled().await);
    assert_eq!(place.of_type("shop.order.placed").len(), sent);
    assert_eq!(place.of_type("dev.ensue.rule.fired").len(), sent);
    assert_eq!(place.of_type("dev.ensue.run.finished").len(), sent);
    // A keyed action may be done again, always with its key.
    let keys: std::collections::BTreeSet<_> = sink.sent().into_iter().map(|sent| sent.key).collect();
    assert_eq!(keys.len(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_was_in_flight_at_a_crash_is_uncertain_where_it_cannot_be_repeated() {
    let sink = Sink::new().await;
    sink.hold(true);
    let place = Place::new(file(sink.config(false))).await;
    place.send(order("a", 100)).await;
    sink.wait(1).await;
    let folder = place.crash().await;
    sink.hold(false);
    let place = Place::at(folder, |_| ()).await;
    place.wait_for("dev.ensue.action.uncertain", 1).await;
    assert!(place.node.settled().await);
    let (_, runs) = place.get("/api/v1/runs?status=uncertain").await;
    let run = runs["runs"][0]["id"].as_str().unwrap_or_else(|| panic!("{runs}")).to_owned();
    assert_eq!(sink.sent().len(), 1, "it is not done again by itself");
    let (status, told) =
        place.post(&format!("/api/v1/runs/{run}/settle"), json!({"step": "send", "verdict": "done"})).await;
    assert_eq!(status, 200, "{told}");
    place.wait_for("dev.ensue.run.finished", 1).await;
    assert_eq!(sink.sent().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_in_flight_at_a_stop_is_waited_for() {
    let sink = Sink::new().await;
    sink.hold(true);
    let place = Place::new(file(sink.config(false))).await;
    place.send(order("a", 100)).await;
    sink.wait(1).await;
    let other = sink.clone();
    let stopping = tokio::spawn(place.stop());
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    other.hold(false);
    let (clean, folder) = stopping.await.unwrap();
    assert!(clean);
    let place = Place::at(folder, |_| ()).await;
    place.wait_for("dev.ensue.run.finished", 1).await;
    assert_eq!(sink.sent().len(), 1);
    assert!(place.of_type("dev.ensue.action.uncertain").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_broken_state_is_folded_anew() {
    let sink = Sink::new().await;
    let mut place = Place::new(file(sink.config(true))).await;
    for n in 0..5 {
        place.send(order(&format!("o{n}"), 100)).await;
    }
    place.wait_for("dev.ensue.run.finished", 5).await;
    let (_, before) = place.get("/api/v1/runs").await;
    for harm in ["lost", "broken", "scribbled"] {
        let (_, folder) = place.stop().await;
        let state = folder.path().join("data/state.db");
        match harm {
            "lost" => std::fs::remove_file(&state).unwrap(),
            // The first page is good, so that only a later read or write meets what is not.
            "scribbled" => {
                let mut bytes = std::fs::read(&state).unwrap();
                bytes.iter_mut().skip(5_000).for_each(|byte| *byte = byte.wrapping_mul(167).wrapping_add(13));
                std::fs::write(&state, bytes).unwrap();
            }
            _ => std::fs::write(&state, "this is no database at all, whatever its name says").unwrap(),
        }
        place = Place::at(folder, |_| ()).await;
        let (_, after) = place.get("/api/v1/runs").await;
        assert_eq!(before, after, "{harm}");
    }
    assert_eq!(sink.sent().len(), 5, "folding anew acts no second time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_end_is_cut_off_says_so_and_goes_on() {
    let sink = Sink::new().await;
    let place = Place::new(file(sink.config(true))).await;
    place.send(order("a", 100)).await;
    place.wait_for("dev.ensue.run.finished", 1).await;
    let (clean, folder) = place.stop().await;
    assert!(clean);
    let log = std::fs::read_dir(folder.path().join("data/log")).unwrap();
    let segment = log.map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some_and(|e| e == "log"));
    let file = std::fs::OpenOptions::new().write(true).open(segment.unwrap()).unwrap();
    file.set_len(file.metadata().unwrap().len() - 100).unwrap();
    let place = Place::at(folder, |_| ()).await;
    place.send(order("b", 100)).await;
    place.wait_for("dev.ensue.run.finished", 2).await;
    assert_eq!(sink.sent().len(), 2, "folding anew acts no second time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_does_not_start() {
    let place = Place::new(Configured::Kept).await;
    let error = ensue_node::Node::start(options(place.folder.path())).await.unwrap_err();
    assert!(matches!(error, ensue_node::Error::State(ensue_state::Error::Locked { .. })), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_starts_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut wrong = options(folder.path());
    wrong.config = file("apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: { name: a }\nspec: { wen: {} }\n");
    let error = ensue_node::Node::start(wrong).await.unwrap_err();
    assert!(error.to_string().contains("all.yaml:4"), "{error}");
    // Nothing was written: the next start is a first one.
    let place = Place::at(folder, |_| ()).await;
    assert_eq!(place.of_type("dev.ensue.node.started").len(), 1);
    until("the fold", || (place.node.reached().folded == place.node.reached().end).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_ingest_is_for_loopback_only() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut open = options(folder.path());
    open.listen = "0.0.0.0:0".parse().unwrap();
    let error = ensue_node::Node::start(open).await.unwrap_err();
    assert!(matches!(error, ensue_node::Error::OpenIngest(_)), "{error}");
}
