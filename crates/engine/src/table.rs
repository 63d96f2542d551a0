//! Rows that change together or not at all, and are written behind.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeFrom;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ensue_event::{Digest, Emission, Event, Key, Origin, Position, Time, codec};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::shelf::{HOT, Look, Slot};
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
    /// How a table holds it: as it is, or as bytes while nothing touches it.
    type Slot: Slot<Self>;
    /// Its bytes.
    fn bytes(&self) -> Vec<u8>;
    /// The value of these bytes, or what is wrong with them.
    fn read(bytes: &[u8]) -> Result<Self, String>;
}

/// Rows by key: as they are (`base`), what the record at hand changes (`dirty`), and what is not in the store yet
/// (`unsaved`).
#[derive(Debug)]
pub struct Table<K: Ord, V: RowValue> {
    name: &'static str,
    base: BTreeMap<K, V::Slot>,
    dirty: BTreeMap<K, Option<Arc<V>>>,
    unsaved: BTreeMap<K, Unsaved<V>>,
    /// Keys of rows that were written and may be kept as bytes, each with the number of its write, in that order.
    written: VecDeque<(K, u64)>,
    writes: u64,
    /// How many rows that were kept as bytes were looked at since.
    heated: AtomicUsize,
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
        Table {
            name,
            base: BTreeMap::new(),
            dirty: BTreeMap::new(),
            unsaved: BTreeMap::new(),
            written: VecDeque::new(),
            writes: 0,
            heated: AtomicUsize::new(0),
        }
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
            None => self.base.get(key).map(|slot| self.of_slot(slot)),
        }
    }

    fn of_slot<'a>(&'a self, slot: &'a V::Slot) -> &'a Arc<V> {
        if slot.is_cold() {
            self.heated.fetch_add(1, Ordering::Relaxed);
        }
        slot.get()
    }

    /// Whether there is a row of this key, with the changes of the record at hand.
    #[must_use]
    pub fn has(&self, key: &K) -> bool {
        self.dirty.get(key).map_or_else(|| self.base.contains_key(key), Option::is_some)
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
        let there = self.has(key);
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
        let base = self.base.iter().map(|(key, slot)| (key, self.of_slot(slot)));
        merge(base, self.dirty.iter().map(|(key, row)| (key, row.as_ref())))
    }

    /// The keys of all rows, with the changes of the record at hand.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        let dirty = self.dirty.iter().map(|(key, row)| (key, row.as_ref().map(|_| ())));
        merge(self.base.keys().map(|key| (key, ())), dirty).map(|(key, ())| key)
    }

    /// The keys from this one on.
    pub fn keys_from(&self, range: RangeFrom<K>) -> impl Iterator<Item = &K> {
        let base = self.base.range(range.clone()).map(|(key, _)| (key, ()));
        let dirty = self.dirty.range(range).map(|(key, row)| (key, row.as_ref().map(|_| ())));
        merge(base, dirty).map(|(key, ())| key)
    }

    /// All rows, for a look at many of them: what is kept as bytes stays so.
    pub fn look(&self) -> impl Iterator<Item = (&K, Look<V>)> {
        let base = self.base.iter().map(|(key, slot)| (key, slot.look()));
        merge(base, self.dirty.iter().map(|(key, row)| (key, row.clone().map(Look::Row))))
    }

    /// One of them.
    #[must_use]
    pub fn peek(&self, key: &K) -> Option<Arc<V>> {
        match self.dirty.get(key) {
            Some(changed) => changed.clone(),
            None => self.base.get(key).map(|slot| slot.look().read()),
        }
    }

    /// The rows from this key on.
    pub fn from(&self, range: RangeFrom<K>) -> impl Iterator<Item = (&K, &Arc<V>)> {
        let base = self.base.range(range.clone()).map(|(key, slot)| (key, self.of_slot(slot)));
        merge(base, self.dirty.range(range).map(|(key, row)| (key, row.as_ref())))
    }

    /// The rows before the changes of the record at hand, backwards: for listings, newest first.
    pub fn newest(&self) -> impl Iterator<Item = (&K, &Arc<V>)> {
        self.base.iter().rev().map(|(key, slot)| (key, self.of_slot(slot)))
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
                Some(value) => self.base.insert(key.clone(), V::Slot::new(Arc::clone(value))).is_some(),
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

    /// Takes what the store has not seen yet. Large rows that were not touched for a while are kept as bytes from here
    /// on.
    pub fn drain(&mut self, rows: &mut Vec<Row>) {
        while let Some((key, change)) = self.unsaved.pop_first() {
            let value = change.value.map(|value| value.bytes());
            let bytes = key.bytes();
            self.writes += 1;
            if let Some(value) = &value
                && self.base.get_mut(&key).is_some_and(|slot| slot.written(value, self.writes))
            {
                self.written.push_back((key, self.writes));
            }
            rows.push(Row { table: self.name, key: bytes, value });
        }
        while self.written.len() > HOT {
            let Some((key, write)) = self.written.pop_front() else { break };
            if let Some(slot) = self.base.get_mut(&key).filter(|slot| slot.is_of(write)) {
                slot.cool();
            }
        }
        if *self.heated.get_mut() > HOT {
            *self.heated.get_mut() = 0;
            self.base.values_mut().for_each(Slot::cool);
        }
    }

    /// Takes a row from the store, at start-up.
    pub fn load(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let key =
            K::read(key).ok_or_else(|| format!("table {}: a key of {} bytes cannot be read", self.name, key.len()))?;
        let row = V::Slot::loaded(value).map_err(|why| format!("table {}: {why}", self.name))?;
        self.base.insert(key, row);
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

/// Both in order; where both have a key, what is dirty counts, and `None` there is a row that goes.
fn merge<'a, K: Ord + 'a, T>(
    base: impl Iterator<Item = (&'a K, T)>,
    dirty: impl Iterator<Item = (&'a K, Option<T>)>,
) -> impl Iterator<Item = (&'a K, T)> {
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
    type Slot = Arc<Event>;
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
    (@one $name:ty, $slot:ty) => {
        impl $crate::table::RowValue for $name {
            type Slot = $slot;
            fn bytes(&self) -> Vec<u8> { $crate::table::json_bytes(self) }
            fn read(bytes: &[u8]) -> Result<Self, String> { $crate::table::json_read(bytes) }
        }
    };
    (shelved: $($name:ty),+) => {
        $($crate::table::json_row!(@one $name, $crate::shelf::Shelved<$name>);)+
    };
    ($($name:ty),+ $(,)?) => {
        $($crate::table::json_row!(@one $name, std::sync::Arc<$name>);)+
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
