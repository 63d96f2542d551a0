//! The flags: one declaration, from which help and completions come.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::output::Format;

/// Turns events into consequences: durable, ordered, explained.
#[derive(Debug, Parser)]
#[command(name = "ensue", version, arg_required_else_help = true, max_term_width = 110)]
pub(crate) struct Args {
    /// How to print: tables on a terminal, JSON in a pipe, unless told.
    #[arg(long, short, global = true, value_enum)]
    pub(crate) output: Option<Format>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the engine is.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Engine {
    /// The address of the engine; that of the engine in the data folder if left out.
    #[arg(long, env = "ENSUE_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The token to show; the admin token of the data folder if left out.
    #[arg(long, env = "ENSUE_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// The data folder of the engine.
    #[arg(long, env = "ENSUE_DATA", default_value = ".ensue", value_name = "DIR")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the engine on a folder of automations.
    Up(Up),
    /// Check a folder of automations: every mistake, with its place.
    Check {
        /// The folder, or one file.
        path: PathBuf,
    },
    /// Play scenarios in virtual time.
    Test(Test),
    /// Send an event.
    Emit(Emit),
    /// List events, follow them, or destroy some.
    Events(Events),
    /// List runs; show what their actions said, take out what they left, export all that happened to one.
    Runs(Runs),
    /// Show one run, or say what is to become of it.
    Run {
        #[command(subcommand)]
        what: RunCommand,
    },
    /// List rules, show what one waits for, pause it or let it go on.
    Rules(Rules),
    /// List policies: what each is asked about, and how often it allowed, denied and asked people.
    Policies {
        #[command(flatten)]
        engine: Engine,
    },
    /// Show which runs hold slots of `concurrency`, by rule or group and key, and what waits for them.
    Locks {
        #[command(flatten)]
        engine: Engine,
    },
    /// Show connections: their limits, what of them is used, what waits or is held, and until when.
    Connections {
        #[command(flatten)]
        engine: Engine,
    },
    /// Show sources: what came from each, and how those stand that the engine reads itself.
    Sources {
        #[command(flatten)]
        engine: Engine,
    },
    /// Ask connections and sources whether they can be reached and whether all is permitted that they need.
    ///
    /// The exit code is not 0 where something is wrong.
    Doctor {
        #[command(flatten)]
        engine: Engine,
    },
    /// Why did this happen: the chain of causes of an event, run, step or position, both ways.
    Why {
        #[command(flatten)]
        engine: Engine,
        /// An event's id, a run's id, an effect's key, or a position.
        id: String,
    },
    /// Why a rule did not fire on an event: the first field or condition that was not met, or what it still waits for.
    ///
    /// Recorded decisions are shown as they were made. Plain mismatches are not recorded: they are found again by the
    /// rules that are in force now.
    WhyNot {
        #[command(flatten)]
        engine: Engine,
        /// An event's id or position.
        event: String,
        /// The rule; the nearest ones if left out, those first of which most was met.
        rule: Option<String>,
    },
    /// Take history through other manifests, without effects, and show what would be different.
    ///
    /// The log of a data folder is only read; its engine may be running. Every rule is compared: what fired then and does
    /// not now, what fires now and did not then, and why. A firing that is the same takes the answers that its actions
    /// got; an action that was not called then is taken to succeed with {}.
    ///
    /// The exit code is 0 also where something is different, unless --fail-on-change is given: then it is 4.
    Replay(Replay),
    /// Show which rule can set off which, and the loops, without running anything.
    ///
    /// Edges lead from sources to rules, and from rules to rules: by the events that their steps emit, by our own
    /// records about their runs, and by actions that come back as events of a source. `--output dot` is for Graphviz.
    Graph {
        /// The folder, or one file.
        path: PathBuf,
    },
    /// Print the JSON Schema of the manifests.
    Schema {
        /// Print the definitions of custom resources instead, for `kubectl apply -f -`.
        #[arg(long)]
        crds: bool,
    },
    /// Print the roles that a configuration needs in its clusters, for `kubectl apply -f -`, without asking a cluster.
    ///
    /// Each rule says which document and step needs it. What is computed when it runs cannot be known before: then the
    /// rule is wider, and says so.
    Rbac(Rbac),
    /// Make, list and revoke tokens.
    Token {
        /// The data folder of the engine.
        #[arg(long, env = "ENSUE_DATA", default_value = ".ensue", value_name = "DIR", global = true)]
        data: PathBuf,
        #[command(subcommand)]
        what: TokenCommand,
    },
    /// Who did what, and what became of it: operators' commands and configurations; or verify the log.
    Audit {
        #[command(flatten)]
        engine: Engine,
        /// Only what this one asked for: the name of a token, or `file`.
        #[arg(long)]
        actor: Option<String>,
        /// Only since then: a length of time such as 1d, or a time.
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Only what was asked for this run.
        #[arg(long)]
        run: Option<String>,
        /// Check every record of the log against its chain; the engine may be running.
        #[arg(long)]
        verify: bool,
        /// How many at most.
        #[arg(long, short = 'n', default_value_t = 50)]
        limit: usize,
    },
    /// Read the log of a data folder.
    Log {
        #[command(subcommand)]
        what: LogCommand,
    },
    /// Hold effects: decisions go on, nothing leaves.
    Freeze(Freeze),
    /// Let held effects go, or discard them.
    Thaw {
        #[command(flatten)]
        freeze: Freeze,
        /// Their steps fail as cancelled instead.
        #[arg(long)]
        discard: bool,
    },
    /// See it at work: a push becomes a build, an image, a commit and a message.
    ///
    /// The git repositories are real. A container registry and the receiver
    /// of messages are stand-ins within this program, and named as such; ENSUE_REGISTRY (http://HOST:PORT) names a real
    /// registry that notifies POST /hooks/registry.
    Demo {
        /// End after the chain is through, instead of staying up.
        #[arg(long)]
        once: bool,
        /// The port to listen on; 4310, or a free one where that is taken.
        #[arg(long)]
        port: Option<u16>,
    },
    /// Small tools that examples use.
    #[command(hide = true)]
    Tool {
        #[command(subcommand)]
        what: ToolCommand,
    },
    /// Print a page of the reference.
    #[command(hide = true)]
    Reference {
        /// `records`, `language`, `kubernetes` or `cli`.
        page: String,
    },
}

/// Play scenarios in virtual time.
///
/// A file is a configuration, and so is a folder with a manifest in it, with all that is below it. A folder without is
/// looked through: each folder in it is a configuration of its own, but for those that its `.ensueignore` names, one a
/// line; where one of them holds nothing but scenarios, the whole is one configuration. A variable of the environment is
/// what the scenario's `env` says, else what it is here, else something that can stand in its place.
#[derive(Debug, ClapArgs)]
pub(crate) struct Test {
    /// Folders, or files.
    #[arg(required_unless_present = "record", value_name = "DIR")]
    pub(crate) paths: Vec<PathBuf>,
    /// Only scenarios whose name holds this.
    #[arg(long, value_name = "TEXT", alias = "name")]
    pub(crate) filter: Option<String>,
    /// Play them again whenever something changes.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Also write a report in JUnit's form.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write a scenario from a run that is over: what came, what actions answered, and what came of it.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["paths", "filter", "watch", "junit"])]
    pub(crate) record: Option<String>,
    /// With --record: the file to write, large events into files beside it; printed if left out.
    #[arg(long, value_name = "FILE", requires = "record")]
    pub(crate) to: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: Engine,
}

/// Run the engine.
#[derive(Debug, ClapArgs)]
pub(crate) struct Up {
    /// The folder of automations; what was applied last if left out.
    pub(crate) path: Option<PathBuf>,
    /// Take the automations from a Kubernetes cluster instead: its objects of the kinds that `ensue schema --crds` defines.
    /// Each says in its status whether it is in force, and what is wrong with it.
    #[arg(long, conflicts_with = "path")]
    pub(crate) kubernetes: bool,
    /// With --kubernetes: the namespace; that of the context, or of the pod, if left out.
    #[arg(long, value_name = "NS", requires = "kubernetes")]
    pub(crate) kube_namespace: Option<String>,
    /// With --kubernetes: the objects of all namespaces.
    #[arg(long, requires = "kubernetes", conflicts_with = "kube_namespace")]
    pub(crate) all_namespaces: bool,
    /// With --kubernetes: the context of the kubeconfig; the current one, or in a pod its service account, if left out.
    #[arg(long, value_name = "NAME", requires = "kubernetes")]
    pub(crate) kube_context: Option<String>,
    /// Where log and state are kept.
    #[arg(long, env = "ENSUE_DATA", default_value = ".ensue", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The address to listen on.
    #[arg(long, env = "ENSUE_LISTEN", default_value = "127.0.0.1:4310", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// Every rule decides and records but never acts: the first week's mode.
    #[arg(long)]
    pub(crate) observe: bool,
    /// `POST /events` needs no token; only on a loopback address.
    #[arg(long)]
    pub(crate) open_ingest: bool,
    /// A file of NAME=VALUE lines with secrets; the environment is asked first.
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets_file: Option<PathBuf>,
    /// A folder with a file for each secret, such as a mounted Secret.
    #[arg(long, value_name = "DIR")]
    pub(crate) secrets_dir: Option<PathBuf>,
    /// A file with the administrator's token, such as one of a mounted Secret; without it the engine makes one on its
    /// first start.
    #[arg(long, value_name = "FILE")]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// Webhook requests a second that one source may send.
    #[arg(long, default_value_t = 1_000.0, value_name = "N")]
    pub(crate) hook_rate: f64,
    /// How long records are kept, such as 30d; for ever if left out. Runs that are under way keep what they need.
    #[arg(long, value_name = "TIME")]
    pub(crate) keep: Option<String>,
    /// How long the log may grow, such as 50GiB, before its oldest records go; without end if left out.
    #[arg(long, value_name = "SIZE")]
    pub(crate) keep_bytes: Option<String>,
    /// Log as JSON lines.
    #[arg(long)]
    pub(crate) json_logs: bool,
}

/// Print the roles that a configuration needs.
#[derive(Debug, ClapArgs)]
pub(crate) struct Rbac {
    /// The folder, or one file.
    pub(crate) path: PathBuf,
    /// Bind them to this service account, too.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub(crate) service_account: Option<String>,
    /// Only what goes through this connection.
    #[arg(long, value_name = "NAME")]
    pub(crate) connection: Option<String>,
    /// The namespace of calls that name none: that of the kubeconfig's context; if left out, that of the service account,
    /// or else `default`.
    #[arg(long, value_name = "NS")]
    pub(crate) namespace: Option<String>,
    /// What the roles are called.
    #[arg(long, default_value = "ensue", value_name = "NAME")]
    pub(crate) name: String,
    /// Print values of the Helm chart instead, which has a service account of its own.
    #[arg(long, conflicts_with = "service_account")]
    pub(crate) values: bool,
}

/// Take history through other manifests.
#[derive(Debug, ClapArgs)]
pub(crate) struct Replay {
    /// The folder of manifests, or one file; those that were in force each if left out, which tells whether this version
    /// decides as the one did that wrote the log.
    pub(crate) path: Option<PathBuf>,
    /// From when on firings are compared: so long before the last record, such as 7d, or a time; all that is kept if left
    /// out.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// How much history is read before that, so that half-matches and windows are as they were; the longest window of the
    /// rules if left out.
    #[arg(long, value_name = "TIME")]
    pub(crate) warm: Option<String>,
    /// No runs: every rule meets the events that were recorded, those of `emit` steps too. Faster.
    #[arg(long)]
    pub(crate) rules_only: bool,
    /// Compare what the steps of the same runs call and emit, too.
    #[arg(long, conflicts_with = "rules_only")]
    pub(crate) steps: bool,
    /// End with 4 if anything is different.
    #[arg(long)]
    pub(crate) fail_on_change: bool,
    /// How many firings of each rule are shown with their reasons, of those that are gone, new and changed each.
    #[arg(long, short = 'n', default_value_t = 20)]
    pub(crate) limit: usize,
    /// The data folder of the engine.
    #[arg(long, env = "ENSUE_DATA", default_value = ".ensue", value_name = "DIR")]
    pub(crate) data: PathBuf,
}

/// List rules, show what one waits for, pause it or let it go on.
#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Rules {
    #[command(subcommand)]
    pub(crate) what: Option<RulesCommand>,
    #[command(flatten)]
    pub(crate) engine: Engine,
    /// Show this one; the same as `ensue rules show NAME`.
    pub(crate) name: Option<String>,
    /// Set its mode: live, shadow or paused.
    #[arg(long, requires = "reason", hide = true)]
    pub(crate) mode: Option<String>,
    /// Why.
    #[arg(long, hide = true)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Show its mode and counts, and what it holds: half-matched keys and what they wait for, what flow control holds
    /// back, what is parked, and its last decisions.
    Show {
        #[command(flatten)]
        engine: Engine,
        /// The rule; NAMESPACE/NAME where it is not in `default`.
        name: String,
        /// How many keys, held and parked ones and decisions at most, each.
        #[arg(long, short = 'n', default_value_t = 20)]
        limit: usize,
    },
    /// It decides nothing until it is resumed, or changed: events pass it by for good.
    Pause(SetMode),
    /// Let it decide and act again.
    Resume(SetMode),
    /// It decides and records, and does nothing.
    Shadow(SetMode),
}

