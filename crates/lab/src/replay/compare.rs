//! Firings of then beside those of now.

use std::collections::{BTreeMap, BTreeSet};

use ensue_engine::Compiled;
use ensue_event::{Key, Position, Time};

use super::pass::{Found, Wanted};
use super::reasons::{Elsewhere, Side, why};
use super::recorded::Recorded;
use super::report::{Both, Changed, Definition, Fired, Report, RuleReport, Stretch};
use super::{Log, Options};

/// What is the same, and what is not.
pub(super) struct Compared {
    pub(super) rules: BTreeMap<String, RuleReport>,
    /// Firings that are on both sides and were compared.
    both: BTreeSet<Key>,
    /// Firings that are on one side only, by their rules and events.
    only_then: Elsewhere,
    only_now: Elsewhere,
}

impl Compared {
    pub(super) fn of(
        recorded: &Recorded,
        now: &Found,
        given: Option<&Compiled>,
        since: Time,
        options: &Options,
    ) -> Compared {
        let then = if options.rules_only { &now.met.fired } else { &recorded.fired };
        let mut compared = Compared {
            rules: BTreeMap::new(),
            both: BTreeSet::new(),
            only_then: Elsewhere::new(),
            only_now: Elsewhere::new(),
        };
        let latest = recorded.rules(Position(u64::MAX));
        let names = given.into_iter().chain(latest.map(|config| &**config)).flat_map(|config| &config.rules);
        for decider in names {
            compared.rule(&decider.name, recorded, given);
        }
        for (label, fired) in then {
            let rule = compared.rule(&fired.rule, recorded, given);
            if fired.at < since {
                continue;
            }
            rule.then += 1;
            let Some(other) = now.fired.get(label) else {
                rule.gone_count += 1;
                rule.gone.push(fired.clone());
                continue;
            };
            (rule.now, rule.same) = (rule.now + 1, rule.same + 1);
            if fired.mode != other.mode && !fired.past && !options.rules_only {
                let mode = Some(Both { then: fired.mode, now: other.mode });
                rule.changed.push(Changed { fired: fired.clone(), mode, steps: BTreeMap::new() });
            }
            compared.both.insert(*label);
        }
        for (label, fired) in &now.fired {
            if fired.at < since || then.contains_key(label) {
                continue;
            }
            let rule = compared.rule(&fired.rule, recorded, given);
            let places = fired.events.iter().filter_map(|seen| seen.position).chain([fired.decided]);
            if rule.definition != Definition::New && !places.into_iter().all(|at| recorded.had(&fired.rule, at)) {
                rule.before_count += 1;
                continue;
            }
            (rule.now, rule.new_count) = (rule.now + 1, rule.new_count + 1);
            rule.new.push(fired.clone());
        }
        for rule in compared.rules.values_mut() {
            for (all, only) in [(&mut rule.gone, &mut compared.only_then), (&mut rule.new, &mut compared.only_now)] {
                all.sort_by_key(|fired| (fired.at, fired.decided, fired.firing));
                only.add(all);
                all.truncate(options.shown);
            }
            rule.changed.sort_by_key(|changed| (changed.fired.at, changed.fired.firing));
        }
        compared
    }

    fn rule(&mut self, name: &str, recorded: &Recorded, given: Option<&Compiled>) -> &mut RuleReport {
        let entry = self.rules.entry(name.to_owned());
        entry.or_insert_with(|| RuleReport::new(name, definition(name, recorded, given)))
    }

    /// The events of the firings that are to be explained.
    pub(super) fn wanted(&self, which: impl Fn(&RuleReport) -> &Vec<Fired>) -> Wanted {
        let mut wanted = Wanted::new();
        for (name, rule) in &self.rules {
            let events: BTreeSet<Position> =
                which(rule).iter().flat_map(|fired| &fired.events).filter_map(|seen| seen.position).collect();
            if !events.is_empty() && !matches!(rule.definition, Definition::New | Definition::Gone) {
                wanted.insert(name.clone(), events);
            }
        }
        wanted
    }

