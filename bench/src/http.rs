//! HTTP/1.1 that costs the two cores little: requests that are made once and sent often, and a sink.

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The bytes of a request.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut out = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str("\r\n");
    let mut out = out.into_bytes();
    out.extend_from_slice(body);
    out
}

/// A head and a body, as they came.
pub(crate) struct Message {
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The word of the first line at this place: of a request the method and the path, of an answer the status second.
    pub(crate) fn word(&self, nth: usize) -> &str {
        self.head.lines().next().and_then(|line| line.split(' ').nth(nth)).unwrap_or_default()
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// Reads one message; what came after it stays in `buffer`. Nothing where the connection ends before one.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Message>> {
    let mut looked = 0;
    let head = loop {
        if let Some(at) = buffer.get(looked..).and_then(|new| new.windows(4).position(|four| four == b"\r\n\r\n")) {
            break looked + at + 4;
        }
        looked = buffer.len().saturating_sub(3);
        if stream.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    };
    let rest = buffer.split_off(head);
    let head = String::from_utf8(std::mem::replace(buffer, rest)).map_err(|_| wrong("a head that is no text"))?;
    let chunked = header(&head, "transfer-encoding").is_some();
    let length = match header(&head, "content-length") {
        Some(text) => text.parse().map_err(|_| wrong("content-length is no number"))?,
        None if chunked => return Err(wrong("chunked bodies are not read here")),
        None => 0,
    };
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let rest = buffer.split_off(length);
    Ok(Some(Message { head, body: std::mem::replace(buffer, rest) }))
}

/// A client with one connection, made anew when it broke.
pub(crate) struct Client {
    addr: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn new(addr: SocketAddr) -> Client {
        Client { addr, stream: None, buffer: Vec::new() }
    }

    /// Sends a request and reads the answer. After an error it is not known whether the request came through.
    pub(crate) async fn send(&mut self, request: &[u8]) -> io::Result<Message> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                self.buffer.clear();
                let stream = TcpStream::connect(self.addr).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(request).await?;
        let answer = read(&mut stream, &mut self.buffer).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if !answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

/// What a sink says: a status, and a body that is JSON.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Cow<'static, str>,
}

impl From<u16> for Reply {
    fn from(status: u16) -> Reply {
        Reply { status, body: Cow::Borrowed("{}") }
    }
}

/// Serves until it is dropped.
pub(crate) async fn serve<H, F>(listener: TcpListener, handler: H)
where
    H: Fn(Message) -> F + Clone + Send + 'static,
    F: Future<Output: Into<Reply>> + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        // What fails here is a connection that a killed node has left.
        tokio::spawn(connection(stream, handler.clone()));
    }
}

async fn connection<H, F>(mut stream: TcpStream, handler: H) -> io::Result<()>
where
    H: Fn(Message) -> F,
    F: Future<Output: Into<Reply>>,
{
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(message) = read(&mut stream, &mut buffer).await? {
        let Reply { status, body } = handler(message).await.into();
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
