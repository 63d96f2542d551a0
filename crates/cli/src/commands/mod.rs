//! One file for each command.

mod audit;
mod bulk;
mod check;
mod configured;
mod connections;
mod demo;
mod emit;
mod events;
mod folder;
mod freeze;
mod graph;
mod locks;
mod log;
mod outputs;
mod policies;
mod rbac;
mod reference;
mod replay;
mod rules;
mod run;
mod runs;
mod schema;
mod sources;
mod test;
mod token;
mod tool;
mod up;
mod why;

use std::future::Future;

use crate::args::{Args, Command, ToolCommand};
use crate::errors::Error;
use crate::output::Output;

/// Does what was asked for.
pub(crate) fn run(args: Args, output: Output) -> Result<(), Error> {
    match args.command {
        Command::Up(up) => wait(up::up(up, output)),
        Command::Check { path } => check::check(&path, output),
        Command::Test(what) => test::test(&what, output),
        Command::Emit(emit) => wait(emit::emit(emit, output)),
        Command::Events(events) => wait(events::events(events, output)),
        Command::Runs(runs) => wait(runs::runs(runs, output)),
        Command::Run { what } => wait(run::run(what, output)),
        Command::Rules(rules) => wait(rules::rules(rules, output)),
        Command::Policies { engine } => wait(policies::policies(engine, output)),
        Command::Connections { engine } => wait(connections::connections(engine, output)),
        Command::Sources { engine } => wait(sources::sources(engine, output)),
        Command::Doctor { engine } => wait(sources::doctor(engine, output)),
        Command::Locks { engine } => wait(locks::locks(engine, output)),
        Command::Why { engine, id } => wait(why::why(engine, id, output)),
        Command::WhyNot { engine, event, rule } => wait(why::why_not(engine, event, rule, output)),
        Command::Replay(replay) => replay::replay(&replay, output),
        Command::Graph { path } => graph::graph(&path, output),
        Command::Schema { crds } => {
            schema::schema(crds, output);
            Ok(())
        }
        Command::Rbac(what) => rbac::rbac(&what, output),
        Command::Token { data, what } => token::token(&data, what, output),
        Command::Audit { engine, verify: true, .. } => wait(log::verify(engine, output)),
        Command::Audit { engine, actor, since, run, limit, .. } => {
            wait(audit::audit(engine, [("actor", actor), ("since", since), ("run", run)], limit, output))
        }
        Command::Log { what } => wait(log::log(what, output)),
        Command::Freeze(freeze) => wait(freeze::freeze(freeze, output)),
        Command::Thaw { freeze, discard } => wait(freeze::thaw(freeze, discard, output)),
        Command::Demo { once, port } => wait(demo::demo(once, port, output)),
        Command::Tool { what: ToolCommand::PushImage(push) } => wait(tool::push_image(push, output)),
        Command::Reference { page } => reference::reference(&page, output),
    }
}

/// Runs what waits for the network.
fn wait<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|why| Error::Other(format!("no threads can be started: {why}")))?;
    let result = runtime.block_on(work);
    // What is left over is not waited for: the command is done.
    runtime.shutdown_background();
    result
}
