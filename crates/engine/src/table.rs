//! Rows that change together or not at all, and are written behind.

use std::collections::BTreeMap;
use std::ops::RangeFrom;
use std::sync::Arc;

use ensue_event::{Digest, Emission, Event, Key, Origin, Position, Time, codec};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::state::Row;

/// A key whose bytes sort as it does.
pub trait RowKey: Ord + Clone {
    /// Its bytes.
    fn bytes(&self) -> Vec<u8>;
    /// The key of these bytes.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// A value that a row can hold.
pub trait RowValue: Sized {
    /// Its bytes.
    fn bytes(&self) -> Vec<u8>;
    /// The value of these bytes, or what is wrong with them.
    fn read(bytes: &[u8]) -> Result<Self, String>;
}

/// Rows by key: as they are (`base`), what the record at hand changes (`dirty`), and what is not in the store yet
/// (`unsaved`).
#[derive(Debug)]
pub struct Table<K: Ord, V> {
    name: &'static str,
    base: BTreeMap<K, Arc<V>>,
    dirty: BTreeMap<K, Option<Arc<V>>>,
    unsaved: BTreeMap<K, Unsaved<V>>,
}

#[derive(Debug)]
struct Unsaved<V> {
    value: Option<Arc<V>>,
    /// The store has never seen this key: if the row goes before it is written, it never was.
    born: bool,
}

impl<K: RowKey, V: RowValue> Table<K, V> {
    /// An empty table; `name` is that of the store's table.
    #[must_use]
    pub const fn new(name: &'static str) -> Table<K, V> {
        Table { name, base: BTreeMap::new(), dirty: BTreeMap::new(), unsaved: BTreeMap::new() }
    }

    /// The name of the store's table.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The row of this key, with the changes of the record at hand.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&Arc<V>>
    where
        K: std::borrow::Borrow<Q>,
    {
        match self.dirty.get(key) {
            Some(changed) => changed.as_ref(),
            None => self.base.get(key),
        }
    }

    /// Sets a row.
    pub fn put(&mut self, key: K, value: V) {
        self.share(key, Arc::new(value));
    }

    /// Sets a row to a value that others have too.
    pub fn share(&mut self, key: K, value: Arc<V>) {
        self.dirty.insert(key, Some(value));
    }

    /// Removes a row; true if it was there.
    pub fn delete(&mut self, key: &K) -> bool {
        let there = self.get(key).is_some();
        if there {
            self.dirty.insert(key.clone(), None);
        }
        there
    }

    /// The first row by key.
    #[must_use]
    pub fn first(&self) -> Option<(&K, &Arc<V>)> {
        self.iter().next()
    }

    /// All rows by key, with the changes of the record at hand.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Arc<V>)> {
        merge(self.base.iter(), self.dirty.iter())
    }

    /// The rows from this key on.
    pub fn from(&self, range: RangeFrom<K>) -> impl Iterator<Item = (&K, &Arc<V>)> {
        merge(self.base.range(range.clone()), self.dirty.range(range))
    }

    /// The rows before the changes of the record at hand, backwards: for listings, newest first.
    pub fn newest(&self) -> impl Iterator<Item = (&K, &Arc<V>)> {
        self.base.iter().rev()
    }

    /// How many rows there are, without the changes of the record at hand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.base.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.base.is_empty()
    }

    /// Applies the changes of the record at hand.
    pub fn settle(&mut self) {
        while let Some((key, value)) = self.dirty.pop_first() {
            let known = match &value {
                Some(value) => self.base.insert(key.clone(), Arc::clone(value)).is_some(),
                None => self.base.remove(&key).is_some(),
            };
            let born = match self.unsaved.get(&key) {
                Some(earlier) => earlier.born,
                None => !known,
            };
            if born && value.is_none() {
                self.unsaved.remove(&key);
            } else {
                self.unsaved.insert(key, Unsaved { value, born });
            }
        }
    }

    /// Throws the changes of the record at hand away.
    pub fn undo(&mut self) {
        self.dirty.clear();
    }

    /// Takes what the store has not seen yet.
    pub fn drain(&mut self, rows: &mut Vec<Row>) {
        while let Some((key, change)) = self.unsaved.pop_first() {
            let value = change.value.map(|value| value.bytes());
            rows.push(Row { table: self.name, key: key.bytes(), value });
        }
    }

    /// Takes a row from the store, at start-up.
    pub fn load(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let key =
            K::read(key).ok_or_else(|| format!("table {}: a key of {} bytes cannot be read", self.name, key.len()))?;
        let value = V::read(value).map_err(|why| format!("table {}: {why}", self.name))?;
        self.base.insert(key, Arc::new(value));
        Ok(())
    }
}

