//! Events of 1 KiB, each with an id of its own, and rules that look at them.

use std::fmt::Write as _;

use crate::http::request;

/// The type of the nth event: there are a hundred.
const TYPES: u64 = 100;

/// Makes events, and counts them.
pub(crate) struct Made {
    next: u64,
    run: u64,
    /// Bytes of all events made so far, as JSON.
    pub(crate) bytes: u64,
}

impl Made {
    pub(crate) fn new() -> Made {
        let run = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Made { next: 0, run: u64::try_from(run.as_nanos() & u128::from(u64::MAX)).unwrap_or_default(), bytes: 0 }
    }

    /// One event as JSON, of 1,024 bytes.
    pub(crate) fn one(&mut self) -> String {
        self.next += 1;
        let (run, next) = (self.run, self.next);
        let kind = next % TYPES;
        let mut text = format!(
            r#"{{"specversion":"1.0","id":"{run:x}-{next:08}","source":"/bench/ingest","type":"bench.ingest.{kind}","time":"2026-01-31T09:30:00Z","datacontenttype":"application/json","data":{{"namespace":"shop","deployment":"api","count":{next},"labels":{{"team":"shop","tier":"backend"}},"text":""#
        );
        while text.len() < 1_024 - 3 {
            text.push(char::from(b'a' + u8::try_from(text.len() % 26).unwrap_or_default()));
        }
        text.push_str("\"}}");
        self.bytes += text.len() as u64;
        text
    }

    /// So many events, each as a request of its own.
    pub(crate) fn singles(&mut self, count: usize) -> Vec<Vec<u8>> {
        let headers = [("content-type", "application/cloudevents+json")];
        (0..count).map(|_| request("POST", "/events", &headers, self.one().as_bytes())).collect()
    }

    /// So many events in requests of `size`.
    pub(crate) fn batches(&mut self, count: usize, size: usize) -> Vec<Vec<u8>> {
        let headers = [("content-type", "application/cloudevents-batch+json")];
        let batch = |made: &mut Made| {
            let events: Vec<String> = (0..size).map(|_| made.one()).collect();
            request("POST", "/events", &headers, format!("[{}]", events.join(",")).as_bytes())
        };
        (0..count / size).map(|_| batch(self)).collect()
    }
}

/// Rules of as many types. Each looks into the data of its events, and none fires: what is measured is the matching.
pub(crate) fn rules(count: usize) -> String {
    let mut out = String::new();
    for nth in 0..count {
        // Writing to a String does not fail.
        let _ = write!(
            out,
            "---\napiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: rule-{nth} }}\nspec:\n  when: {{ event: {{ type: [bench.ingest.{nth}], data: {{ namespace: [shop], deployment: [web, batch], count: [{{ numeric: [\">\", 0] }}] }} }} }}\n  storm: {{ perKey: 1000000, perRule: 1000000 }}\n  steps:\n    - {{ id: a, set: {{ done: 1 }} }}\n"
        );
    }
    out
}