/// A person's decision about a rule; it is forgotten with the next change of the rule.
#[derive(Debug, ClapArgs)]
pub(crate) struct SetMode {
    #[command(flatten)]
    pub(crate) engine: Engine,
    /// The rule; NAMESPACE/NAME where it is not in `default`.
    pub(crate) name: String,
    /// Why; it is recorded.
    #[arg(long)]
    pub(crate) reason: String,
}

/// List events, follow them, or destroy some.
#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Events {
    #[command(subcommand)]
    pub(crate) what: Option<EventsCommand>,
    #[command(flatten)]
    pub(crate) engine: Engine,
    /// Show one: an id or a position.
    pub(crate) id: Option<String>,
    /// Go on with new ones as they come.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only types that begin so.
    #[arg(long = "type", value_name = "PREFIX")]
    pub(crate) kind: Option<String>,
    /// Only of this source.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// With our own records (`dev.ensue.*`).
    #[arg(long)]
    pub(crate) all: bool,
    /// How many at most.
    #[arg(long, short = 'n', default_value_t = 20)]
    pub(crate) limit: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Destroy events for good, with the copies that firings carry.
    ///
    /// Their positions and digests stay, so that the log can still be verified, and a record says who asked for it and
    /// why. Runs that hold one of the events are named: the state and its snapshots still hold it, until they are over
    /// and forgotten. A large body that another event shares is gone for both.
    Purge {
        #[command(flatten)]
        engine: Engine,
        /// Where they stand in the log.
        #[arg(required = true, value_name = "POSITION")]
        positions: Vec<u64>,
        /// Why; it is recorded.
        #[arg(long)]
        reason: String,
    },
    /// Send events once more, as new events with the same contents, so that all rules look at them again.
    ///
    /// Each gets a new id, made of its own and a random part; source, type, time and data stay as they were.
    ReEmit {
        #[command(flatten)]
        engine: Engine,
        /// An event's id, or its position.
        #[arg(required = true, value_name = "ID")]
        events: Vec<String>,
    },
}

