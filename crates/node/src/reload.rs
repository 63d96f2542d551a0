//! What stands in files and may change while the node runs: the configuration, and the file `FREEZE`.

use std::sync::Arc;

use ensue_event::Position;
use ensue_event::ours::{Command, ConfigFile};

use crate::config::read_folder;
use crate::node::{Core, NotApplied};
use crate::options::Configured;

/// The name of the file in the data folder that freezes everything; its text is the reason.
const FREEZE: &str = "FREEZE";
/// Who such a freeze is by.
const ACTOR: &str = "file";

/// Applies a new version of the configuration's folder; a wrong one is refused whole, and the old one goes on.
pub(crate) async fn watch(core: Arc<Core>) {
    let Configured::Folder(folder) = core.options.config.clone() else { return };
    let mut seen: Option<Vec<ConfigFile>> = read_folder(&folder).ok();
    let mut stop = core.stop.subscribe();
    loop {
        tokio::select! {
            () = tokio::time::sleep(core.options.limits.poll) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let path = folder.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || read_folder(&path)).await else { return };
        let files = match read {
            Ok(files) => files,
            Err(why) => {
                tracing::warn!(%why, "the configuration cannot be read; the one in force goes on");
                continue;
            }
        };
        if seen.as_ref() == Some(&files) {
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
    let read = tokio::task::spawn_blocking(move || read_folder(&folder)).await.map_err(|why| why.to_string())?;
    let files = read.map_err(|why| why.to_string())?;
    core.apply(files).await.map_err(|why| match why {
        NotApplied::Wrong(wrong) => wrong.rendered,
        NotApplied::Refused(why) => why.to_string(),
    })
}

/// Freezes everything while the file `FREEZE` is there: the one command that needs nothing that works but a disk.
pub(crate) async fn freeze(core: Arc<Core>) {
    let path = core.options.data.join(FREEZE);
    let mut stop = core.stop.subscribe();
    loop {
        let reason = tokio::fs::read_to_string(&path).await.ok();
        let by_file = core.read(|pump| {
            let state = pump.engine().state();
            let mut all = state.freezes.iter().map(|(_, freeze)| freeze);
            all.any(|freeze| freeze.actor == ACTOR && freeze.connection.is_none() && freeze.rule.is_none())
        });
        let by_file = by_file.await.unwrap_or(false);
        let (connection, rule) = (None, None);
        let done = match reason {
            Some(text) if !by_file => {
                let reason = match text.trim() {
                    "" => "the file FREEZE is there",
                    text => text,
                };
                core.command(Command::Freeze { connection, rule }, ACTOR, reason).await.map(|_| ())
            }
            None if by_file => {
                let thaw = Command::Thaw { connection, rule, discard: false };
                core.command(thaw, ACTOR, "the file FREEZE is gone").await.map(|_| ())
            }
            _ => Ok(()),
        };
        if let Err(why) = done {
            tracing::warn!(%why, "the file FREEZE is not followed yet");
        }
        tokio::select! {
            () = tokio::time::sleep(core.options.limits.poll) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
