//! What must be true of each train: how it ended, who let it go, and that what was done was taken back, the newest first.

use std::collections::{BTreeMap, BTreeSet};

use ensue_event::ours::{Command, Ours};
use ensue_event::{Digest, Emission, Key, Origin, Record, Time};
use serde_json::{Value, json};

use super::plan::{CLUSTERS, Fate, Plan};
use crate::crash::verify::{Facts, Final, TOLERANCE, Verdict, by_step};
use crate::crash::world::Seen;

/// A run, as the log tells of it beside its actions.
#[derive(Default)]
struct Run {
    started: Option<Emission>,
    ended: Option<Emission>,
    status: String,
    /// Where and why it failed.
    failed: Option<(String, String)>,
    /// What was shown when somebody was asked, and its digest.
    asked: Vec<(Value, Digest)>,
    /// What people said: who, whether it was a no, and whether they may say something and had seen what was asked.
    words: Vec<(String, bool, bool)>,
}

/// What the log tells of all trains.
#[derive(Default)]
struct Log {
    runs: BTreeMap<Key, Run>,
    /// The data of what was emitted at the end, by train.
    done: BTreeMap<String, Vec<Value>>,
    /// Where and when the board agreed, with the ticket, by service.
    agreed: BTreeMap<String, Vec<(u64, Time, String)>>,
}

impl Log {
    fn take(&mut self, record: &Record) {
        let event = &record.event;
        let data = || event.json().and_then(|json| serde_json::from_slice::<Value>(json).ok()).unwrap_or_default();
        let text = |data: &Value, name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match (&*event.kind, &record.origin) {
            (super::AGREED, _) => {
                let data = data();
                let one = (record.position.0, record.at, text(&data, "ticket"));
                self.agreed.entry(text(&data, "service")).or_default().push(one);
            }
            (super::DONE, _) => {
                let train = event.extension_text("correlationid").unwrap_or_default().to_owned();
                self.done.entry(train).or_default().push(data());
            }
            (_, Origin::Emitted(emission)) => {
                if let Ok(ours) = Ours::of(event) {
                    self.decided(ours, *emission);
                }
            }
            _ => {
                if let Ok(Ours::Operator(said)) = Ours::of(event)
                    && let Command::Approve { run, refuse, shown, .. } = said.command
                {
                    let run = self.runs.entry(run).or_default();
                    let may = said.roles.iter().any(|role| role == "release");
                    let knows = run.asked.last().is_some_and(|(_, digest)| shown.is_none_or(|shown| shown == *digest));
                    run.words.push((said.actor, refuse, may && knows));
                }
            }
        }
    }

    fn decided(&mut self, ours: Ours, at: Emission) {
        match ours {
            Ours::RunStarted(run) => self.runs.entry(run.run).or_default().started = Some(at),
            Ours::RunFinished(end) => {
                let run = self.runs.entry(end.run).or_default();
                (run.ended, run.status) = (Some(at), end.status);
            }
            Ours::RunFailed(end) => {
                let run = self.runs.entry(end.run).or_default();
                let step = end.step.unwrap_or_default();
                let own = step.rsplit('/').next().unwrap_or_default().to_owned();
                (run.ended, run.status) = (Some(at), "failed".into());
                run.failed = Some((own, end.error.message));
            }
            Ours::ApprovalAsked(ask) => {
                self.runs.entry(ask.run).or_default().asked.push((ask.shown, ask.digest));
            }
            _ => {}
        }
    }
}

/// A train with all that is known of it.
struct Train<'a> {
    plan: Plan,
    key: Key,
    run: &'a Run,
    facts: &'a Facts,
    seen: &'a BTreeMap<(String, String), Vec<&'a Seen>>,
    wrong: Vec<String>,
}

