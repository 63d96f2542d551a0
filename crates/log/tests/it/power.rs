//! Power is lost at any moment, also while the log recovers from the last time.

use ensue_log::Error;
use ensue_log::disk::{FaultDisk, Rng};

use crate::model::Model;

/// How many seeds are tried: `ENSUE_SEEDS`, else enough for every change.
fn seeds() -> u64 {
    std::env::var("ENSUE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000)
}

fn live_and_die(seed: u64) {
    let mut rng = Rng(seed);
    let disk = FaultDisk::new();
    let mut model = Model::new(disk.clone());
    model.open().unwrap();
    for life in 0..4 {
        let story = format!("seed {seed}, life {life}");
        // Power goes after so many calls, wherever that is.
        disk.stop_after(10 + rng.below(150));
        while matches!(model.random_step(&mut rng), Ok(()) | Err(Error::Full { .. })) {}
        model.log = None;
        disk.crash(rng.draw());
        // Up to three starts that do not live to their end.
        for _ in 0..rng.below(4) {
            disk.stop_after(rng.below(40));
            let opened = model.open();
            model.log = None;
            drop(opened);
            disk.crash(rng.draw());
        }
        let recovery = model.open_at_last(&story);
        model.check(&recovery, &story);
    }
}

#[test]
fn whatever_was_acknowledged_survives() {
    (0..seeds()).for_each(live_and_die);
}

/// The model itself: without a sync something is lost sooner or later, with one nothing ever is.
#[test]
fn the_disk_in_memory_does_lose_what_was_not_synced() {
    use ensue_log::disk::Disk;
    use std::path::Path;
    let path = Path::new("/f");
    let (mut lost_bytes, mut lost_names) = (0, 0);
    for seed in 0..100 {
        let disk = FaultDisk::new();
        let file = disk.create(path).unwrap();
        disk.write_at(&file, 0, &[7; 2000]).unwrap();
        if seed % 2 == 0 {
            disk.sync_dir(Path::new("/")).unwrap();
        }
        disk.crash(seed);
        match disk.content(path) {
            Some(bytes) => lost_bytes += usize::from(bytes != [7; 2000]),
            None => lost_names += 1,
        }
        let disk = FaultDisk::new();
        let file = disk.create(path).unwrap();
        disk.write_at(&file, 0, &[7; 2000]).unwrap();
        disk.sync_data(&file).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk.write_at(&file, 2000, &[8; 2000]).unwrap();
        disk.crash(seed);
        assert_eq!(disk.content(path).unwrap()[..2000], [7; 2000]);
        assert!(disk.read_at(&file, 0, &mut [0]).is_err(), "a file that was open is dead");
    }
    assert!(lost_bytes > 20 && lost_names > 10, "{lost_bytes} {lost_names}");
}