impl<V: RowValue> Table<(Key, Key), V> {
    /// The rows under this first key, by their second.
    pub fn of(&self, first: Key) -> impl Iterator<Item = (Key, &Arc<V>)> {
        let rows = self.from((first, Key([0; 16]))..);
        rows.take_while(move |((of, _), _)| *of == first).map(|((_, second), row)| (*second, row))
    }
}

fn merge<'a, K: Ord + 'a, V: 'a>(
    base: impl Iterator<Item = (&'a K, &'a Arc<V>)>,
    dirty: impl Iterator<Item = (&'a K, &'a Option<Arc<V>>)>,
) -> impl Iterator<Item = (&'a K, &'a Arc<V>)> {
    let (mut base, mut dirty) = (base.peekable(), dirty.peekable());
    std::iter::from_fn(move || {
        loop {
            let order = match (base.peek(), dirty.peek()) {
                (None, None) => return None,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            match order {
                std::cmp::Ordering::Less => return base.next(),
                std::cmp::Ordering::Equal => {
                    base.next();
                }
                std::cmp::Ordering::Greater => {}
            }
            if let Some((key, Some(value))) = dirty.next() {
                return Some((key, value));
            }
        }
    })
}

/// Values are JSON: they can be read with any SQLite client.
pub(crate) fn json_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Reads a JSON value.
pub(crate) fn json_read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|why| why.to_string())
}

/// An event is a row as the log has it.
impl RowValue for Event {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        codec::encode(&Origin::Node, self, &mut out);
        out
    }
    fn read(bytes: &[u8]) -> Result<Event, String> {
        codec::decode(bytes.to_vec().into()).map(|(_, event)| event).map_err(|why| why.to_string())
    }
}

macro_rules! json_row {
    ($($name:ty),+ $(,)?) => {
        $(impl $crate::table::RowValue for $name {
            fn bytes(&self) -> Vec<u8> { $crate::table::json_bytes(self) }
            fn read(bytes: &[u8]) -> Result<Self, String> { $crate::table::json_read(bytes) }
        })+
    };
}
pub(crate) use json_row;

impl RowKey for String {
    fn bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
    fn read(bytes: &[u8]) -> Option<String> {
        String::from_utf8(bytes.to_vec()).ok()
    }
}

impl RowKey for Key {
    fn bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }
    fn read(bytes: &[u8]) -> Option<Key> {
        bytes.try_into().ok().map(Key)
    }
}

impl RowKey for Digest {
    fn bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }
    fn read(bytes: &[u8]) -> Option<Digest> {
        bytes.try_into().ok().map(Digest)
    }
}

impl RowKey for Position {
    fn bytes(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }
    fn read(bytes: &[u8]) -> Option<Position> {
        bytes.try_into().ok().map(|bytes| Position(u64::from_be_bytes(bytes)))
    }
}

impl RowKey for Emission {
    fn bytes(&self) -> Vec<u8> {
        [self.position.bytes().as_slice(), &self.index.to_be_bytes()].concat()
    }
    fn read(bytes: &[u8]) -> Option<Emission> {
        let (position, index) = bytes.split_at_checked(8)?;
        Some(Emission { position: Position::read(position)?, index: u32::from_be_bytes(index.try_into().ok()?) })
    }
}

/// A time and what is due then; times before 1970 do not occur as append times, and sort first if they do.
impl RowKey for (Time, Key) {
    fn bytes(&self) -> Vec<u8> {
        [(self.0.0 ^ i64::MIN).to_be_bytes().as_slice(), &self.1.0].concat()
    }
    fn read(bytes: &[u8]) -> Option<(Time, Key)> {
        let (time, key) = bytes.split_at_checked(8)?;
        Some((Time(i64::from_be_bytes(time.try_into().ok()?) ^ i64::MIN), Key::read(key)?))
    }
}

/// A rule and something of it.
impl RowKey for (Key, Key) {
    fn bytes(&self) -> Vec<u8> {
        [self.0.0, self.1.0].concat()
    }
    fn read(bytes: &[u8]) -> Option<(Key, Key)> {
        let (rule, of) = bytes.split_at_checked(16)?;
        Some((Key::read(rule)?, Key::read(of)?))
    }
}

/// A run and the number of a branch.
impl RowKey for (Key, u32) {
    fn bytes(&self) -> Vec<u8> {
        [self.0.0.as_slice(), &self.1.to_be_bytes()].concat()
    }
    fn read(bytes: &[u8]) -> Option<(Key, u32)> {
        let (run, id) = bytes.split_at_checked(16)?;
        Some((Key::read(run)?, u32::from_be_bytes(id.try_into().ok()?)))
    }
}

impl RowKey for (Position, String) {
    fn bytes(&self) -> Vec<u8> {
        [self.0.bytes().as_slice(), self.1.as_bytes()].concat()
    }
    fn read(bytes: &[u8]) -> Option<(Position, String)> {
        let (position, name) = bytes.split_at_checked(8)?;
        Some((Position::read(position)?, String::from_utf8(name.to_vec()).ok()?))
    }
}
