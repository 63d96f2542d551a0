//! `ensue test`: scenarios in virtual time.
//!
//! Map: `folders` (which folders are configurations) → `play` (their scenarios, on all cores) → `show` and `junit` (what
//! came of them); `watch` does it again whenever something changes. `record` writes a scenario from a run.

mod folders;
mod junit;
mod play;
mod record;
mod show;
mod watch;

use std::path::Path;
use std::time::Instant;

use crate::args::Test;
use crate::errors::Error;
use crate::output::Output;

use folders::Found;
use play::{Item, Summary};

pub(crate) fn test(test: &Test, output: Output) -> Result<(), Error> {
    if let Some(run) = &test.record {
        return record::record(test, run, output);
    }
    let mut found = Found::default();
    for path in &test.paths {
        found.look(path)?;
    }
    if test.watch {
        return watch::watch(test, found, output);
    }
    let began = Instant::now();
    let headed = found.configurations.len() > 1;
    let mut items = Vec::new();
    let filter = test.filter.as_deref();
    for configuration in &found.configurations {
        if headed {
            show::head(configuration, output);
        }
        play::configuration(configuration, filter, &mut |item| {
            show::item(&item, output);
            items.push(item);
        });
    }
    let summary = Summary::of(&items, began.elapsed());
    if summary.is_empty() && summary.broken == 0 {
        let which = filter.map_or_else(|| "no scenario".to_owned(), |part| format!("no scenario named like `{part}`"));
        let path = test.paths.first().map_or_else(String::new, |path| path.display().to_string());
        return Err(Error::File { path, why: format!("{which} is here") });
    }
    show::end(&summary, &found.ignored, output);
    report(&items.iter().collect::<Vec<_>>(), test.junit.as_deref())?;
    if summary.good() { Ok(()) } else { Err(Error::Found) }
}

/// Writes the report for other programs, if one is asked for.
fn report(items: &[&Item], junit: Option<&Path>) -> Result<(), Error> {
    let Some(path) = junit else { return Ok(()) };
    std::fs::write(path, junit::xml(items)).map_err(Error::file(path))
}
