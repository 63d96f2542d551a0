//! `ensue demo`: the example `gitops`, at work on this machine.
//!
//! Everything in it is real but for two things, and both say so: a stand-in for a container registry, which takes images
//! and notifies as docker distribution does ([`registry`]; `ENSUE_REGISTRY` names a real one instead), and a stand-in
//! for Slack's incoming webhook ([`messages`]). The two repositories are real ones, served over HTTP by git's own
//! backend ([`git`], [`backend`]); what is printed while it
//! happens comes from the engine's own stream of records ([`tell`]).

mod backend;
mod git;
mod messages;
mod registry;
mod tell;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ensue_connect::Provider;
use ensue_node::{Configured, Node, Options, Running};
use serde_json::Value;
use tokio::sync::mpsc;

use super::emit::github_delivery;
use super::up::{log_to_stderr, stopped};
use super::why::tree_of;
use crate::args::Engine;
use crate::client::{ADDRESS, Client};
use crate::errors::Error;
use crate::output::{Output, cell};
use git::Repositories;
use tell::{Teller, Told};

/// The files of `examples/gitops`, as they were when this program was built.
const EXAMPLE: &[(&str, &str)] = &[
    ("connections.yaml", include_str!("../../../../../examples/gitops/connections.yaml")),
    ("sources.yaml", include_str!("../../../../../examples/gitops/sources.yaml")),
    ("build.yaml", include_str!("../../../../../examples/gitops/build.yaml")),
    ("deploy.yaml", include_str!("../../../../../examples/gitops/deploy.yaml")),
    ("build.sh", include_str!("../../../../../examples/gitops/build.sh")),
];
/// The port that is tried first.
const PORT: u16 = 4310;
/// How long the chain may take. It takes about two seconds on a laptop.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn demo(once: bool, port: Option<u16>, output: Output) -> Result<(), Error> {
    log_to_stderr("error", false);
    git::there()?;
    let folder = tempfile::Builder::new().prefix("ensue-demo-").tempdir();
    let folder = folder.map_err(|why| Error::Other(format!("no temporary folder can be made: {why}")))?;
    let stage = Stage::build(folder.path(), port).await?;
    stage.introduce(output);
    let result = tokio::select! {
        result = stage.play(output) => result,
        _ = stopped() => Err(Error::Other("interrupted".to_owned())),
    };
    if result.is_ok() && !once {
        stage.stay(output);
        // What happens from here on is shown too, until somebody has seen enough.
        tokio::select! {
            () = stage.watch(output) => {}
            _ = stopped() => {}
        }
    }
    stage.end().await;
    result
}

/// Everything that runs for the demo.
struct Stage {
    folder: PathBuf,
    repositories: Repositories,
    running: Running,
    client: Client,
    registry: String,
    stand_in: bool,
    messages: tokio::sync::Mutex<mpsc::UnboundedReceiver<Value>>,
    messages_at: String,
    secret: String,
}

