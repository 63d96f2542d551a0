//! `ensue rules`: which there are, how often they fired, and their modes.

use serde_json::{Value, json};

use super::run::done;
use crate::args::Engine;
use crate::client::Client;
use crate::errors::Error;
use crate::output::Output;

pub(crate) async fn rules(
    engine: Engine,
    name: Option<String>,
    mode: Option<String>,
    reason: Option<String>,
    output: Output,
) -> Result<(), Error> {
    let client = Client::new(&engine)?;
    let Some(name) = name else {
        if mode.is_some() {
            return Err(Error::Usage(
                "--mode needs the name of the rule: `ensue rules NAME --mode shadow --reason …`".into(),
            ));
        }
        let rules = client.get(&["rules"], &[]).await?;
        let rules = rules.get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
        let columns = [
            ("RULE", "/name"),
            ("MODE", "/mode"),
            ("FIRED", "/fired"),
            ("SUPPRESSED", "/suppressed"),
            ("ERRORS", "/errors"),
            ("FILE", "/file"),
        ];
        output.list(&rules, &columns, "no rules are in force");
        return Ok(());
    };
    // `namespace/name` is two segments of the path.
    let path: Vec<&str> = std::iter::once("rules").chain(name.split('/')).collect();
    match mode {
        None => output.value(&client.get(&path, &[]).await?),
        Some(mode) => {
            let body = json!({"mode": mode, "reason": reason.unwrap_or_default()});
            let answer = client.post(&[path.as_slice(), &["mode"]].concat(), &body).await?;
            done(&answer, &format!("rule {name} is {mode}"), output);
        }
    }
    Ok(())
}