/// List runs, newest last; decide about many; show what their actions said, take out what they left, export one.
#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Runs {
    #[command(subcommand)]
    pub(crate) what: Option<RunsCommand>,
    #[command(flatten)]
    pub(crate) engine: Engine,
    #[command(flatten)]
    pub(crate) which: Which,
    /// Only failed and uncertain ones, and what is parked.
    #[arg(long)]
    pub(crate) failed: bool,
    /// Go on with new ones as they come.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many at most.
    #[arg(long, short = 'n', default_value_t = 20)]
    pub(crate) limit: usize,
}

/// What the actions of a run said and left.
#[derive(Debug, Subcommand)]
pub(crate) enum OutputsCommand {
    /// Show what the actions of a run said: output of programs, git's messages, requests. Secrets are left out.
    Logs {
        #[command(flatten)]
        engine: Engine,
        /// The run, or so many of its first digits that no other one begins so.
        run: String,
        /// Only this step; its last attempt.
        step: Option<String>,
        /// Only this attempt.
        #[arg(long, value_name = "N")]
        attempt: Option<u32>,
        /// Go on with what is under way until it ends.
        #[arg(long, short)]
        follow: bool,
    },
    /// Print all that happened to a run as JSON, from the records of the log: firing, events, steps with each try, what it
    /// emitted, what operators asked for.
    Export {
        #[command(flatten)]
        engine: Engine,
        /// The run.
        run: String,
    },
    /// Take out an artifact that a step of a run has left.
    Artifact {
        #[command(flatten)]
        engine: Engine,
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// The name of the artifact.
        name: String,
        /// The file to write; standard output if left out.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Which runs.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Which {
    /// Only those that stand so: running, uncertain, succeeded, failed, cancelled; several separated by commas.
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only of this rule.
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// Only of this key.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Only those that failed with an error of this name, such as Connect.
    #[arg(long, value_name = "NAME")]
    pub(crate) error: Option<String>,
    /// Only those that began or ended since then: a length of time such as 1h, or a time.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Start failed runs once more, from their first steps.
    Retry(Bulk),
    /// Go on with failed runs at the steps that failed.
    Resume(Bulk),
    /// End runs that go on.
    Cancel(Bulk),
    /// Take back what runs that are over did.
    Rollback(Bulk),
    #[command(flatten)]
    Outputs(OutputsCommand),
}

/// A person's decision about many runs: they are listed, and it is asked whether it is meant.
#[derive(Debug, ClapArgs)]
pub(crate) struct Bulk {
    #[command(flatten)]
    pub(crate) engine: Engine,
    #[command(flatten)]
    pub(crate) which: Which,
    /// Why; it is recorded with each.
    #[arg(long, required_unless_present = "dry_run")]
    pub(crate) reason: Option<String>,
    /// Only list them.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// How many at most, the oldest first.
    #[arg(long, short = 'n', default_value_t = 100)]
    pub(crate) limit: usize,
}

/// Send an event.
#[derive(Debug, ClapArgs)]
pub(crate) struct Emit {
    #[command(flatten)]
    pub(crate) engine: Engine,
    /// A file with one CloudEvent as JSON; `-` is standard input.
    pub(crate) file: Option<PathBuf>,
    /// A file with a CloudEvent on each line; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub(crate) lines: Option<PathBuf>,
    /// A ready-made one: github/push, github/pull_request, registry/push.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "lines"])]
    pub(crate) fixture: Option<String>,
    /// The type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// The source.
    #[arg(long, default_value = "/ensue/cli")]
    pub(crate) source: String,
    /// The subject.
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// The id; a new one if left out.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// The data as JSON; `@FILE` reads a file.
    #[arg(long, value_name = "JSON")]
    pub(crate) data_json: Option<String>,
    /// Send it as GitHub would, signed with this secret, to a source.
    #[arg(long, value_name = "SECRET", env = "ENSUE_GITHUB_SECRET", hide_env_values = true)]
    pub(crate) sign_github: Option<String>,
    /// The source that a webhook goes to: POST /hooks/NAME.
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Option<String>,
    /// The bearer token that the source of a webhook asks for.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) bearer: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// Show its steps, attempts and outputs.
    Show {
        #[command(flatten)]
        engine: Engine,
        /// The run.
        id: String,
    },
    /// Start a failed run once more, from its first step.
    Retry(Decide),
    /// Go on with a failed run at the step that failed.
    Resume {
        #[command(flatten)]
        decide: Decide,
        /// Go on at this step instead.
        #[arg(long)]
        from: Option<String>,
    },
    /// Take a step as done, without outputs.
    Skip {
        #[command(flatten)]
        decide: Decide,
        /// The step.
        #[arg(long)]
        step: String,
    },
    /// End a run.
    Cancel(Decide),
    /// Take back what a run that is over did: its undo steps run, the last step first.
    Rollback(Decide),
    /// Let a parked firing go, or all of a rule.
    Redrive(DecideParked),
    /// Drop a parked firing, or all of a rule.
    Discard(DecideParked),
    /// Say yes where a step asks for it: an `approve` step, or a policy that wants a person to look first.
    Approve {
        #[command(flatten)]
        decide: Decide,
        /// The step.
        step: String,
        /// Say no.
        #[arg(long)]
        refuse: bool,
    },
    /// Say what became of an uncertain step.
    Settle {
        #[command(flatten)]
        decide: Decide,
        /// The step.
        #[arg(long)]
        step: String,
        /// done, failed or retry.
        #[arg(long)]
        verdict: String,
    },
}

/// A person's decision about a run.
#[derive(Debug, ClapArgs)]
pub(crate) struct Decide {
    #[command(flatten)]
    pub(crate) engine: Engine,
    /// The run.
    pub(crate) id: String,
    /// Why; it is recorded.
    #[arg(long)]
    pub(crate) reason: String,
}

/// A person's decision about what is parked.
#[derive(Debug, ClapArgs)]
pub(crate) struct DecideParked {
    #[command(flatten)]
    pub(crate) engine: Engine,
    /// The firing.
    #[arg(required_unless_present = "rule", conflicts_with = "rule")]
    pub(crate) id: Option<String>,
    /// All of this rule; NAMESPACE/NAME where it is not in `default`.
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// Why; it is recorded.
    #[arg(long)]
    pub(crate) reason: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; it is shown once.
    Create {
        /// What it is called.
        name: String,
        /// What it may do: ingest, read, operate, admin.
        #[arg(long = "scope", required = true, value_delimiter = ',')]
        scopes: Vec<String>,
        /// What it may answer for, where a policy or an `approve` step asks, such as sre; the scope admin answers for all.
        #[arg(long = "role", value_delimiter = ',')]
        roles: Vec<String>,
        /// How long it is good, such as 90d; for ever if left out.
        #[arg(long)]
        expires: Option<String>,
    },
    /// List tokens, without their values.
    List,
    /// Make a token worthless.
    Revoke {
        /// What it is called.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Print records as JSON lines; the engine may be running.
    Cat {
        #[command(flatten)]
        engine: Engine,
        /// The first position.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many at most.
        #[arg(long, short = 'n')]
        limit: Option<u64>,
    },
    /// Check every record against its chain; the engine may be running.
    Verify {
        #[command(flatten)]
        engine: Engine,
    },
}

/// What is to be held.
#[derive(Debug, ClapArgs)]
pub(crate) struct Freeze {
    #[command(flatten)]
    pub(crate) engine: Engine,
    /// Only what goes through this connection.
    #[arg(long)]
    pub(crate) connection: Option<String>,
    /// Only what this rule does.
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// Why; it is recorded.
    #[arg(long, required_unless_present = "list")]
    pub(crate) reason: Option<String>,
    /// Show what is frozen, and what it holds.
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ToolCommand {
    /// Push a folder as an image of one layer, by the distribution API.
    PushImage(PushImage),
}

/// Push a folder as an image.
#[derive(Debug, ClapArgs)]
pub(crate) struct PushImage {
    /// The registry: http://host:port.
    #[arg(long)]
    pub(crate) registry: String,
    /// The repository.
    #[arg(long)]
    pub(crate) repository: String,
    /// The tag.
    #[arg(long)]
    pub(crate) tag: String,
    /// The folder.
    pub(crate) folder: PathBuf,
}