impl Stage {
    async fn build(folder: &Path, port: Option<u16>) -> Result<Stage, Error> {
        let secret = uuid::Uuid::now_v7().simple().to_string();
        let token =
            std::env::var("ENSUE_SECRET_REGISTRY_TOKEN").unwrap_or_else(|_| uuid::Uuid::now_v7().simple().to_string());
        let repositories = Repositories::make(&folder.join("git")).await?;
        let (messages_at, messages) = messages::start().await?;
        let hook = registry::Hook::new(token.clone());
        let (registry, stand_in) = match std::env::var("ENSUE_REGISTRY") {
            Ok(real) => (real.trim_end_matches('/').to_owned(), false),
            Err(_) => (registry::start(hook.clone()).await?, true),
        };
        let example = folder.join("example");
        for (name, text) in EXAMPLE {
            write(&example.join(name), text)?;
        }
        let secrets = folder.join("secrets.env");
        write(
            &secrets,
            &format!("GITHUB_WEBHOOK={secret}\nREGISTRY_TOKEN={token}\nSLACK_WEBHOOK={messages_at}/services/demo\n"),
        )?;
        let program =
            std::env::current_exe().map_err(|why| Error::Other(format!("this program does not find itself: {why}")))?;
        let environment = |name: &str, default: Option<&str>| match name {
            "APP_REPOSITORY" => Some(repositories.app()),
            "GITOPS_REPOSITORY" => Some(repositories.gitops()),
            "REGISTRY" => Some(registry.clone()),
            "ENSUE" => Some(program.display().to_string()),
            "EXAMPLE" => Some(example.display().to_string()),
            other => ensue_lang::env::default_or(std::env::var(other).ok(), default),
        };
        let files = ensue_node::read_folder_with(&example, &environment).map_err(|why| Error::Node(why.to_string()))?;
        let data = folder.join("data");
        let mut options = Options::new(&data);
        options.config = Configured::Files(files);
        options.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or_else(free_port)));
        options.secrets = vec![Provider::File(secrets)];
        options.fatal = Arc::new(|why| anstream::eprintln!("the engine cannot go on: {why}"));
        let running = Node::start(options).await.map_err(|why| match why {
            ensue_node::Error::Listen { address, source } => {
                Error::Node(format!("cannot listen on {address}: {source}; choose another port with --port"))
            }
            why => Error::Node(why.to_string()),
        })?;
        hook.point(&format!("{}/hooks/registry", running.url()));
        write(&data.join(ADDRESS), &format!("{}\n", running.url()))?;
        let client = Client::new(&Engine { server: Some(running.url()), token: None, data })?;
        let stage = Stage {
            folder: folder.to_path_buf(),
            repositories,
            running,
            client,
            registry,
            stand_in,
            messages: tokio::sync::Mutex::new(messages),
            messages_at,
            secret,
        };
        stage.write_push_script(&program)?;
        Ok(stage)
    }

    fn introduce(&self, output: Output) {
        let bold = anstyle::Style::new().bold();
        output.line(format!("{bold}ensue demo{bold:#}: a push becomes a build, an image, a commit and a message\n"));
        output.line(format!("  engine      {}   data in {}", self.running.url(), self.folder.join("data").display()));
        output.line(format!("  git         {}   {}", self.repositories.app(), self.repositories.how()));
        output.line(format!("              {}", self.repositories.gitops()));
        let kind = if self.stand_in {
            "a stand-in within this program: takes images, notifies as docker distribution does"
        } else {
            "a real one, named by ENSUE_REGISTRY"
        };
        output.line(format!("  registry    {}   {kind}", self.registry));
        output.line(format!("  messages    {}   a stand-in within this program for Slack's webhook", self.messages_at));
    }

    /// Pushes a commit and tells what follows, up to the message.
    async fn play(&self, output: Output) -> Result<(), Error> {
        let commit = self.repositories.push("Sell more tea").await?;
        let short: String = commit.chars().take(12).collect();
        let bold = anstyle::Style::new().bold();
        output.line(format!(
            "\n{bold}Ada pushes {short}{bold:#} \"Sell more tea\"; GitHub signs its payload: POST /hooks/github\n"
        ));
        let began = Instant::now();
        let mut teller = Teller::new(self.repositories.bare_gitops(), began, output);
        let (follower, mut taken) = self.follow();
        let body = git::payload(&commit, "Sell more tea");
        let delivery = github_delivery(&self.client, "github", "push", &self.secret, body, None);
        self.client.send(delivery).await?;
        let mut messages = self.messages.lock().await;
        let told = tokio::time::timeout(PATIENCE, async {
            let mut ready = None;
            loop {
                tokio::select! {
                    record = taken.recv() => match record {
                        Some(record) => match teller.record(&record).await {
                            Told::More => {}
                            Told::Failed(why) => return Err(Error::Other(why)),
                            Told::Deployed { push, image } => ready = Some((push, image)),
                        },
                        None => return Err(Error::Other("the engine's stream of records ended".to_owned())),
                    },
                    Some(message) = messages.recv() => teller.message(&message),
                }
                if let Some(done) = ready.filter(|_| teller.was_told()) {
                    return Ok(done);
                }
            }
        });
        let told = told.await;
        follower.abort();
        let (push, image) = told.map_err(|_| {
            Error::Other(format!("the chain did not come to its end within {} s", PATIENCE.as_secs()))
        })??;
        let took = began.elapsed();
        output.line(format!("\n{bold}Why?{bold:#} `ensue why {push}`: what followed from the push\n"));
        self.why(push, output).await?;
        output.line(format!(
            "\n{bold}And{bold:#} `ensue why {image}`: the image came back from outside, as another system's event, so it is a chain of its own\n"
        ));
        self.why(image, output).await?;
        output.line(format!(
            "\n{bold}From push to message in {:.1} s{bold:#}, every step durable before it counted.",
            took.as_secs_f64()
        ));
        Ok(())
    }

    /// All records from now on.
    fn follow(&self) -> (tokio::task::JoinHandle<()>, mpsc::UnboundedReceiver<Value>) {
        let from = self.running.reached().end.0;
        let (records, taken) = mpsc::unbounded_channel();
        let client = self.client.clone();
        let follower = tokio::spawn(async move {
            let mut each = |record: &Value| drop(records.send(record.clone()));
            if let Err(why) = client.follow(&[("ours", "true".to_owned())], Some(from), &mut each).await {
                tracing::error!(%why, "records can no longer be followed");
            }
        });
        (follower, taken)
    }

    async fn why(&self, position: u64, output: Output) -> Result<(), Error> {
        let tree = self.client.get(&["why", &position.to_string()], &[]).await?;
        for line in tree_of(&tree).render().trim_end().lines() {
            output.line(format!("  {line}"));
        }
        Ok(())
    }

    /// Says what there is to try while it is up.
    fn stay(&self, output: Output) {
        let bold = anstyle::Style::new().bold();
        let data = self.folder.join("data");
        let data = data.display();
        output.line(format!("\n{bold}It stays up: {}/{bold:#}", self.running.url()));
        output.line(format!(
            "  its page asks for a token: {}",
            ensue_node::token::local(&self.folder.join("data")).unwrap_or_default()
        ));
        output.line("\nTo try, in another terminal:");
        output.line(format!("  sh {}                push once more", self.folder.join("push.sh").display()));
        output.line(format!(
            "  sh {} broken         push something whose tests fail",
            self.folder.join("push.sh").display()
        ));
        output.line(format!("  ensue events -f --data {data}"));
        output.line(format!("  ensue runs --data {data}"));
        output.line(format!("  ensue freeze --reason lunch --data {data}   and push: decided, but held until `thaw`"));
        output.line("\nctrl-c ends it and removes its folder.\n");
    }

    /// Tells what happens until the engine ends.
    async fn watch(&self, output: Output) {
        let mut teller = Teller::new(self.repositories.bare_gitops(), Instant::now(), output);
        let (follower, mut taken) = self.follow();
        let mut messages = self.messages.lock().await;
        loop {
            tokio::select! {
                record = taken.recv() => match record {
                    Some(record) => drop(teller.record(&record).await),
                    None => break,
                },
                Some(message) = messages.recv() => teller.message(&message),
            }
        }
        follower.abort();
    }

    async fn end(self) {
        // The folder goes with it: there is nothing that a later start could take up.
        self.running.stop("the demo is over").await;
    }

    /// A script that pushes another commit and tells the engine as GitHub does.
    fn write_push_script(&self, program: &Path) -> Result<(), Error> {
        write(&self.folder.join("push.json"), &git::payload("COMMIT", "Another tea"))?;
        let text = format!(
            "#!/bin/sh\n# Pushes another commit and tells the engine as GitHub would: `push.sh [broken]`.\nset -eu\n\
             cd '{work}'\nrm -f broken\n[ \"${{1:-}}\" != broken ] || touch broken\necho \"tea, $(date)\" >> menu.txt\n\
             git add --all\ngit commit --quiet --message 'Another tea'\ngit push --quiet origin main\n\
             sed \"s/COMMIT/$(git rev-parse HEAD)/g\" '{folder}/push.json' |\n  '{program}' emit - --data '{folder}/data' --to github --type push --sign-github '{secret}'\n",
            work = self.repositories.work().display(),
            folder = self.folder.display(),
            program = program.display(),
            secret = self.secret,
        );
        write(&self.folder.join("push.sh"), &text)
    }
}

/// The usual port if nobody has it, else any free one.
fn free_port() -> u16 {
    if TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).is_ok() { PORT } else { 0 }
}

/// Writes a file, its folder made if need be.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    }
    std::fs::write(path, text).map_err(Error::file(path))
}

/// A text field of a record, or nothing.
fn text(record: &Value, pointer: &str) -> String {
    cell(record.pointer(pointer))
}
