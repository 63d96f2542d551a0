//! Data too large for a record, kept beside the log under its BLAKE3.
//!
//! A blob is durable before the record that names it is appended, and never changes. `blobs/<first byte>/<digest>`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ensue_event::{BlobRef, Data, Digest, Event, Origin, Record, Span, Time, event::MAX_RECORD};

use crate::Error;
use crate::disk::{self, Disk};
use crate::format::size_bound;

/// How old a blob is at least when it is collected: one that was put and whose record is still on its way stays.
const YOUNG: Span = Span::hours(1);

/// The blobs of a data folder. Opened once by a process, cheap to clone; any thread may put and get.
pub struct Blobs<D: Disk> {
    disk: Arc<D>,
    folder: PathBuf,
    puts: Arc<AtomicU64>,
    /// Held while a blob gets its name and while an old one is looked at and removed: one that is put again at that
    /// moment stays.
    naming: Arc<Mutex<()>>,
}

impl<D: Disk> Clone for Blobs<D> {
    fn clone(&self) -> Self {
        let (disk, puts, naming) = (Arc::clone(&self.disk), Arc::clone(&self.puts), Arc::clone(&self.naming));
        Blobs { disk, folder: self.folder.clone(), puts, naming }
    }
}

impl<D: Disk> Blobs<D> {
    /// The blobs in this folder, which is made if it is not there. What a stop left half-written is removed.
    pub fn open(disk: Arc<D>, folder: &Path) -> Result<Blobs<D>, Error> {
        disk.create_dir(folder).map_err(Error::io("create", folder))?;
        disk::sync_parent(&*disk, folder).map_err(Error::io("sync the parent of", folder))?;
        let blobs = Blobs { disk, folder: folder.to_path_buf(), puts: Arc::default(), naming: Arc::default() };
        for shelf in blobs.shelves()? {
            let folder = blobs.folder.join(shelf);
            for name in blobs.disk.list(&folder).map_err(Error::io("list", &folder))? {
                if name.ends_with(".tmp") {
                    let path = folder.join(name);
                    blobs.disk.remove(&path).map_err(Error::io("remove", &path))?;
                }
            }
        }
        Ok(blobs)
    }

    fn shelves(&self) -> Result<Vec<String>, Error> {
        let names = self.disk.list(&self.folder).map_err(Error::io("list", &self.folder))?;
        Ok(names.into_iter().filter(|name| name.len() == 2).collect())
    }

    fn shelf(&self, digest: &Digest) -> PathBuf {
        let [first, ..] = digest.0;
        self.folder.join(format!("{first:02x}"))
    }

    /// The path of a blob.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.shelf(digest).join(digest.to_string())
    }

    /// Keeps these bytes; durable when it returns. The same bytes are kept once.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        let path = self.path(&digest);
        // Written again even where it is there: that makes it young for `collect`, and durable without a doubt.
        let shelf = self.shelf(&digest);
        self.disk.create_dir(&shelf).map_err(Error::io("create", &shelf))?;
        let number = self.puts.fetch_add(1, Ordering::Relaxed);
        let temporary = shelf.join(format!("{number}.tmp"));
        let written = self.write(&temporary, &path, &shelf, bytes);
        if written.is_err() {
            // Best effort: what is left is removed at the next start.
            let _ = self.disk.remove(&temporary);
        }
        written.map(|()| digest)
    }

    fn write(&self, temporary: &Path, path: &Path, shelf: &Path, bytes: &[u8]) -> Result<(), Error> {
        let disk = &*self.disk;
        let file = disk.create(temporary).map_err(Error::io("create", temporary))?;
        disk::write_all(disk, &file, 0, bytes).map_err(Error::io("write", temporary))?;
        disk.sync_data(&file).map_err(Error::io("sync", temporary))?;
        {
            let _naming = self.naming();
            disk.rename(temporary, path).map_err(Error::io("rename", temporary))?;
        }
        disk.sync_dir(shelf).map_err(Error::io("sync", shelf))?;
        disk.sync_dir(&self.folder).map_err(Error::io("sync", &self.folder))
    }

    fn naming(&self) -> MutexGuard<'_, ()> {
        self.naming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of a blob, verified against its digest.
    pub fn get(&self, digest: &Digest) -> Result<Bytes, Error> {
        let path = self.path(digest);
        let file = match self.disk.open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Error::NoBlob { path }),
            opened => opened.map_err(Error::io("open", &path))?,
        };
        let bytes = disk::read_whole(&*self.disk, &file).map_err(Error::io("read", &path))?;
        if Digest::of(&bytes) != *digest {
            return Err(Error::Damaged { path, offset: 0, why: "the content of a blob is not what its name says" });
        }
        Ok(bytes.into())
    }

    /// Moves the data of an event into a blob where it is too large for a record. Whether it did.
    pub fn put_large(&self, event: &mut Event) -> Result<bool, Error> {
        let (bytes, json) = match &event.data {
            Data::Json(bytes) => (bytes.clone(), true),
            Data::Bytes(bytes) => (bytes.clone(), false),
            _ => return Ok(false),
        };
        let is_large = bytes.len() > MAX_RECORD || size_bound(&Origin::Node, event) > MAX_RECORD + BlobRef::HEAD / 2;
        if !is_large || bytes.len() <= BlobRef::HEAD {
            return Ok(false);
        }
        let digest = self.put(&bytes)?;
        let head = Bytes::copy_from_slice(bytes.get(..BlobRef::HEAD).unwrap_or(&bytes));
        let blob = BlobRef { digest, size: bytes.len() as u64, json, head };
        event.data = Data::Blob { blob, whole: Some(bytes) };
        Ok(true)
    }

    /// Fills in the whole data of a record that holds only a reference to it.
    pub fn resolve(&self, record: &mut Record) -> Result<(), Error> {
        if let Data::Blob { blob, whole: whole @ None } = &mut record.event.data {
            *whole = Some(self.get(&blob.digest)?);
        }
        Ok(())
    }

    /// All blobs, sorted.
    pub fn list(&self) -> Result<Vec<Digest>, Error> {
        let mut found = Vec::new();
        for shelf in self.shelves()? {
            let folder = self.folder.join(shelf);
            let names = self.disk.list(&folder).map_err(Error::io("list", &folder))?;
            found.extend(names.iter().filter_map(|name| name.parse::<Digest>().ok()));
        }
        Ok(found)
    }

    /// Removes the blobs that nothing names and that are an hour old at `now`. Returns how many went.
    pub fn collect(&self, now: Time, is_named: impl Fn(&Digest) -> bool) -> Result<usize, Error> {
        let mut removed = 0;
        for digest in self.list()? {
            let path = self.path(&digest);
            let _naming = self.naming();
            let modified = match self.disk.modified(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                modified => modified.map_err(Error::io("look at", &path))?,
            };
            if now.since(modified) < YOUNG || is_named(&digest) {
                continue;
            }
            self.disk.remove(&path).map_err(Error::io("remove", &path))?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Removes a blob, as a purge of the record that names it asks for. Well where it is gone already.
    pub fn remove(&self, digest: &Digest) -> Result<(), Error> {
        let path = self.path(digest);
        match self.disk.remove(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(Error::io("remove", &path))?,
        }
        let shelf = self.shelf(digest);
        self.disk.sync_dir(&shelf).map_err(Error::io("sync", &shelf))
    }
}
