//! Every kind of step in every situation: `rows.rs` is the table, `life.rs` one run with something in the way.
//!
//! A cell is not one run but one for each place at which its situation can come: the process is killed instead of every
//! single thing that would happen next, a run is cancelled in front of every answer. The same must hold in all of them.

mod kinds;
mod life;
mod rows;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ensue_engine::Outboxed;
use ensue_engine::config::check;
use ensue_event::ours::{Answer, Command, ConfigFile, Failure};
use ensue_lang::catalog::{self, Idempotency, Uncertain};
use ensue_run::Status;
use insta::assert_snapshot;

use life::{Interferes, Life, Lived, Meets, Op};
use rows::{ROWS, Row, Time};

/// What can be in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Situation {
    /// It fails.
    Fails,
    /// Every record comes twice: answers, commands of operators, emissions, ticks; and a second event that fits.
    Twice,
    /// The process dies after something was decided and before it is recorded, committed, handed out or done.
    CrashBefore,
    /// It dies after the effect was done and before the answer is recorded.
    CrashEffect,
    /// It dies after something was recorded: before it is folded; or the power is cut after it, and no commit is left.
    CrashRecord,
    /// A person ends the run while the answer is on its way.
    Cancel,
    /// The time of the step, or of its attempt, is over, and then the answer comes.
    Late,
    /// The run's own time is over, and then the answer comes.
    RunTimeout,
    /// A freeze comes in the middle, holds what would be done next, and is thawed.
    Thaw,
    /// The same, and what it held is discarded.
    Discard,
}

use Situation::{Cancel, CrashBefore, CrashEffect, CrashRecord, Discard, Fails, Late, RunTimeout, Thaw, Twice};

const ALL: [Situation; 10] =
    [Fails, Twice, CrashBefore, CrashEffect, CrashRecord, Cancel, Late, RunTimeout, Thaw, Discard];

impl Situation {
    /// What it is called in the printed table.
    const fn as_str(self) -> &'static str {
        match self {
            Fails => "fails",
            Twice => "twice",
            CrashBefore => "crash before",
            CrashEffect => "crash effect",
            CrashRecord => "crash record",
            Cancel => "cancel",
            Late => "late",
            RunTimeout => "run timeout",
            Thaw => "thaw",
            Discard => "discard",
        }
    }

    /// Whether it can come instead of this.
    fn comes_at(self, op: &Op, middle: bool, row: &Row) -> bool {
        let meets = matches!(op, Op::Meet(_)) && middle;
        match self {
            Twice => false,
            CrashBefore => matches!(op, Op::Append | Op::Commit | Op::Work | Op::Meet(Meets::Acts(_))),
            Fails | CrashEffect => matches!(op, Op::Meet(Meets::Acts(_))) && middle,
            CrashRecord => matches!(op, Op::Append | Op::Meet(_)),
            RunTimeout if row.rolls_back => false,
            Cancel | RunTimeout | Thaw | Discard => meets,
            Late if row.time == Time::Attempt => matches!(op, Op::Meet(Meets::Acts(_))) && middle,
            Late => meets && !matches!(op, Op::Meet(Meets::Passes(_))),
        }
    }

    /// How a run ends in it.
    fn ends(self, row: &Row) -> Status {
        let other = row.but.iter().find(|(situation, _)| *situation == self).map(|(_, status)| *status);
        other.unwrap_or(match self {
            Fails | Late | RunTimeout => Status::Failed,
            Twice | CrashBefore | CrashEffect | CrashRecord | Thaw => row.ends,
            Cancel | Discard => Status::Cancelled,
        })
    }

    /// Whether what was to be done is done all the same.
    const fn changes_nothing(self) -> bool {
        matches!(self, Twice | CrashBefore | CrashEffect | CrashRecord | Thaw)
    }

    fn interferes(self, mut life: Life, op: &Op, power: bool) -> Life {
        match self {
            Twice => life.do_it(op),
            Fails => {
                if let Some((row, _)) = life.on_its_way(op) {
                    life.answer(&row, Answer::Err(Failure::new("Status", "404")));
                }
            }
            CrashBefore => {
                // What is handed out is with the process that dies.
                if *op == Op::Work {
                    life.do_it(op);
                }
                return life.crash(false);
            }
            CrashEffect => {
                life.on_its_way(op);
                return life.crash(false);
            }
            CrashRecord => {
                life.do_it(op);
                if power {
                    life.fold();
                }
                return life.crash(power);
            }
            Cancel => {
                let late = life.on_its_way(op);
                let run = life.id();
                life.command("ada", Command::CancelRun { run });
                life.arrives(op, late);
            }
            Thaw | Discard => {
                life.command("ada", Command::Freeze { connection: None, rule: None });
                life.do_it(op);
            }
            Late | RunTimeout => {
                let late = life.on_its_way(op);
                match &late {
                    Some((row, _)) if self == Late && life.row.time == Time::Attempt => {
                        let timeout = Failure::new("Timeout", "no answer within 5m");
                        let again = row.effect.idempotency != Idempotency::None;
                        life.late(row, Answer::Err(if again { timeout.retryable() } else { timeout }));
                        life.given_up = Some(row.clone());
                    }
                    _ => life.runs_out(if self == Late { "s" } else { "" }),
                }
                life.arrives(op, late);
            }
        }
        life
    }
}