pub(super) fn judge(seed: u64, records: &[Record], facts: &Facts, seen: &[Seen], verdict: &mut Verdict) -> String {
    let mut log = Log::default();
    records.iter().for_each(|record| log.take(record));
    let times: BTreeMap<u64, Time> = records.iter().map(|record| (record.position.0, record.at)).collect();
    let by_step = by_step(seen);
    let none = Run::default();
    let mut lines: BTreeMap<String, Vec<(u64, Emission, Emission, String)>> = BTreeMap::new();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for (key, fired) in &facts.fired {
        let Some((first, plan)) = fired.first().and_then(|fired| Some((fired, Plan::by_id(seed, &fired.about)?)))
        else {
            continue;
        };
        let run = log.runs.get(key).unwrap_or(&none);
        let mut train = Train { plan, key: *key, run, facts, seen: &by_step, wrong: Vec::new() };
        train.ending(&log);
        let taken_back = train.undos();
        if let Some(started) = run.started {
            let (at, since) = (started.position.0, times.get(&started.position.0).copied());
            train.ticket(&log, at, since);
            if let Some(ended) = run.ended {
                let line = lines.entry(train.plan.service.clone()).or_default();
                line.push((first.at.0, started, ended, train.plan.id.clone()));
            }
        }
        let words = run.words.iter().filter(|(_, _, counts)| !counts).count();
        let mut add = |what, number| *count.entry(what).or_default() += number;
        add(if train.plan.fate == Fate::Good { "succeeded" } else { "failed as planned" }, 1);
        add("steps taken back", taken_back);
        add("slots taken by tries that were cancelled on their way", train.unknown());
        add("words of people who have no say", words);
        add("images known from the cache", usize::from(train.plan.cached));
        verdict.wrong.extend(train.wrong.into_iter().map(|why| format!("{} (run {key}): {why}", first.about)));
    }
    for (service, mut line) in lines {
        line.sort();
        for ((_, _, ended, before), (_, started, _, after)) in line.iter().zip(line.iter().skip(1)) {
            if ended >= started {
                verdict.wrong.push(format!("{service}: {after} began at {started} and {before} ended at {ended}"));
            }
        }
    }
    let trains = count.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>();
    format!("trains: {}", trains.join(", "))
}

impl<'a> Train<'a> {
    fn answer(&self, step: &str) -> Option<&Final> {
        self.facts.answered.get(&(self.key, step.to_owned()))
    }

    fn done(&self, step: &str) -> Option<&Final> {
        self.answer(step).filter(|answer| answer.good)
    }

