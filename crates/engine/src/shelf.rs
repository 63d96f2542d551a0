//! How a table holds a row: as it is, or, where there may be many large ones that nothing touches for hours, as its
//! bytes. A run that waits takes a tenth of the memory so.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use crate::table::RowValue;

/// How many rows of a table that was written or looked at last stay as they are: those of runs that go on just now.
pub(crate) const HOT: usize = 1_024;

/// A row as it was at a moment, cheap to take along: it is read where it is needed, and not while the fold waits.
#[derive(Clone, Debug)]
pub enum Look<V> {
    /// As it is.
    Row(Arc<V>),
    /// As the store has it.
    Bytes(Arc<[u8]>),
}

impl<V: RowValue> Look<V> {
    /// The row.
    #[must_use]
    pub fn read(&self) -> Arc<V> {
        match self {
            Look::Row(row) => Arc::clone(row),
            Look::Bytes(bytes) => from_own(bytes),
        }
    }
}

/// Bytes that were read or made here can be read again.
#[allow(clippy::expect_used, reason = "they were read when they were loaded, or written from the row itself")]
fn from_own<V: RowValue>(bytes: &[u8]) -> Arc<V> {
    Arc::new(V::read(bytes).expect("a row cannot be read from its own bytes"))
}

/// A place for a row.
pub trait Slot<V>: Debug + Sized {
    /// A row that the store has not seen.
    fn new(value: Arc<V>) -> Self;
    /// A row of the store, or what is wrong with it.
    fn loaded(bytes: &[u8]) -> Result<Self, String>;
    /// The row.
    fn get(&self) -> &Arc<V>;
    /// The row, for one look: what is kept as bytes stays so.
    fn look(&self) -> Look<V>;
    /// Whether it is kept as bytes alone.
    fn is_cold(&self) -> bool {
        false
    }
    /// Takes note of the bytes that the store got, in the write of this number. True if the row may be kept as them.
    fn written(&mut self, _bytes: &[u8], _write: u64) -> bool {
        false
    }
    /// Whether that was its last write: what was written since is still needed as it is.
    fn is_of(&self, _write: u64) -> bool {
        false
    }
    /// Keeps the bytes alone, if the store has them.
    fn cool(&mut self) {}
}

/// Small rows, and those that are needed all the time.
impl<V: RowValue + Debug> Slot<V> for Arc<V> {
    fn new(value: Arc<V>) -> Arc<V> {
        value
    }
    fn loaded(bytes: &[u8]) -> Result<Arc<V>, String> {
        V::read(bytes).map(Arc::new)
    }
    fn get(&self) -> &Arc<V> {
        self
    }
    fn look(&self) -> Look<V> {
        Look::Row(Arc::clone(self))
    }
}

/// A row that is its bytes most of the time. At least one of the two is there.
#[derive(Debug)]
pub struct Shelved<V> {
    /// As the store has it; empty before it does.
    bytes: Arc<[u8]>,
    /// The number of the write in which it got them.
    write: u64,
    value: OnceLock<Arc<V>>,
}

impl<V: RowValue + Debug> Slot<V> for Shelved<V> {
    fn new(value: Arc<V>) -> Shelved<V> {
        Shelved { bytes: Arc::default(), write: 0, value: OnceLock::from(value) }
    }
    fn loaded(bytes: &[u8]) -> Result<Shelved<V>, String> {
        // Kept first and then tried: what the trial takes lies above it in memory, and goes again.
        let kept = Shelved { bytes: bytes.into(), write: 0, value: OnceLock::new() };
        V::read(&kept.bytes)?;
        Ok(kept)
    }
    fn get(&self) -> &Arc<V> {
        self.value.get_or_init(|| from_own(&self.bytes))
    }
    fn look(&self) -> Look<V> {
        self.value.get().map_or_else(|| Look::Bytes(Arc::clone(&self.bytes)), |row| Look::Row(Arc::clone(row)))
    }
    fn is_cold(&self) -> bool {
        self.value.get().is_none()
    }
    fn written(&mut self, bytes: &[u8], write: u64) -> bool {
        (self.bytes, self.write) = (bytes.into(), write);
        true
    }
    fn is_of(&self, write: u64) -> bool {
        self.write == write
    }
    fn cool(&mut self) {
        if !self.bytes.is_empty() {
            self.value.take();
        }
    }
}
