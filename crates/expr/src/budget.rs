//! What an evaluation may use, counted and never timed: the same expression over the same values ends at the same step on
//! every machine, which a clock could not promise.

/// What is left for one evaluation, or for several that share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    steps: u64,
    output: u64,
    made: u64,
}

/// Which bound was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    Steps,
    Output,
    Made,
    Depth,
}

impl Spent {
    pub(crate) fn message(self) -> String {
        match self {
            Spent::Steps => format!(
                "more than {} steps: the lists are too long for this expression; filter first, or match with a pattern",
                grouped(Budget::STEPS)
            ),
            Spent::Output => format!("the result is larger than {} KiB; select what is needed", Budget::OUTPUT / 1024),
            Spent::Made => {
                format!("more than {} MiB of values made on the way; make fewer of them", Budget::MADE / (1024 * 1024))
            }
            Spent::Depth => format!("the result is nested deeper than {} levels", Budget::DEPTH),
        }
    }
}

fn grouped(n: u64) -> String {
    if n < 1000 { n.to_string() } else { format!("{},{:03}", grouped(n / 1000), n % 1000) }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::new()
    }
}

impl Budget {
    /// Steps of one evaluation: a few milliseconds of work, far more than a condition needs.
    pub const STEPS: u64 = 100_000;
    /// Bytes of results: a result is kept in state and sent in records, which hold 1 MiB.
    pub const OUTPUT: u64 = 256 * 1024;
    /// Bytes of values made on the way: many times a result, little against the memory of a node.
    pub const MADE: u64 = 16 * Budget::OUTPUT;
    /// Levels of a result: JSON readers stop at 128, and a result is read back.
    pub(crate) const DEPTH: u32 = 100;

    /// 100,000 steps, 256 KiB of results.
    pub fn new() -> Budget {
        Budget { steps: Budget::STEPS, output: Budget::OUTPUT, made: Budget::MADE }
    }

    /// The same with other bounds: steps, and bytes of results.
    pub fn with(steps: u64, output: u64) -> Budget {
        Budget { steps, output, made: output.saturating_mul(16) }
    }

    /// Steps left.
    pub fn steps_left(&self) -> u64 {
        self.steps
    }

    /// Bytes of results left.
    pub fn output_left(&self) -> u64 {
        self.output
    }

    pub(crate) fn step(&mut self, count: u64) -> Result<(), Spent> {
        match self.steps.checked_sub(count) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                // What asks again after this fails too: nothing can go on by catching the error.
                self.steps = 0;
                Err(Spent::Steps)
            }
        }
    }

    /// Counts bytes made on the way, and the work of making them.
    pub(crate) fn make(&mut self, bytes: usize) -> Result<(), Spent> {
        let bytes = bytes as u64;
        self.step(bytes / 64)?;
        self.made = self.made.checked_sub(bytes).ok_or(Spent::Made)?;
        Ok(())
    }

    /// Counts bytes of a result.
    pub(crate) fn result(&mut self, bytes: usize) -> Result<(), Spent> {
        self.output = self.output.checked_sub(bytes as u64).ok_or(Spent::Output)?;
        Ok(())
    }
}
