//! `dev.ensue.config.applied`: from here on the fold goes by other rules. Runs go on by the definitions they pinned.

use std::collections::BTreeSet;
use std::sync::Arc;

use ensue_event::Digest;
use ensue_event::ours::{ConfigApplied, Ours};
use ensue_lang::{Order, OrderBy, Start};

use crate::config::Compiled;
use crate::fold::{Engine, Poison};
use crate::state::{Applied, Verdict};

impl Engine {
    pub(crate) fn configuration(&mut self, config: ConfigApplied) -> Result<(), Poison> {
        let compiled = self.compiled(&config.files)?;
        let mut used: BTreeSet<Digest> = self.config.rules.iter().map(|decider| decider.digest).collect();
        used.extend(self.state.runs.look().map(|(_, run)| run.read().definition));
        used.extend(self.state.parked.iter().map(|(_, parked)| parked.fired.definition));
        used.extend(self.state.queued.iter().map(|(_, queued)| queued.fired.definition));
        used.extend(self.state.emissions.iter().filter_map(|(_, pending)| match Ours::of(&pending.event) {
            Ok(Ours::RuleFired(fired)) => Some(fired.definition),
            _ => None,
        }));
        let gone: Vec<Digest> =
            self.state.definitions.iter().map(|(digest, _)| *digest).filter(|digest| !used.contains(digest)).collect();
        for digest in gone {
            self.state.definitions.delete(&digest);
            self.graphs.remove(&digest);
        }
        for decider in &compiled.rules {
            if self.state.definitions.get(&decider.digest).is_none() {
                self.state.definitions.put(decider.digest, decider.definition.clone());
            }
            // What an operator set on a rule holds until the rule itself is changed.
            let name = decider.rule.name.to_string();
            if self.config.rule(&name).is_some_and(|before| before.digest != decider.digest) {
                self.where_it_is(decider.id, |engine| engine.reflow(decider.id));
            }
            let same = self.config.rule(&name).is_some_and(|before| before.digest == decider.digest);
            let known = self.state.rules.get(&name).filter(|known| known.mode.is_some() && !same);
            if let Some(known) = known {
                let mut known = known.as_ref().clone();
                known.mode = None;
                self.state.rules.put(name, known);
            }
        }
        self.edited(&compiled);
        self.sources_of(&compiled);
        self.state.meta.observe = config.observe;
        self.state.config.put("current".into(), Applied { position: self.position, config });
        self.next_config = Some(Arc::clone(&compiled));
        self.windows(&compiled.windows)?;
        self.unlimited(&compiled);
        Ok(())
    }

    /// Rules that are gone, or wait for other events now: what they kept of these goes, and they say how much that was.
    fn edited(&mut self, compiled: &Compiled) {
        let before = Arc::clone(&self.config);
        for old in &before.rules {
            let new = compiled.rule(&old.name);
            if new.is_some_and(|new| new.when == old.when) {
                let same = match (&old.rule.order, new.and_then(|new| new.rule.order.as_ref())) {
                    (Some(old), Some(new)) => lines_alike(old, new),
                    (old, new) => old.is_none() && new.is_none(),
                };
                if !same {
                    self.where_it_is(old.id, |engine| engine.end_lines(old));
                }
                continue;
            }
            let (mut halves, mut held) = (0, 0);
            self.where_it_is(old.id, |engine| {
                (halves, held) = (engine.drop_halves(old.id), engine.drop_lines(old.id));
                held += if new.is_none() { engine.drop_flows(old.id) } else { engine.drop_held(old.id) };
            });
            if new.is_none() {
                self.no_backfill(old.id);
            }
            if halves + held > 0 {
                self.decided(old.name.to_string(), None, Verdict::Edited { halves, held });
            }
        }
        for new in &compiled.rules {
            match before.rule(&new.name) {
                None if self.starts_in_the_past(new) => {}
                Some(old) if old.when == new.when => {}
                Some(_) if self.state.backfills.get(&new.id).is_some() => {}
                _ => self.arm_expected(new),
            }
            if before
                .rule(&new.name)
                .is_some_and(|old| old.rule.start != new.rule.start && new.rule.start != Start::Now)
            {
                self.start_ignored(new);
            }
        }
    }
}

/// Whether events stand in the same line and order by both; how long they wait may differ.
fn lines_alike(a: &Order, b: &Order) -> bool {
    let by = match (&a.by, &b.by) {
        (OrderBy::Sequence, OrderBy::Sequence) => true,
        (OrderBy::Value(a), OrderBy::Value(b)) => a == b,
        _ => false,
    };
    by && a.key == b.key
}
