//! `ensue up`: the engine in this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ensue_connect::{Provider, Secrets};
use ensue_event::Span;
use ensue_node::{Configured, Node, Objects, Options, Retention};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::{check, configured};
use crate::args::Up;
use crate::client::ADDRESS;
use crate::errors::Error;
use crate::output::Output;

/// What is logged unless `ENSUE_LOG` says otherwise.
const USUAL_LOG: &str = "warn,ensue_node=info";
/// What a process ends with that was interrupted (128 + SIGINT).
const INTERRUPTED: i32 = 130;

pub(crate) async fn up(up: Up, output: Output) -> Result<(), Error> {
    let began = Instant::now();
    log_to_stderr(USUAL_LOG, up.json_logs);
    if up.open_ingest && !up.listen.ip().is_loopback() {
        let message =
            format!("--open-ingest lets anybody send events, so it goes with a loopback address, not {}", up.listen);
        return Err(Error::Usage(message));
    }
    let (options, mut broken) = options(&up)?;
    // From here on a signal is an end in good order: nobody knows when exactly it is up.
    let mut stops = Stops::new().map_err(|why| Error::Other(format!("signals cannot be taken: {why}")))?;
    let mut asked = None;
    let start = Node::start(options);
    tokio::pin!(start);
    let started = loop {
        tokio::select! {
            started = &mut start => break started,
            signal = stops.next() => {
                if asked.replace(signal).is_some() {
                    std::process::exit(INTERRUPTED);
                }
                anstream::eprintln!("stopping as soon as it is up; once more stops at once");
            }
        }
    };
    let running = match started {
        Ok(running) => running,
        Err(ensue_node::Error::Config { .. }) if up.path.is_some() => return Err(wrong(up.path.as_deref())?),
        Err(why) => return Err(Error::Node(why.to_string())),
    };
    let url = running.url();
    let address = up.data.join(ADDRESS);
    std::fs::write(&address, format!("{url}\n")).map_err(Error::file(&address))?;
    if output.report_for_programs() {
        output.value(&json!({"address": url, "data": up.data, "token": running.admin_token}));
    } else if !up.json_logs {
        greet(&up, &url, began, output)?;
    }
    let ended = match asked {
        Some(signal) => Ok(signal),
        None => tokio::select! {
            why = broken.recv() => Err(Error::Node(why.unwrap_or_else(|| "the engine ended".to_owned()))),
            signal = stops.next() => Ok(signal),
        },
    };
    let reason = match &ended {
        Ok(signal) => (*signal).to_owned(),
        Err(why) => why.to_string(),
    };
    if ended.is_ok() && !up.json_logs && !output.report_for_programs() {
        anstream::eprintln!("stopping: what is in flight ends first; once more stops at once");
    }
    tokio::select! {
        clean = running.stop(&reason) => if !clean && ended.is_ok() {
            tracing::warn!("something was in flight; the next start decides what became of it");
        },
        _ = stops.next() => {
            anstream::eprintln!("stopped at once; the next start finds out what was in flight");
            std::process::exit(INTERRUPTED);
        }
    }
    // A file that is gone is as good.
    let _ = std::fs::remove_file(&address);
    ended.map(|_| ())
}

/// Logs to the error output. Called once, before anything is started.
pub(crate) fn log_to_stderr(usual: &str, json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ENSUE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let done = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        let colours = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
        builder.with_ansi(colours).with_target(false).try_init()
    };
    if let Err(why) = done {
        anstream::eprintln!("nothing is logged: {why}");
    }
}

/// Where secrets are looked up, in this order.
fn providers(up: &Up) -> Vec<Provider> {
    let files = up.secrets_file.clone().map(Provider::File);
    [Provider::env()].into_iter().chain(files).chain(up.secrets_dir.clone().map(Provider::Folder)).collect()
}

fn options(up: &Up) -> Result<(Options, mpsc::UnboundedReceiver<String>), Error> {
    let mut options = Options::new(&up.data);
    if let Some(path) = &up.path {
        if !path.exists() {
            let why = "there is no such file or folder; give the folder with your automations".to_owned();
            return Err(Error::File { path: path.display().to_string(), why });
        }
        options.config = Configured::Folder(path.clone());
    }
    if up.kubernetes {
        let (context, namespace) = (up.kube_context.clone(), up.kube_namespace.clone());
        options.config =
            Configured::Kubernetes(Objects { context, namespace, all: up.all_namespaces, kubeconfig: None });
    }
    options.listen = up.listen;
    options.observe = up.observe;
    options.open_ingest = up.open_ingest;
    options.admin_token.clone_from(&up.admin_token_file);
    options.secrets = providers(up);
    options.limits.hook_rate = up.hook_rate;
    options.limits.hook_burst = up.hook_rate * 2.0;
    options.retention = Retention {
        age: up.keep.as_deref().map(age).transpose()?,
        bytes: up.keep_bytes.as_deref().map(bytes).transpose()?,
    };
    let (broken, told) = mpsc::unbounded_channel();
    options.fatal = Arc::new(move |why| {
        // Nobody listens only when the process ends anyway.
        let _ = broken.send(why.to_owned());
    });
    Ok((options, told))
}

