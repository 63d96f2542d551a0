//! Secrets: from a name in a configuration to a value, at the moment of acting.
//!
//! A configuration holds handles, `{"$secret": "NAME"}`. Values live in the environment, a file or a mounted folder, are
//! read each time they are needed (so that a rotated one is used at once), and never enter a log, a page or a message:
//! every value that was ever handed out is remembered, and [`Secrets::redact`] takes it out of what an action answers.

mod redact;
mod resolved;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ensue_event::ours::{Answer, Failure};
use secrecy::SecretString;
use serde_json::Value;

use redact::Known;
pub use resolved::{Resolved, scalar};

/// Where values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The environment: the variable is `prefix` followed by the name.
    Env {
        /// What stands before the name; [`Provider::PREFIX`] unless somebody wants another.
        prefix: String,
    },
    /// A file: a JSON object of texts if its name ends with `.json`, else lines `NAME=VALUE`.
    File(PathBuf),
    /// A folder with a file for each name, as Kubernetes mounts them. One line break at a file's end is not part of it.
    Folder(PathBuf),
}

impl Provider {
    /// The usual prefix: `secrets.TOKEN` is the variable `ENSUE_SECRET_TOKEN`, so that a rule cannot name any variable.
    pub const PREFIX: &'static str = "ENSUE_SECRET_";

    /// The environment with the usual prefix.
    #[must_use]
    pub fn env() -> Provider {
        Provider::Env { prefix: Provider::PREFIX.to_owned() }
    }

    fn read(&self, name: &str) -> Result<Option<String>, MissingSecret> {
        match self {
            Provider::Env { prefix } => Ok(std::env::var(format!("{prefix}{name}")).ok()),
            Provider::File(path) => match text(path)? {
                Some(text) => from_file(path, &text, name),
                None => Ok(None),
            },
            Provider::Folder(path) => Ok(text(&path.join(name))?.map(|text| {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                text.strip_suffix('\r').unwrap_or(text).to_owned()
            })),
        }
    }

    fn place(&self, name: &str) -> String {
        match self {
            Provider::Env { prefix } => format!("the environment variable {prefix}{name}"),
            Provider::File(path) => format!("{name} in {}", path.display()),
            Provider::Folder(path) => format!("the file {}", path.join(name).display()),
        }
    }
}

/// Why a secret has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MissingSecret {
    /// No provider has it.
    #[error("the secret {name} is nowhere to be found; set {}", if places.is_empty() { "up a provider of secrets" } else { places.as_str() })]
    Unknown {
        /// Its name.
        name: String,
        /// Where it was looked for.
        places: String,
    },
    /// It is there and empty: nothing would be protected by it.
    #[error("the secret {0} is empty; give it a value")]
    Empty(String),
    /// A name that no provider may be asked for: it could name a path.
    #[error("`{0}` is not a name of a secret: letters, digits, `_`, `-` and `.`, the first a letter, a digit or `_`")]
    Name(String),
    /// A provider could not be read.
    #[error("the secrets in {path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system or the format says; never a part of the file.
        why: String,
    },
}

/// The providers, asked in order, and what they have handed out.
#[derive(Debug)]
pub struct Secrets {
    providers: Vec<Provider>,
    known: Mutex<Known>,
}

impl Secrets {
    /// Secrets from these providers; the first that has a name gives its value.
    #[must_use]
    pub fn new(providers: Vec<Provider>) -> Secrets {
        Secrets { providers, known: Mutex::default() }
    }

    /// The value of a secret, now.
    pub fn resolve(&self, name: &str) -> Result<SecretString, MissingSecret> {
        self.value(name).map(SecretString::from)
    }

    /// A configuration with its handles replaced by values.
    pub fn resolve_config(&self, config: &Value) -> Result<Resolved, MissingSecret> {
        self.fill(config).map(Resolved::new)
    }

