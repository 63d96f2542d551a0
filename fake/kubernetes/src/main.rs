//! The fake by hand: `cargo run -p fake-kubernetes -- [ADDRESS]` prints a kubeconfig and serves until it is stopped.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let Ok(address) = address.parse() else {
        eprintln!("fake-kubernetes: {address:?} is no address; write one such as 127.0.0.1:8001");
        return ExitCode::from(2);
    };
    let Err(error) = fake_kubernetes::serve_by_hand(address).await;
    eprintln!("fake-kubernetes: cannot serve on {address}: {error}");
    ExitCode::FAILURE
}
