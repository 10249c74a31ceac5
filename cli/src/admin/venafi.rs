//! `countersign venafi`: the templates of the Venafi family.

use super::{found, read_text};
use crate::{
    client::Client,
    output::{Output, fields, shown, table},
};
use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Where the routes begin.
const PATH: &str = "/vedsdk/SSHCertificates/Template";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The templates: what a CA signs for whom
    #[command(subcommand, after_help = "Example:\n  countersign venafi template list")]
    Template(Template),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Template {
    /// Make a template from a JSON document, with a CA key of its own unless the document names an authority
    #[command(
        after_help = "Example:\n  echo '{\"Name\": \"users\", \"AccessControl\": {\"AllowedPrincipalsPatterns\": \
                      [\"ubuntu\"]}}' | countersign venafi template create -"
    )]
    Create {
        /// The document, or - for standard input
        file: PathBuf,
    },
    /// Change a template: each section of the JSON document takes the place of the old one
    #[command(after_help = "Example:\n  countersign venafi template update users.json")]
    Update {
        /// The document, with the template's Name, DN or Guid; or - for standard input
        file: PathBuf,
    },
    /// Delete a template of which no certificate is valid any more
    #[command(after_help = "Example:\n  countersign venafi template delete users")]
    Delete {
        /// Its name
        name: String,
    },
    /// List the templates that the token may use
    #[command(after_help = "Example:\n  countersign venafi template list")]
    List,
    /// Show a template, with the CA key that hosts or users must trust
    #[command(after_help = "Example:\n  countersign venafi template show users")]
    Show {
        /// Its name
        name: String,
    },
}

pub(crate) async fn run(command: Command, client: &Client) -> Result<Output> {
    let Command::Template(command) = command;
    match command {
        Template::Create { file } => {
            let made = client.post(&format!("{PATH}/Create"), &document(&file)?).await?;
            Ok(name(&made))
        }
        Template::Update { file } => {
            let changed = client.post(&format!("{PATH}/Update"), &document(&file)?).await?;
            Ok(name(&changed))
        }
        Template::Delete { name } => {
            let gone = client
                .post(&format!("{PATH}/Delete"), &json!({"Name": name}))
                .await;
            let gone = found(gone, &format!("template {name}"), "venafi template list")?;
            Ok(Output::sentence(format!("Template {name} is gone."), gone))
        }
        Template::List => list(client).await,
        Template::Show { name } => show(client, &name).await,
    }
}

fn document(file: &Path) -> Result<Value> {
    serde_json::from_str(&read_text(file)?).with_context(|| format!("{} is not JSON", file.display()))
}

fn name(template: &Value) -> Output {
    Output {
        text: fields([("DN", shown(template, "DN")), ("Guid", shown(template, "Guid"))]),
        json: template.clone(),
    }
}

async fn list(client: &Client) -> Result<Output> {
    let templates = client.get(&format!("{PATH}/Available")).await?;
    let all = templates.as_array().cloned().unwrap_or_default();
    let rows: Vec<_> = all
        .iter()
        .map(|template| [shown(template, "DN"), shown(template, "Guid")])
        .collect();
    let text = table(
        ["DN", "GUID"],
        &rows,
        "There are no templates: `countersign venafi template create` makes one.",
    );
    Ok(Output {
        text,
        json: templates,
    })
}

async fn show(client: &Client, name: &str) -> Result<Output> {
    let answer = client
        .post(&format!("{PATH}/Retrieve"), &json!({"DN": name}))
        .await;
    let template = found(answer, &format!("template {name}"), "venafi template list")?;
    Ok(Output {
        text: serde_json::to_string_pretty(&template)? + "\n",
        json: template,
    })
}
