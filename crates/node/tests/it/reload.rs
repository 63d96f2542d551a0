//! A configuration that changes while the node runs.

use ensue_node::Configured;
use serde_json::json;

use crate::support::{Place, Sink, order};

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_followed_and_a_wrong_version_is_refused_whole() {
    let sink = Sink::new().await;
    let manifests = tempfile::TempDir::new().unwrap();
    let path = manifests.path().join("all.yaml");
    std::fs::write(&path, sink.config(true)).unwrap();
    let folder = manifests.path().to_path_buf();
    let place = Place::with(|options| options.config = Configured::Folder(folder)).await;
    assert_eq!(place.of_type("dev.ensue.config.applied").len(), 1);
    // A comment changes nothing.
    std::fs::write(&path, format!("# a comment\n{}", sink.config(true))).unwrap();
    std::fs::write(manifests.path().join("wrong.yaml"), "apiVersion: ensue.dev/v1\nkind: Rool\n").unwrap();
    let refused = loop {
        let (_, config) = place.get("/api/v1/config").await;
        if !config["refused"].is_null() {
            break config;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert!(refused["refused"]["rendered"].as_str().unwrap().contains("wrong.yaml:2"), "{refused}");
    place.send(order("a", 100)).await;
    sink.wait(1).await;
    std::fs::remove_file(manifests.path().join("wrong.yaml")).unwrap();
    std::fs::write(&path, sink.config(true).replace("/orders", "/other")).unwrap();
    place.wait_for("dev.ensue.config.applied", 2).await;
    assert!(place.node.settled().await);
    place.send(order("b", 100)).await;
    assert_eq!(sink.wait(2).await[1].path, "/other");
    let (_, config) = place.get("/api/v1/config").await;
    assert!(config["refused"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_becomes_empty_drops_no_rule() {
    let sink = Sink::new().await;
    let manifests = tempfile::TempDir::new().unwrap();
    let path = manifests.path().join("all.yaml");
    std::fs::write(&path, sink.config(true)).unwrap();
    let folder = manifests.path().to_path_buf();
    let place = Place::with(|options| options.config = Configured::Folder(folder)).await;
    std::fs::remove_file(&path).unwrap();
    let refused = place.node.reload().await.unwrap_err();
    assert!(refused.contains("no manifest"), "{refused}");
    place.send(order("a", 100)).await;
    sink.wait(1).await;
    assert_eq!(place.of_type("dev.ensue.config.applied").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_applies_and_refuses_too() {
    let sink = Sink::new().await;
    let place = Place::new(Configured::Kept).await;
    let files = |text: String| json!({"files": [{"path": "a.yaml", "text": text}]});
    let wrong = files("apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: { name: a }\nspec: {}\n".into());
    for path in ["/api/v1/config", "/api/v1/config/check"] {
        let (status, told) = place.post(path, wrong.clone()).await;
        assert_eq!((status, &told["error"]["code"]), (422, &json!("configuration")), "{told}");
        assert!(!told["error"]["diagnostics"].as_array().unwrap().is_empty());
    }
    let (status, told) = place.post("/api/v1/config", files(sink.config(true))).await;
    assert_eq!((status, &told["applied"]), (201, &json!(true)), "{told}");
    let (status, told) = place.post("/api/v1/config", files(sink.config(true))).await;
    assert_eq!((status, &told["same"]), (200, &json!(true)), "{told}");
    place.send(order("a", 100)).await;
    sink.wait(1).await;
    let (_, config) = place.get("/api/v1/config?files=true").await;
    assert_eq!(config["documents"].as_array().unwrap().len(), 3, "{config}");
    assert_eq!(config["files"][0]["path"], "a.yaml");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_sends_its_events_on_time() {
    let text = "apiVersion: ensue.dev/v1\nkind: Source\nmetadata: { name: beat }\nspec: { schedule: { every: 1s, type: beat.now } }\n";
    let place = Place::new(crate::support::file(text)).await;
    let beats = place.wait_for("beat.now", 2).await;
    assert_ne!(beats[0].event.id, beats[1].event.id);
    for beat in beats {
        let due = beat.event.occurred().unwrap();
        assert_eq!(due.micros() % 1_000_000, 0);
        assert!((0..500_000).contains(&beat.at.since(due).micros()), "{due} {}", beat.at);
    }
}

/// A ConfigMap in a pod: files are links through `..data`, which kubelet swaps for another folder at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_config_map_is_followed_through_its_swaps() {
    let sink = Sink::new().await;
    let mounted = tempfile::TempDir::new().unwrap();
    let root = mounted.path().to_path_buf();
    // As kubelet's atomic writer does it: a new folder, a link to it beside, and one rename over `..data`.
    let swap = |version: &str, text: String| {
        let folder = root.join(format!("..{version}"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("all.yaml"), text).unwrap();
        let old = std::fs::read_link(root.join("..data")).ok();
        std::os::unix::fs::symlink(format!("..{version}"), root.join("..data_tmp")).unwrap();
        std::fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        match old {
            Some(old) => std::fs::remove_dir_all(root.join(old)).unwrap(),
            None => std::os::unix::fs::symlink("..data/all.yaml", root.join("all.yaml")).unwrap(),
        }
    };
    swap("1", sink.config(true));
    let folder = root.clone();
    let place = Place::with(|options| options.config = Configured::Folder(folder)).await;
    for (version, path) in [("2", "/second"), ("3", "/third"), ("4", "/fourth")] {
        swap(version, sink.config(true).replace("/orders", path));
        let count = version.parse().unwrap();
        assert_eq!(place.wait_for("dev.ensue.config.applied", count).await.len(), count);
        assert!(place.node.settled().await);
        place.send(order(version, 100)).await;
        assert_eq!(sink.wait(count - 1).await[count - 2].path, path);
    }
    let (_, config) = place.get("/api/v1/config").await;
    assert!(config["refused"].is_null(), "{config}");
}
