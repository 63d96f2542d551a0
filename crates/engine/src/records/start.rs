//! `dev.ensue.node.started`: which boot the node runs in.

use ensue_event::ours::NodeStarted;

use crate::fold::Engine;

impl Engine {
    pub(crate) fn node_started(&mut self, started: NodeStarted) {
        self.state.meta.boot = Some(started.boot);
    }
}
