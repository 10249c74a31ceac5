//! The `countersign` command: the local server.

mod args;
mod serve;

use anyhow::Result;
use args::{Arguments, Command, Environment};
use clap::Parser;
use std::{io::Write, process::ExitCode};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell where standard error is closed.
            let _ = writeln!(std::io::stderr(), "countersign: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let environment = Environment::read();
    match arguments.command {
        Command::Serve(arguments) => serve::run(arguments, &environment).await,
    }
}
