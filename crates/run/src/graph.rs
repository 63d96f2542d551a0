//! The shape of work: nodes, and the regions that say who handles a failure.
//!
//! ```text
//!   steps: [a, b {catch: [c], finally: [f]}]           region 0  finally of the rule
//!                                                        region 1  catch-all of the rule: onFailure
//!   a ──► open F ──► b ──► close F ──► f ──► resume        region 2  finally f
//!                    ╎ fails                                region 3  catch c
//!                    └╌╌► c ──► close F
//! ```
//! A failure in a node goes to the node's region, then to its parents, until one catches it. A region with a `finally`
//! is left only through it: what was going on is *held*, the finally steps run, and `Resume` takes it up again.
//!
//! The ways of a `parallel`, the steps of a `foreach`, those of a list with `needs`, and the undo of a step each begin in
//! a region without a parent and end in an `End` of their own: a branch walks them, and what leaves it is told to the
//! step that it is of.

use std::collections::BTreeMap;
use std::sync::Arc;

use ensue_event::ours::Failure;
use ensue_expr::{Program, Template, TemplateValue};
use ensue_lang::{Approve, Input, Join, KeySpec, PatternSpec, Retry};
use indexmap::IndexMap;

/// The number of a node in its graph.
pub type NodeId = usize;
/// The number of a region in its graph.
pub type RegionId = usize;

/// What a definition means.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// All nodes; a node is named by its place.
    pub nodes: Vec<Node>,
    /// All regions; a region is named by its place.
    pub regions: Vec<Region>,
    /// Where a run starts.
    pub entry: NodeId,
    /// The region of the rule's `steps`: what its `timeout` ends.
    pub body: RegionId,
    /// The region from which a run that is over is taken back: only undo steps run.
    pub rollback: RegionId,
    /// How long a run may take, in microseconds.
    pub timeout: Option<i64>,
    /// Where the undo of a step begins, by the step's path.
    pub undos: BTreeMap<String, NodeId>,
    /// The steps that wait for an event, by path: what they may take is kept from the run's start.
    pub waits: BTreeMap<String, Arc<WaitFor>>,
}

/// One thing to do, and what follows.
#[derive(Debug, Clone)]
pub struct Node {
    /// The path of its step: `build`, or `deploy/build` within a called workflow.
    pub path: String,
    /// The node that follows when this one is done.
    pub next: NodeId,
    /// Who handles its failure.
    pub region: RegionId,
    /// Skip it unless this holds.
    pub cond: Option<Program>,
    /// The outputs that it shows, computed from the raw ones.
    pub outputs: IndexMap<String, TemplateValue>,
    /// How long all of it may take, in microseconds, where it is more than one action.
    pub timeout: Option<i64>,
    /// What it does.
    pub kind: NodeKind,
}

/// What a node does.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// An action of a connection: the run waits for its answer.
    Task(Arc<Task>),
    /// Names values.
    Pass(IndexMap<String, TemplateValue>),
    /// Goes on at the first case that holds; a case without a condition always does.
    Choice(Vec<(Option<Program>, NodeId)>),
    /// Goes on at `next` if this holds; else the step is skipped and the run goes on elsewhere.
    Guard {
        /// What must hold.
        cond: Program,
        /// Where to go on if it does not.
        otherwise: NodeId,
    },
    /// Says that something happened.
    Emit(Arc<Emit>),
    /// Goes into a called workflow: the inputs it is given and the defaults of the others.
    Enter(Arc<Enter>),
    /// Comes back from it with its outputs.
    Leave(IndexMap<String, TemplateValue>),
    /// Fails with this message.
    Fail(Template),
    /// Waits for a time.
    Wait(Arc<Until>),
    /// Waits for an event.
    WaitFor(Arc<WaitFor>),
    /// Asks a person.
    Approve(Arc<Approve>),
    /// Several ways at once.
    Parallel(Arc<Ways>),
    /// The same for every item.
    Map(Arc<Map>),
    /// The steps of a list, each when those that it needs are finished.
    Dag(Arc<Dag>),
    /// Holds "go on at `next`" and enters the finally steps.
    Close(NodeId),
    /// Goes on with what was held: the next node, or the failure.
    Resume,
    /// The failure of the run goes on after its `onFailure` steps.
    Rethrow,
    /// The steps of a catch are done: the step that failed counts as done too.
    Caught,
    /// The run is over.
    End,
}

/// An action to be done.
#[derive(Debug, Clone)]
pub struct Task {
    /// `http/request` and so on.
    pub action: String,
    /// The name of the connection, as written.
    pub connection: Option<String>,
    /// What it is given.
    pub with: TemplateValue,
    /// When to try again.
    pub retry: Option<Retry>,
    /// How long one attempt may take, in microseconds.
    pub timeout: Option<i64>,
    /// Its outputs are kept for later runs: for what, and how long in microseconds.
    pub cache: Option<(KeySpec, Option<i64>)>,
}

/// The time that a wait ends at.
#[derive(Debug, Clone)]
pub enum Until {
    /// So many microseconds from its start.
    Duration(i64),
    /// This time.
    At(ensue_event::Time),
    /// The time that this gives.
    Computed(Template),
}

