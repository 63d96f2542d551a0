//! What happens, a line for each durable step, from the engine's own stream of records.

use std::path::PathBuf;
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::{git, text};
use crate::output::{Output, cut};

/// What a record means for the demo.
pub(super) enum Told {
    /// There is more to come.
    More,
    /// The chain is through: the positions of the push and of the image.
    Deployed { push: u64, image: u64 },
    /// It went wrong, and why.
    Failed(String),
}

/// Tells.
pub(super) struct Teller {
    gitops: PathBuf,
    began: Instant,
    output: Output,
    push: Option<u64>,
    image: Option<u64>,
    said: bool,
}

impl Teller {
    pub(super) fn new(gitops: PathBuf, began: Instant, output: Output) -> Teller {
        Teller { gitops, began, output, push: None, image: None, said: false }
    }

    /// Whether a message has come.
    pub(super) fn was_told(&self) -> bool {
        self.said
    }

    pub(super) async fn record(&mut self, record: &Value) -> Told {
        let position = record.get("position").and_then(Value::as_u64).unwrap_or_default();
        let kind = text(record, "/event/type");
        let data = |name: &str| text(record, &format!("/event/data{name}"));
        let rule = data("/rule");
        let rule = rule.rsplit('/').next().unwrap_or_default().to_owned();
        match kind.as_str() {
            "dev.ensue.rule.fired" => self.line(position, "rule", AnsiColor::Magenta, &format!("{rule} fired")),
            "dev.ensue.run.started" => {
                let run: String = data("/run").chars().take(8).collect();
                self.line(position, "run", AnsiColor::Blue, &format!("{run} of {rule} begins"));
            }
            "dev.ensue.action.started" => {
                let what = format!(
                    "{} begins: {} (recorded first, since it cannot be done twice)",
                    data("/step"),
                    data("/action")
                );
                self.line(position, "step", AnsiColor::Blue, &what);
            }
            "dev.ensue.action.answered" => self.answered(position, record).await,
            "dev.ensue.run.finished" => {
                self.line(position, "run", AnsiColor::Blue, &format!("of {rule} {}", data("/status")));
                if let ("deploy", Some(push), Some(image)) = (rule.as_str(), self.push, self.image) {
                    return Told::Deployed { push, image };
                }
            }
            "dev.ensue.run.failed" => {
                let why = data("/error/message");
                self.line(position, "run", AnsiColor::Red, &format!("of {rule} failed: {why}"));
                return Told::Failed(format!("the run of {rule} failed: {why}"));
            }
            own if own.starts_with(ensue_event::ours::PREFIX) => {}
            other => {
                match other {
                    "com.github.push" => self.push = Some(position),
                    "com.docker.distribution.push" => self.image = Some(position),
                    _ => {}
                }
                let subject = cut(&text(record, "/event/subject"), 34);
                let from = text(record, "/origin/source");
                let from = if from.is_empty() { String::new() } else { format!("  from source {from}") };
                self.line(position, "event", AnsiColor::Green, &format!("{other}  {subject}{from}"));
            }
        }
        Told::More
    }

    async fn answered(&self, position: u64, record: &Value) {
        let step = text(record, "/event/data/step");
        let answer = record.pointer("/event/data/answer");
        let outputs = answer.and_then(|answer| answer.get("ok").or_else(|| answer.get("Ok")));
        let Some(outputs) = outputs else {
            let failure = answer.and_then(|answer| answer.get("err").or_else(|| answer.get("Err")));
            let why = failure.map(|failure| text(failure, "/message")).unwrap_or_default();
            let why = why.lines().last().unwrap_or_default().to_owned();
            self.line(position, "step", AnsiColor::Red, &format!("{step} failed: {why}"));
            return;
        };
        let reference = text(outputs, "/json/reference");
        let commit: String = text(outputs, "/commit").chars().take(12).collect();
        let result = match (reference.is_empty(), commit.is_empty()) {
            (false, _) => format!(": image {reference}"),
            (_, false) => format!(": commit {commit} in the GitOps repository"),
            _ => String::new(),
        };
        self.line(position, "step", AnsiColor::Cyan, &format!("{step} done{result}"));
        if !commit.is_empty() {
            self.diff(&commit).await;
        }
    }

    /// What the commit changed, from the repository itself.
    async fn diff(&self, commit: &str) {
        let arguments = ["show", "--format=%an: %s%n%b", "--unified=1", commit];
        let Ok(shown) = git::run(&self.gitops, &arguments).await else { return };
        let noise = ["diff ", "index ", "--- ", "+++ "];
        for line in shown.lines().filter(|line| !line.is_empty() && !noise.iter().any(|word| line.starts_with(word))) {
            let style = match line.chars().next() {
                Some('+') => Style::new().fg_color(Some(AnsiColor::Green.into())),
                Some('-') => Style::new().fg_color(Some(AnsiColor::Red.into())),
                _ => Style::new().dimmed(),
            };
            self.output.line(format!("                      {style}{line}{style:#}"));
        }
    }

    /// A message that arrived.
    pub(super) fn message(&mut self, message: &Value) {
        self.said = true;
        let style = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
        let (channel, said) = (text(message, "/channel"), text(message, "/text"));
        self.output.line(format!("  {}           {style}{channel}{style:#}  {said}", self.clock()));
    }

    fn clock(&self) -> String {
        format!("{:>7.3} s", self.began.elapsed().as_secs_f64())
    }

    fn line(&self, position: u64, word: &str, color: AnsiColor, what: &str) {
        let style = Style::new().bold().fg_color(Some(color.into()));
        let place = format!("#{position}");
        self.output.line(format!("  {}  {place:>4}  {style}{word:5}{style:#}  {what}", self.clock()));
    }
}
