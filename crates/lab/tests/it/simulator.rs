//! The simulator: a few seeds, each twice. Thousands run with `cargo xtask sim`.

use std::collections::BTreeMap;

use ensue_lab::sim;

#[test]
fn twenty_seeds_hold_what_is_promised_and_are_the_same_twice() {
    let (mut acknowledged, mut crashes, mut fired) = (0, 0, BTreeMap::<String, u64>::new());
    for seed in 1..=20 {
        let one = sim::run(seed, 150);
        assert_eq!(one.violations, Vec::<String>::new(), "seed {seed}\n{}", one.told);
        let two = sim::run(seed, 150);
        assert_eq!((one.trace, &one.told), (two.trace, &two.told), "seed {seed}");
        acknowledged += one.acknowledged;
        crashes += one.crashes;
        for (rule, times) in one.fired {
            *fired.entry(rule).or_default() += times;
        }
    }
    assert!(acknowledged > 500 && crashes > 40, "{acknowledged} acknowledged, {crashes} crashes");
    // Every rule has its part in it.
    let rules = [
        "alone", "build", "calm", "counted", "deploy", "echo", "gather", "gathered", "hushed", "left", "missing",
        "newest", "ordered", "paced", "pairs", "replaced", "right", "wave",
    ];
    assert!(fired.keys().eq(rules.map(|rule| format!("default/{rule}")).iter()), "{fired:?}");
    assert!(fired.values().all(|times| *times > 0), "{fired:?}");
}

/// What replays of these seeds once decided otherwise: they held a step that had left, so that a thaw with discard
/// cancelled its run; and they took an answer that could not be folded then.
#[test]
fn a_replay_knows_what_had_left_and_what_could_not_be_folded() {
    for seed in [780, 1857] {
        let found = sim::run(seed, 400);
        assert_eq!(found.violations, Vec::<String>::new(), "seed {seed}\n{}", found.told);
    }
}