/// The configuration of a row: the rule under test, and what its steps need beside it.
fn manifest(row: &Row, situation: Option<Situation>) -> String {
    // Shorter than any other time only where it is what runs out.
    let timeout = if situation == Some(RunTimeout) { "1m" } else { "1d" };
    let (steps, more, beside) = (row.steps, row.more, row.beside);
    let rule = format!("{RULE}  timeout: {timeout}\n  steps: {steps}\n{more}{beside}");
    let needs = DOCUMENTS.iter().filter(|(word, _)| rule.contains(word));
    needs.fold(rule.clone(), |all, (_, document)| format!("{all}---\napiVersion: ensue.dev/v1\n{document}"))
}

const RULE: &str = r#"
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: t }
spec:
  when: { event: { type: [go] }, key: event.data.key }
  concurrency: { limit: 1, excess: queue }
  finally: [ { id: f, uses: http/request, connection: api, with: { method: PUT, path: /f } } ]
"#;

/// What is there where a row has the words; what is emitted is heard by a rule.
#[rustfmt::skip]
const DOCUMENTS: &[(&str, &str)] = &[
    ("connection: api", "kind: Connection\nmetadata: { name: api }\nspec: { http: { url: \"https://api.example.com\" } }\n"),
    ("connection: keyed", "kind: Connection\nmetadata: { name: keyed }\nspec: { http: { url: \"https://api.example.com\", idempotencyHeader: Idempotency-Key } }\n"),
    ("connection: team", "kind: Connection\nmetadata: { name: team }\nspec: { slack: { webhook: \"${{ secrets.SLACK }}\" } }\n"),
    ("connection: tools", "kind: Connection\nmetadata: { name: tools }\nspec: { exec: {} }\n"),
    ("type: said", "kind: Rule\nmetadata: { name: heard }\nspec: { when: { event: { type: [said] } }, steps: [ { set: { a: 1 } } ] }\n"),
];

/// A life, and where what is in the way comes; or what it died of.
type Lives = Vec<(String, Result<Lived, String>)>;

fn live(row: &'static Row, begins: Option<Situation>, place: Option<usize>, way: &Interferes) -> Result<Lived, String> {
    let lived = catch_unwind(AssertUnwindSafe(|| Life::begin(row, begins).live(place, way)));
    lived.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
        text.chars().take(1_000).collect()
    })
}

/// The lives of a cell: none where its situation cannot come.
fn cell(row: &'static Row, situation: Situation, plain: &Lived) -> Lives {
    let mut lives = Vec::new();
    if situation == Twice || situation == Fails && !row.none.iter().any(|(known, _)| *known == Fails) {
        lives.push(("everywhere".to_owned(), live(row, Some(situation), None, &|life, _| life)));
    }
    // Where only one of them fails, the others do not.
    let begins = Some(situation).filter(|_| situation != Fails);
    let places = plain.ops.iter().enumerate().filter(|(_, (op, middle))| situation.comes_at(op, *middle, row));
    for (place, (op, _)) in places {
        for power in [false, true].into_iter().take(if situation == CrashRecord { 2 } else { 1 }) {
            let lived = live(row, begins, Some(place), &|life, op| situation.interferes(life, op, power));
            lives.push((format!("at {place}, {op:?}{}", if power { ", without power" } else { "" }), lived));
        }
    }
    lives
}

