//! A record on which the fold panics.

use std::sync::Arc;

use serde_json::json;

use crate::support::{Place, Sink, file, order};

fn panics(options: &mut ensue_node::Options) {
    options.before_fold = Some(Arc::new(|record| assert!(&*record.event.id != "poison", "this one is poison")));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_set_aside_and_the_next_one_is_folded() {
    let sink = Sink::new().await;
    let config = sink.config(true);
    let place = Place::with(|options| {
        options.config = file(config);
        panics(options);
    })
    .await;
    place.send(order("a", 100)).await;
    let (status, told) = place.send(order("poison", 100)).await;
    assert_eq!(status, 202, "it is durable all the same");
    place.send(order("b", 100)).await;
    let said = place.wait_for("dev.ensue.record.quarantined", 1).await;
    let said: serde_json::Value = serde_json::from_slice(said[0].event.json().unwrap()).unwrap();
    assert_eq!(said["position"], told["position"]);
    assert!(said["reason"].as_str().unwrap().contains("this one is poison"), "{said}");
    place.wait_for("dev.ensue.run.finished", 2).await;
    assert_eq!(sink.sent().len(), 2);
    assert_eq!(place.metric("ensue_records_quarantined_total").await, 1.0);
    // A rebuild passes it by, without the hook that made it poison: what was decided stays decided.
    let (_, before) = place.get("/api/v1/runs").await;
    let (_, folder) = place.stop().await;
    std::fs::remove_file(folder.path().join("data/state.db")).unwrap();
    let place = Place::at(folder, |_| ()).await;
    let (_, after) = place.get("/api/v1/runs").await;
    assert_eq!(before, after);
    assert_eq!(sink.sent().len(), 2);
    let (_, status) = place.get("/api/v1/status").await;
    assert_eq!(status["counts"]["events"], json!(2));
}
