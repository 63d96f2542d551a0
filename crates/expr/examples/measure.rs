//! How long evaluations take: `cargo run --release -p ensue-expr --example measure`.

use std::time::{Duration, Instant};

use ensue_expr::{Budget, Names, Program, Template, Value};

/// Long enough that the clock does not matter, short enough to wait for.
const FOR: Duration = Duration::from_millis(300);

fn time(name: &str, mut what: impl FnMut()) {
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < FOR {
        what();
        count += 1;
    }
    println!("{:>12?}  {name}", start.elapsed() / count.max(1));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let images: Vec<String> = (0..20).map(|n| format!("\"registry.example.com/app{n}@sha256:{n:064x}\"")).collect();
    let numbers: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let json = format!(
        r#"{{"type": "io.k8s.pod.crash-loop", "data": {{"namespace": "shop", "restarts": 5, "deployment": "checkout", "images": [{}], "l": [{}]}}}}"#,
        images.join(","),
        numbers.join(",")
    );
    let event = Value::from_json(json.as_bytes())?;
    let names = Names::new().with("event", event).with("let", Value::map([("digest", format!("sha256:{:064x}", 19))]));

    time("Value::from_json, 12 KB", || drop(Value::from_json(json.as_bytes())));
    let condition = "event.data.namespace == 'shop' && event.data.restarts >= 3 && !has(event.causationid)";
    time("compile a condition of three parts", || drop(Program::compile(condition)));
    for source in [
        "event.data.restarts + 1",
        condition,
        "event.data.images.exists(i, i.endsWith(let.digest))",
        "event.data.deployment.matches('^check[a-z]+$')",
        "event.data.l.filter(x, x % 2 == 0).map(x, x * 2).size()",
        "event.data.l.all(x, event.data.l.all(y, x >= 0))",
    ] {
        let program = Program::compile(source)?;
        let end = if program.eval(&names, &mut Budget::new()).is_err() { ", until the budget ends it" } else { "" };
        time(&format!("{source}{end}"), || drop(program.eval(&names, &mut Budget::new())));
    }
    let text = Template::compile("${{ event.data.deployment }}: ${{ event.data.restarts }} restarts")?;
    time("a template with two expressions", || drop(text.render(&names, &mut Budget::new())));
    Ok(())
}
