//! What stands in files and may change while the node runs: the configuration, and the file `FREEZE`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ensue_event::Position;
use ensue_event::ours::{Command, ConfigFile, Operator};

use crate::config::read_folder;
use crate::error::Error;
use crate::node::{Core, NotApplied};
use crate::options::Configured;

/// The name of the file in the data folder that freezes everything; its text is the reason.
const FREEZE: &str = "FREEZE";
/// Who such a freeze is by.
const ACTOR: &str = ensue_engine::freeze::FILE;
/// How often it is looked for, at least: what it is to stop goes on for no longer.
const LOOK: Duration = Duration::from_millis(250);

/// Why everything is to be frozen, if the file is there.
pub(crate) fn frozen(data: &Path) -> Option<String> {
    let path = data.join(FREEZE);
    match std::fs::read(&path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let text = text.trim();
            Some(if text.is_empty() { "the file FREEZE is there".to_owned() } else { text.to_owned() })
        }
        // One that is there and cannot be read freezes too: better held than done.
        Err(why) if path.exists() => Some(format!("the file FREEZE is there and cannot be read: {why}")),
        Err(_) => None,
    }
}

/// Whether the freeze by file is in force.
pub(crate) fn held(state: &ensue_engine::State) -> bool {
    let mut all = state.freezes.iter().map(|(_, freeze)| freeze);
    all.any(|freeze| freeze.actor == ACTOR && freeze.connection.is_none() && freeze.rule.is_none())
}

/// The command that the file stands for.
pub(crate) fn by_file(reason: String) -> Operator {
    Operator {
        command: Command::Freeze { connection: None, rule: None },
        actor: ACTOR.to_owned(),
        roles: Vec::new(),
        reason,
    }
}

/// What the folder holds now. A folder without any manifest was unmounted or is being filled: nobody drops every rule
/// this way and means it.
fn present(folder: &Path) -> Result<Vec<ConfigFile>, Error> {
    let files = read_folder(folder)?;
    if files.is_empty() { Err(Error::Empty(folder.to_path_buf())) } else { Ok(files) }
}

/// Applies a new version of the configuration's folder, once it stays as it is; a wrong one is refused whole, and the old one goes on.
pub(crate) async fn watch(core: Arc<Core>) {
    let Configured::Folder(folder) = core.options.config.clone() else { return };
    // The version that is dealt with, and the one that was seen last: a version counts when two looks in a row have seen
    // it, since files are not written at once.
    // The first look counts too: something may have changed since the start read it.
    let (mut seen, mut last): (Option<Vec<ConfigFile>>, Option<Vec<ConfigFile>>) = (None, None);
    // Told once, not at every look.
    let mut unreadable: Option<String> = None;
    let mut stop = core.stop.subscribe();
    loop {
        tokio::select! {
            () = tokio::time::sleep(core.options.limits.poll) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let path = folder.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || present(&path)).await else { return };
        let files = match read {
            Ok(files) => files,
            Err(why) => {
                let why = why.to_string();
                if unreadable.as_ref() != Some(&why) {
                    tracing::warn!(why, "the configuration cannot be read; the one in force goes on");
                    unreadable = Some(why);
                }
                continue;
            }
        };
        unreadable = None;
        let stable = last.as_ref() == Some(&files);
        if seen.as_ref() == Some(&files) || !stable {
            last = Some(files);
            continue;
        }
        match core.apply(files.clone()).await {
            Ok(_) => seen = Some(files),
            Err(NotApplied::Wrong(wrong)) => {
                tracing::error!("the new configuration is refused, the old one goes on\n{}", wrong.rendered);
                seen = Some(files);
            }
            // Tried again at the next look.
            Err(NotApplied::Refused(why)) => tracing::warn!(%why, "the new configuration is not in force yet"),
        }
    }
}

/// Applies the folder's present version, for who does not want to wait for the next look.
pub(crate) async fn now(core: &Arc<Core>) -> Result<Option<Position>, String> {
    let Configured::Folder(folder) = core.options.config.clone() else { return Ok(None) };
    let read = tokio::task::spawn_blocking(move || present(&folder)).await.map_err(|why| why.to_string())?;
    let files = read.map_err(|why| why.to_string())?;
    core.apply(files).await.map_err(|why| match why {
        NotApplied::Wrong(wrong) => wrong.rendered,
        NotApplied::Refused(why) => why.to_string(),
    })
}

/// Freezes everything while the file `FREEZE` is there: the one command that needs nothing that works but a disk to read
/// from. From the look that sees it on no new effect leaves, also while its record cannot be written; and none does until
/// the record that ends it is folded.
pub(crate) async fn freeze(core: Arc<Core>) {
    let data = core.options.data.clone();
    let mut stop = core.stop.subscribe();
    loop {
        let path = data.clone();
        let Ok(reason) = tokio::task::spawn_blocking(move || frozen(&path)).await else { return };
        let there = reason.is_some();
        if there {
            core.frozen.store(true, Ordering::Release);
        }
        let by_file = core.read(|pump| held(pump.engine().state())).await.unwrap_or(false);
        let done = match reason {
            Some(reason) if !by_file => {
                let Operator { command, actor, roles, reason } = self::by_file(reason);
                core.command(command, &actor, &roles, &reason).await.map(|_| ())
            }
            None if by_file => {
                let thaw = Command::Thaw { connection: None, rule: None, discard: false };
                core.command(thaw, ACTOR, &[], "the file FREEZE is gone").await.map(|_| ())
            }
            _ => Ok(()),
        };
        match done {
            Ok(()) if !there && core.frozen.swap(false, Ordering::AcqRel) => core.feed.nudge(),
            Ok(()) => {}
            Err(why) => tracing::warn!(%why, "the record of the file FREEZE is not written yet"),
        }
        tokio::select! {
            () = tokio::time::sleep(core.options.limits.poll.min(LOOK)) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
