//! Reading everything again and saying what is not as it was written: trimmed, purged, damaged and changed apart.

use std::sync::{Arc, PoisonError};

use ensue_event::{Digest, Position};
use serde_json::{Value, json};

use crate::disk::{self, Disk};
use crate::recover::Damage;
use crate::scan::{Piece, Proof, walk};
use crate::segment::Segment;
use crate::{Error, Reader};

/// What [`Reader::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How many records are as they were written.
    pub good: u64,
    /// The first record that is there: what was before it was trimmed.
    pub first: Position,
    /// The position after the last one.
    pub end: Position,
    /// Records whose events were destroyed on request. Their digests are in the chain.
    pub purged: Vec<Position>,
    /// What cannot be read.
    pub damage: Vec<Damage>,
    /// What can be read, with a right checksum, and is yet not what was appended: somebody changed it. The position of
    /// the record, or of the first record of the batch whose chain does not follow from what is before it.
    pub changed: Vec<Position>,
    /// The chain after the last record: the same for every true copy of the log.
    pub chain: Option<Digest>,
}

impl Verified {
    /// Whether everything that is there is as it was written, purged or not.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty() && self.changed.is_empty()
    }

    /// The same as JSON, as `ensue log verify` prints it.
    #[must_use]
    pub fn json(&self) -> Value {
        let damage: Vec<Value> = self
            .damage
            .iter()
            .map(|one| {
                json!({
                    "file": one.path, "offset": one.offset, "first": one.first, "until": one.until, "why": one.why,
                })
            })
            .collect();
        json!({
            "whole": self.is_whole(), "good": self.good, "first": self.first, "end": self.end, "purged": self.purged,
            "damage": damage, "changed": self.changed, "chain": self.chain,
        })
    }
}

impl<D: Disk> Reader<D> {
    /// Reads every segment and checks every checksum, digest and link of the chain. Takes seconds for each GiB.
    pub fn verify(&self) -> Result<Verified, Error> {
        let (segments, first, end) = {
            let view = self.shared.view();
            (view.segments.clone(), view.first, view.end)
        };
        let mut verified = Verified { first: Position(first), end: Position(end), ..Verified::default() };
        let mut segments = segments.iter().filter(|segment| segment.file.is_some()).peekable();
        // The chain so far; unknown before the first batch and after damage.
        let mut chain = (first == 0).then_some(Digest::ZERO);
        while let Some(segment) = segments.next() {
            let next = segments.peek().map_or(end, |next| next.tag.segment);
            chain = self.verify_segment(segment, next, chain, &mut verified)?;
        }
        verified.chain = chain;
        Ok(verified)
    }

    fn verify_segment(
        &self,
        segment: &Arc<Segment<D>>,
        next: u64,
        mut chain: Option<Digest>,
        verified: &mut Verified,
    ) -> Result<Option<Digest>, Error> {
        let Some(file) = &segment.file else { return Ok(chain) };
        let gate = segment.gate.read().unwrap_or_else(PoisonError::into_inner);
        let len = usize::try_from(segment.summary().len).unwrap_or(usize::MAX);
        let bytes = disk::read_up_to(&*self.shared.disk, file, 0, len).map_err(Error::io("read", &segment.path))?;
        drop(gate);
        if !bytes.is_empty() && crate::format::read_segment_header(&bytes) != Some(segment.tag) {
            verified.damage.push(Damage {
                path: segment.path.clone(),
                offset: 0,
                first: Position(segment.tag.segment),
                until: Position(segment.tag.segment),
                why: "the header of the segment is wrong",
            });
        }
        walk(segment.tag, &bytes, Proof { sealed: Some(next), state: 0 }, &mut |piece| match piece {
            Piece::Header { header, .. } => {
                if chain.is_some_and(|chain| chain != header.chain) {
                    verified.changed.push(Position(header.first));
                }
                chain = Some(header.chain);
            }
            Piece::Record { position, frame, .. } => {
                if frame.purged {
                    verified.purged.push(Position(position));
                } else if frame.is_unchanged() {
                    verified.good += 1;
                } else {
                    verified.changed.push(Position(position));
                }
                chain = chain.map(|chain| frame.chain(&chain, position));
            }
            Piece::Hole(hole) | Piece::Lost(hole) => {
                verified.damage.push(Damage::new(&segment.path, hole));
                if hole.until > hole.first {
                    chain = None;
                }
            }
        });
        Ok(chain)
    }
}