fn age(text: &str) -> Result<Span, Error> {
    let parsed = ensue_expr::duration::parse(text);
    parsed.map(Span).map_err(|why| Error::Usage(format!("--keep {text}: {why}")))
}

/// A size: a whole number, with a unit of 1000 or 1024.
fn bytes(text: &str) -> Result<u64, Error> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => Some(1),
        "kB" | "KB" => Some(1_000),
        "MB" => Some(1_000_000),
        "GB" => Some(1_000_000_000),
        "TB" => Some(1_000_000_000_000),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        "TiB" => Some(1 << 40),
        _ => None,
    };
    let size = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    size.ok_or_else(|| Error::Usage(format!("--keep-bytes {text}: write a size as 500MiB, 50GiB or 1TB")))
}

/// What is wrong with the configuration, as `check` shows it.
fn wrong(path: Option<&Path>) -> Result<Error, Error> {
    let path = path.unwrap_or(Path::new("."));
    let files = ensue_node::read_folder(path).map_err(|why| Error::Node(why.to_string()))?;
    let checked = ensue_engine::config::check(&files);
    check::complain(&checked, files.len());
    Ok(Error::Node("the configuration has errors; nothing was started".to_owned()))
}

fn greet(up: &Up, url: &str, began: Instant, output: Output) -> Result<(), Error> {
    let bold = anstyle::Style::new().bold();
    let took = began.elapsed().as_millis();
    output.line(format!(
        "{bold}ensue{bold:#} is up at {bold}{url}{bold:#}, ready in {took} ms, data in {}",
        up.data.display()
    ));
    if let Some(path) = &up.path {
        let files = ensue_node::read_folder(path).map_err(|why| Error::Node(why.to_string()))?;
        if let Some(compiled) = ensue_engine::config::check(&files).compiled {
            configured::show(&compiled.config, output);
            let known = Secrets::new(providers(up));
            let names = configured::secrets(&compiled.config).into_iter();
            let missing: Vec<String> = names.filter(|name| known.resolve(name).is_err()).collect();
            if !missing.is_empty() {
                let names = missing.join(", ");
                output.line(format!("  no value yet for {names}: what needs it fails until there is one"));
                output.line("  (ENSUE_SECRET_NAME in the environment, --secrets-file, --secrets-dir)");
            }
        }
    } else if up.kubernetes {
        output.line("  with the objects of the cluster; `kubectl get ensue` shows what is in force of them");
    } else {
        output.line("  with the configuration that was applied last, if there is one; `ensue up DIR` gives another");
    }
    if up.observe {
        output.line("  observing: every rule decides and records, none acts");
    }
    let data = match up.data.as_path() {
        path if path == Path::new(".ensue") => String::new(),
        path => format!(" --data {}", path.display()),
    };
    output.line(format!("\nsend an event   ensue emit{data} --type com.example.hello --data-json '{{\"n\": 1}}'"));
    output.line(format!("watch           ensue events -f{data}"));
    output.line(format!("the page        {url}/ (its token stands in {})", up.data.join("admin.token").display()));
    output.line("stop            ctrl-c");
    Ok(())
}

/// Ctrl-c, and polite requests to end, from the moment on at which this was made.
struct Stops {
    interrupt: Signal,
    terminate: Signal,
}

impl Stops {
    fn new() -> std::io::Result<Stops> {
        Ok(Stops { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for one of them.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "ctrl-c",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Waits for ctrl-c or a polite request to end.
pub(crate) async fn stopped() -> &'static str {
    match Stops::new() {
        Ok(mut stops) => stops.next().await,
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, size) in [
            ("50GiB", Some(50 << 30)),
            ("500 MB", Some(500_000_000)),
            ("7", Some(7)),
            ("1TiB", Some(1 << 40)),
            ("", None),
            ("GiB", None),
            ("1.5GiB", None),
            ("-1", None),
            ("5gb", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(bytes(text).ok(), size, "{text}");
        }
    }
}
