//! The file of a log that grows: the beginning in one file, the end in two that take turns.
//!
//! ```text
//! NAME      a line of JSON that says whose log it is, then the first 4 MiB
//! NAME.0    8 bytes: which segment; then up to 4 MiB of segment 0, 2, 4 …
//! NAME.1    the same for segment 1, 3, 5 …
//! ```
//!
//! So a program that never stops talking takes 12 MiB at most, and its beginning and its end are both there at any
//! moment, also after a kill.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ensue_log::disk::{self, Disk};

use crate::drive::Drive;

/// How much is kept of the beginning.
pub(super) const HEAD: u64 = 4 << 20;
/// How much is kept of the end.
pub(super) const TAIL: u64 = 4 << 20;
/// The number of the segment, before its bytes.
const NUMBER: u64 = 8;
/// The longest first line: names and ids.
const LINE: usize = 64 << 10;

type File = <Drive as Disk>::File;

pub(super) struct Files {
    drive: Arc<Drive>,
    path: PathBuf,
    head: File,
    /// Where the log begins in the first file.
    from: u64,
    /// The segments that are there, by their numbers modulo 2.
    tails: [Option<(u64, File)>; 2],
    /// How much was said.
    len: u64,
}

impl Files {
    /// New files, with this first line.
    pub(super) fn create(drive: Arc<Drive>, path: &Path, line: &str) -> io::Result<Files> {
        let head = drive.create(path)?;
        let line = format!("{line}\n");
        disk::write_all(&*drive, &head, 0, line.as_bytes())?;
        let from = line.len() as u64;
        Ok(Files { drive, path: path.to_path_buf(), head, from, tails: [None, None], len: 0 })
    }

    /// The files that a kill left, and their first line; nothing where not even that was written.
    pub(super) fn open(drive: Arc<Drive>, path: &Path) -> io::Result<Option<(Files, String)>> {
        let head = drive.open(path)?;
        let begin = disk::read_up_to(&*drive, &head, 0, LINE)?;
        let Some(line) = begin.split(|byte| *byte == b'\n').next().filter(|line| line.len() < begin.len()) else {
            return Ok(None);
        };
        let line = String::from_utf8_lossy(line).into_owned();
        let from = line.len() as u64 + 1;
        let mut files = Files { drive, path: path.to_path_buf(), head, from, tails: [None, None], len: 0 };
        files.len = files.drive.len(&files.head)?.saturating_sub(from).min(HEAD);
        for nth in 0..2 {
            let file = match files.drive.open(&tail(path, nth)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            let number = disk::read_up_to(&*files.drive, &file, 0, 8)?;
            let Ok(number) = <[u8; 8]>::try_from(number).map(u64::from_le_bytes) else { continue };
            let end = HEAD + number * TAIL + files.drive.len(&file)? - NUMBER;
            files.len = files.len.max(end);
            if let Some(place) = files.tails.get_mut(usize::from(number % 2 == 1)) {
                *place = Some((number, file));
            }
        }
        Ok(Some((files, line)))
    }

    pub(super) fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = if self.len < HEAD { HEAD - self.len } else { TAIL - (self.len - HEAD) % TAIL };
            let count = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
            if self.len < HEAD {
                disk::write_all(&*self.drive, &self.head, self.from + self.len, now)?;
            } else {
                let (number, within) = ((self.len - HEAD) / TAIL, (self.len - HEAD) % TAIL);
                if within == 0 {
                    self.turn(number)?;
                }
                let file = self.segment(number).ok_or(io::ErrorKind::NotFound)?;
                disk::write_all(&*self.drive, file, NUMBER + within, now)?;
            }
            self.len += count as u64;
            bytes = later;
        }
        Ok(())
    }

    /// The next segment takes the place of the one before the last.
    fn turn(&mut self, number: u64) -> io::Result<()> {
        let place = usize::from(number % 2 == 1);
        let file = match self.tails.get_mut(place).and_then(Option::take) {
            Some((_, file)) => {
                self.drive.set_len(&file, 0)?;
                file
            }
            None => self.drive.create(&tail(&self.path, place))?,
        };
        disk::write_all(&*self.drive, &file, 0, &number.to_le_bytes())?;
        if let Some(kept) = self.tails.get_mut(place) {
            *kept = Some((number, file));
        }
        Ok(())
    }

    fn segment(&self, number: u64) -> Option<&File> {
        self.tails.iter().flatten().find(|(kept, _)| *kept == number).map(|(_, file)| file)
    }

    /// At most so many bytes from a place on, and the place where they really begin: what lay before it is gone.
    pub(super) fn read(&self, from: u64, most: usize) -> io::Result<(u64, Vec<u8>)> {
        let most = |room: u64| usize::try_from(room).unwrap_or(usize::MAX).min(most);
        if from < HEAD {
            let end = self.len.min(HEAD);
            let bytes = disk::read_up_to(&*self.drive, &self.head, self.from + from, most(end.saturating_sub(from)))?;
            return Ok((from, bytes));
        }
        let oldest = self.tails.iter().flatten().map(|(number, _)| HEAD + number * TAIL).min().unwrap_or(from);
        let from = from.max(oldest);
        let (number, within) = ((from - HEAD) / TAIL, (from - HEAD) % TAIL);
        let room = (TAIL - within).min(self.len.saturating_sub(from));
        match self.segment(number) {
            Some(file) => Ok((from, disk::read_up_to(&*self.drive, file, NUMBER + within, most(room))?)),
            None => Ok((from, Vec::new())),
        }
    }

    /// All that is kept, and how many bytes are left out; a line in their place says so.
    pub(super) fn whole(&self) -> io::Result<(Vec<u8>, u64)> {
        let (mut out, mut at) = (Vec::new(), 0);
        let mut cut = 0;
        while at < self.len {
            if at == HEAD && self.len > HEAD + TAIL {
                cut = self.len - HEAD - TAIL;
                at = self.len - TAIL;
                out.extend_from_slice(left_out(cut).as_bytes());
            }
            let (from, bytes) = self.read(at, usize::MAX)?;
            if bytes.is_empty() {
                break;
            }
            at = from + bytes.len() as u64;
            out.extend_from_slice(&bytes);
        }
        Ok((out, cut))
    }

    /// Removes them; what is left by a failure is removed at the next start.
    pub(super) fn remove(&self) {
        for path in [tail(&self.path, 0), tail(&self.path, 1), self.path.clone()] {
            let _ = self.drive.remove(&path);
        }
    }
}

