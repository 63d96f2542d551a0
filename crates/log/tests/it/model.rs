//! A log and, beside it, what it has promised. Whatever the disk does, the promises hold.

use std::collections::{BTreeMap, BTreeSet};

use ensue_event::{Digest, Position, Time};
use ensue_log::disk::{FaultDisk, Rng};
use ensue_log::{Draft, Entry, Error, FileLog, Log, Recovery, Unreadable};

use crate::kit::{draft, try_open};

pub(crate) struct Model {
    pub(crate) disk: FaultDisk,
    pub(crate) log: Option<FileLog<FaultDisk>>,
    /// What was acknowledged, by position.
    acked: BTreeMap<u64, Draft>,
    /// The chain after the last record of each acknowledged batch.
    chains: BTreeMap<u64, Digest>,
    /// The last batch that was not acknowledged: some of it may be there.
    flight: Vec<Draft>,
    purged: BTreeSet<u64>,
    /// A purge that did not say whether it was done.
    perhaps: BTreeSet<u64>,
    trimmed: u64,
    /// Ids that may be forgotten: their segment was trimmed while something failed or there was no space.
    forgotten: u64,
    next: u64,
    time: i64,
}

impl Model {
    pub(crate) fn new(disk: FaultDisk) -> Model {
        Model {
            disk,
            log: None,
            acked: BTreeMap::new(),
            chains: BTreeMap::new(),
            flight: Vec::new(),
            purged: BTreeSet::new(),
            perhaps: BTreeSet::new(),
            trimmed: 0,
            forgotten: 0,
            next: 0,
            time: 0,
        }
    }

    pub(crate) fn acked(&self) -> usize {
        self.acked.len()
    }

    fn end(&self) -> u64 {
        self.acked.last_key_value().map_or(0, |(position, _)| position + 1)
    }

    pub(crate) fn open(&mut self) -> Result<Recovery, Error> {
        self.log = None;
        let (log, recovery) = try_open(&self.disk, Some(self.end()))?;
        self.log = Some(log);
        Ok(recovery)
    }

