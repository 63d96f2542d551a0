//! What is wrong, where, and what to write instead.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Level, Renderer, Snippet};
use serde::Serialize;

use crate::span::{SourceFile, Span};

/// Whether the configuration can be used all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, and somebody should look.
    Warning,
}

/// Another place that belongs to the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    /// Bytes of the file named by the diagnostic.
    pub span: Range<usize>,
    /// Its line, from 1.
    pub line: u32,
    /// What is there.
    pub text: String,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name for this kind of mistake: `unknown-field`.
    pub code: &'static str,
    /// What is wrong, one line.
    pub message: String,
    /// The path of the file.
    pub file: String,
    /// The line, from 1; 0 where there is no file.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The bytes in the file.
    pub span: Range<usize>,
    /// Other places in the same file.
    pub labels: Vec<Label>,
    /// What to write instead.
    pub help: Option<String>,
    #[serde(skip)]
    pub(crate) at: Span,
}

impl Diagnostic {
    pub(crate) fn new(severity: Severity, code: &'static str, at: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity,
            code,
            message: message.into(),
            file: String::new(),
            line: at.line,
            column: at.column,
            span: at.range(),
            labels: Vec::new(),
            help: None,
            at,
        }
    }

    pub(crate) fn error(code: &'static str, at: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, code, at, message)
    }

    /// A warning at a place; [`Diagnostic::of`] names its file where it is not part of a reading.
    #[must_use]
    pub fn warning(code: &'static str, at: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, code, at, message)
    }

    /// The file that it is in.
    #[must_use]
    pub fn of(mut self, file: &str) -> Diagnostic {
        file.clone_into(&mut self.file);
        self
    }

    /// What to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Adds what to write instead, where that is known.
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Diagnostic {
        self.help = help;
        self
    }

    /// Another place; one in another file becomes part of the help.
    #[must_use]
    pub fn label(mut self, at: Span, text: impl Into<String>) -> Diagnostic {
        if at.file == self.at.file && at.line > 0 {
            self.labels.push(Label { span: at.range(), line: at.line, text: text.into() });
        }
        self
    }

    /// The message with an excerpt of the file, as compilers show it; `styled` with colours.
    #[must_use]
    pub fn render(&self, text: Option<&str>, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message.as_str()).id(self.code);
        let mut elements: Vec<Element<'_>> = Vec::new();
        if let Some(text) = text.filter(|_| self.line > 0) {
            // Only the lines concerned: the renderer's work grows with the text that it is given.
            let spans = || std::iter::once(&self.span).chain(self.labels.iter().map(|label| &label.span));
            let lowest = spans().map(|span| span.start).min().unwrap_or(0);
            let highest = spans().map(|span| span.end).max().unwrap_or(0);
            let from = text.get(..lowest).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
            let to = text.get(highest..).and_then(|after| after.find('\n')).map_or(text.len(), |at| highest + at);
            let first = text.get(..from).map_or(0, |before| before.matches('\n').count()) + 1;
            let excerpt = text.get(from..to).unwrap_or_default();
            let mut snippet = Snippet::source(excerpt).line_start(first).path(self.file.as_str());
            snippet = snippet.annotation(AnnotationKind::Primary.span(one_line(excerpt, from, &self.span)));
            for label in &self.labels {
                let span = one_line(excerpt, from, &label.span);
                snippet = snippet.annotation(AnnotationKind::Context.span(span).label(label.text.as_str()));
            }
            elements.push(snippet.into());
        }
        if let Some(help) = &self.help {
            elements.push(Level::HELP.message(help.as_str()).into());
        }
        renderer.render(&[title.elements(elements)])
    }
}

/// The span within the excerpt that begins at `from`, cut at the end of its first line.
fn one_line(excerpt: &str, from: usize, span: &Range<usize>) -> Range<usize> {
    let start = crate::span::floor(excerpt, span.start.saturating_sub(from));
    let end = crate::span::floor(excerpt, span.end.saturating_sub(from)).max(start);
    let shown = excerpt.get(start..end).unwrap_or_default();
    start..start + shown.find(['\n', '\r']).unwrap_or(shown.len())
}

impl fmt::Display for Diagnostic {
    /// One line: `rules.yaml:3:5: error: … (help)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        if self.line > 0 {
            write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        }
        write!(f, "{severity}[{}]: {}", self.code, self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// All messages as text with excerpts, one after the other.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], files: &[SourceFile], styled: bool) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let text = files.iter().find(|file| file.path == diagnostic.file).map(|file| file.text.as_str());
        out.push_str(&diagnostic.render(text, styled));
        out.push_str("\n\n");
    }
    out
}

/// The messages of a reading, collected.
#[derive(Debug, Default)]
pub(crate) struct Report {
    list: Vec<Diagnostic>,
}

impl Report {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// In the order of the files and of the places in them, each once, with the paths filled in.
    pub(crate) fn finish(self, files: &[SourceFile]) -> Vec<Diagnostic> {
        let mut list = self.list;
        list.sort_by_key(|d| (d.at.file, d.at.start, d.at.end, d.severity));
        // Where a more telling message stands at the same place, "write it in quotes" is noise.
        let told: Vec<Span> = list.iter().filter(|d| d.code == "habit").map(|d| d.at).collect();
        list.retain(|d| d.code != "yaml-ambiguous" || !told.contains(&d.at));
        list.dedup_by(|a, b| a.at == b.at && a.code == b.code && a.message == b.message);
        for diagnostic in &mut list {
            let index = usize::try_from(diagnostic.at.file.0).unwrap_or(usize::MAX);
            if let Some(file) = files.get(index) {
                diagnostic.file.clone_from(&file.path);
            }
        }
        list
    }
}

/// The candidate that was probably meant.
pub(crate) fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(score, candidate)| {
            *score >= 0.82 || (word.len() > 2 && strsim::damerau_levenshtein(word, candidate) == 1)
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?", or the list of what there is where that is short.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(found) = suggest(word, candidates.clone()) {
        return Some(format!("did you mean `{found}`?"));
    }
    let all: Vec<&str> = candidates.into_iter().collect();
    match all.as_slice() {
        [] => None,
        list if list.len() <= 12 => Some(format!("there are: {}", list.join(", "))),
        _ => None,
    }
}
