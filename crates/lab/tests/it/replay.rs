//! History through the same manifests, and through others.

use ensue_event::ours::ConfigFile;
use ensue_lab::history::Records;
use ensue_lab::replay::{Options, Report, replay};
use ensue_lab::scenario;

use crate::spec;

fn replayed(records: &[ensue_event::Record], files: Option<&[ConfigFile]>, options: &Options) -> Report {
    replay(&Records(records), files, options, &mut |_| {}).unwrap()
}

/// What is different, for a message.
fn told(report: &Report) -> String {
    let rules = report.rules.iter().filter(|rule| rule.gone_count + rule.new_count + rule.changed_count > 0);
    rules.map(|rule| format!("{}\n", serde_json::to_string(rule).unwrap())).collect()
}

#[test]
fn every_scenario_of_the_language_replays_as_it_was() {
    let none = |name: &str| Err(format!("there is no {name}"));
    let (mut failed, mut played, mut fired) = (Vec::new(), 0, 0);
    for path in spec::all() {
        let Ok((of, scenarios)) = spec::read(&path) else { continue };
        for scenario in scenarios {
            let Ok(lived) = scenario::play(&of, &scenario, &none) else { continue };
            let count = |kind: &str| lived.records.iter().filter(|record| &*record.event.kind == kind).count();
            let once = count("dev.ensue.config.applied") == 1;
            let given = once.then_some(of.files());
            for (how, files, rules_only) in [("with runs", given, false), ("without runs", None, true)] {
                let options = Options { rules_only, steps: !rules_only, ..Options::default() };
                let report = replayed(&lived.records, files, &options);
                let then: u64 = report.rules.iter().map(|rule| rule.then).sum();
                if report.different || then != count("dev.ensue.rule.fired") as u64 {
                    let name = path.display();
                    failed.push(format!("{name}: {} ({how}):\n{}", scenario.name.name, told(&report)));
                }
                fired += then;
            }
            played += 1;
        }
    }
    assert!(played > 100 && fired > 300, "{played} scenarios, {fired} firings");
    assert!(failed.is_empty(), "{} of {played}:\n{}", failed.len(), failed.join("\n"));
}