/// What is not as it must be in a life.
fn wrong(row: &Row, situation: Situation, plain: &Lived, lived: &Lived) -> Vec<String> {
    let (mut wrong, cut) = (lived.wrong.clone(), lived.cut.as_ref());
    // Where only one of several fails, it may end as if nothing had.
    let one = situation == Fails && cut.is_some() && lived.status == row.ends;
    if lived.status != situation.ends(row) && !one {
        wrong.push(format!("the run is {}; it should be {}", lived.status.as_str(), situation.ends(row).as_str()));
    }
    let times = |of: &Lived, step: &str| of.done.get(step).copied().unwrap_or(0);
    for step in plain.done.keys().chain(lived.done.keys()).collect::<BTreeSet<_>>() {
        let (usual, found) = (times(plain, step), times(lived, step));
        let here = cut.is_some_and(|cut| cut.effect.step == *step);
        // What cannot be repeated is not: a person says that it was done.
        let repeats = |cut: &&Outboxed| {
            cut.effect.idempotency != Idempotency::None || catalog::uncertain(&cut.effect.action) == Uncertain::Retry
        };
        let again = u32::from(here && (situation == Late || situation == CrashEffect && cut.filter(repeats).is_some()));
        let fits = if situation.changes_nothing() { found == usual + again } else { found <= usual.max(1) + again };
        if !fits {
            wrong.push(format!("{step} is done {found} times; without all that {usual} times"));
        }
    }
    let goes_on = row.rolls_back || lived.status == Status::Succeeded;
    let follows = !lived.discarded.contains("f");
    if times(lived, "f") != u32::from(follows) || times(lived, "z") != u32::from(goes_on) {
        wrong.push(format!("what follows in any case, or after it, is not done as it should be: {:?}", lived.done));
    }
    if let Some((step, back)) = row.undo {
        // What has no answer is not taken back, nor what a person ended meanwhile.
        let unknown = situation == Cancel
            || lived.discarded.contains(back)
            || matches!(situation, Fails | RunTimeout) && cut.is_some_and(|cut| cut.effect.step == step);
        let ought = times(lived, step) > 0 && lived.status != Status::Succeeded && !unknown;
        if ought && times(lived, back) == 0 {
            wrong.push(format!("{step} is not taken back"));
        }
    }
    wrong
}

/// What a row is like in each situation: how its run ends, or why that cannot be; and what was wrong.
#[derive(Default)]
struct Told {
    cells: Vec<Result<&'static str, &'static str>>,
    wrong: Vec<String>,
    lives: usize,
}

fn told(row: &'static Row) -> Told {
    let mut told = Told::default();
    let plain = Life::begin(row, None).live(None, &|life, _| life);
    if plain.status != row.ends || !plain.wrong.is_empty() {
        told.wrong.push(format!("{}: it is {}; {:?}", row.name, plain.status.as_str(), plain.wrong));
    }
    for situation in ALL {
        let cell = cell(row, situation, &plain);
        let reason = row.none.iter().find(|(known, _)| *known == situation).map(|(_, reason)| *reason);
        if cell.is_empty() != reason.is_some() {
            let why = if cell.is_empty() { "cannot come, and the row does not say why" } else { "can come" };
            told.wrong.push(format!("{}, {}: it {why}", row.name, situation.as_str()));
        }
        told.cells.push(reason.map_or_else(|| Ok(situation.ends(row).as_str()), Err));
        told.lives += cell.len();
        for (place, lived) in cell {
            let all = lived.map_or_else(|died| vec![died], |lived| wrong(row, situation, &plain, &lived)).into_iter();
            told.wrong.extend(all.map(|wrong| format!("{}, {}, {place}: {wrong}", row.name, situation.as_str())));
        }
    }
    told
}

