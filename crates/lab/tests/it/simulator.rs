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

/// A freeze that is thawed with discard while a step has left that may not be repeated: a replay held it, and so its run
/// was cancelled there.
#[test]
fn what_has_left_is_held_in_no_replay() {
    let found = sim::run(780, 400);
    assert_eq!(found.violations, Vec::<String>::new(), "{}", found.told);
}
