//! What becomes of each train, known before it leaves: all of it comes from the seed, so that sink, people and judge
//! agree without a word.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::rng::Rng;

/// A service has one train at a time: so many services of each sender go on at once.
const SERVICES: u64 = 5;
const REGIONS: [&str; 3] = ["eu", "us", "ap"];
const SCANNERS: [&str; 3] = ["clair", "grype", "trivy"];
pub(super) const CLUSTERS: [&str; 2] = ["blue", "green"];
/// Browsers and devices, in the order of the matrix.
const SMOKE: [&str; 4] = ["chrome/phone", "chrome/desktop", "firefox/phone", "firefox/desktop"];
/// The steps within a region that the sink may refuse.
const ROLL: [&str; 4] = ["schema", "flags", "put", "healthy"];

/// How a train ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fate {
    Good,
    /// The image is not signed.
    Unsigned,
    /// Two scanners of three find something.
    Scanned,
    /// Neither cluster gets warm.
    Cold,
    /// A smoke test fails: which.
    Broken(usize),
    /// Somebody says no.
    Refused,
    /// A step of a region fails: of which region, and which.
    Unrolled(usize, &'static str),
}

/// What somebody does who has no say, or too late.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meddling {
    None,
    /// Answers without the role.
    Stranger,
    /// Answers to something else than what is shown.
    Stale,
    /// Says the contrary when it is answered.
    Late,
    /// Says the same at the same moment.
    Both,
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) service: String,
    pub(super) version: String,
    /// The same version as the train before: what it is is known.
    pub(super) cached: bool,
    pub(super) regions: Vec<&'static str>,
    pub(super) fate: Fate,
    /// Scanners that find something.
    bad: BTreeSet<&'static str>,
    /// Clusters that do not get warm.
    cold: BTreeSet<&'static str>,
    pub(super) notes: bool,
    /// The board agrees before anybody waits for it.
    pub(super) early: bool,
    pub(super) meddling: Meddling,
}

fn one_of<T: Copy>(rng: &mut Rng, all: &[T]) -> Option<T> {
    all.get(usize::try_from(rng.range(0, all.len() as u64)).unwrap_or(0)).copied()
}

impl Plan {
    /// The plan of a sender's train with this number.
    pub(super) fn of(seed: u64, sender: u64, nth: u64) -> Plan {
        let mut plan = Plan::alone(seed, sender, nth);
        if again(seed, sender, nth) {
            // What fails says so by its version: this one goes well.
            plan.version = format!("v{}", nth - SERVICES);
            (plan.cached, plan.fate) = (true, Fate::Good);
            (plan.bad, plan.cold) = Default::default();
        }
        plan
    }

    /// The same, without a look at the train before.
    fn alone(seed: u64, sender: u64, nth: u64) -> Plan {
        let mut rng = Rng::new(seed ^ 0x7261_696e, sender * 1_000_000 + nth);
        let count = usize::try_from(rng.range(0, 4)).unwrap_or(0);
        let regions: Vec<&str> = REGIONS.into_iter().take(count).collect();
        let fate = match rng.range(0, 16) {
            0 => Fate::Unsigned,
            1 => Fate::Scanned,
            2 => Fate::Cold,
            3 => Fate::Broken(usize::try_from(rng.range(0, 4)).unwrap_or(0)),
            4 | 5 => Fate::Refused,
            6..=9 if count > 0 => {
                let region = usize::try_from(rng.range(0, count as u64)).unwrap_or(0);
                Fate::Unrolled(region, one_of(&mut rng, &ROLL).unwrap_or("healthy"))
            }
            _ => Fate::Good,
        };
        // All but one, or only one.
        let some = |rng: &mut Rng, all: &[&'static str], fails: bool| {
            let (one, single) = (one_of(rng, all), rng.once_in(3));
            let is = |name: &&'static str| if fails { Some(*name) != one } else { single && Some(*name) == one };
            all.iter().copied().filter(is).collect::<BTreeSet<_>>()
        };
        let bad = some(&mut rng, &SCANNERS, fate == Fate::Scanned);
        let cold = if fate == Fate::Cold { CLUSTERS.into() } else { some(&mut rng, &CLUSTERS, false) };
        let meddling = match rng.range(0, 8) {
            0 => Meddling::Stranger,
            1 => Meddling::Stale,
            2 => Meddling::Late,
            3 => Meddling::Both,
            _ => Meddling::None,
        };
        let service = format!("svc-{sender}-{}", nth % SERVICES);
        let (id, version) = (format!("train-{sender}-{nth}"), format!("v{nth}"));
        let (notes, early) = (!rng.once_in(4), rng.once_in(2));
        Plan { id, service, version, cached: false, regions, fate, bad, cold, notes, early, meddling }
    }

