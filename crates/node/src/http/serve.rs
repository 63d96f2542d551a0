//! The server: connections with bounds on their number, the time of a request's head and its size.

use std::sync::Arc;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::App;

/// The most that the head of a request may take, in bytes, and so the most that is buffered of it.
const HEAD: usize = 64 << 10;
/// Headers of a request.
const HEADERS: usize = 100;

/// Serves until the node stops; requests under way are answered.
pub(crate) async fn serve(listener: TcpListener, app: App) {
    let mut stop = app.stop.subscribe();
    let limits = &app.options.limits;
    let (head_timeout, room) = (limits.head_timeout, Arc::new(Semaphore::new(limits.connections)));
    let router = super::router(app);
    let graceful = GracefulShutdown::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(why) => {
                // Out of file descriptors, most often: it passes when connections end.
                tracing::warn!(%why, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        // Answers are small: waiting for more of them to send only costs time.
        let _ = stream.set_nodelay(true);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_headers(HEADERS)
            .max_buf_size(HEAD)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(why) = connection.await {
                tracing::trace!(%why, "a connection ended");
            }
            drop(permit);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}
