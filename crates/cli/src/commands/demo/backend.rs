//! Git over HTTP: git's own `git-http-backend`, called for each request as a web server calls it (RFC 3875, CGI/1.1;
//! git-http-backend(1)).

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::messages::listen;
use crate::errors::Error;

/// The largest push that is taken.
const LARGEST: usize = 64 << 20;

struct Served {
    program: PathBuf,
    root: PathBuf,
}

/// Serves the bare repositories of a folder on a free port; the address. Whoever asks may push: it is a demonstration on
/// a loopback address.
pub(super) async fn serve(program: PathBuf, root: &Path) -> Result<String, Error> {
    let served = Arc::new(Served { program, root: root.to_path_buf() });
    listen(Router::new().fallback(answer).layer(DefaultBodyLimit::max(LARGEST)).with_state(served)).await
}

async fn answer(
    State(served): State<Arc<Served>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match call(&served, &method, &uri, &headers, &body).await {
        Ok(output) => response(&output),
        Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, why.to_string()).into_response(),
    }
}

async fn call(
    served: &Served,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<u8>, std::io::Error> {
    let given = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut child = Command::new(&served.program)
        .env("GIT_PROJECT_ROOT", &served.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("REQUEST_METHOD", method.as_str())
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", given(header::CONTENT_TYPE.as_str()))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", given(header::CONTENT_ENCODING.as_str()))
        .env("GIT_PROTOCOL", given("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        // Who is known may push.
        .env("REMOTE_USER", "ada")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let input = child.stdin.take();
    let feed = async {
        if let Some(mut input) = input {
            // A backend that has refused reads no more; its answer says why.
            let _ = input.write_all(body).await;
        }
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), feed);
    Ok(output?.stdout)
}

/// The answer of a CGI program: headers, `Status` among them, an empty line, the body.
fn response(output: &[u8]) -> Response {
    let end = output.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = output.split_at(end.map_or(0, |end| end + 4));
    let mut status = StatusCode::OK;
    let mut headers = HeaderMap::new();
    for line in String::from_utf8_lossy(head).lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().and_then(|code| code.parse().ok());
            status = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        } else if let (Ok(name), Ok(value)) = (name.parse::<header::HeaderName>(), value.parse()) {
            headers.insert(name, value);
        }
    }
    (status, headers, body.to_vec()).into_response()
}