/// What stands in the place of what is left out.
pub(super) fn left_out(bytes: u64) -> String {
    format!("\n… {bytes} bytes are left out …\n")
}

fn tail(path: &Path, nth: usize) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(format!(".{nth}"));
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: u64) -> Vec<u8> {
        (0..bytes / 8).flat_map(u64::to_le_bytes).collect()
    }

    #[test]
    fn beginning_and_end_are_kept_at_any_length_and_found_again() {
        for total in [8, HEAD - 8, HEAD, HEAD + 8, HEAD + TAIL, HEAD + TAIL + 8, HEAD + 2 * TAIL + 800, HEAD + 3 * TAIL]
        {
            let folder = tempfile::tempdir().unwrap();
            let (path, drive) = (folder.path().join("log"), Arc::new(Drive::default()));
            let all = said(total);
            let mut files = Files::create(Arc::clone(&drive), &path, "{\"whose\":1}").unwrap();
            for chunk in all.chunks(100_003) {
                files.append(chunk).unwrap();
            }
            let (opened, line) = Files::open(drive, &path).unwrap().unwrap();
            assert_eq!((line.as_str(), opened.len), ("{\"whose\":1}", total));
            for files in [&files, &opened] {
                let (whole, cut) = files.whole().unwrap();
                assert_eq!(cut, total.saturating_sub(HEAD + TAIL));
                if cut == 0 {
                    assert!(whole == all, "{total}");
                } else {
                    let head = usize::try_from(HEAD).unwrap();
                    let mark = left_out(cut);
                    assert!(whole[..head] == all[..head] && whole.ends_with(&all[all.len() - head..]), "{total}");
                    assert_eq!(whole.len(), 2 * head + mark.len());
                }
            }
            opened.remove();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
