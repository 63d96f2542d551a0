//! A real repository, whose hooks refuse, or stay when the commit is there.

use ensue_connect::Call;

use super::{Counterpart, How};
use crate::exec::alive;
use crate::git::{Remote, commit, tag};

struct Git(Remote);

/// `git/commit`.
pub(super) async fn remote() -> Box<dyn Counterpart> {
    Box::new(Git(Remote::new()))
}

impl Git {
    /// The process of the hook that stays.
    fn stays(&self) -> std::path::PathBuf {
        self.0.path().join("stays")
    }
}

impl Counterpart for Git {
    fn call(&self) -> Call {
        commit(&self.0, tag("1.4.2"))
    }
    fn behaves(&self, how: How) {
        self.0.hook("pre-receive", if how == How::Refuses { "echo no; exit 1" } else { "exit 0" });
        let stays = format!("echo $$ > '{}'; while :; do sleep 0.05; done", self.stays().display());
        self.0.hook("post-receive", if how == How::Stalls { &stays } else { "exit 0" });
    }
    fn held(&self) -> usize {
        self.0.count() - 1
    }
    fn goes_on(&self) -> usize {
        let stays = std::fs::read_to_string(self.stays()).unwrap_or_default();
        usize::from(!stays.trim().is_empty() && alive(stays.trim()))
    }
}
