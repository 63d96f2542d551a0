//! The generated pages of `docs/reference/`: from the sources, and from what the binary says about itself.

use crate::{Result, nothing_left, shell, take_flag, workspace};

/// Where the list of our own records stands.
const OURS: &str = "crates/event/src/ours.rs";

/// Stands first in every generated page.
const MADE: &str = "<!-- Made by `cargo xtask gen`; changes are made in its source. -->\n\n";

/// Writes the pages, or with `--check` says which ones are not up to date.
pub(crate) fn run(arguments: &[String]) -> Result {
    let mut arguments = arguments.to_vec();
    let check = take_flag(&mut arguments, "--check");
    nothing_left(&arguments)?;
    let pages = [
        ("docs/reference/records.md", records(&workspace::read(OURS)?)?),
        ("docs/reference/cli.md", cli(&mut help)?),
        ("docs/reference/schema.json", shell::output(ensue().arg("schema"))?),
    ];
    let mut stale = Vec::new();
    for (path, text) in pages {
        if workspace::read(path).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            stale.push(path);
            continue;
        }
        let file = workspace::root().join(path);
        let folder = file.parent().unwrap_or(workspace::root());
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&file, &text))
            .map_err(|error| format!("cannot write {path}: {error}"))?;
        println!("written: {path}");
    }
    if stale.is_empty() { Ok(()) } else { Err(format!("not up to date: {}; run `cargo xtask gen`", stale.join(", "))) }
}

/// The binary, as the tests build it.
fn ensue() -> std::process::Command {
    let mut cargo = shell::cargo();
    cargo.args(["run", "--quiet", "--package", "ensue-cli", "--"]);
    // The same lines on every machine.
    cargo.env("COLUMNS", "100").env("NO_COLOR", "1");
    cargo
}

fn help(command: &[String]) -> Result<String> {
    shell::output(ensue().args(command).arg("--help"))
}

/// The page of the command line: the help of the program and of every command, as it prints it.
fn cli(help: &mut dyn FnMut(&[String]) -> Result<String>) -> Result<String> {
    let mut page = format!("{MADE}# The command line\n");
    let mut open: Vec<Vec<String>> = vec![Vec::new()];
    // Depth first, in the order in which they are listed.
    while let Some(command) = open.pop() {
        let text = help(&command)?;
        let name = std::iter::once("ensue").chain(command.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
        page.push_str(&format!("\n## `{name}`\n\n```text\n{}\n```\n", text.trim()));
        for sub in subcommands(&text).into_iter().rev() {
            open.push([command.clone(), vec![sub]].concat());
        }
    }
    Ok(page)
}

/// The names that the help of a program lists under `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    listed
        .take_while(|line| line.starts_with(' '))
        // Deeper lines go on with the text of the command before.
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// A record of our own, as `ours.rs` lists it.
#[derive(Debug, PartialEq)]
struct Listed {
    name: String,
    writer: String,
    version: String,
    kind: String,
    says: String,
}

/// The page of our own records: the list, then the fields of each.
fn records(source: &str) -> Result<String> {
    let list = listed(source);
    if list.is_empty() {
        return Err(format!("no record found in {OURS}: has the form of its list changed?"));
    }
    let mut page = format!(
        "{MADE}# Our own records\n\nWhat ensue itself writes into the log, as CloudEvents. The node says what it saw or did, the \
         fold what it decided.\n\n| type | v | by | says |\n|---|---|---|---|\n"
    );
    for record in &list {
        let Listed { kind, version, writer, says, .. } = record;
        page.push_str(&format!("| `{kind}` | {version} | {} | {} |\n", writer.to_lowercase(), cell(says)));
    }
    for record in &list {
        page.push_str(&format!("\n## `{}`\n\n{}\n", record.kind, record.says));
        let fields = fields(source, &record.name);
        if fields.is_empty() {
            page.push_str("\nIt has no fields.\n");
            continue;
        }
        page.push_str("\n| field | type | says |\n|---|---|---|\n");
        for (name, kind, says) in fields {
            page.push_str(&format!("| `{name}` | `{}` | {} |\n", cell(&kind), cell(&says)));
        }
    }
    Ok(page)
}

/// Text within a table: a bar would end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The rows of the macro: documentation, then `Name(Writer, version, "type"),`.
fn listed(source: &str) -> Vec<Listed> {
    let mut docs = Vec::new();
    let mut list = Vec::new();
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            docs.push(text.trim());
            continue;
        }
        if let Some(mut record) = row(line) {
            record.says = docs.join(" ");
            list.push(record);
        }
        docs.clear();
    }
    list
}

