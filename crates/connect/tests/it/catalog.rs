//! What the language describes and what is done here are one list.

use ensue_connect::{actions, webhook};
use ensue_lang::catalog::{ACTIONS, SOURCES};

use crate::support::{call, err, world};

#[test]
fn every_action_and_source_of_the_catalog_is_here_and_no_other() {
    let described: std::collections::BTreeSet<&str> = ACTIONS.iter().map(|spec| spec.name).collect();
    let done: std::collections::BTreeSet<&str> = actions().into_keys().collect();
    assert_eq!(described, done);
    for spec in SOURCES {
        assert_eq!(spec.path.is_some(), webhook(spec.name).is_some(), "{}", spec.name);
    }
}

#[tokio::test]
async fn an_unknown_action_is_an_answer() {
    let fixture = world(&[]);
    let failure = err(fixture.world.perform(call("http/fly", None, serde_json::json!({}))).await);
    assert!(failure.message.contains("there is no action `http/fly`"), "{}", failure.message);
}
