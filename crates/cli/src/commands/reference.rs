//! `ensue reference`: pages that are made from what the program itself goes by.

use std::fmt::Write as _;

use clap::CommandFactory as _;
use ensue_lang::catalog::{self, Field, Idempotency, Recovers};

use crate::args::Args;
use crate::errors::Error;
use crate::output::Output;

pub(crate) fn reference(page: &str, output: Output) -> Result<(), Error> {
    let text = match page {
        "records" => ensue_event::ours::reference(),
        "language" => language(),
        "kubernetes" => ensue_connect::kubernetes::source::facts::reference(),
        "cli" => cli(),
        _ => {
            return Err(Error::Usage(format!(
                "there is no page `{page}`; there are: records, language, kubernetes, cli"
            )));
        }
    };
    output.line(text.trim_end());
    Ok(())
}

fn cli() -> String {
    let mut out = String::from("# The command line\n");
    let mut command = Args::command().color(clap::ColorChoice::Never);
    command.build();
    help(&mut command, &mut out);
    out
}

fn help(command: &mut clap::Command, out: &mut String) {
    let text = command.render_long_help();
    let name = command.get_bin_name().unwrap_or("ensue").to_owned();
    // Writing to a String does not fail.
    let _ = write!(out, "\n## `{name}`\n\n```text\n{}\n```\n", text.to_string().trim());
    for sub in command.get_subcommands_mut().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        help(sub, out);
    }
}

fn language() -> String {
    let mut out = String::from("# Connections, sources and actions\n\n## Connections\n");
    for spec in catalog::CONNECTIONS {
        let _ = write!(out, "\n### `{}`\n\n{}\n", spec.name, spec.doc);
        fields(spec.config.fields, &mut out);
    }
    out.push_str("\n## Sources\n");
    for spec in catalog::SOURCES {
        let recovers = match spec.recovers {
            Recovers::Resume => "it goes on where it stopped",
            Recovers::List => "it asks for what it has missed",
            Recovers::None => "events are lost, unless the sender repeats them",
        };
        let _ = write!(out, "\n### `{}`\n\n{} While ensue is down, {recovers}.\n", spec.name, spec.doc);
        if let Some(path) = spec.path {
            let _ = writeln!(out, "Listens on `POST {path}`.");
        }
        fields(spec.config.fields, &mut out);
    }
    out.push_str("\n## Actions\n");
    for spec in catalog::ACTIONS {
        let twice = match spec.idempotency {
            Idempotency::Natural => "the same as once",
            Idempotency::Keyed => "the same as once, by our key",
            Idempotency::None => {
                "it happens twice, so its start is recorded first and a crash in between asks a person"
            }
            Idempotency::ByMethod => "as the HTTP method and the connection say",
        };
        let _ = write!(
            out,
            "\n### `{}`\n\n{} Needs a connection `{}`. Done twice: {twice}.\n",
            spec.name, spec.doc, spec.connection
        );
        fields(spec.with.fields, &mut out);
        if !spec.outputs.is_empty() {
            out.push_str("\nOutputs:\n");
            fields(spec.outputs, &mut out);
        }
    }
    out
}

fn fields(fields: &[Field], out: &mut String) {
    if fields.is_empty() {
        return;
    }
    out.push_str("\n| field | says |\n|---|---|\n");
    for field in fields {
        let required = if field.required { " Needed." } else { "" };
        let secret = if field.secret { " A secret." } else { "" };
        let _ = writeln!(out, "| `{}` | {}{required}{secret} |", field.name, field.doc.replace('|', "\\|"));
    }
}
