//! `ensue rules`: which there are, how often they fired, their modes, and what each waits for.

use serde_json::{Value, json};

use super::connections::moment;
use super::run::done;
use crate::args::{Engine, Rules, RulesCommand, SetMode};
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell, cut, one_line};

/// The widest a key is shown.
const KEY: usize = 48;

pub(crate) async fn rules(rules: Rules, output: Output) -> Result<(), Error> {
    let Rules { what, engine, name, mode, reason } = rules;
    match (what, name, mode) {
        (Some(RulesCommand::Show { engine, name, limit }), _, _) => show(&engine, &name, limit, output).await,
        (Some(RulesCommand::Pause(set)), _, _) => mode_of(set, "paused", output).await,
        (Some(RulesCommand::Resume(set)), _, _) => mode_of(set, "live", output).await,
        (Some(RulesCommand::Shadow(set)), _, _) => mode_of(set, "shadow", output).await,
        (None, Some(name), None) => show(&engine, &name, 20, output).await,
        (None, Some(name), Some(mode)) => {
            mode_of(SetMode { engine, name, reason: reason.unwrap_or_default() }, &mode, output).await
        }
        (None, None, Some(_)) => {
            Err(Error::Usage("--mode needs the name of the rule: `ensue rules NAME --mode shadow --reason …`".into()))
        }
        (None, None, None) => list(&engine, output).await,
    }
}

/// `namespace/name` is two segments of the path.
fn path(name: &str) -> Vec<&str> {
    std::iter::once("rules").chain(name.split('/')).collect()
}

async fn list(engine: &Engine, output: Output) -> Result<(), Error> {
    let rules = Client::new(engine)?.get(&["rules"], &[]).await?;
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
    Ok(())
}

async fn mode_of(set: SetMode, mode: &str, output: Output) -> Result<(), Error> {
    let SetMode { engine, name, reason } = set;
    let body = json!({"mode": mode, "reason": reason});
    let answer = Client::new(&engine)?.post(&[path(&name).as_slice(), &["mode"]].concat(), &body).await?;
    done(&answer, &format!("rule {name} is {mode}"), output);
    Ok(())
}

async fn show(engine: &Engine, name: &str, limit: usize, output: Output) -> Result<(), Error> {
    let query = [("limit", limit.max(1).to_string())];
    let rule = Client::new(engine)?.get(&path(name), &query).await?;
    if output.for_people() {
        told(&rule, output);
    } else {
        output.value(&rule);
    }
    Ok(())
}

