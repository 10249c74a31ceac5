//! `countersign infisical`: an operator's set-up of the Infisical family.

use super::read_text;
use crate::{client::Client, output::Output};
use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::Value;
use std::path::PathBuf;

/// Where the family takes such a document.
const APPLY: &str = "/api/v1/countersign/apply";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring projects, people, machines, groups and hosts into the state of a JSON document, and print the document
    /// with every id, and each secret that was made, filled in. What the document does not name stays as it is
    #[command(after_help = "Example:\n  countersign infisical apply setup.json --url http://127.0.0.1:8200")]
    Apply {
        /// The document, or - for standard input
        file: PathBuf,
    },
}

pub(crate) async fn run(command: Command, client: &Client) -> Result<Output> {
    let Command::Apply { file } = command;
    let document: Value = serde_json::from_str(&read_text(&file)?)
        .with_context(|| format!("{} is not JSON", file.display()))?;
    let applied = client.post(APPLY, &document).await?;
    Ok(Output {
        text: serde_json::to_string_pretty(&applied)? + "\n",
        json: applied,
    })
}
