//! What is known of the objects of one watch: their last version, compact, in the source's store.
//!
//! An object is kept as its JSON, compressed against the first object that was seen of the watch: objects of a kind are
//! much alike, so that a few hundred bytes say the rest.

use std::sync::{Arc, OnceLock};

use ensue_event::Time;
use serde_json::Value;

use crate::pull::{Rows, Store, StoreError};

/// The longest piece of an object that others are compressed against, in bytes: what LZ4 can look back.
const DICTIONARY: usize = 60 << 10;
/// The first byte of a row; another one is not read.
const FORMAT: u8 = 1;
/// How many rows are read at once.
const PAGE: usize = 256;
/// Before version, mark and length; after them the object.
const HEAD: usize = 1 + 8 + 4;

/// The last version of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) object: Value,
    /// The generation that the action made whose mark the object carries.
    pub(super) marked: Option<i64>,
}

/// The same before it is written: as text, which is a tenth of the tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) json: String,
    pub(super) marked: Option<i64>,
}

impl Kept {
    /// An object as it is kept.
    pub(super) fn of(object: &Value, marked: Option<i64>) -> Kept {
        Kept { json: object.to_string(), marked }
    }

    /// The object, read again.
    pub(super) fn known(&self) -> Option<Known> {
        Some(Known { object: serde_json::from_str(&self.json).ok()?, marked: self.marked })
    }
}

/// The objects of one watch.
pub(super) struct Shelf {
    store: Arc<dyn Store>,
    watch: String,
    dictionary: OnceLock<Vec<u8>>,
}

impl Shelf {
    /// What the store knows of this watch.
    pub(super) fn open(store: Arc<dyn Store>, watch: String) -> Result<Shelf, StoreError> {
        let shelf = Shelf { dictionary: OnceLock::new(), store, watch };
        if let Some(dictionary) = shelf.store.get(&shelf.key('d', ""))? {
            let _ = shelf.dictionary.set(dictionary);
        }
        Ok(shelf)
    }

    fn key(&self, what: char, uid: &str) -> Vec<u8> {
        format!("{what}/{}/{uid}", self.watch).into_bytes()
    }

    /// The version of the cluster up to which all is known, and when that was; nothing before the first list is whole.
    pub(super) fn version(&self) -> Result<Option<(String, Time)>, StoreError> {
        let row = self.store.get(&self.key('v', ""))?.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(row.and_then(|row| {
            let (at, version) = row.split_once(' ')?;
            Some((version.to_owned(), Time(at.parse().ok()?)))
        }))
    }

    /// The row that says up to which version all is known, as of now.
    pub(super) fn set_version(&self, version: &str, now: Time, rows: &mut Rows) {
        rows.push((self.key('v', ""), Some(format!("{} {version}", now.micros()).into_bytes())));
    }

    /// What is known of an object.
    pub(super) fn get(&self, uid: &str) -> Result<Option<Known>, StoreError> {
        Ok(self.store.get(&self.key('o', uid))?.and_then(|row| self.decode(&row)))
    }

    /// The row that keeps a version of an object.
    pub(super) fn put(&self, uid: &str, kept: &Kept, rows: &mut Rows) {
        let json = kept.json.as_bytes();
        let dictionary = self.dictionary.get_or_init(|| {
            let first = json.get(..DICTIONARY).unwrap_or(json).to_vec();
            rows.push((self.key('d', ""), Some(first.clone())));
            first
        });
        rows.push((self.key('o', uid), Some(encode(json, kept.marked, dictionary))));
    }

    /// The row that forgets an object.
    pub(super) fn remove(&self, uid: &str, rows: &mut Rows) {
        rows.push((self.key('o', uid), None));
    }

    /// The objects after this uid, in the order of their uids: at most a page of them.
    pub(super) fn after(&self, uid: &str) -> Result<Vec<(String, Known)>, StoreError> {
        let prefix = self.key('o', "");
        let mut from = self.key('o', uid);
        if !uid.is_empty() {
            from.push(0);
        }
        let rows = self.store.scan(&prefix, &from, PAGE)?;
        let read = rows.into_iter().filter_map(|(key, value)| {
            let uid = String::from_utf8(key.get(prefix.len()..)?.to_vec()).ok()?;
            // One that cannot be read is as good as unknown: it is found again by the next list.
            Some((uid, self.decode(&value)?))
        });
        Ok(read.collect())
    }

    fn decode(&self, row: &[u8]) -> Option<Known> {
        let (head, body) = row.split_at_checked(HEAD)?;
        let (format, rest) = head.split_first()?;
        if *format != FORMAT {
            return None;
        }
        let (marked, length) = rest.split_at_checked(8)?;
        let marked = i64::from_be_bytes(marked.try_into().ok()?);
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        let dictionary = self.dictionary.get()?;
        let json = lz4_flex::block::decompress_with_dict(body, length, dictionary).ok()?;
        Some(Known { object: serde_json::from_slice(&json).ok()?, marked: (marked >= 0).then_some(marked) })
    }
}

fn encode(json: &[u8], marked: Option<i64>, dictionary: &[u8]) -> Vec<u8> {
    let mut row = vec![FORMAT];
    row.extend_from_slice(&marked.unwrap_or(-1).to_be_bytes());
    row.extend_from_slice(&u32::try_from(json.len()).unwrap_or(u32::MAX).to_be_bytes());
    row.extend_from_slice(&lz4_flex::block::compress_with_dict(json, dictionary));
    row
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_kept_small_and_come_back_whole() {
        let pod = |nth: usize| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("web-{nth}"), "uid": format!("{nth:036}"),
                "labels": {"app": "web", "team": "shop"}, "annotations": {"note": "x".repeat(500)}},
                "spec": {"containers": [{"name": "app", "image": "registry.example.com/web:1", "env": (0..40).map(|n| json!({"name": format!("VARIABLE_{n}"), "value": format!("value {n}")})).collect::<Vec<_>>()}]}})
        };
        let store: Arc<dyn Store> = Arc::new(crate::pull::Memory::default());
        let shelf = Shelf::open(Arc::clone(&store), "w".into()).unwrap();
        let mut rows = Rows::new();
        for nth in 0..600 {
            let kept = Kept::of(&pod(nth), (nth == 3).then_some(7));
            shelf.put(&format!("{nth:036}"), &kept, &mut rows);
        }
        let bytes: usize = rows.iter().skip(2).filter_map(|(_, value)| value.as_ref()).map(Vec::len).sum();
        assert!(bytes / 599 < 200, "{}", bytes / 599);
        shelf.set_version("17", Time(5), &mut rows);
        store.commit(rows).unwrap();
        let shelf = Shelf::open(Arc::clone(&store), "w".into()).unwrap();
        assert_eq!(shelf.version().unwrap(), Some(("17".to_owned(), Time(5))));
        assert_eq!(shelf.get(&format!("{:036}", 3)).unwrap(), Some(Known { object: pod(3), marked: Some(7) }));
        let (mut seen, mut from) = (0, String::new());
        loop {
            let page = shelf.after(&from).unwrap();
            let Some((last, _)) = page.last() else { break };
            from.clone_from(last);
            seen += page.len();
        }
        assert_eq!(seen, 600);
        assert!(Shelf::open(store, "other".into()).unwrap().after("").unwrap().is_empty());
    }
}