    fn seen(&self, step: &str) -> Vec<&'a Seen> {
        self.seen.get(&(step.to_owned(), self.plan.id.clone())).cloned().unwrap_or_default()
    }

    fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(what());
        }
    }

    /// It ended where it should, said so, and emitted once what it should.
    fn ending(&mut self, log: &Log) {
        let (run, plan) = (self.run, self.plan.clone());
        let wanted = plan.fails_at();
        let at = run.failed.as_ref().map(|(step, _)| step.clone());
        let fits = at.as_ref().map_or(wanted.is_empty(), |at| wanted.contains(at));
        self.must(fits, || format!("it failed at {at:?}, not at one of {wanted:?}"));
        // Who answered first of those who may, and what.
        let word = run.words.iter().find(|(_, _, counts)| *counts);
        self.must(word.is_none_or(|(_, refuse, _)| *refuse == (plan.fate == Fate::Refused)), || {
            format!("it was answered {word:?}")
        });
        let done = log.done.get(&plan.id).map_or(&[][..], Vec::as_slice);
        let by = word.map(|(by, ..)| by.clone());
        let url = |region: &&str| format!("https://{region}.example.com/{}", plan.service);
        let urls: Vec<String> = plan.regions.iter().map(url).collect();
        let wanted = json!({"version": plan.version, "by": [by], "urls": urls});
        let right = if plan.fate == Fate::Good { done == [wanted.clone()] } else { done.is_empty() };
        self.must(right, || format!("it emitted {done:?}, not {wanted} once, or nothing if it failed"));
        for seen in self.seen("board") {
            self.must(seen.asked.said == run.status, || format!("the board was told {}", seen.asked.said));
        }
        if let Some((_, why)) = &run.failed {
            let text = format!("{} {} was taken back: {why}", plan.service, plan.version);
            for seen in self.seen("tell") {
                self.must(seen.asked.said == text, || format!("the team was told `{}`, not `{text}`", seen.asked.said));
            }
        }
        if plan.cached {
            self.must(self.answer("image").is_none(), || "its image was asked for again".to_owned());
        }
    }

    /// What it waited for is the first that the board agreed to since it began, at this record and time.
    fn ticket(&mut self, log: &Log, began: u64, since: Option<Time>) {
        let Some((shown, _)) = self.run.asked.first() else { return };
        let shown = shown.pointer("/2/value").and_then(Value::as_str).unwrap_or_default();
        let agreed = log.agreed.get(&self.plan.service).map_or(&[][..], Vec::as_slice);
        // Records of one append have one time.
        let first = |counts: &dyn Fn(&(u64, Time, String)) -> bool| agreed.iter().find(|one| counts(one));
        let all = [first(&|(at, ..)| *at > began), first(&|(_, time, _)| since.is_some_and(|since| *time >= since))];
        let right = all.into_iter().flatten().any(|(_, _, ticket)| ticket == shown);
        self.must(right, || {
            format!("it shows the ticket {shown}; it began at {began} and the board agreed {agreed:?}")
        });
    }

    /// What was done is taken back, the newest first, and nothing else is; how many steps were.
    fn undos(&mut self) -> usize {
        let failed = self.run.failed.is_some();
        let winner = self.winner();
        let won = winner.and_then(|name| self.done(&format!("{name}_warm"))).map(|answer| answer.position);
        let mut wanted = BTreeSet::new();
        // Each stands before the other.
        let mut order: Vec<(String, String)> = Vec::new();
        // What a branch did before it lost, or before it failed by itself.
        for cluster in CLUSTERS.into_iter().filter(|name| winner != Some(*name)) {
            let back = format!("{cluster}_back");
            if self.done(cluster).is_some_and(|put| won.is_none_or(|won| put.position < won)) {
                order.extend((0..4).map(|nth| (back.clone(), format!("try[{nth}]"))));
                wanted.insert(back);
            }
        }
        if failed {
            // The newest first: a region that was not well takes its steps back itself, before all others.
            let of = |step: &str, region: usize| format!("{step}[{region}]");
            let mut regions: Vec<usize> = (0..self.plan.regions.len()).collect();
            let healthy =
                |region: usize| self.done(&of("healthy", region)).map_or(u64::MAX, |answer| answer.position.0);
            regions.sort_by_key(|region| std::cmp::Reverse(healthy(*region)));
            let steps = regions.iter().flat_map(|region| ["put", "schema"].map(|step| (step, *region)));
            let done = steps.filter(|(step, region)| self.done(&of(step, *region)).is_some());
            let mut backs: Vec<String> = done.map(|(step, region)| of(&format!("{step}_back"), region)).collect();
            backs.extend(winner.map(|name| format!("{name}_back")));
            let then = backs.iter().skip(1).cloned().chain(["tell".to_owned()]);
            order.extend(backs.iter().cloned().zip(then));
            wanted.extend(backs);
        }
        order.push(("tell".to_owned(), "board".to_owned()));
        let all = self.facts.answered.range((self.key, String::new())..).take_while(|((run, _), _)| *run == self.key);
        let undone = all.filter(|((_, step), answer)| step.contains("_back") && answer.good);
        let undone: BTreeSet<String> = undone.map(|((_, step), _)| step.clone()).collect();
        self.must(undone == wanted, || format!("it took back {undone:?}, not {wanted:?}"));
        for (first, then) in order {
            let Some(one) = self.done(&first).map(|answer| answer.at) else { continue };
            let early = self.seen(&then).iter().map(|seen| one - seen.at).max().filter(|early| *early > TOLERANCE);
            self.must(early.is_none(), || format!("{then} was done {early:?} µs before {first} was"));
        }
        undone.len()
    }

    /// The cluster that was warm first.
    fn winner(&self) -> Option<&'static str> {
        let warm = |name: &&str| self.done(&format!("{name}_warm")).map(|answer| answer.position);
        CLUSTERS.into_iter().filter(|name| warm(name).is_some()).min_by_key(warm)
    }

    /// Clusters that a try has changed which was told to end on its way: nobody knows of it, and it is not taken back.
    fn unknown(&self) -> usize {
        let taken = |name: &&&str| self.seen(name).iter().any(|seen| seen.status == 200);
        let unknown = |name: &&&str| self.winner() != Some(**name) && self.done(&format!("{name}_back")).is_none();
        CLUSTERS.iter().filter(taken).filter(unknown).count()
    }
}