    /// The plan of the train with this id.
    pub(super) fn by_id(seed: u64, id: &str) -> Option<Plan> {
        let (sender, nth) = id.strip_prefix("train-")?.split_once('-')?;
        Some(Plan::of(seed, sender.parse().ok()?, nth.parse().ok()?))
    }

    /// The event that asks for it.
    pub(super) fn event(&self) -> Value {
        let Plan { id, service, version, regions, .. } = self;
        json!({
            "id": id, "type": super::REQUESTED, "correlationid": id,
            "data": {"id": id, "service": service, "version": version, "regions": regions},
        })
    }

    /// The step that a request is of, by its own name and the place in its `foreach`.
    pub(super) fn step(&self, method: &str, path: &[&str]) -> Option<String> {
        let undo = if method == "DELETE" { "_back" } else { "" };
        let place = |step: &str, nth: Option<usize>| nth.map(|nth| format!("{step}[{nth}]"));
        Some(match path {
            ["images", ..] => "image".to_owned(),
            ["scans", scanner, _] => (*scanner).to_owned(),
            ["clusters", cluster, "slots", _] => format!("{cluster}{undo}"),
            ["clusters", cluster, "slots", _, "warm"] => format!("{cluster}_warm"),
            ["smoke", _, browser, device] => {
                let wanted = format!("{browser}/{device}");
                return place("try", SMOKE.iter().position(|one| *one == wanted));
            }
            ["notes", _] => "notes".to_owned(),
            ["trains", _] => "board".to_owned(),
            [region, what, _] => {
                let step = match *what {
                    "schemas" => format!("schema{undo}"),
                    "services" => format!("put{undo}"),
                    "health" => "healthy".to_owned(),
                    other => other.to_owned(),
                };
                return place(&step, self.regions.iter().position(|one| one == region));
            }
            _ => return None,
        })
    }

    /// What the sink says to a step in the end.
    pub(super) fn status(&self, step: &str) -> u16 {
        let refused = match &self.fate {
            Fate::Broken(nth) => step == format!("try[{nth}]"),
            Fate::Unrolled(region, wanted) => step == format!("{wanted}[{region}]"),
            _ => false,
        };
        let found = self.bad.contains(step) || step.strip_suffix("_warm").is_some_and(|name| self.cold.contains(name));
        if refused || found || step == "notes" && !self.notes { 410 } else { 200 }
    }

    /// The steps at which it may end, if it fails; none for one that succeeds.
    pub(super) fn fails_at(&self) -> Vec<String> {
        match &self.fate {
            Fate::Good => Vec::new(),
            Fate::Unsigned => vec!["unsigned".to_owned()],
            Fate::Scanned => self.bad.iter().map(|&name| name.to_owned()).collect(),
            Fate::Cold => CLUSTERS.iter().map(|name| format!("{name}_warm")).collect(),
            Fate::Broken(nth) => vec![format!("try[{nth}]")],
            Fate::Refused => vec!["go".to_owned()],
            Fate::Unrolled(region, step) => vec![format!("{step}[{region}]")],
        }
    }

