//! Every call fails once, in every way: nothing acknowledged is lost, no failure passes for success.

use ensue_log::Error;
use ensue_log::disk::{Fault, FaultDisk};

use crate::model::Model;

/// A life with everything in it. Whatever fails, it goes on as a node would: after a poisoned log by opening it again.
fn script(model: &mut Model) -> u64 {
    let mut failures = 0;
    let mut note = |model: &mut Model, done: Result<(), Error>| {
        if let Err(error) = done {
            failures += 1;
            if model.log.as_ref().is_none_or(ensue_log::FileLog::is_poisoned) {
                // A process of its own: what the system has in memory stays.
                model.log = None;
                model.disk.kill();
                let opened = model.open();
                let recovery = opened.unwrap_or_else(|second| panic!("one call fails: {error}, then {second}"));
                model.check(&recovery, &format!("after {error}"));
            }
        }
    };
    let opened = model.open().map(|_| ());
    note(model, opened);
    for step in 0..26 {
        let done = match step {
            9 => model.purge(4),
            12 => model.trim(8),
            15 => model.open().map(|_| ()),
            18 => model.trim(20),
            21 => model.log.as_mut().map_or(Ok(()), ensue_log::FileLog::tidy),
            n => model.append(1 + n % 4, [20, 700, 150][n as usize % 3], n % 5 == 0),
        };
        note(model, done);
    }
    failures
}

fn fail_each_call(fault: Fault) -> (u64, u64) {
    let calls = {
        let disk = FaultDisk::new();
        let mut model = Model::new(disk.clone());
        assert_eq!(script(&mut model), 0);
        disk.calls()
    };
    let mut noticed = 0;
    for n in 1..=calls {
        let disk = FaultDisk::new();
        let mut model = Model::new(disk.clone());
        disk.fail(n, fault);
        let failures = script(&mut model);
        noticed += u64::from(failures > 0);
        assert!(failures <= 1, "{fault:?} at call {n}: one failure is one error, not {failures}");
        assert!(model.acked() > 40, "{fault:?} at call {n}: the log went on");
        // What was acknowledged must be on the disk, not only in the system's memory.
        model.log = None;
        disk.crash(n);
        let recovery = model.open().unwrap_or_else(|error| panic!("{fault:?} at call {n}: {error}"));
        model.check(&recovery, &format!("{fault:?} at call {n} of {calls}"));
    }
    (calls, noticed)
}

#[test]
fn an_input_output_error_at_every_call() {
    let (calls, noticed) = fail_each_call(Fault::Eio);
    assert!(noticed * 5 > calls * 2, "{noticed} of {calls} failures were said");
}

#[test]
fn no_space_at_every_call() {
    fail_each_call(Fault::Enospc);
}

#[test]
fn a_short_write_or_read_at_every_call() {
    let (_, noticed) = fail_each_call(Fault::Short);
    assert_eq!(noticed, 0, "a short write is no failure");
}
