//! Tokens: who may ask for what.
//!
//! A token is 256 random bits with a prefix and a checksum, so that scanners for leaked secrets know one when they see
//! it. Only its SHA-256 is stored, in `tokens.json` of the data folder. The file is the interface: `ensue token` edits
//! it while the node runs, and the node reads it again when it has changed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ensue_event::{Span, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// The file with the hashes of all tokens.
const FILE: &str = "tokens.json";
/// The file with the token that the node makes for the command line on the same machine.
const ADMIN_FILE: &str = "admin.token";
/// What every token begins with.
const PREFIX: &str = "ensue_";
/// How often the file is looked at, at most: a revoked token is refused after this time.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a token allows. `admin` allows all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Send events to `/events`.
    Ingest,
    /// Read events, runs, rules, decisions and the configuration.
    Read,
    /// Freeze, thaw, retry, cancel and the like.
    Operate,
    /// Apply configurations and stop the node; and all of the above.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 4] = [Scope::Ingest, Scope::Read, Scope::Operate, Scope::Admin];

    /// The scope of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Ingest => "ingest",
            Scope::Read => "read",
            Scope::Operate => "operate",
            Scope::Admin => "admin",
        }
    }
}

/// What is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Its name: what the log calls whoever uses it.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// What whoever uses it may answer for, where a policy or an `approve` step asks: `sre`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// SHA-256 of the token, in hex digits.
    pub sha256: String,
    /// When it was made.
    pub created: Time,
    /// From when on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
}

impl Token {
    /// What whoever uses it may answer for. Who may replace the configuration could answer for anybody: the scope
    /// `admin` is a role too.
    #[must_use]
    pub fn roles(&self) -> Vec<String> {
        let admin = self.scopes.contains(&Scope::Admin).then(|| Scope::Admin.as_str().to_owned());
        self.roles.iter().cloned().chain(admin).collect()
    }

    /// Whether it allows this at `now`.
    #[must_use]
    pub fn allows(&self, scope: Scope, now: Time) -> bool {
        self.expires.is_none_or(|end| now < end) && self.scopes.iter().any(|own| *own == scope || *own == Scope::Admin)
    }
}

/// Who the log calls so is nobody with a token: the file `FREEZE`, and windows of `freeze`.
const RESERVED: [&str; 2] = [ensue_engine::freeze::FILE, ensue_engine::freeze::WINDOW];

/// Why tokens could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is one of this name.
    #[error("a token named `{0}` exists; revoke it first, or choose another name")]
    Exists(String),
    /// The log calls others so.
    #[error("`{0}` is who the log names where a file or a window freezes; choose another name")]
    Reserved(String),
    /// There is none of this name.
    #[error("no token is named `{0}`; `ensue token list` shows them")]
    Unknown(String),
    /// It would allow nothing.
    #[error("a token needs at least one scope: ingest, read, operate or admin")]
    NoScope,
    /// The file is not ours.
    #[error("{} cannot be read as tokens: {why}; restore it, or remove it to refuse all tokens", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        why: serde_json::Error,
    },
    /// A file call failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was given is none of ours.
    #[error("{} holds no token of ensue; `ensue token create --data DIR` makes one", .0.display())]
    NoToken(PathBuf),
    /// No randomness.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// The tokens of a data folder.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    tokens: Vec<Token>,
    changed: Option<Stamp>,
    looked: Option<Instant>,
}

impl Tokens {
    /// The tokens of this data folder; none where it has no file yet.
    pub fn open(data: &Path) -> Result<Tokens, Error> {
        let path = data.join(FILE);
        let (tokens, changed) = read(&path)?;
        Ok(Tokens { path, known: Mutex::new(Known { tokens, changed, looked: Some(Instant::now()) }) })
    }

    /// All tokens, by name.
    pub fn list(&self) -> Result<Vec<Token>, Error> {
        read(&self.path).map(|(tokens, _)| tokens)
    }

    /// Makes a token and returns it: the only time that it is seen.
    pub fn create(
        &self,
        name: &str,
        scopes: &[Scope],
        roles: &[String],
        lifetime: Option<Span>,
        now: Time,
    ) -> Result<String, Error> {
        if scopes.is_empty() {
            return Err(Error::NoScope);
        }
        let mut random = [0_u8; 32];
        getrandom::fill(&mut random).map_err(Error::Random)?;
        let text = spell(&random);
        self.add(&text, name, scopes, roles, lifetime, now)?;
        Ok(text)
    }

    /// Makes this text a token.
    fn add(
        &self,
        text: &str,
        name: &str,
        scopes: &[Scope],
        roles: &[String],
        lifetime: Option<Span>,
        now: Time,
    ) -> Result<(), Error> {
        let (mut tokens, _) = read(&self.path)?;
        if RESERVED.contains(&name) {
            return Err(Error::Reserved(name.to_owned()));
        }
        if tokens.iter().any(|token| token.name == name) {
            return Err(Error::Exists(name.to_owned()));
        }
        let expires = lifetime.map(|span| now + span);
        let sha256 = hex::encode(Sha256::digest(text.as_bytes()));
        let (name, scopes, roles) = (name.to_owned(), scopes.to_vec(), roles.to_vec());
        tokens.push(Token { name, scopes, roles, sha256, created: now, expires });
        tokens.sort_by(|a, b| a.name.cmp(&b.name));
        self.write(tokens)
    }

