//! What a file and a name on a disk are before and after a loss of power.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ensue_event::Time;

/// The unit in which a write is torn.
const SECTOR: usize = 512;

/// A small generator of numbers (splitmix64): the same seed gives the same run.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 for 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.draw() % bound }
    }
}

#[derive(Default, Clone)]
pub(super) struct Node {
    /// What the process sees.
    pub(super) seen: Vec<u8>,
    /// What the disk has.
    pub(super) kept: Vec<u8>,
    pub(super) pending: Vec<Change>,
    pub(super) space: u64,
    pub(super) modified: Time,
}

#[derive(Clone)]
pub(super) enum Change {
    Write(usize, Vec<u8>),
    Len(usize),
}

pub(super) enum NameOp {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Remove(PathBuf),
}

impl NameOp {
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            NameOp::Create(path, _) | NameOp::Remove(path) | NameOp::Rename(_, path, _) => path.parent(),
        }
    }

    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            NameOp::Create(path, node) => {
                names.insert(path.clone(), *node);
            }
            NameOp::Rename(from, to, node) => {
                if names.get(from) == Some(node) {
                    names.remove(from);
                }
                names.insert(to.clone(), *node);
            }
            NameOp::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

impl Change {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Len(len) => bytes.resize(*len, 0),
            Change::Write(offset, data) => put(bytes, *offset, data),
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    if let Some(target) = bytes.get_mut(offset..end) {
        target.copy_from_slice(data);
    }
}

impl Node {
    pub(super) fn size(&self) -> u64 {
        self.space.max(self.seen.len() as u64)
    }

    /// Keeps some of what is pending: each sector of each write by itself, the length by itself.
    pub(super) fn tear(&mut self, rng: &mut Rng) {
        let odds = rng.below(5);
        let mut lens = vec![self.kept.len()];
        let mut bytes = self.kept.clone();
        let mut pieces: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut len = self.kept.len();
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Len(to) => len = to,
                Change::Write(offset, data) => {
                    len = len.max(offset + data.len());
                    let mut start = 0;
                    while start < data.len() {
                        // Sectors are those of the file, not of the write.
                        let end = data.len().min(start + SECTOR - (offset + start) % SECTOR);
                        if rng.below(4) < odds {
                            pieces.push((offset + start, data.get(start..end).unwrap_or_default().to_vec()));
                        }
                        start = end;
                    }
                }
            }
            lens.push(len);
        }
        // Half of the time the pieces land in another order than they were written in.
        if rng.below(2) == 0 {
            for index in (1..pieces.len()).rev() {
                let other = usize::try_from(rng.below(index as u64 + 1)).unwrap_or(0);
                pieces.swap(index, other);
            }
        }
        for (offset, data) in pieces {
            put(&mut bytes, offset, &data);
        }
        let pick = usize::try_from(rng.below(lens.len() as u64)).unwrap_or(0);
        bytes.resize(lens.get(pick).copied().unwrap_or(0), 0);
        self.kept = bytes;
    }
}
