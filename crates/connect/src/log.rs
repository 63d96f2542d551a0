//! What a call says while it goes on: lines of ours, and the output of programs, without secrets.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::secrets::Secrets;

/// Where the log of one try goes. It is given bytes in order and without secrets, as soon as they come; it must neither
/// fail nor wait for long.
pub trait Sink: Send + Sync {
    /// Takes what was said.
    fn write(&self, bytes: &[u8]);
}

/// The log of one try. Cheap to clone; without a sink it takes everything and keeps nothing.
#[derive(Clone, Default)]
pub struct Log(Option<Arc<Inner>>);

struct Inner {
    sink: Arc<dyn Sink>,
    secrets: Arc<Secrets>,
    /// Dropped with the last clone.
    _open: oneshot::Sender<()>,
}

/// Resolves when the last clone of a [`Log`] is gone: nothing more will be said, and no program of the try is left.
pub type Silence = oneshot::Receiver<()>;

impl Log {
    /// A log that goes to this sink, redacted by what these secrets have handed out.
    #[must_use]
    pub fn new(sink: Arc<dyn Sink>, secrets: Arc<Secrets>) -> (Log, Silence) {
        let (open, silence) = oneshot::channel();
        (Log(Some(Arc::new(Inner { sink, secrets, _open: open }))), silence)
    }

    /// Says one line.
    pub(crate) fn line(&self, text: &str) {
        if let Some(inner) = &self.0 {
            inner.sink.write(format!("{}\n", inner.secrets.redact(text)).as_bytes());
        }
    }

    /// A stream of bytes, such as the standard output of a program.
    pub(crate) fn stream(&self) -> Stream {
        Stream { log: self.clone(), held: Vec::new() }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Log" } else { "Log(nowhere)" })
    }
}

/// One of the streams of a log. A secret that is split over two chunks is found all the same: what may be the beginning
/// of one is held back until it is known, or the stream ends.
pub(crate) struct Stream {
    log: Log,
    held: Vec<u8>,
}

impl Stream {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let Some(inner) = &self.log.0 else { return };
        self.held.extend_from_slice(bytes);
        let held = self.held.split_off(inner.secrets.settled(&self.held));
        let settled = std::mem::replace(&mut self.held, held);
        if !settled.is_empty() {
            inner.sink.write(&inner.secrets.redact_bytes(&settled));
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let (Some(inner), false) = (&self.log.0, self.held.is_empty()) {
            inner.sink.write(&inner.secrets.redact_bytes(&self.held));
        }
    }
}
