//! Events and patterns of our own making, the same for the same seed.
//!
//! The events look like what a company's automation sees: code hosting with large bodies, pods, groups of alerts, images,
//! pipelines, audit. Their mix, and how selective patterns are, is an invention and no recorded traffic.

mod events;
mod patterns;
mod words;

pub(crate) use events::events;
pub(crate) use patterns::{Kind, patterns};

#[cfg(test)]
mod tests {
    use ensue_rule::Pattern;
    use serde_json::Value;

    use super::*;

    #[test]
    fn sets_are_the_same_for_a_seed_and_valid() {
        let made = events(200, 3);
        assert_eq!(made, events(200, 3));
        assert_ne!(made, events(200, 4));
        for event in &made {
            assert!(serde_json::from_str::<Value>(event).unwrap().is_object());
        }
        let mean = made.iter().map(String::len).sum::<usize>() / made.len();
        assert!((3_500..7_000).contains(&mean), "{mean}");
        for kind in Kind::ALL {
            let set = patterns(kind, 3_000, 3);
            assert_eq!(set, patterns(kind, 3_000, 3));
            // A set is the beginning of a larger one.
            assert_eq!(set.get(..100).unwrap(), patterns(kind, 100, 3));
            for text in &set {
                let compiled = Pattern::compile(&serde_json::from_str(text).unwrap());
                assert!(compiled.is_ok(), "{text}: {compiled:?}");
            }
        }
    }
}