    pub(crate) fn append(&mut self, count: u64, extra: usize, urgent: bool) -> Result<(), Error> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let batch: Vec<Draft> = (self.next..self.next + count).map(|n| draft(n, extra)).collect();
        self.next += count;
        self.time += 1;
        let done =
            if urgent { log.append_urgent(Time(self.time), &batch) } else { log.append(Time(self.time), &batch) };
        match done {
            Ok(position) => {
                assert_eq!(position.0, self.acked.last_key_value().map_or(0, |(last, _)| last + 1));
                self.flight.clear();
                self.acked.extend((position.0..).zip(batch));
                let last = position.plus(count - 1);
                // A read may fail as any call may; what was promised is the append.
                if let Ok(chain) = log.chain(last) {
                    self.chains.insert(last.0, chain);
                }
                Ok(())
            }
            Err(error) => {
                self.flight = batch;
                Err(error)
            }
        }
    }

    pub(crate) fn trim(&mut self, before: u64) -> Result<(), Error> {
        let Some(log) = &mut self.log else { return Ok(()) };
        self.trimmed = self.trimmed.max(before);
        let done = log.trim(Position(before));
        if done.is_err() || self.disk.is_bounded() {
            self.forgotten = self.forgotten.max(before);
        }
        done.map(|_| ())
    }

    pub(crate) fn purge(&mut self, position: u64) -> Result<(), Error> {
        let Some(log) = &mut self.log else { return Ok(()) };
        if position < log.first().0 || position >= log.end().0 {
            return Ok(());
        }
        let done = log.purge(&[Position(position)]);
        if done.is_ok() {
            self.purged.insert(position)
        } else {
            self.perhaps.insert(position)
        };
        done
    }

    pub(crate) fn random_step(&mut self, rng: &mut Rng) -> Result<(), Error> {
        match rng.below(20) {
            0 => self.trim(rng.below(self.end() + 1)),
            1 | 2 => self.purge(rng.below(self.end())),
            3 => self.log.as_mut().map_or(Ok(()), FileLog::tidy),
            4 => {
                if let (Some(log), Some((position, chain))) = (&mut self.log, self.chains.last_key_value()) {
                    log.set_checkpoint(Position(*position), *chain);
                }
                Ok(())
            }
            5 => self.open().map(|_| ()),
            6 => {
                let room = self.disk.used() + rng.below(8000);
                self.disk.set_capacity((rng.below(3) > 0).then_some(room));
                Ok(())
            }
            n => self.append(1 + rng.below(5), [0, 40, 300, 1500][rng.below(4) as usize], n < 9),
        }
    }

    /// A start, on a disk that is full perhaps: then there is space soon.
    pub(crate) fn open_at_last(&mut self, story: &str) -> Recovery {
        match self.open() {
            Err(Error::Full { .. }) => {
                self.disk.set_capacity(None);
                self.open().unwrap_or_else(|error| panic!("{story}, with space: {error}"))
            }
            opened => opened.unwrap_or_else(|error| panic!("{story}: {error}")),
        }
    }

    /// Compares the log with the promises. What is there beyond them is durable now: it counts as promised from here.
    pub(crate) fn check(&mut self, recovery: &Recovery, story: &str) {
        let log = self.log.as_mut().unwrap();
        assert_eq!(recovery.damage, [], "{story}: nothing was corrupted");
        assert_eq!(recovery.forgotten, [], "{story}");
        assert!(log.first().0 <= self.trimmed, "{story}: trimmed to {} of {}", log.first(), self.trimmed);
        let acked_end = self.acked.last_key_value().map_or(0, |(position, _)| position + 1);
        assert!(log.end().0 >= acked_end, "{story}: ends at {}, acknowledged {acked_end}", log.end());
        let beyond = (acked_end..).zip(self.flight.drain(..));
        let expected: BTreeMap<u64, Draft> = self.acked.clone().into_iter().chain(beyond).collect();
        let entries = log.read(log.first(), usize::MAX, usize::MAX).unwrap();
        assert_eq!(entries.len() as u64, log.end().0 - log.first().0, "{story}");
        for (position, entry) in (log.first().0..).zip(&entries) {
            assert_eq!(entry.position().0, position, "{story}");
            let draft = expected.get(&position).unwrap_or_else(|| panic!("{story}: {position} was never appended"));
            match entry {
                Entry::Record(record) => {
                    assert_eq!((&record.event, &record.origin), (&draft.event, &draft.origin), "{story}: {position}");
                    assert!(!self.purged.contains(&position), "{story}: {position} was purged and is there");
                }
                Entry::Unreadable { why: Unreadable::Purged, .. } => {
                    assert!(self.purged.contains(&position) || self.perhaps.contains(&position), "{story}: {position}");
                    self.purged.insert(position);
                }
                Entry::Unreadable { why, .. } => panic!("{story}: {position}: {why:?}"),
            }
            self.acked.insert(position, draft.clone());
        }
        for (position, draft) in self.acked.range(self.forgotten.min(log.first().0)..) {
            let found = log.find(&draft.event.source, &draft.event.id);
            let found = found.unwrap_or_else(|| panic!("{story}: the id at {position} is forgotten"));
            assert_eq!(found.position.0, *position, "{story}");
            assert!(found.is_same(&draft.identity()), "{story}");
        }
        for (position, chain) in self.chains.range(log.first().0..) {
            assert_eq!(log.chain(Position(*position)).unwrap(), *chain, "{story}: chain at {position}");
        }
        assert!(log.reserve_used() == 0.0 || self.disk.is_bounded(), "{story}: there is space for the reserve");
        let verified = log.reader().verify().unwrap();
        assert!(verified.is_whole(), "{story}: {verified:?}");
        assert_eq!(verified.good + verified.purged.len() as u64, entries.len() as u64, "{story}");
        self.time = log.last_at().map_or(self.time, |at| at.0.max(self.time));
    }
}
