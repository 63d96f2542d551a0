//! A process killed while it commits: the rows and the position it leaves belong together.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use ensue_state::conformance::{TABLES, at, set};
use ensue_state::{Sqlite, State};

const CHILD: &str = "ENSUE_STATE_TEST_WRITER";
const KILLS: u64 = 8;

/// Not a test of its own: the process that is killed. Says each position after its commit.
#[test]
fn child_that_commits() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let mut state = Sqlite::open_with(path.as_ref(), TABLES, 0).unwrap();
    let first = state.applied().unwrap().and_then(|applied| applied.position).map_or(0, |position| position.0 + 1);
    for n in first.. {
        let changes = [
            set("runs", n.to_be_bytes(), vec![n as u8; 700]),
            set("outbox", n.to_be_bytes(), n.to_string()),
            set("timers", "count", (n + 1).to_string()),
        ];
        state.commit(&changes, &at(n)).unwrap();
        println!("at {n}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn rows_and_position_survive_kills_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut told = 0;
    for kill in 0..KILLS {
        told = told.max(run_and_kill(&path, 1 + kill * 37 % 90));
        let state = Sqlite::open_with(&path, TABLES, 0).unwrap();
        let position = state.applied().unwrap().unwrap().position.unwrap().0;
        assert!(position >= told, "position {told} was told and is lost: {position}");
        let count: u64 = String::from_utf8(state.get("timers", b"count").unwrap().unwrap()).unwrap().parse().unwrap();
        let rows = |table| state.scan(table, b"", usize::MAX).unwrap().len() as u64;
        assert_eq!((count, rows("runs"), rows("outbox")), (position + 1, position + 1, position + 1));
    }
}

/// Starts the writer, kills it after it has told so many positions, and returns the last one told.
fn run_and_kill(path: &Path, after: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child_that_commits", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut positions = lines.map_while(Result::ok).filter_map(|line| line.split_once("at ")?.1.parse::<u64>().ok());
    let mut told = 0;
    for _ in 0..after {
        told = positions.next().expect("the child commits until it is killed");
    }
    child.kill().unwrap();
    // What it still told before it died is told too.
    let last = positions.last().unwrap_or(told);
    child.wait().unwrap();
    last
}
