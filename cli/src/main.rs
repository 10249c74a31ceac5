//! The `countersign` command: the local server, and the administration of servers and deployments.

mod admin;
mod args;
mod client;
mod decoded;
mod output;
mod serve;
mod tables;
mod time;

use admin::{admission, authority, certificate, identity, infisical, policy, token, venafi};
use anyhow::Result;
use args::{Administration, Arguments, Command, Environment};
use clap::{Parser, Subcommand};
use client::Client;
use output::Output;
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
        Command::Token(noun) => administer(noun, &environment, token::run).await,
        Command::Policy(noun) => administer(noun, &environment, policy::run).await,
        Command::Authority(noun) => administer(noun, &environment, authority::run).await,
        Command::Admission(noun) => administer(noun, &environment, admission::run).await,
        Command::Identity(noun) => administer(noun, &environment, identity::run).await,
        Command::Certificate(noun) => administer(noun, &environment, certificate::run).await,
        Command::Infisical(noun) => administer(noun, &environment, infisical::run).await,
        Command::Venafi(noun) => administer(noun, &environment, venafi::run).await,
    }
}

async fn administer<C: Subcommand>(
    noun: Administration<C>,
    environment: &Environment,
    verb: impl AsyncFnOnce(C, &Client) -> Result<Output>,
) -> Result<()> {
    let client = Client::open(&noun.target, environment).await?;
    let output = verb(noun.command, &client).await?;
    let text = output.render(noun.target.json);
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has seen enough, as `head` has.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
