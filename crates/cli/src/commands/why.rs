//! `ensue why` and `ensue why-not`: the chain of causes, and what kept a rule from firing, as trees.

use ensue_lab::Tree;
use serde_json::Value;

use crate::args::Engine;
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, one_line, tame};

pub(crate) async fn why(engine: Engine, id: String, output: Output) -> Result<(), Error> {
    let tree = Client::new(&engine)?.get(&["why", id.trim_start_matches('#')], &[]).await?;
    print(&tree, output);
    Ok(())
}

pub(crate) async fn why_not(engine: Engine, event: String, rule: Option<String>, output: Output) -> Result<(), Error> {
    let query: Vec<(&str, String)> = rule.map(|rule| ("rule", rule)).into_iter().collect();
    let tree = Client::new(&engine)?.get(&["why-not", event.trim_start_matches('#')], &query).await?;
    print(&tree, output);
    Ok(())
}

fn print(tree: &Value, output: Output) {
    if output.for_people() {
        output.line(tree_of(tree).render().trim_end());
    } else {
        output.value(tree);
    }
}

fn tamed(text: &str) -> String {
    one_line(tame(text))
}

/// The tree that an answer carries, to be drawn.
pub(crate) fn tree_of(json: &Value) -> Tree {
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let list = |name: &str| json.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut tree = Tree::new("", tamed(text("text").unwrap_or_default()));
    tree.id = text("id").map(str::to_owned);
    tree.position = json.get("position").and_then(Value::as_u64).map(ensue_event::Position);
    tree.at = text("at").and_then(|at| ensue_event::Time::parse(at).ok());
    tree.because = list("because").filter_map(Value::as_str).map(tamed).collect();
    tree.asked = json.get("asked").and_then(Value::as_bool).unwrap_or(false);
    tree.then = list("then").map(tree_of).collect();
    tree
}