fn told(rule: &Value, output: Output) {
    let bold = anstyle::Style::new().bold();
    let text = |name: &str| cell(rule.get(name));
    let (mode, written) = (text("mode"), text("written"));
    let changed = if mode == written { String::new() } else { format!(" (written: {written})") };
    output.line(format!("rule {bold}{}{bold:#}: {bold}{mode}{bold:#}{changed}", text("name")));
    let last = rule.get("last").and_then(Value::as_str).map(|last| format!(", last at {}", moment(last)));
    output.line(format!(
        "fired {}{}, suppressed {}, errors {}, in {}",
        text("fired"),
        last.unwrap_or_default(),
        text("suppressed"),
        text("errors"),
        text("file"),
    ));
    if let Some(past) = rule.get("past").filter(|past| past.is_object()) {
        output.line(format!(
            "on its way through the past: it looks at record {} next, and at what comes now after that",
            cell(past.get("next"))
        ));
    }
    let now = rule.get("now").and_then(Value::as_str).and_then(|now| ensue_event::Time::parse(now).ok());
    let section = |name: &str, title: &str, columns: &[&str], row: &dyn Fn(&Value) -> Vec<String>| {
        let all = rule.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        if all.is_empty() {
            return;
        }
        let total = rule.get(format!("{name}Total")).and_then(Value::as_u64).unwrap_or(0);
        let shown = u64::try_from(all.len()).unwrap_or(u64::MAX);
        let more = if total > shown { format!(", {shown} of them here (--limit shows more)") } else { String::new() };
        let count = if total == 0 { String::new() } else { format!("{total} ") };
        output.line(format!("\n{bold}{count}{title}{bold:#}{more}"));
        output.table(columns, &all.iter().map(row).collect::<Vec<_>>());
    };
    section("waiting", "half-matched", &["KEY", "HAS", "WAITS FOR", "SINCE (UTC)", "LEFT"], &|one| {
        let count = one.get("count").and_then(Value::as_u64);
        let has = match count {
            Some(1) => "1 event".to_owned(),
            Some(count) => format!("{count} events"),
            None => events(one),
        };
        let since = one.get("since").and_then(Value::as_str).map(moment).unwrap_or_default();
        vec![key(one), has, list_of(one.get("waitsFor")), since, left(one.get("until"), now)]
    });
    section("turns", "waiting for their turn", &["KEY", "EVENT", "VALUE", "AFTER", "SINCE (UTC)", "LEFT"], &|one| {
        let text = |name: &str| cell(one.get(name));
        let since = one.get("since").and_then(Value::as_str).map(moment).unwrap_or_default();
        let event = format!("{} #{}", text("id"), text("position"));
        vec![key(one), event, text("value"), text("last"), since, left(one.get("until"), now)]
    });
    section("held", "under flow control", &["KEY", "BY", "HELD", "RUNNING", "LEFT"], &|one| {
        let count = |name: &str| one.get(name).and_then(Value::as_array).map_or(0, Vec::len).to_string();
        let text = |name: &str| cell(one.get(name));
        vec![key(one), text("what"), text("held"), count("running"), left(one.get("until"), now)]
    });
    section(
        "parked",
        "parked; `ensue run redrive FIRING` lets one go, with --rule all",
        &["FIRING", "KEY", "SINCE (UTC)", "WHY"],
        &|one| {
            let since = one.get("since").and_then(Value::as_str).map(moment).unwrap_or_default();
            vec![cell(one.get("firing")), key(one), since, one_line(cell(one.get("reason")))]
        },
    );
    section("decisions", "last decisions not to fire, the newest first", &["#", "TIME (UTC)", "KEY", "WHY"], &|one| {
        let at = one.get("at").and_then(Value::as_str).map(moment).unwrap_or_default();
        vec![cell(one.get("position")), at, key(one), one_line(cell(one.get("says")))]
    });
    let quiet = ["waiting", "turns", "held", "parked", "decisions"];
    if quiet.iter().all(|name| rule.get(*name).and_then(Value::as_array).is_none_or(Vec::is_empty)) {
        output.line("it holds nothing, and has decided nothing but to fire");
    }
}

fn key(one: &Value) -> String {
    match one.get("key").and_then(Value::as_str) {
        Some(key) => cut(&cell(Some(&Value::from(key))), KEY),
        None => "-".to_owned(),
    }
}

/// The events of a half-match: `rollout #12`.
fn events(one: &Value) -> String {
    let events = one.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
    let named = |event: &Value| format!("{} #{}", cell(event.get("item")), cell(event.get("position")));
    events.iter().map(named).collect::<Vec<_>>().join(", ")
}

fn list_of(value: Option<&Value>) -> String {
    let all = value.and_then(Value::as_array).cloned().unwrap_or_default();
    all.iter().map(|one| cell(Some(one))).collect::<Vec<_>>().join(", ")
}

/// How long it is until then.
fn left(until: Option<&Value>, now: Option<ensue_event::Time>) -> String {
    let until = until.and_then(Value::as_str);
    match (until.and_then(|until| ensue_event::Time::parse(until).ok()), now) {
        (Some(until), Some(now)) if until > now => {
            let left = until.since(now);
            let whole = ensue_event::Span(left.micros() - left.micros() % 1_000_000);
            whole.to_string()
        }
        (Some(_), Some(_)) => "now".to_owned(),
        (Some(_), None) => until.map(moment).unwrap_or_default(),
        (None, _) => "-".to_owned(),
    }
}
