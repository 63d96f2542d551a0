//! How long a commit takes, and what a full disk does: `cargo run --release -p ensue-state --example commits -- FOLDER`.
//!
//! Commits 500 rows of 300 bytes at a time, until 2,000 commits or an error, and prints the figures.

use std::path::PathBuf;
use std::time::Instant;

use ensue_event::{Digest, Position};
use ensue_state::{Applied, Change, Error, Sqlite, State};

const COMMITS: u64 = 2_000;
const ROWS: u64 = 500;

fn main() -> Result<(), Error> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let path = folder.join("ensue-commits");
    let start = Instant::now();
    let mut state = Sqlite::open(&path, &["outbox", "runs"])?;
    println!("opened in {:?}", start.elapsed());
    let mut took = Vec::new();
    for commit in 0..COMMITS {
        // A working set of 20,000 rows that are born, changed and deleted, as runs and their effects are.
        let changes: Vec<Change> = (0..ROWS)
            .map(|row| {
                let number = (commit * ROWS + row).wrapping_mul(7_919) % 20_000;
                let value = (row % 5 != 0).then(|| vec![b'x'; 300]);
                Change { table: if row % 2 == 0 { "runs" } else { "outbox" }, key: number.to_be_bytes().into(), value }
            })
            .collect();
        let applied =
            Applied { position: Some(Position(commit)), chain: Digest::ZERO, fold: 1, extra: serde_json::Value::Null };
        let start = Instant::now();
        let done = state.commit(&changes, &applied);
        took.push(start.elapsed());
        if let Err(error) = done {
            println!("commit {commit}: {error} ({:?})", state.room());
            break;
        }
    }
    took.sort_unstable();
    let total: std::time::Duration = took.iter().sum();
    let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
    println!("commits {} of {ROWS} rows, p50 {:?}, p99 {:?}", took.len(), at(50), at(99));
    println!("per row {:?}", total / u32::try_from(took.len()).unwrap_or(u32::MAX).max(1) / 500);
    println!("room {:?}, dump digest {}", state.room(), state.digest()?);
    Ok(())
}
