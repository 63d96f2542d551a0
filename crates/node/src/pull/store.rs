//! What a source remembers: a SQLite file of its own in the data folder.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ensue_connect::pull::{Row, Rows, Store, StoreError};
use ensue_event::Digest;
use ensue_state::{Applied, Change, Error, Sqlite, State as _, sqlite};

const TABLE: &str = "rows";
/// The version of what sources write; another one is forgotten.
const FORMAT: u32 = 1;

/// The rows of a source.
pub(super) struct File {
    inner: Mutex<Sqlite>,
}

impl File {
    /// Opens the file or makes it. One that is broken or of another version is set aside: the source begins anew.
    pub(super) fn open(path: &Path) -> Result<File, Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| Error::Io {
                what: "make the folder",
                path: folder.into(),
                source,
            })?;
        }
        // The log's reserve is enough: nothing here is the only copy of anything.
        let open = || Sqlite::open_with(path, &[TABLE], 0);
        let opened = open().and_then(|store| match store.applied()? {
            Some(applied) if applied.fold != FORMAT => {
                Err(Error::Corrupt { path: path.into(), reason: "another format".into() })
            }
            _ => Ok(store),
        });
        let opened = match opened {
            Err(Error::Corrupt { reason, .. }) => {
                let aside = sqlite::set_aside(path)?;
                tracing::warn!(?aside, reason, "what a source remembered is set aside; it begins anew");
                open()?
            }
            opened => opened?,
        };
        Ok(File { inner: Mutex::new(opened) })
    }

    fn lock(&self) -> MutexGuard<'_, Sqlite> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(why: Error) -> StoreError {
    StoreError(why.to_string())
}

impl Store for File {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.lock().get(TABLE, key).map_err(failed)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let mut rows = self.lock().scan(TABLE, prefix.max(from), limit).map_err(failed)?;
        rows.retain(|(key, _)| key.starts_with(prefix));
        Ok(rows)
    }

    fn commit(&self, rows: Rows) -> Result<(), StoreError> {
        let changes: Vec<Change> = rows.into_iter().map(|(key, value)| Change { table: TABLE, key, value }).collect();
        let applied = Applied { position: None, chain: Digest::ZERO, fold: FORMAT, extra: serde_json::Value::Null };
        self.lock().commit(&changes, &applied).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use ensue_connect::pull::Memory;

    use super::*;

    /// What any store must do.
    fn conforms(store: &dyn Store) {
        let row =
            |key: &str, value: Option<&str>| (key.as_bytes().to_vec(), value.map(|value| value.as_bytes().to_vec()));
        store.commit(vec![row("a/1", Some("x")), row("a/2", Some("y")), row("b/1", Some("z"))]).unwrap();
        store.commit(vec![row("a/1", None), row("a/3", Some("w"))]).unwrap();
        assert_eq!(store.get(b"a/1").unwrap(), None);
        assert_eq!(store.get(b"b/1").unwrap().as_deref(), Some(b"z".as_slice()));
        let keys = |from: &str, limit| -> Vec<String> {
            let rows = store.scan(b"a/", from.as_bytes(), limit).unwrap();
            rows.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect()
        };
        assert_eq!(keys("", 10), ["a/2", "a/3"]);
        assert_eq!(keys("a/3", 10), ["a/3"]);
        assert_eq!(keys("", 1), ["a/2"]);
        store.clear().unwrap();
        assert!(keys("", 10).is_empty() && store.get(b"b/1").unwrap().is_none());
    }

    #[test]
    fn rows_are_kept_in_memory_and_on_disk_alike() {
        conforms(&Memory::default());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sources/default_cluster.db");
        conforms(&File::open(&path).unwrap());
        File::open(&path).unwrap().commit(vec![(b"k".to_vec(), Some(b"v".to_vec()))]).unwrap();
        assert_eq!(File::open(&path).unwrap().get(b"k").unwrap().as_deref(), Some(b"v".as_slice()));
        std::fs::write(&path, "this is no database, and it is longer than its head").unwrap();
        let _ = std::fs::remove_file(dir.path().join("sources/default_cluster.db-wal"));
        assert_eq!(File::open(&path).unwrap().get(b"k").unwrap(), None);
    }
}
