//! Numbers that look random and come again with the same seed (splitmix64).

#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// One of several sequences of a seed.
    pub(crate) fn new(seed: u64, sequence: u64) -> Rng {
        let mut rng = Rng(seed ^ sequence.wrapping_mul(0xd6e8_feb8_6659_fd93));
        rng.next();
        rng
    }

    /// The sequence of a name, another one in each process.
    pub(crate) fn of(name: &str) -> Rng {
        name.bytes().fold(Rng::new(std::process::id().into(), 0), |rng, byte| Rng::new(rng.0, byte.into()))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` on and below `high`.
    pub(crate) fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low).max(1)
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.range(0, times) == 0
    }
}