    /// The steps that the sink sees in any case, and those that it may see.
    pub(super) fn sees(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut always, mut maybe) = (BTreeSet::from(["board".to_owned()]), BTreeSet::new());
        // How far it comes.
        let far = match self.fate {
            Fate::Unsigned => 0,
            Fate::Scanned => 1,
            Fate::Cold => 2,
            Fate::Broken(_) => 3,
            Fate::Refused => 4,
            Fate::Unrolled(..) => 5,
            Fate::Good => 6,
        };
        if !self.cached {
            always.insert("image".to_owned());
        }
        if far >= 1 {
            maybe.extend(SCANNERS.map(str::to_owned));
        }
        if far >= 2 {
            let each = |name: &str| ["", "_warm", "_back"].map(|part| format!("{name}{part}"));
            maybe.extend(CLUSTERS.iter().flat_map(|name| each(name)));
        }
        let smoke = (0..SMOKE.len()).map(|nth| format!("try[{nth}]"));
        match far {
            0..=2 => {}
            3 => maybe.extend(smoke),
            _ => always.extend(smoke),
        }
        if far >= 5 {
            always.insert("notes".to_owned());
        }
        for region in 0..self.regions.len() {
            let of = |steps: &[&str]| steps.iter().map(|step| format!("{step}[{region}]")).collect::<Vec<_>>();
            match far {
                0..=4 => {}
                5 => maybe.extend(of(&["schema", "flags", "put", "healthy", "schema_back", "put_back"])),
                _ => always.extend(of(&["schema", "flags", "put", "healthy"])),
            }
        }
        if far < 6 {
            always.insert("tell".to_owned());
        }
        (always, maybe)
    }
}

/// Whether a train is of the version of the one before it.
fn again(seed: u64, sender: u64, nth: u64) -> bool {
    let mut rng = Rng::new(seed ^ 0x6361_6368, sender * 1_000_000 + nth);
    let Some(before) = nth.checked_sub(SERVICES).filter(|_| rng.once_in(5)) else { return false };
    !again(seed, sender, before) && Plan::alone(seed, sender, before).fate != Fate::Unsigned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trains_end_in_each_way_and_the_sink_fails_what_ends_them() {
        let plans: Vec<Plan> = (0..2_000).map(|nth| Plan::of(7, 3, nth)).collect();
        for plan in &plans {
            assert_eq!(Plan::by_id(7, &plan.id).unwrap().version, plan.version);
            let (always, maybe) = plan.sees();
            assert!(always.is_disjoint(&maybe), "{plan:?}");
            // Nobody at the sink is asked about what is not signed, and about what people say.
            let asked = |step: &String| !["unsigned", "go"].contains(&step.as_str());
            for step in plan.fails_at().iter().filter(|step| asked(step)) {
                assert!(plan.status(step) == 410 && always.union(&maybe).any(|seen| seen == step), "{step}: {plan:?}");
            }
        }
        let ends = |is: fn(&Plan) -> bool| plans.iter().filter(|plan| is(plan)).count();
        for (what, count) in [
            ("good", ends(|plan| plan.fate == Fate::Good)),
            ("unsigned", ends(|plan| plan.fate == Fate::Unsigned)),
            ("scanned", ends(|plan| plan.fate == Fate::Scanned && plan.bad.len() == 2)),
            ("cold", ends(|plan| plan.fate == Fate::Cold && plan.cold.len() == 2)),
            ("broken", ends(|plan| matches!(plan.fate, Fate::Broken(_)))),
            ("refused", ends(|plan| plan.fate == Fate::Refused)),
            ("unrolled", ends(|plan| matches!(plan.fate, Fate::Unrolled(..)))),
            ("cached", ends(|plan| plan.cached)),
            ("good in spite of a scanner", ends(|plan| plan.fate == Fate::Good && plan.bad.len() == 1)),
        ] {
            assert!(count > 20, "{count} are {what}");
        }
    }
}
