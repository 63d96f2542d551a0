//! The simulator: a few seeds, each twice. Thousands run with `cargo xtask sim`.

use ensue_lab::sim;

#[test]
fn twenty_seeds_hold_what_is_promised_and_are_the_same_twice() {
    let (mut acknowledged, mut crashes) = (0, 0);
    for seed in 1..=20 {
        let one = sim::run(seed, 150);
        assert_eq!(one.violations, Vec::<String>::new(), "seed {seed}\n{}", one.told);
        let two = sim::run(seed, 150);
        assert_eq!((one.trace, &one.told), (two.trace, &two.told), "seed {seed}");
        acknowledged += one.acknowledged;
        crashes += one.crashes;
    }
    assert!(acknowledged > 500 && crashes > 40, "{acknowledged} acknowledged, {crashes} crashes");
}
