//! What a source remembers: rows by key, kept by whoever runs it. Whatever is written here must be durable in the log
//! before.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Rows to be written; those without a value are deleted.
pub type Rows = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Rows cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what the source remembers cannot be used: {0}")]
pub struct StoreError(pub String);

/// Rows in the order of the bytes of their keys. A crash may lose the newest commits, never a part of one: then the
/// source reads the same once more.
pub trait Store: Send + Sync {
    /// The value of a row.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Rows whose key begins with `prefix`, from the key `from` on, at most so many.
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError>;

    /// Writes all rows, or none.
    fn commit(&self, rows: Rows) -> Result<(), StoreError>;

    /// Forgets everything.
    fn clear(&self) -> Result<(), StoreError> {
        loop {
            let rows = self.scan(&[], &[], 1_000)?;
            if rows.is_empty() {
                return Ok(());
            }
            self.commit(rows.into_iter().map(|(key, _)| (key, None)).collect())?;
        }
    }
}

/// Rows in memory, for tests.
#[derive(Debug, Default)]
pub struct Memory {
    rows: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Memory {
    /// The rows as they are now.
    fn clone(&self) -> Memory {
        Memory { rows: Mutex::new(self.lock().clone()) }
    }
}

impl Store for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let rows = self.lock();
        let found = rows.range(prefix.max(from).to_vec()..).take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&self, changes: Rows) -> Result<(), StoreError> {
        let mut rows = self.lock();
        for (key, value) in changes {
            match value {
                Some(value) => drop(rows.insert(key, value)),
                None => drop(rows.remove(&key)),
            }
        }
        Ok(())
    }
}
