//! What holds effects back: an operator's freeze, the file `FREEZE`, and windows by the clock.
//!
//! What must stay true:
//! - A freeze holds what has not left. An effect that is known to have left is not held; one that may have is remembered
//!   as such, so that a start after a crash takes it for what it is.
//! - The edges of windows are timers: whether a window is open is computed from the time of the record at hand, and a
//!   timer that comes too early, or for a window that is no longer written, changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ensue_event::ours::{FreezeBegan, FreezeEnded, Ours};
use ensue_event::{Key, Span};
use ensue_lang::cron::{self, Cron};
use ensue_lang::{Config, FreezeWindow, Name};
use ensue_run::Input;

use crate::emit::Chain;
use crate::fold::{Engine, Poison};
use crate::state::{Freeze, Thawed, Timer};

/// Who freezes by the file `FREEZE`: the actor of such a command.
pub const FILE: &str = "file";

/// Who freezes where a window does.
pub const WINDOW: &str = "window";

/// A window in which effects of a connection or rule are held.
#[derive(Clone, Debug)]
pub struct Window {
    /// What its freeze is called.
    pub name: String,
    /// Of which connection.
    pub connection: Option<String>,
    /// Of which rule.
    pub rule: Option<String>,
    /// When it begins.
    pub cron: Cron,
    /// How long it lasts.
    pub length: Span,
    /// Why it is there.
    pub reason: String,
}

/// All windows that a configuration writes, by their ids.
pub(crate) fn windows(config: &Config) -> Result<BTreeMap<Key, Window>, (Name, String)> {
    let connections = config.connections.iter().map(|(name, found)| (name, &found.freeze, true));
    let rules = config.rules.iter().map(|(name, found)| (name, &found.freeze, false));
    let mut out = BTreeMap::new();
    for (name, written, connection) in connections.chain(rules) {
        for one in written {
            let (id, window) = window(name, one, connection).map_err(|why| (name.clone(), why.to_string()))?;
            out.insert(id, window);
        }
    }
    Ok(out)
}

fn window(name: &Name, written: &FreezeWindow, of_connection: bool) -> Result<(Key, Window), cron::Error> {
    let full = name.to_string();
    let (connection, rule) = if of_connection { (Some(full), None) } else { (None, Some(full)) };
    let FreezeWindow { cron, length, zone, reason } = written;
    let length = Span(*length);
    let called = format!("{}, window {cron} for {length}, {zone}", scope(connection.as_deref(), rule.as_deref()));
    let reason = reason.clone().unwrap_or_else(|| format!("window {cron} for {length}, {zone}"));
    let id = Key::of("window", &[called.as_bytes()]);
    Ok((id, Window { name: called, connection, rule, cron: Cron::parse(cron, zone)?, length, reason }))
}

/// What a freeze holds, in words.
fn scope(connection: Option<&str>, rule: Option<&str>) -> String {
    match (connection, rule) {
        (None, None) => "everything".to_owned(),
        (Some(connection), None) => format!("connection {connection}"),
        (None, Some(rule)) => format!("rule {rule}"),
        (Some(connection), Some(rule)) => format!("connection {connection}, rule {rule}"),
    }
}

/// What an operator's freeze is called. That of the file stands by itself: neither ends the other.
fn name(connection: Option<&str>, rule: Option<&str>, actor: &str) -> String {
    let scope = scope(connection, rule);
    if actor == FILE { format!("{scope}, by the file FREEZE") } else { scope }
}

impl Engine {
    /// An operator's freeze.
    pub(crate) fn freeze(&mut self, freeze: Freeze) {
        let name = name(freeze.connection.as_deref(), freeze.rule.as_deref(), &freeze.actor);
        self.hold_by(name, freeze);
    }

    fn hold_by(&mut self, name: String, freeze: Freeze) {
        let rows = self.state.outbox.iter();
        let held = rows.filter(|(_, row)| !row.held && !row.started && freeze.holds(&row.effect));
        let held: Vec<Key> = held.map(|(key, _)| *key).collect();
        for key in held {
            self.hold(key, true);
        }
        self.state.freezes.put(name, freeze);
    }

    fn hold(&mut self, key: Key, held: bool) {
        if let Some(row) = self.state.outbox.get(&key) {
            let mut row = row.as_ref().clone();
            // Whether it was dispatched meanwhile no record says.
            (row.held, row.may_have_left) = (held, row.may_have_left || held && !row.asks);
            self.state.outbox.put(key, row);
        }
    }

