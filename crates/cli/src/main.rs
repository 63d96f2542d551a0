//! The `ensue` binary: one program for the engine and for the person in front of it.
//!
//! What it is: flags ([`args`]), one client of the API ([`client`]), one place where errors become an exit code and a
//! hint ([`errors`]), one way to print ([`output`]), and a file for each command. What it is not: a place for decisions;
//! everything it shows comes from the engine.

mod args;
mod client;
mod commands;
mod errors;
mod output;

use std::process::ExitCode;

use clap::Parser as _;

#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let args = args::Args::parse();
    // One provider of cryptography for the whole program; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let output = output::Output::new(args.output);
    match commands::run(args, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
