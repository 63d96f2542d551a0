//! What is kept for how long: segments until they are trimmed, their ids until the window of deduplication is past.

use std::sync::Arc;

use ensue_event::{Position, Time};

use crate::disk::Disk;
use crate::index::{FileIndex, Index};
use crate::segment::Segment;
use crate::{Error, FileLog, Trimmed};

impl<D: Disk> FileLog<D> {
    pub(crate) fn trim_before(&mut self, before: Position) -> Result<Trimmed, Error> {
        self.join();
        let mut trimmed = Trimmed { first: Position(self.shared.view().first), ..Trimmed::default() };
        let segments = self.shared.view().segments.clone();
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            if segment.file.is_none() {
                continue;
            }
            if next.tag.segment > before.0 {
                break;
            }
            let summary = segment.summary();
            let mut written = segment.write_index(&self.shared.disk, &self.shared.folder);
            if matches!(written, Err(Error::Full { .. }))
                && self.reserve.release(&self.shared.disk, &self.shared.folder)?
            {
                written = segment.write_index(&self.shared.disk, &self.shared.folder);
            }
            // Trimming is what makes space: on a full disk the ids go with their segment.
            if let Err(error) = written
                && !matches!(error, Error::Full { .. })
            {
                return Err(error);
            }
            let folder = &self.shared.folder;
            let index = FileIndex::open(Arc::clone(&self.shared.disk), folder, segment.tag).ok();
            let ids = index.map(|index| {
                Arc::new(Segment::new(segment.tag, segment.path.clone(), None, Index::File(Box::new(index))))
            });
            {
                let view = &mut *self.shared.view_mut();
                view.first = next.tag.segment;
                let at = view.segments.iter().position(|known| known.tag == segment.tag);
                match (at.and_then(|at| view.segments.get_mut(at)), ids, at) {
                    (Some(slot), Some(ids), _) => *slot = ids,
                    (_, None, Some(at)) => drop(view.segments.remove(at)),
                    _ => {}
                }
            }
            // One at a time, the oldest first, each durably: a gap would read as damage.
            let disk = &*self.shared.disk;
            disk.remove(&segment.path).map_err(Error::io("remove", &segment.path))?;
            disk.sync_dir(folder).map_err(Error::io("sync", folder))?;
            trimmed.first = Position(next.tag.segment);
            trimmed.records += summary.count;
            trimmed.bytes += summary.len;
        }
        self.forget_old_ids()?;
        self.reserve.refill(&self.shared.disk, &self.shared.folder)?;
        Ok(trimmed)
    }

    /// Deletes the index files of trimmed segments whose ids are past the window.
    pub(crate) fn forget_old_ids(&mut self) -> Result<(), Error> {
        let mut old = Vec::new();
        {
            let view = &mut *self.shared.view_mut();
            let oldest = view.last_at.map_or(Time::MIN, |at| at - self.shared.options.dedupe_window);
            let mut newer = 0;
            let mut kept = Vec::with_capacity(view.segments.len());
            for segment in view.segments.iter().rev() {
                let summary = segment.summary();
                let is_old = newer > self.shared.options.dedupe_max || summary.last_at.is_none_or(|at| at < oldest);
                newer += summary.ids;
                let keep = segment.file.is_some() || !is_old;
                if keep { kept.push(Arc::clone(segment)) } else { old.push(Arc::clone(segment)) }
            }
            kept.reverse();
            view.segments = kept;
        }
        for segment in old {
            let path = FileIndex::<D>::path(&self.shared.folder, segment.tag.segment);
            self.shared.disk.remove(&path).map_err(Error::io("remove", &path))?;
        }
        Ok(())
    }
}
