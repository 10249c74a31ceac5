//! `countersign policy`: what tokens may do, in Vault's policy language.

use super::{delete, found, read_text};
use crate::{
    client::{Client, segment},
    output::Output,
};
use anyhow::Result;
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a policy: HCL or JSON from a file, or from standard input
    #[command(
        after_help = "Example:\n  echo 'path \"ssh/sign/me\" { capabilities = [\"update\"] }' | \
                            countersign policy write signer -"
    )]
    Write {
        /// Its name
        name: String,
        /// The file with its text, or - for standard input
        file: PathBuf,
    },
    /// Show the text of a policy
    #[command(after_help = "Example:\n  countersign policy read signer")]
    Read {
        /// Its name
        name: String,
    },
    /// List the names of all policies
    #[command(after_help = "Example:\n  countersign policy list")]
    List,
    /// Delete a policy: tokens that have it lose what it allowed
    #[command(after_help = "Example:\n  countersign policy delete signer")]
    Delete {
        /// Its name
        name: String,
    },
}

fn path(name: &str) -> String {
    format!("sys/policies/acl/{}", segment(name))
}

pub(crate) async fn run(command: Command, client: &Client) -> Result<Output> {
    match command {
        Command::Write { name, file } => {
            client
                .write(&path(&name), &json!({"policy": read_text(&file)?}))
                .await?;
            Ok(Output::sentence(
                format!("Policy {name} is written."),
                json!({"name": name}),
            ))
        }
        Command::Read { name } => {
            let answer = found(
                client.read(&path(&name)).await,
                &format!("policy {name}"),
                "policy list",
            )?;
            let text = answer["data"]["policy"].as_str().unwrap_or_default();
            Ok(Output::sentence(
                text.trim_end(),
                json!({"name": name, "policy": text}),
            ))
        }
        Command::List => {
            let names = client.list("sys/policies/acl").await?;
            Ok(Output::sentence(names.join("\n"), json!({"policies": names})))
        }
        Command::Delete { name } => {
            delete(client, &path(&name), &format!("policy {name}"), "policy list").await?;
            Ok(Output::sentence(
                format!("Policy {name} is gone."),
                json!({"name": name}),
            ))
        }
    }
}