    /// An operator's thaw: that of the same scope ends, and windows of that scope are overridden until they end.
    pub(crate) fn thaw(
        &mut self,
        connection: Option<String>,
        rule: Option<String>,
        discard: bool,
        actor: &str,
        reason: &str,
    ) -> Result<Option<String>, Poison> {
        let called = name(connection.as_deref(), rule.as_deref(), actor);
        let mut found = self.state.freezes.delete(&called);
        if actor != FILE {
            let open = self.state.freezes.iter().filter(|(_, freeze)| {
                freeze.window.is_some()
                    && freeze.thawed.is_none()
                    && (&freeze.connection, &freeze.rule) == (&connection, &rule)
            });
            let open: Vec<(String, Arc<Freeze>)> = open.map(|(name, row)| (name.clone(), Arc::clone(row))).collect();
            for (name, freeze) in open {
                found = true;
                let by = Thawed { actor: actor.to_owned(), reason: reason.to_owned(), at: self.now };
                let thawed = Freeze { thawed: Some(by), ..freeze.as_ref().clone() };
                self.state.freezes.put(name, thawed);
            }
        }
        if !found {
            let by_file = self.state.freezes.iter().any(|(_, freeze)| freeze.actor == FILE);
            return Ok(Some(match (connection, rule) {
                (None, None) if by_file => {
                    "the file FREEZE in the data folder holds everything; remove the file to let it go".to_owned()
                }
                _ => format!("nothing is frozen as {called}; `ensue freeze --list` shows what is"),
            }));
        }
        self.set_free(discard.then_some(reason))?;
        Ok(None)
    }

    /// Lets go what no freeze holds any more; or, for this reason, cancels its runs.
    fn set_free(&mut self, discard: Option<&str>) -> Result<(), Poison> {
        let freezes: Vec<Arc<Freeze>> = self.state.freezes.iter().map(|(_, freeze)| Arc::clone(freeze)).collect();
        let rows = self.state.outbox.iter();
        let free = rows.filter(|(_, row)| row.held && !freezes.iter().any(|freeze| freeze.holds(&row.effect)));
        let released: Vec<(Key, Key)> = free.map(|(key, row)| (*key, row.effect.run)).collect();
        if let Some(reason) = discard {
            // A run is cancelled once, however many of its effects were held: asked twice, it would not take back what it
            // did, nor do its `finally` steps.
            let runs: BTreeSet<Key> = released.iter().map(|(_, run)| *run).collect();
            for run in runs {
                let reason = format!("discarded by thaw: {reason}");
                self.input(run, Input::Cancel { reason })?;
            }
        }
        // What a cancelled run still wants done is what takes something back.
        for (effect, _) in released {
            if self.state.outbox.get(&effect).is_some_and(|row| row.held) {
                self.hold(effect, false);
                if self.state.outbox.get(&effect).is_some_and(|row| row.may_leave()) {
                    self.ready.push(effect);
                }
            }
        }
        Ok(())
    }

    /// A configuration: windows that are no longer written end, new ones are looked at.
    pub(crate) fn windows(&mut self, windows: &BTreeMap<Key, Window>) -> Result<(), Poison> {
        let gone = self.state.freezes.iter().filter(|(_, row)| row.window.is_some_and(|id| !windows.contains_key(&id)));
        let gone: Vec<String> = gone.map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.close(&name)?;
        }
        for (id, window) in windows {
            self.look_at(*id, window)?;
        }
        Ok(())
    }

    /// The edge of a window is due.
    pub(crate) fn window_due(&mut self, id: Key) {
        let config = Arc::clone(&self.config);
        if let Some(window) = config.windows.get(&id) {
            // Only a discard gives runs an input, and nothing is discarded here.
            let _ = self.look_at(id, window);
        }
    }

    /// Opens or closes a window, as the time of the record at hand says, and sets the timer of its next edge.
    fn look_at(&mut self, id: Key, window: &Window) -> Result<(), Poison> {
        let now = self.at;
        let since = window.cron.last(now).filter(|since| now < *since + window.length);
        let known = self.state.freezes.get(&window.name).cloned();
        let until = since.map(|since| since + window.length);
        match (since, known) {
            (Some(since), known) if known.as_ref().is_none_or(|known| known.since != since) => {
                let Window { connection, rule, reason, .. } = window.clone();
                let told = FreezeBegan {
                    connection: connection.clone(),
                    rule: rule.clone(),
                    until: since + window.length,
                    reason: reason.clone(),
                };
                let actor = WINDOW.to_owned();
                let freeze = Freeze { connection, rule, actor, reason, since, until, window: Some(id), thawed: None };
                self.hold_by(window.name.clone(), freeze);
                self.tell(&window.name, "freeze.began", &told.into());
            }
            (None, Some(_)) => self.close(&window.name)?,
            _ => {}
        }
        let edges = [until, window.cron.next(now)].into_iter().flatten();
        if let Some(due) = edges.min() {
            self.state.timers.put((due, id), Timer::Window);
        }
        Ok(())
    }

    fn close(&mut self, name: &String) -> Result<(), Poison> {
        let Some(freeze) = self.state.freezes.get(name).cloned() else { return Ok(()) };
        self.state.freezes.delete(name);
        self.set_free(None)?;
        let Freeze { connection, rule, since, reason, .. } = freeze.as_ref().clone();
        self.tell(name, "freeze.ended", &FreezeEnded { connection, rule, since, reason }.into());
        Ok(())
    }

    fn tell(&mut self, name: &str, what: &str, told: &Ours) {
        let id = Key::of(what, &[name.as_bytes(), &self.position.bytes()]);
        let correlation = Key::of("freeze", &[name.as_bytes()]).to_string();
        let chain = Chain { cause: correlation.clone(), correlation, depth: 0 };
        self.emit_ours(id, told, &chain);
    }
}