/// A wait for an event.
#[derive(Debug, Clone)]
pub struct WaitFor {
    /// What it looks like.
    pub pattern: PatternSpec,
    /// What must hold of it.
    pub cond: Option<Program>,
    /// Its key must be the run's.
    pub key: Option<KeySpec>,
    /// From when on events count.
    pub since: Since,
    /// How long it waits, in microseconds.
    pub timeout: Option<i64>,
}

/// From when on a wait sees events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// The start of the run.
    Run,
    /// The start of the step with this path.
    Step(String),
    /// Its own start.
    Now,
}

/// The ways of a `parallel`.
#[derive(Debug, Clone)]
pub struct Ways {
    /// Their names, or their places, and where they begin.
    pub ways: Vec<(String, NodeId)>,
    /// When it is over.
    pub join: Join,
}

/// The steps of a `foreach`.
#[derive(Debug, Clone)]
pub struct Map {
    /// The list.
    pub items: Option<Template>,
    /// Lists whose combinations are the items.
    pub matrix: IndexMap<String, TemplateValue>,
    /// How many go on at once, at most.
    pub max_parallel: Option<u32>,
    /// Where an item begins.
    pub entry: NodeId,
}

/// A list with `needs`.
#[derive(Debug, Clone)]
pub struct Dag {
    /// Where each step begins, and the places in the list of those that it needs.
    pub steps: Vec<(NodeId, Vec<usize>)>,
}

/// An event to be emitted.
#[derive(Debug, Clone)]
pub struct Emit {
    /// Its type.
    pub kind: Template,
    /// Its source, where the definition names one.
    pub source: Option<Template>,
    /// Its subject.
    pub subject: Option<Template>,
    /// Its data.
    pub data: Option<TemplateValue>,
    /// Its extension attributes.
    pub extensions: IndexMap<String, Template>,
}

/// A call of a workflow.
#[derive(Debug, Clone)]
pub struct Enter {
    /// The workflow's full name.
    pub workflow: String,
    /// What the caller gives.
    pub with: TemplateValue,
    /// What each input must be, and what it is where the caller gives none.
    pub inputs: IndexMap<String, Input>,
    /// What follows the whole call.
    pub after: NodeId,
}

/// Who handles a failure.
#[derive(Debug, Clone, Default)]
pub struct Region {
    /// Asked when this one does not handle it; the outermost has none.
    pub parent: Option<RegionId>,
    /// Error names (none: every error) and where to go on.
    pub arms: Vec<Arm>,
    /// The finally steps to pass through on the way out.
    pub finally: Option<NodeId>,
    /// How many workflows deep its nodes are.
    pub frames: usize,
    /// How many things are held while its nodes run.
    pub held: usize,
    /// `onFailure` and `finally` steps: a failure among them does not replace the one that is on its way out.
    pub sticky: bool,
    /// The steps of a document or branch: what they did is taken back when a failure leaves them.
    pub undoes: bool,
}

/// One arm of a `catch`.
#[derive(Debug, Clone)]
pub struct Arm {
    /// The error names that it takes; empty: all but a cancellation.
    pub errors: Vec<String>,
    /// Where to go on.
    pub to: NodeId,
    /// What becomes of the failure.
    pub kind: ArmKind,
}

/// What becomes of a failure that an arm takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArmKind {
    /// It is `error` for the steps of a `catch`, and over after them.
    Catch,
    /// It is held, and goes on after the steps of an `onFailure`.
    OnFailure,
    /// It stays with its step: `continueOnError`.
    CarryOn,
}

impl Graph {
    /// The node of this number. A graph only holds numbers of its own nodes; a missing one would be `End`.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The node that the step with this path begins at: its guard, if it has one.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<NodeId> {
        // Nodes are made from the end of a list to its beginning, and a guard after what it guards.
        self.nodes.iter().rposition(|node| {
            use NodeKind::{Caught, Close, End, Leave, Resume, Rethrow};
            node.path == path && !matches!(node.kind, Caught | Close(_) | End | Leave(_) | Resume | Rethrow)
        })
    }

    /// Whether a run that stands at `from` has what it needs to stand at `to`: every call and every finally that `to`
    /// is within, `from` is within too.
    #[must_use]
    pub fn reaches(&self, from: NodeId, to: NodeId) -> bool {
        let regions = |node: NodeId| {
            let first = self.node(node).map(|node| node.region);
            std::iter::successors(first, |region| self.regions.get(*region).and_then(|region| region.parent))
        };
        if regions(from).last() != regions(to).last() {
            return false;
        }
        let depth = |region: RegionId| self.regions.get(region).map_or((0, 0), |region| (region.frames, region.held));
        regions(to).all(|region| {
            let outside = self.regions.get(region).and_then(|region| region.parent).map_or((0, 0), depth);
            depth(region) == outside || regions(from).any(|known| known == region)
        })
    }
}

impl Arm {
    /// Whether it takes this failure.
    #[must_use]
    pub fn takes(&self, failure: &Failure) -> bool {
        self.errors.is_empty() || self.errors.contains(&failure.name)
    }
}
