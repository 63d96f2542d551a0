//! What a person asks for in a scenario, as commands: a scenario names rules, commands name runs and firings.

use ensue_engine::State;
use ensue_event::ours::Command;
use ensue_event::{Key, Position, Time};
use ensue_lang::{Asks, Verb};
use ensue_run::{Run, Status, StepState, StepStatus};

use super::same_step;

/// The commands; and what cannot be asked, since there is nobody to ask.
pub(super) fn commands(asks: &Asks, state: &State) -> (Vec<Command>, Option<String>) {
    let all = match asks.clone() {
        Asks::Mode { rule, mode } => vec![Command::SetMode { rule, mode }],
        Asks::Redrive { rule } => parked(state, &rule).map(|firing| Command::Redrive { firing }).collect(),
        Asks::Discard { rule } => parked(state, &rule).map(|firing| Command::Discard { firing }).collect(),
        Asks::Freeze { connection, rule } => vec![Command::Freeze { connection, rule }],
        Asks::Thaw { connection, rule, discard } => vec![Command::Thaw { connection, rule, discard }],
        Asks::Runs { rule, key, verb } => {
            let mut runs: Vec<&Run> = state.runs.iter().map(|(_, run)| run.as_ref()).collect();
            runs.retain(|run| run.rule == rule && (key.is_none() || run.key == key));
            runs.sort_by_key(|run| run.started);
            let fitting: Vec<Command> = runs.iter().flat_map(|run| of_run(&verb, run, state)).collect();
            match runs.last() {
                _ if !fitting.is_empty() => fitting,
                // It is for none of them: the newest says why.
                Some(run) => vec![command(&verb, run.id, None)],
                None => return (Vec::new(), Some(format!("there is no run of {rule} to ask for this"))),
            }
        }
    };
    (all, None)
}

/// The parked firings of a rule, oldest first.
fn parked(state: &State, rule: &str) -> impl Iterator<Item = Key> {
    let parked = state.parked.iter().filter(|(_, parked)| parked.fired.rule == rule);
    let mut parked: Vec<(Time, Position, Key)> = parked
        .map(|(key, parked)| {
            let first = parked.fired.events.last().map_or(Position(0), |took| took.position);
            (parked.since, first, *key)
        })
        .collect();
    parked.sort_unstable();
    parked.into_iter().map(|(_, _, key)| key)
}

/// The commands that a run is ready for: one, or one for each place in a `foreach`.
fn of_run(verb: &Verb, run: &Run, state: &State) -> Vec<Command> {
    let over = run.status.over();
    let failed_at = run.trunk.failed.as_ref().map(|failed| failed.step.as_str());
    let all = run.steps(&state.branches_of(run.id));
    let fits = |step: &str, of: &dyn Fn(&str, &StepState) -> bool| -> Vec<Command> {
        let steps = all.iter().filter(|(path, state)| same_step(step, path) && of(path, state));
        steps.map(|(path, _)| command(verb, run.id, Some(path))).collect()
    };
    let open = |_: &str, state: &StepState| !over && state.finished.is_none();
    let ready = match verb {
        Verb::Approve { step, .. } => return fits(step, &open),
        Verb::Skip { step } => return fits(step, &|path, state| open(path, state) || failed_at == Some(path)),
        Verb::Settle { step, .. } => return fits(step, &|_, state| state.status == StepStatus::Uncertain),
        Verb::Cancel => !over,
        Verb::Retry => matches!(run.status, Status::Failed | Status::Cancelled),
        Verb::Resume { .. } => run.status == Status::Failed,
        Verb::Rollback => over,
    };
    if ready { vec![command(verb, run.id, None)] } else { Vec::new() }
}

/// A verb for a run; `path` is the step's own where it was found.
fn command(verb: &Verb, run: Key, path: Option<&String>) -> Command {
    let at = |step: &String| path.unwrap_or(step).clone();
    match verb {
        Verb::Approve { step, refuse } => Command::Approve { run, step: at(step), refuse: *refuse, shown: None },
        Verb::Cancel => Command::CancelRun { run },
        Verb::Retry => Command::RetryRun { run },
        Verb::Resume { from } => Command::ResumeRun { run, from: from.clone() },
        Verb::Skip { step } => Command::SkipStep { run, step: at(step) },
        Verb::Settle { step, verdict } => Command::Settle { run, step: at(step), verdict: verdict.clone() },
        Verb::Rollback => Command::Rollback { run },
    }
}
