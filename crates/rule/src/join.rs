//! Array consistency: two fields of one pattern must be met within the same element of an array.
//!
//! Elements nest as a tree, and fields as one too, so the check is one pass over the elements, inner ones first, with
//! no going back: time is fields × elements, never a product of values.
//!
//! A field that must be absent is asked within the element that the other fields fix. Where nothing else fixes one,
//! it must be absent from all of them.

use crate::fields::{Element, Fields, OUTSIDE};
use crate::pattern::Value;
use crate::trie::Trie;

/// A field asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    pub(crate) node: u32,
    /// One of the alternatives is that it is absent.
    pub(crate) may_be_absent: bool,
}

/// The fields of one branch over the values of one event.
pub(crate) struct Join<'a> {
    pub(crate) trie: &'a Trie,
    pub(crate) fields: &'a Fields,
    pub(crate) data: &'a [u8],
    pub(crate) wants: &'a [Want],
}

/// What is known of a field in an element itself, not within arrays inside of it.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    Nothing,
    Other,
    Met,
}

/// How fields are met, in rising order: not; by being absent; by a value.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Verdict {
    Missed,
    Absent,
    Met,
}

struct Table {
    seen: Vec<Seen>,
    elements: usize,
    /// For each node at which an array stands, the fields below it.
    below: Vec<(u32, Vec<usize>)>,
}

impl Table {
    fn seen(&self, want: usize, element: u32) -> Seen {
        self.seen.get(want * self.elements + element as usize).copied().unwrap_or(Seen::Nothing)
    }
}

impl Join<'_> {
    /// Whether all fields are met consistently. `holds` says whether a value meets the field with this number.
    pub(crate) fn meets(&self, holds: impl Fn(usize, Value<'_>) -> bool) -> bool {
        let elements = self.fields.elements.len();
        let mut table = Table { seen: vec![Seen::Nothing; elements * self.wants.len()], elements, below: Vec::new() };
        for (at, want) in self.wants.iter().enumerate() {
            let mut met = false;
            for found in self.fields.at(want.node) {
                let holds = holds(at, self.fields.value(found, self.data));
                met |= holds;
                if let Some(seen) = table.seen.get_mut(at * elements + found.element as usize)
                    && *seen != Seen::Met
                {
                    *seen = if holds { Seen::Met } else { Seen::Other };
                }
            }
            if !met && !want.may_be_absent {
                return false;
            }
        }
        for element in self.fields.elements.iter().skip(1) {
            if !table.below.iter().any(|(node, _)| *node == element.node) {
                let below = |want: &Want| want.node != element.node && self.trie.is_below(want.node, element.node);
                let numbers = self.wants.iter().enumerate().filter(|(_, want)| below(want)).map(|(at, _)| at).collect();
                table.below.push((element.node, numbers));
            }
        }
        let all: Vec<usize> = (0..self.wants.len()).collect();
        self.verdict(&table, OUTSIDE, &all) > Verdict::Missed
    }

    /// How these fields, in the order of their numbers, are met within an element.
    fn verdict(&self, table: &Table, number: u32, wants: &[usize]) -> Verdict {
        let mut groups: Vec<(u32, Verdict)> = Vec::new();
        let end = self.fields.elements.get(number as usize).map_or(0, |element| element.end);
        let mut next = number + 1;
        while next < end {
            let Some(Element { node, end: behind, .. }) = self.fields.elements.get(next as usize) else { break };
            let below = table.below.iter().find(|(known, _)| known == node).map_or(&[][..], |(_, below)| below);
            // What is met beside the array or further out, by a key with a dot, need not be met in it.
            let outside = |want: &usize| table.seen(*want, number) == Seen::Met || wants.binary_search(want).is_err();
            let inner: Vec<usize>;
            let below = if below.iter().any(outside) {
                inner = below.iter().copied().filter(|want| !outside(want)).collect();
                &inner
            } else {
                below
            };
            if !below.is_empty() {
                let verdict = match groups.iter().find(|(known, _)| known == node) {
                    // One element that meets them is enough.
                    Some((_, Verdict::Met)) => Verdict::Met,
                    _ => self.verdict(table, next, below),
                };
                match groups.iter_mut().find(|(known, _)| known == node) {
                    Some((_, group)) if verdict == Verdict::Met => *group = Verdict::Met,
                    Some((_, group)) if verdict == Verdict::Missed && *group == Verdict::Absent => {
                        *group = Verdict::Missed
                    }
                    Some(_) => {}
                    None => groups.push((*node, verdict)),
                }
            }
            next = (*behind).max(next + 1);
        }
        let mut verdict = Verdict::Absent;
        for (_, group) in &groups {
            match group {
                Verdict::Missed => return Verdict::Missed,
                Verdict::Absent => {}
                Verdict::Met => verdict = Verdict::Met,
            }
        }
        for want in wants {
            match table.seen(*want, number) {
                Seen::Met => verdict = Verdict::Met,
                _ if groups.iter().any(|(node, _)| {
                    table.below.iter().any(|(known, below)| known == node && below.contains(want))
                }) => {}
                Seen::Nothing if self.wants.get(*want).is_some_and(|want| want.may_be_absent) => {}
                _ => return Verdict::Missed,
            }
        }
        verdict
    }
}