/// The table as it is printed: a reason stands below it once.
fn table(rows: &[Told]) -> String {
    let mut table = format!("{:<21}", "");
    for situation in ALL {
        let _ = write!(table, "{:<14}", situation.as_str());
    }
    let mut reasons: Vec<&str> = Vec::new();
    for (row, told) in ROWS.iter().zip(rows) {
        let _ = write!(table, "\n{:<21}", row.name);
        for cell in &told.cells {
            let said = cell.map_or_else(
                |reason| {
                    let known = reasons.iter().position(|known| *known == reason);
                    let number = known.unwrap_or_else(|| {
                        reasons.push(reason);
                        reasons.len() - 1
                    });
                    format!("n.a. {}", number + 1)
                },
                str::to_owned,
            );
            let _ = write!(table, "{said:<14}");
        }
    }
    for (number, reason) in (1..).zip(reasons) {
        let _ = write!(table, "\nn.a. {number}: {reason}");
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn every_kind_of_step_in_every_situation() {
    let halves: Vec<Vec<Told>> = std::thread::scope(|scope| {
        let half = |first: usize| scope.spawn(move || ROWS.iter().skip(first).step_by(2).map(told).collect());
        [half(0), half(1)].into_iter().map(|half| half.join().unwrap()).collect()
    });
    let mut halves = halves.into_iter().map(Vec::into_iter).collect::<Vec<_>>();
    let rows: Vec<Told> = (0..ROWS.len()).map(|place| halves[place % 2].next().unwrap()).collect();
    let wrong: Vec<&str> = rows.iter().flat_map(|told| &told.wrong).map(String::as_str).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // No row is empty because nothing comes of it.
    let lives: usize = rows.iter().map(|told| told.lives).sum();
    assert!(lives > 900, "{lives} lives");
    let table = table(&rows);
    // `cargo xtask test` shows it.
    table.lines().for_each(|line| println!("matrix: {line}"));
    assert_snapshot!(table, @r"
                         fails         twice         crash before  crash effect  crash record  cancel        late          run timeout   thaw          discard
    uses, natural        failed        succeeded     succeeded     succeeded     succeeded     cancelled     succeeded     failed        succeeded     cancelled
    uses, keyed          failed        succeeded     succeeded     succeeded     succeeded     cancelled     succeeded     failed        succeeded     cancelled
    uses, none           failed        succeeded     succeeded     succeeded     succeeded     cancelled     failed        failed        succeeded     cancelled
    uses, none, a notice failed        succeeded     succeeded     succeeded     succeeded     cancelled     failed        failed        succeeded     cancelled
    workflow             failed        succeeded     succeeded     succeeded     succeeded     cancelled     failed        failed        succeeded     cancelled
    emit                 failed        succeeded     succeeded     n.a. 1        succeeded     n.a. 2        n.a. 2        n.a. 2        n.a. 2        n.a. 2
    wait, a time         n.a. 3        succeeded     succeeded     n.a. 1        succeeded     cancelled     n.a. 4        failed        succeeded     cancelled
    wait, until          failed        succeeded     succeeded     n.a. 1        succeeded     cancelled     n.a. 4        failed        succeeded     cancelled
    wait, for an event   failed        succeeded     succeeded     n.a. 1        succeeded     cancelled     failed        failed        succeeded     cancelled
    approve              failed        succeeded     succeeded     n.a. 1        succeeded     cancelled     failed        failed        succeeded     cancelled
    parallel, all        failed        succeeded     succeeded     succeeded     succeeded     cancelled     failed        failed        succeeded     cancelled
    parallel, any        failed        succeeded     succeeded     succeeded     succeeded     cancelled     failed        failed        succeeded     cancelled
    parallel, quorum     failed        succeeded     succeeded     succeeded     succeeded     cancelled     failed        failed        succeeded     cancelled
    foreach, a list      failed        succeeded     succeeded     succeeded     succeeded     cancelled     failed        failed        succeeded     cancelled
    foreach, a matrix    failed        succeeded     succeeded     succeeded     succeeded     cancelled     failed        failed        succeeded     cancelled
    switch               failed        succeeded     succeeded     succeeded     succeeded     cancelled     succeeded     failed        succeeded     cancelled
    set                  failed        succeeded     succeeded     n.a. 1        succeeded     n.a. 2        n.a. 2        n.a. 2        n.a. 2        n.a. 2
    fail                 failed        failed        failed        n.a. 1        failed        n.a. 2        n.a. 2        n.a. 2        n.a. 2        n.a. 2
    if                   failed        succeeded     succeeded     n.a. 1        succeeded     n.a. 2        n.a. 2        n.a. 2        n.a. 2        n.a. 2
    needs                failed        succeeded     succeeded     succeeded     succeeded     cancelled     succeeded     failed        succeeded     cancelled
    undo                 failed        failed        failed        failed        failed        cancelled     failed        failed        failed        cancelled
    undo, by rollback    cancelled     cancelled     cancelled     cancelled     cancelled     cancelled     cancelled     n.a. 5        cancelled     cancelled
    cache                failed        succeeded     succeeded     succeeded     succeeded     cancelled     succeeded     failed        succeeded     cancelled
    catch                failed        succeeded     succeeded     succeeded     succeeded     cancelled     succeeded     failed        succeeded     cancelled
    continueOnError      succeeded     succeeded     succeeded     succeeded     succeeded     cancelled     succeeded     failed        succeeded     cancelled
    finally              failed        succeeded     succeeded     succeeded     succeeded     cancelled     succeeded     failed        succeeded     cancelled
    onFailure            failed        failed        failed        failed        failed        cancelled     failed        failed        failed        cancelled
    retry                failed        succeeded     succeeded     succeeded     succeeded     cancelled     succeeded     failed        succeeded     cancelled
    timeout              n.a. 6        failed        failed        n.a. 1        failed        cancelled     n.a. 4        failed        failed        cancelled
    a policy that asks   failed        succeeded     succeeded     succeeded     succeeded     cancelled     succeeded     failed        succeeded     cancelled
    each in another      failed        succeeded     succeeded     succeeded     succeeded     cancelled     failed        failed        succeeded     cancelled
    n.a. 1: nothing is done outside
    n.a. 2: it takes no time
    n.a. 3: time passes in any case
    n.a. 4: its end is a time
    n.a. 5: it has no time of its own
    n.a. 6: it is how it ends
    ");
}

#[test]
fn each_row_is_an_example_of_what_it_says() {
    let mut done = String::new();
    for row in ROWS {
        let plain = Life::begin(row, None).live(None, &|life, _| life);
        let files = [ConfigFile { path: "t.yaml".into(), text: manifest(row, None) }];
        let checked = check(&files);
        let compiled = checked.compiled.as_ref().unwrap_or_else(|| panic!("{}: {}", row.name, checked.render(false)));
        let mut kinds = plain.uses;
        let decider = compiled.rule("default/t").unwrap();
        kinds::of(&decider.rule.steps, &mut kinds);
        if !decider.rule.on_failure.is_empty() {
            kinds.insert("onFailure");
        }
        if !compiled.policies.is_empty() {
            kinds.insert("a policy that asks");
        }
        if row.rolls_back {
            kinds.insert("undo, by rollback");
        }
        if kinds.len() > 8 {
            kinds.insert("each in another");
        }
        assert!(kinds.contains(row.name), "{}: its manifest has {kinds:?}", row.name);
        // And each node of its graph has a row, which need not be this one.
        assert!(decider.graph.nodes.iter().all(|node| !kinds::node(&node.kind).is_empty()));
        let times: Vec<String> = plain.done.iter().map(|(step, times)| format!("{step} {times}")).collect();
        let _ = writeln!(done, "{:<21}{:<10} {}", row.name, plain.status.as_str(), times.join(", "));
    }
    assert_snapshot!(done, @r"
    uses, natural        succeeded  f 1, s 1, z 1
    uses, keyed          succeeded  f 1, s 1, z 1
    uses, none           succeeded  f 1, s 1, z 1
    uses, none, a notice succeeded  f 1, s 1, z 1
    workflow             succeeded  f 1, s/s1 1, s/s2 1, s/t 1, z 1
    emit                 succeeded  f 1, said 1, z 1
    wait, a time         succeeded  f 1, z 1
    wait, until          succeeded  f 1, z 1
    wait, for an event   succeeded  f 1, z 1
    approve              succeeded  f 1, z 1
    parallel, all        succeeded  f 1, s1 1, s2 1, z 1
    parallel, any        succeeded  f 1, s1 1, z 1
    parallel, quorum     succeeded  f 1, s1 1, s3 1, z 1
    foreach, a list      succeeded  f 1, s1[0] 1, s1[1] 1, s1[2] 1, z 1
    foreach, a matrix    succeeded  f 1, s1[0] 1, s1[1] 1, z 1
    switch               succeeded  f 1, s1 1, z 1
    set                  succeeded  f 1, z 1
    fail                 failed     f 1
    if                   succeeded  f 1, z 1
    needs                succeeded  f 1, s1 1, s2 1, z 1
    undo                 failed     a 1, f 1, s 1, s_back 1
    undo, by rollback    cancelled  a 1, f 1, s_back 1, z 1
    cache                succeeded  f 1, s1 1, z 1
    catch                succeeded  f 1, s 1, sc 1, z 1
    continueOnError      succeeded  f 1, s 1, z 1
    finally              succeeded  f 1, s 1, t 1, z 1
    onFailure            failed     f 1, s 1, so 1
    retry                succeeded  f 1, s 2, z 1
    timeout              failed     f 1
    a policy that asks   succeeded  f 1, s 1, z 1
    each in another      succeeded  called/back[0] 1, called/back[1] 1, called/back[2] 1, called/s1[0] 1, called/s1[1] 1, called/s1[2] 1, called/t[0] 1, called/t[1] 1, called/t[2] 1, f 1, s_call[0] 1, s_call[1] 1, s_call[2] 1, z 1
    ");
}
