//! `ensue test --record`: a scenario from a run that really happened.

use std::path::Path;
use std::sync::Arc;

use ensue_lab::history::Kept;
use ensue_lab::scenario::{Recorded, record as recorded};
use ensue_log::Blobs;
use ensue_log::disk::RealDisk;

use crate::args::Test;
use crate::client::Client;
use crate::commands::{log, wait};
use crate::errors::Error;
use crate::output::Output;

pub(super) fn record(test: &Test, run: &str, output: Output) -> Result<(), Error> {
    let to = test.to.as_deref();
    let stem = to.and_then(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned());
    let recorded = match log::open(&test.engine)? {
        Some((_lock, log)) => {
            let blobs = Blobs::open(Arc::new(RealDisk), &test.engine.data.join("blobs"));
            let kept = Kept::new(log.reader(), blobs.map_err(|why| Error::Other(why.to_string()))?);
            recorded(run, &kept, stem.as_deref()).map_err(|why| Error::Other(why.to_string()))?
        }
        None => wait(asked(test, run, stem))?,
    };
    let Some(to) = to else {
        output.line(recorded.text.trim_end());
        return Ok(());
    };
    let folder = to.parent().unwrap_or(Path::new(""));
    // Nothing that somebody wrote is written over.
    let files = recorded.files.iter().map(|(name, text)| (folder.join(name), text));
    let all: Vec<_> = std::iter::once((to.to_owned(), &recorded.text)).chain(files).collect();
    if let Some((path, _)) = all.iter().find(|(path, _)| path.exists()) {
        let why = "it is there already; name another file with --to".to_owned();
        return Err(Error::File { path: path.display().to_string(), why });
    }
    for (path, text) in &all {
        std::fs::write(path, text).map_err(Error::file(path))?;
        if !output.report_for_programs() {
            output.line(format!("written: {}", path.display()));
        }
    }
    if output.report_for_programs() {
        let paths: Vec<String> = all.iter().map(|(path, _)| path.display().to_string()).collect();
        output.value(&serde_json::json!({"written": paths}));
    }
    Ok(())
}

async fn asked(test: &Test, run: &str, stem: Option<String>) -> Result<Recorded, Error> {
    let query: Vec<(&str, String)> = stem.into_iter().map(|stem| ("files", stem)).collect();
    let answer = Client::new(&test.engine)?.get(&["runs", run, "scenario"], &query).await?;
    serde_json::from_value(answer).map_err(|why| Error::Other(format!("what answers is no scenario: {why}")))
}