    /// Makes a token void.
    pub fn revoke(&self, name: &str) -> Result<(), Error> {
        let (mut tokens, _) = read(&self.path)?;
        let before = tokens.len();
        tokens.retain(|token| token.name != name);
        if tokens.len() == before {
            return Err(Error::Unknown(name.to_owned()));
        }
        self.write(tokens)
    }

    /// The token behind this text, if there is one; its expiry and scopes are the caller's to check.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Token> {
        if !well_formed(text) {
            return None;
        }
        let hash = hex::encode(Sha256::digest(text.as_bytes()));
        let same = |token: &&Token| bool::from(token.sha256.as_bytes().ct_eq(hash.as_bytes()));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // A token that is not known may be new; one that is may have been revoked.
        let fresh = known.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY);
        if fresh && let Some(found) = known.tokens.iter().find(same) {
            return Some(found.clone());
        }
        known.looked = Some(Instant::now());
        if changed(&self.path) != known.changed {
            match read(&self.path) {
                Ok((tokens, changed)) => (known.tokens, known.changed) = (tokens, changed),
                // Who can break the file must not be able to keep a revoked token alive.
                Err(why) => {
                    tracing::error!(%why, "all tokens are refused");
                    (known.tokens, known.changed) = (Vec::new(), None);
                }
            }
        }
        known.tokens.iter().find(same).cloned()
    }

    /// On a first start: an admin token for the command line, in a file that only the owner can read. Returns the file.
    /// `given` is a file with the token that it is to be, on every start: who replaces that, replaces the token.
    pub fn bootstrap(&self, data: &Path, given: Option<&Path>, now: Time) -> Result<PathBuf, Error> {
        let given = given.map(|file| {
            let io = |source| Error::Io { what: "read", path: file.to_path_buf(), source };
            let text = fs::read_to_string(file).map_err(io)?.trim().to_owned();
            if well_formed(&text) { Ok(text) } else { Err(Error::NoToken(file.to_path_buf())) }
        });
        let given = given.transpose()?;
        let path = data.join(ADMIN_FILE);
        let known = local(data)
            .is_some_and(|text| given.as_ref().is_none_or(|given| *given == text) && self.find(&text).is_some());
        if !known {
            match self.revoke("local") {
                Ok(()) | Err(Error::Unknown(_)) => {}
                Err(why) => return Err(why),
            }
            let text = match given {
                Some(text) => self.add(&text, "local", &[Scope::Admin], &[], None, now).map(|()| text)?,
                None => self.create("local", &[Scope::Admin], &[], None, now)?,
            };
            write_private(&path, format!("{text}\n").as_bytes())?;
        }
        Ok(path)
    }

    fn write(&self, tokens: Vec<Token>) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(&tokens).unwrap_or_default();
        write_private(&self.path, &text)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.changed = changed(&self.path);
        known.tokens = tokens;
        Ok(())
    }
}

/// The token that the command line uses on the same machine, if the node of this data folder has made one.
#[must_use]
pub fn local(data: &Path) -> Option<String> {
    fs::read_to_string(data.join(ADMIN_FILE)).ok().map(|text| text.trim().to_owned())
}

/// What tells one state of the file from another. Two writes within one tick of the file system's clock have the same
/// time: the length tells a revocation from what stood there before.
type Stamp = (SystemTime, u64);

fn changed(path: &Path) -> Option<Stamp> {
    let known = fs::metadata(path).ok()?;
    Some((known.modified().ok()?, known.len()))
}

fn read(path: &Path) -> Result<(Vec<Token>, Option<Stamp>), Error> {
    // The time first: a change in between is then seen as one next time.
    let time = changed(path);
    match fs::read(path) {
        Ok(bytes) => {
            let tokens =
                serde_json::from_slice(&bytes).map_err(|why| Error::Broken { path: path.to_path_buf(), why })?;
            Ok((tokens, time))
        }
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok((Vec::new(), None)),
        Err(source) => Err(Error::Io { what: "read", path: path.to_path_buf(), source }),
    }
}

/// Writes a file that only its owner can read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let io = |what| move |source| Error::Io { what, path: path.to_path_buf(), source };
    let beside = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside).map_err(io("create"))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("write"))?;
    fs::rename(&beside, path).map_err(io("rename"))
}

/// `ensue_`, the bits in base 62, `_`, their CRC32C in base 62.
fn spell(random: &[u8; 32]) -> String {
    let body = base62(random, 43);
    let sum = crc32c::crc32c(body.as_bytes());
    format!("{PREFIX}{body}_{}", base62(&sum.to_be_bytes(), 6))
}

/// Big-endian bytes in base 62, filled with zeros to so many digits.
fn base62(bytes: &[u8], digits: usize) -> String {
    let mut number = bytes.to_vec();
    let mut out = Vec::with_capacity(digits);
    for _ in 0..digits {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = rest * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        let digit = usize::try_from(rest).ok().and_then(|rest| BASE62.get(rest)).copied().unwrap_or(b'0');
        out.push(digit);
    }
    out.reverse();
    String::from_utf8(out).unwrap_or_default()
}

/// Whether a text can be one of our tokens at all: cheap, before anything is hashed or looked up.
fn well_formed(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('_'))
        .is_some_and(|(body, sum)| base62(&crc32c::crc32c(body.as_bytes()).to_be_bytes(), 6) == sum)
}
