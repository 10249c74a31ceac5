//! `countersign identity`: machine identities. Vault's clients know them as AppRoles; the client id is the role id.

use super::{delete, found, missing_policies};
use crate::{
    client::{Client, is_absent, segment},
    output::{Output, fields, shown},
};
use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an identity, and print its client id and its first secret: the only time that the secret is shown
    #[command(after_help = "Example:\n  countersign identity create ci --policy signer --ttl 1h")]
    Create {
        /// Its name
        name: String,
        /// Give its tokens this policy; may be repeated
        #[arg(long = "policy", value_name = "POLICY", required = true)]
        policies: Vec<String>,
        /// End its tokens after this time, for example 20m
        #[arg(long)]
        ttl: Option<String>,
    },
    /// List the names of all identities
    #[command(after_help = "Example:\n  countersign identity list")]
    List,
    /// Show an identity
    #[command(after_help = "Example:\n  countersign identity show ci")]
    Show {
        /// Its name
        name: String,
    },
    /// Delete an identity and its secrets
    #[command(after_help = "Example:\n  countersign identity delete ci")]
    Delete {
        /// Its name
        name: String,
    },
    /// The secrets of an identity
    #[command(subcommand, after_help = "Example:\n  countersign identity secret create ci")]
    Secret(Secret),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Make one more secret, and print it: the only time that it is shown
    #[command(after_help = "Example:\n  countersign identity secret create ci")]
    Create {
        /// The name of the identity
        name: String,
    },
}

fn path(name: &str) -> String {
    format!("auth/approle/role/{}", segment(name))
}

pub(crate) async fn run(command: Command, client: &Client) -> Result<Output> {
    match command {
        Command::Create { name, policies, ttl } => create(client, &name, &policies, ttl).await,
        Command::List => {
            let names = client.list("auth/approle/role").await?;
            let text = if names.is_empty() {
                "There are no identities.".into()
            } else {
                names.join("\n")
            };
            Ok(Output::sentence(text, json!({"identities": names})))
        }
        Command::Show { name } => show(client, &name).await,
        Command::Delete { name } => {
            delete(client, &path(&name), &format!("identity {name}"), "identity list").await?;
            Ok(Output::sentence(
                format!("Identity {name} is gone."),
                json!({"name": name}),
            ))
        }
        Command::Secret(Secret::Create { name }) => {
            let client_id = client_id(client, &name).await?;
            let secret = client
                .write(&format!("{}/secret-id", path(&name)), &json!({}))
                .await?;
            Ok(credentials(&name, &client_id, &secret["data"]))
        }
    }
}

async fn create(client: &Client, name: &str, policies: &[String], ttl: Option<String>) -> Result<Output> {
    match client.read(&path(name)).await {
        Ok(_) => bail!(
            "there is an identity {name} already: `countersign identity secret create {name}` makes one more secret"
        ),
        Err(error) if is_absent(&error) => {}
        Err(error) => return Err(error),
    }
    let mut request = json!({"token_policies": policies});
    if let Some(ttl) = ttl {
        request["token_ttl"] = ttl.into();
    }
    match client.write(&path(name), &request).await {
        // A new account has no place for identities yet.
        Err(error) if is_absent(&error) => {
            client
                .write("sys/auth/approle", &json!({"type": "approle"}))
                .await?;
            client.write(&path(name), &request).await?;
        }
        other => drop(other?),
    }
    let client_id = client_id(client, name).await?;
    let secret = client
        .write(&format!("{}/secret-id", path(name)), &json!({}))
        .await?;
    let mut made = secret["data"].clone();
    made["warnings"] = missing_policies(client, policies).await;
    Ok(credentials(name, &client_id, &made))
}

async fn client_id(client: &Client, name: &str) -> Result<String> {
    let answer = client.read(&format!("{}/role-id", path(name))).await;
    let answer = found(answer, &format!("identity {name}"), "identity list")?;
    Ok(shown(&answer["data"], "role_id"))
}

fn credentials(name: &str, client_id: &str, secret: &Value) -> Output {
    let mut json = json!({
        "name": name,
        "client_id": client_id,
        "client_secret": secret["secret_id"],
        "secret_accessor": secret["secret_id_accessor"],
    });
    if !secret["warnings"].is_null() {
        json["warnings"] = secret["warnings"].clone();
    }
    let text = fields([
        ("name", name.to_owned()),
        ("client id", client_id.to_owned()),
        ("client secret", shown(&json, "client_secret")),
        ("secret accessor", shown(&json, "secret_accessor")),
        ("warning", shown(&json, "warnings")),
    ]);
    Output { text, json }
}

async fn show(client: &Client, name: &str) -> Result<Output> {
    let answer = found(
        client.read(&path(name)).await,
        &format!("identity {name}"),
        "identity list",
    )?;
    let mut json = answer["data"].clone();
    json["name"] = name.into();
    json["client_id"] = client_id(client, name).await?.into();
    let secs = |member: &str| match json[member].as_u64() {
        None | Some(0) => String::new(),
        Some(secs) => format!("{secs} seconds"),
    };
    let text = fields([
        ("name", name.to_owned()),
        ("client id", shown(&json, "client_id")),
        ("policies", shown(&json, "token_policies")),
        ("token duration", secs("token_ttl")),
        ("longest duration", secs("token_max_ttl")),
    ]);
    Ok(Output { text, json })
}
