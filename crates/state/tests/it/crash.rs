//! The model of a power cut that the simulator uses: what is lost is a suffix of the commits.

use std::path::Path;

use ensue_state::conformance::{TABLES, at, delete, set};
use ensue_state::{Error, Memory, State};

fn five_commits(state: &mut Memory) {
    for n in 0..5_u64 {
        let changes = [set("runs", "newest", n.to_string()), set("outbox", n.to_string(), ""), delete("outbox", "0")];
        state.commit(&changes, &at(n)).unwrap();
    }
}

#[test]
fn a_power_cut_loses_a_suffix_of_the_commits() {
    for keep in 0..=5_usize {
        let mut state = Memory::lagging(TABLES).unwrap();
        let disk = state.clone();
        five_commits(&mut state);
        assert_eq!(disk.at_risk(), 5);
        disk.crash(keep);
        let mut expected = Memory::new(TABLES).unwrap();
        five_commits(&mut expected);
        let position = state.applied().unwrap().and_then(|applied| applied.position).map(|position| position.0);
        assert_eq!(position, (keep as u64).checked_sub(1));
        let newest = state.get("runs", b"newest").unwrap();
        assert_eq!(newest, position.map(|n| n.to_string().into_bytes()));
        assert_eq!(state.scan("outbox", b"", 10).unwrap().len(), keep.saturating_sub(1));
        assert_eq!(disk.at_risk(), 0);
    }
}

#[test]
fn what_is_synced_or_noted_survives_a_power_cut() {
    for noted in [false, true] {
        let mut state = Memory::lagging(TABLES).unwrap();
        five_commits(&mut state);
        if noted {
            state.note("boot", "1").unwrap()
        } else {
            state.sync().unwrap()
        }
        state.commit(&[set("runs", "lost", "")], &at(9)).unwrap();
        state.clone().crash(0);
        assert_eq!(state.applied().unwrap(), Some(at(4)));
        assert_eq!(state.get("runs", b"lost").unwrap(), None);
        assert_eq!(state.noted("boot").unwrap().is_some(), noted);
    }
}

#[test]
fn a_full_disk_a_file_set_aside_and_a_snapshot() {
    let mut state = Memory::new(TABLES).unwrap();
    five_commits(&mut state);
    state.set_full(true);
    assert!(matches!(state.commit(&[], &at(5)), Err(Error::Full { .. })));
    state.set_full(false);
    let digest = state.snapshot(Path::new("five")).unwrap();
    state.set_aside();
    assert_eq!((state.applied().unwrap(), state.dump().unwrap()), (None, String::new()));
    state.restore(Path::new("five")).unwrap();
    assert_eq!((state.applied().unwrap(), state.digest().unwrap()), (Some(at(4)), digest));
    assert!(state.restore(Path::new("six")).is_err());
}