    /// Takes note of a value that came from elsewhere, such as the token in a kubeconfig, so that it is redacted too.
    pub(crate) fn learn(&self, value: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).learn(value);
    }

    /// A text without any value that was handed out: as it is, in base64, in URL encoding or escaped in JSON, it becomes
    /// `***`. Values of fewer than six characters are left: they would take ordinary words with them.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).redact(text)
    }

    /// The same for bytes: a program's output need not be text.
    pub(crate) fn redact_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).redact_bytes(bytes)
    }

    /// How many of these bytes can be redacted although more are to come: no value that may have begun is cut in two.
    pub(crate) fn settled(&self, bytes: &[u8]) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).settled(bytes)
    }

    /// Whether a value that was handed out stands in these bytes.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).is_in(bytes)
    }

    /// The same for every text in a JSON value, keys and numbers included.
    #[must_use]
    pub fn redact_value(&self, value: Value) -> Value {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() { value } else { known.redact_value(value) }
    }

    /// The same for an answer.
    #[must_use]
    pub fn redact_answer(&self, answer: Answer) -> Answer {
        match answer {
            Answer::Ok(outputs) => Answer::Ok(self.redact_value(outputs)),
            Answer::Err(failure) => Answer::Err(Failure {
                message: self.redact(&failure.message),
                details: self.redact_value(failure.details),
                ..failure
            }),
        }
    }

    fn value(&self, name: &str) -> Result<String, MissingSecret> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.len() > 253 || name.starts_with(['.', '-']) || !name.chars().all(plain) {
            return Err(MissingSecret::Name(name.chars().take(80).collect()));
        }
        for provider in &self.providers {
            if let Some(value) = provider.read(name)? {
                if value.is_empty() {
                    return Err(MissingSecret::Empty(name.to_owned()));
                }
                self.known.lock().unwrap_or_else(PoisonError::into_inner).learn(&value);
                return Ok(value);
            }
        }
        let places: Vec<String> = self.providers.iter().map(|provider| provider.place(name)).collect();
        Err(MissingSecret::Unknown { name: name.to_owned(), places: places.join(" or ") })
    }

    fn fill(&self, value: &Value) -> Result<Value, MissingSecret> {
        Ok(match value {
            Value::Object(object) => match handle(value) {
                Some(name) => Value::String(self.value(name)?),
                None => {
                    let filled = object.iter().map(|(key, value)| Ok((key.clone(), self.fill(value)?)));
                    Value::Object(filled.collect::<Result<_, MissingSecret>>()?)
                }
            },
            Value::Array(items) => Value::Array(items.iter().map(|item| self.fill(item)).collect::<Result<_, _>>()?),
            other => other.clone(),
        })
    }
}

/// The name, if this value is a secret's handle.
#[must_use]
pub fn handle(value: &Value) -> Option<&str> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get("$secret")?.as_str()
}

/// Whether a handle stands anywhere in this value.
#[must_use]
pub fn holds_handle(value: &Value) -> bool {
    match value {
        Value::Object(object) => handle(value).is_some() || object.values().any(holds_handle),
        Value::Array(items) => items.iter().any(holds_handle),
        _ => false,
    }
}

fn text(path: &Path) -> Result<Option<String>, MissingSecret> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(MissingSecret::Unreadable { path: path.display().to_string(), why: error.to_string() }),
    }
}

fn from_file(path: &Path, text: &str, name: &str) -> Result<Option<String>, MissingSecret> {
    if path.extension().is_some_and(|extension| extension == "json") {
        let wrong = |why: &str| MissingSecret::Unreadable { path: path.display().to_string(), why: why.to_owned() };
        // The reader's own message could show a part of the file.
        let all: Value = serde_json::from_str(text).map_err(|_| wrong("it is not JSON"))?;
        let all = all.as_object().ok_or_else(|| wrong("it is not an object of names and texts"))?;
        return match all.get(name) {
            None => Ok(None),
            Some(Value::String(value)) => Ok(Some(value.clone())),
            Some(_) => Err(wrong("a value is not a text")),
        };
    }
    for line in text.lines() {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if let Some((key, value)) = line.split_once('=')
            && key.trim_end() == name
        {
            return Ok(Some(unquote(value.trim()).to_owned()));
        }
    }
    Ok(None)
}

/// Quotes around a whole value are for shells that read the same file.
fn unquote(value: &str) -> &str {
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value)
}
