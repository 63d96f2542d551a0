//! The one place where errors become an exit code and a hint.

use std::process::ExitCode;

/// What a command ends with when it does not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something was checked and is not as it should be; the findings are printed already.
    #[error("")]
    Found,
    /// A replay is different from what was recorded, and that was to be told; the differences are printed already.
    #[error("")]
    Differs,
    /// The call does not make sense.
    #[error("{0}")]
    Usage(String),
    /// The engine cannot be reached.
    #[error("no ensue answers at {url}: {why}")]
    NotReached {
        /// Where.
        url: String,
        /// Why.
        why: String,
    },
    /// The engine refused.
    #[error("{message}")]
    Refused {
        /// The status code.
        status: u16,
        /// Its word for it: `no-token`.
        code: String,
        /// What it says.
        message: String,
    },
    /// A file or folder.
    #[error("{path}: {why}")]
    File {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// The node cannot start or go on.
    #[error("{0}")]
    Node(String),
    /// Anything else that says enough by itself.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// Prints the error in one line and the hint, if there is one, in another.
    pub(crate) fn report(&self) -> ExitCode {
        // It may quote what came from outside.
        let text = crate::output::tame(&self.to_string());
        if !text.is_empty() {
            let style = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
            anstream::eprintln!("{style}error{style:#}: {text}");
        }
        if let Some(hint) = self.hint() {
            let style = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Cyan.into()));
            anstream::eprintln!("{style}hint{style:#}: {hint}");
        }
        ExitCode::from(self.code())
    }

    /// 1: what was checked is wrong, or was refused. 2: the call is wrong. 3: the engine cannot be reached. 4: a replay is
    /// different.
    fn code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::NotReached { .. } => 3,
            Error::Differs => 4,
            _ => 1,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::NotReached { .. } => {
                Some("start it with `ensue up DIR`, or name another with --server or ENSUE_SERVER".to_owned())
            }
            Error::Refused { code, .. } if code == "no-token" => Some(
                "give a token with --token or ENSUE_TOKEN; on the engine's own machine, --data names the folder with \
                 admin.token"
                    .to_owned(),
            ),
            Error::Refused { code, .. } if code == "scope" => {
                Some("the token has not the scope for this; `ensue token list` shows the scopes".to_owned())
            }
            Error::Refused { code, .. } if code == "signature" => {
                Some("the sender and the source must have the same secret; ENSUE_SECRET_NAME or --secrets-file gives it to the engine".to_owned())
            }
            _ => None,
        }
    }

    /// For `map_err` on file operations.
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.display().to_string();
        move |why| Error::File { path, why: why.to_string() }
    }
}