fn row(line: &str) -> Option<Listed> {
    let (name, rest) = line.strip_suffix("),")?.split_once('(')?;
    let mut parts = rest.split(", ");
    let (writer, version, kind) = (parts.next()?, parts.next()?, parts.next()?);
    let kind = kind.strip_prefix("\"dev.ensue.")?.strip_suffix('"')?;
    let text = |text: &str| text.to_owned();
    Some(Listed {
        name: text(name),
        writer: text(writer),
        version: text(version),
        kind: format!("dev.ensue.{kind}"),
        says: String::new(),
    })
}

/// The public fields of a struct: name as written in JSON, type, documentation.
fn fields(source: &str, name: &str) -> Vec<(String, String, String)> {
    let head = format!("pub struct {name} {{");
    let Some((before, body)) = source.split_once(&head) else { return Vec::new() };
    let camel =
        before.rsplit("\n\n").next().is_some_and(|attributes| attributes.contains("rename_all = \"camelCase\""));
    let mut docs: Vec<&str> = Vec::new();
    let mut renamed = None;
    let mut found = Vec::new();
    for line in body.lines().map(str::trim).take_while(|line| *line != "}") {
        if let Some(text) = line.strip_prefix("///") {
            docs.push(text.trim());
        } else if line.starts_with("#[") {
            renamed = line.split_once("rename = \"").and_then(|(_, rest)| rest.split_once('"')).map(|(name, _)| name);
        } else if let Some((field, kind)) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(": ")) {
            let plain = if camel { camel_case(field) } else { field.to_owned() };
            let shown = renamed.take().map_or(plain, str::to_owned);
            found.push((shown, kind.trim_end_matches(',').to_owned(), docs.join(" ")));
            docs.clear();
        }
    }
    found
}

fn camel_case(name: &str) -> String {
    let mut words = name.trim_start_matches("r#").split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
ours! {
    /// The node began
    /// to run.
    NodeStarted(Node, 1, "dev.ensue.node.started"),
    /// Time: `a|b`.
    Tick(Node, 2, "dev.ensue.tick"),
}

/// Fields.
#[serde(rename_all = "camelCase")]
pub struct NodeStarted {
    /// When it had
    /// stopped.
    pub stopped_at: Option<Time>,
    #[serde(rename = "type")]
    /// Its type.
    pub kind: Box<str>,
}

/// None.
pub struct Tick {}
"#;

    #[test]
    fn the_page_of_records_comes_from_the_source() {
        let page = records(SOURCE).unwrap();
        for part in [
            "| `dev.ensue.node.started` | 1 | node | The node began to run. |",
            "| `dev.ensue.tick` | 2 | node | Time: `a\\|b`. |",
            "| `stoppedAt` | `Option<Time>` | When it had stopped. |",
            "| `type` | `Box<str>` | Its type. |",
            "## `dev.ensue.tick`\n\nTime: `a|b`.\n\nIt has no fields.",
        ] {
            assert!(page.contains(part), "{part}\n\nis not in\n\n{page}");
        }
        assert!(records("nothing").is_err());
    }

    #[test]
    fn the_real_list_has_the_form_that_is_read_here() {
        let source = workspace::read(OURS).unwrap();
        let list = listed(&source);
        assert!(list.len() > 20, "{} records", list.len());
        for record in &list {
            assert!(!record.says.is_empty(), "{record:?}");
            let fields = fields(&source, &record.name);
            let empty = source.contains(&format!("pub struct {} {{}}", record.name));
            assert_eq!(fields.is_empty(), empty, "{record:?}");
            assert!(fields.iter().all(|(_, _, says)| !says.is_empty()), "{fields:?}");
        }
    }

    #[test]
    fn the_page_of_commands_follows_what_the_help_lists() {
        let mut asked = Vec::new();
        let page = cli(&mut |command| {
            asked.push(command.join(" "));
            Ok(match command.len() {
                0 => "Turns events\n\nUsage: ensue\n\nCommands:\n  up    Starts\n        and goes on\n  token  Tokens\n  help  Help\n\nOptions:\n  -h".into(),
                1 if command[0] == "token" => "Tokens\n\nCommands:\n  new  A new one\n".into(),
                _ => "Usage".into(),
            })
        })
        .unwrap();
        assert_eq!(asked, ["", "up", "token", "token new"]);
        assert!(page.contains("\n## `ensue token new`\n\n```text\nUsage\n```\n"), "{page}");
    }
}
