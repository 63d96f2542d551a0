//! Faults on request: what a cluster does to its clients now and then.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 with `Retry-After` in seconds.
    TooManyRequests(u32),
    /// 500.
    Internal,
    /// 503.
    Unavailable,
    /// The answer is held back.
    Delay(Duration),
    /// 410: of a list with `continue`, its answer; of a watch, an ERROR line as its first.
    Expire,
    /// The answer breaks off in the middle of its JSON; of a watch, in the middle of a line.
    Cut,
    /// The connection is closed without an answer.
    Close,
}

/// What ends an open watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchFault {
    Drop,
    Expire,
    Cut,
}

/// Which requests.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// `GET`, `PATCH` and so on; empty is any.
    pub method: String,
    /// A part of the path; empty is any.
    pub path: String,
    /// Only watches, or only what is no watch.
    pub watch: Option<bool>,
}

impl Matcher {
    /// Every request.
    pub fn any() -> Matcher {
        Matcher::default()
    }

    /// Requests of a method whose path contains a text.
    pub fn new(method: &str, path: &str) -> Matcher {
        Matcher { method: method.to_owned(), path: path.to_owned(), watch: None }
    }

    /// Watches whose path contains a text.
    pub fn watches(path: &str) -> Matcher {
        Matcher { method: String::new(), path: path.to_owned(), watch: Some(true) }
    }

    fn matches(&self, method: &str, path: &str, watch: bool) -> bool {
        (self.method.is_empty() || self.method == method)
            && path.contains(&self.path)
            && self.watch.is_none_or(|only| only == watch)
    }
}

struct Rule {
    matcher: Matcher,
    fault: Fault,
    /// How often still; `None` is always.
    left: Option<usize>,
}

struct Open {
    path: String,
    fault: WatchFault,
    version: u64,
}

/// The faults of a server.
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    open: Mutex<Vec<Open>>,
    signal: watch::Sender<u64>,
    down: watch::Sender<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Faults {
    pub(crate) fn new() -> Faults {
        Faults {
            rules: Mutex::default(),
            open: Mutex::default(),
            signal: watch::Sender::new(0),
            down: watch::Sender::new(false),
        }
    }

    /// The next `count` requests that match get the fault.
    pub fn next(&self, count: usize, matcher: Matcher, fault: Fault) {
        lock(&self.rules).push(Rule { matcher, fault, left: Some(count) });
    }

    /// All requests that match get the fault, until [`Faults::clear`].
    pub fn always(&self, matcher: Matcher, fault: Fault) {
        lock(&self.rules).push(Rule { matcher, fault, left: None });
    }

    /// No more faults, and the server is up.
    pub fn clear(&self) {
        lock(&self.rules).clear();
        lock(&self.open).clear();
        self.up();
    }

    /// Ends the watches that are open now and whose path contains the text; their clients see a clean end.
    pub fn drop_watches(&self, path: &str) {
        self.end(path, WatchFault::Drop);
    }

    /// Ends the open watches with an ERROR line of code 410.
    pub fn expire_watches(&self, path: &str) {
        self.end(path, WatchFault::Expire);
    }

    /// Breaks the open watches off in the middle of a line.
    pub fn cut_watches(&self, path: &str) {
        self.end(path, WatchFault::Cut);
    }

    fn end(&self, path: &str, fault: WatchFault) {
        self.signal.send_modify(|version| {
            *version += 1;
            lock(&self.open).push(Open { path: path.to_owned(), fault, version: *version });
        });
    }

    /// Refuses connections and breaks those that are open.
    pub fn down(&self) {
        self.down.send_replace(true);
    }

    /// Listens again, on the same port.
    pub fn up(&self) {
        self.down.send_replace(false);
    }

    pub(crate) fn is_down(&self) -> watch::Receiver<bool> {
        self.down.subscribe()
    }

    pub(crate) fn take(&self, method: &str, path: &str, watch: bool) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let at = rules.iter().position(|rule| rule.left != Some(0) && rule.matcher.matches(method, path, watch))?;
        let rule = rules.get_mut(at)?;
        if let Some(left) = &mut rule.left {
            *left -= 1;
        }
        Some(rule.fault)
    }

    /// A receiver that is told of every order to end watches, from now on.
    pub(crate) fn watch_signal(&self) -> watch::Receiver<u64> {
        self.signal.subscribe()
    }

    /// The order that ends a watch of this path which was opened at a version of the signal.
    pub(crate) fn ended(&self, path: &str, opened: u64) -> Option<WatchFault> {
        let open = lock(&self.open);
        open.iter().find(|one| one.version > opened && path.contains(&one.path)).map(|one| one.fault)
    }
}