    /// Why what fired then does not fire now.
    pub(super) fn explain_gone(&mut self, log: &dyn Log, now: &Found, recorded: &Recorded, given: Option<&Compiled>) {
        for (name, rule) in &mut self.rules {
            for fired in &mut rule.gone {
                let config = given.or_else(|| recorded.rules(fired.decided).map(|config| &**config));
                let decider = config.and_then(|config| config.rule(name));
                (fired.why, fired.because) = match config.zip(decider) {
                    None => ("there is no such rule in these manifests".to_owned(), Vec::new()),
                    Some((config, decider)) => {
                        let side = Side { log, found: now, recorded, config, now: true, others: &self.only_now };
                        why(fired, decider, &side)
                    }
                };
            }
        }
    }

    /// Why what fires now did not fire then; without a way through it as it was there was no such rule.
    pub(super) fn explain_new(&mut self, log: &dyn Log, then: Option<&Found>, recorded: &Recorded) {
        for (name, rule) in &mut self.rules {
            for fired in &mut rule.new {
                let config = recorded.rules(fired.decided);
                let decider = config.and_then(|config| config.rule(name));
                (fired.why, fired.because) = match (config, decider, then) {
                    (Some(config), Some(decider), Some(found)) => {
                        let side = Side { log, found, recorded, config, now: false, others: &self.only_then };
                        why(fired, decider, &side)
                    }
                    (None, ..) => ("the configuration of then is no longer in the log".to_owned(), Vec::new()),
                    _ => ("there was no such rule then".to_owned(), Vec::new()),
                };
            }
        }
    }

    /// Compares the steps of runs that are on both sides.
    pub(super) fn steps(&mut self, then: &Found, now: &Found) {
        for label in &self.both {
            let none = BTreeMap::new();
            let (old, new) = (then.steps.get(label).unwrap_or(&none), now.steps.get(label).unwrap_or(&none));
            let Some(fired) = then.fired.get(label).filter(|_| old != new) else { continue };
            let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            let steps = paths
                .into_iter()
                .filter(|path| old.get(*path) != new.get(*path))
                .map(|path| (path.clone(), Both { then: old.get(path).cloned(), now: new.get(path).cloned() }));
            let steps: BTreeMap<_, _> = steps.collect();
            let Some(rule) = self.rules.get_mut(&fired.rule) else { continue };
            match rule.changed.iter_mut().find(|changed| changed.fired.firing == fired.firing) {
                Some(changed) => changed.steps = steps,
                None => rule.changed.push(Changed { fired: fired.clone(), mode: None, steps }),
            }
        }
    }

    pub(super) fn report(mut self, history: Stretch, now: &Found, shown: usize) -> Report {
        for rule in self.rules.values_mut() {
            rule.changed_count = rule.changed.len() as u64;
            rule.changed.sort_by_key(|changed| (changed.fired.at, changed.fired.firing));
            rule.changed.truncate(shown);
        }
        let rules: Vec<RuleReport> = self.rules.into_values().collect();
        let different = rules.iter().any(|rule| rule.gone_count + rule.new_count + rule.changed_count > 0);
        let (assumed, set_aside) = (now.assumed.clone(), now.set_aside.clone());
        Report { history, records: now.records, different, rules, assumed, set_aside }
    }
}

/// Whether a rule is what it was, last; without other manifests it is.
fn definition(name: &str, recorded: &Recorded, given: Option<&Compiled>) -> Definition {
    let Some(given) = given else { return Definition::Same };
    match (recorded.definition(name), given.rule(name)) {
        (_, None) => Definition::Gone,
        (None, Some(_)) => Definition::New,
        (Some(digest), Some(now)) if digest == now.digest => Definition::Same,
        _ => Definition::Changed,
    }
}