#[cfg(test)]
mod tests {
    use ensue_event::Position;

    use super::*;
    use crate::crash::example::Asked;

    const RUN: Key = Key([1; 16]);

    /// A train whose second region of three is not healthy, with the answers of its steps in this order.
    fn facts(steps: &[&str]) -> (Plan, Facts) {
        let is = |plan: &Plan| plan.regions.len() == 3 && plan.fate == Fate::Unrolled(1, "healthy");
        let plan = (0..10_000).map(|nth| Plan::of(1, 1, nth)).find(is).unwrap();
        let mut facts = Facts::default();
        for (nth, step) in (1_u32..).zip(steps) {
            let good = *step != "healthy[1]";
            let one = Final { at: i64::from(nth) * 1_000_000, position: Position(nth.into()), effect: RUN, good };
            facts.answered.insert((RUN, (*step).to_owned()), one);
        }
        (plan, facts)
    }

    /// What is wrong with it; the sink saw each step just before its answer.
    fn wrong(steps: &[&str]) -> Vec<String> {
        let (plan, facts) = facts(steps);
        let seen = |((_, step), answer): (&(Key, String), &Final)| {
            let asked = Asked { step: step.clone(), id: plan.id.clone(), ..Asked::default() };
            Seen { at: answer.at - 1_000, asked, status: if answer.good { 200 } else { 410 } }
        };
        let seen: Vec<Seen> = facts.answered.iter().map(seen).collect();
        let run = Run { failed: Some(("healthy[1]".into(), "410".into())), ..Run::default() };
        let (facts, seen) = (&facts, &by_step(&seen));
        let mut train = Train { plan, key: RUN, run: &run, facts, seen, wrong: Vec::new() };
        train.undos();
        train.wrong
    }

    const STEPS: [&str; 19] = [
        "blue",
        "green",
        "green_warm",
        "blue_back",
        "try[0]",
        "schema[0]",
        "schema[1]",
        "put[0]",
        "put[1]",
        "healthy[0]",
        "healthy[1]",
        "put_back[1]",
        "schema_back[1]",
        "put_back[0]",
        "schema_back[0]",
        "green_back",
        "tell",
        "board",
        "-",
    ];

    #[test]
    fn what_is_taken_back_as_it_should_be_is_good() {
        assert_eq!(wrong(&STEPS), Vec::<String>::new());
        // One that was decided against before it was done has nothing to take back.
        let late: Vec<&str> = STEPS.iter().copied().filter(|step| !step.starts_with("blue")).chain(["blue"]).collect();
        assert_eq!(wrong(&late), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_taken_back_or_not_in_order_is_found() {
        for gone in ["blue_back", "put_back[1]", "schema_back[0]", "green_back"] {
            let without: Vec<&str> = STEPS.iter().copied().filter(|step| *step != gone).collect();
            assert!(!wrong(&without).is_empty(), "{gone} is missed");
        }
        for added in ["put[2]", "schema_back[2]"] {
            let with: Vec<&str> = std::iter::once(added).chain(STEPS).collect();
            assert!(!wrong(&with).is_empty(), "{added} is seen");
        }
        for (one, other) in [
            ("put_back[1]", "schema_back[1]"),
            ("schema_back[1]", "put_back[0]"),
            ("schema_back[0]", "green_back"),
            ("green_back", "tell"),
            ("blue_back", "try[0]"),
            ("tell", "board"),
        ] {
            let mut swapped = STEPS;
            let place = |wanted| STEPS.iter().position(|step| *step == wanted).unwrap();
            swapped.swap(place(one), place(other));
            assert!(!wrong(&swapped).is_empty(), "{other} before {one} is seen");
        }
    }
}
