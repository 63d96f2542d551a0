//! Git: commits made and pushed by the `git` program.

use ensue_event::ours::Answer;

use crate::action::{Action, Call, answer, wrong};
use crate::world::World;

#[derive(Default)]
pub(crate) struct Repositories;

/// The action `git/commit`.
pub(crate) struct Commit;

#[async_trait::async_trait]
impl Action for Commit {
    fn name(&self) -> &'static str {
        "git/commit"
    }

    fn repeatable(&self, _: &Call) -> bool {
        true
    }

    async fn call(&self, _call: Call, _world: &World) -> Answer {
        answer(Err(wrong("later")))
    }
}
