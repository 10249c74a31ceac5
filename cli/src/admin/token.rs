//! `countersign token`: who may call the certificate authority.

use crate::{
    client::{Client, Refused, texts},
    output::{Output, fields, shown, table},
};
use anyhow::{Result, bail};
use clap::{ArgGroup, Subcommand};
use countersign::types::timestamp;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token, and print it: the only time that it is shown
    #[command(
        group(ArgGroup::new("may").required(true).multiple(true)),
        after_help = "Examples:\n  countersign token create --policy signer --ttl 8h --display-name ci\n  \
                      countersign token create --root --table-prefix prod"
    )]
    Create {
        /// Give it this policy; may be repeated
        #[arg(long = "policy", value_name = "POLICY", group = "may")]
        policies: Vec<String>,
        /// Give it the policy that allows everything
        #[arg(long, group = "may")]
        root: bool,
        /// End it after this time, for example 8h or 7d
        #[arg(long)]
        ttl: Option<String>,
        /// Name its owner, for the log and the records of certificates
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// Let it outlive the token that makes it
        #[arg(long)]
        orphan: bool,
    },
    /// Show what is known of a token: of your own unless another is given
    #[command(
        after_help = "Example:\n  countersign token lookup --accessor 8609694a-cdbc-db9b-d345-e782dbb562ed"
    )]
    Lookup {
        /// The token
        #[arg(value_name = "TOKEN")]
        other: Option<String>,
        /// The accessor of the token, as records and the log name it
        #[arg(long, conflicts_with = "other")]
        accessor: Option<String>,
    },
    /// End a token, and all that were made with it
    #[command(
        group(ArgGroup::new("which").required(true)),
        after_help = "Example:\n  countersign token revoke --accessor 8609694a-cdbc-db9b-d345-e782dbb562ed"
    )]
    Revoke {
        /// The token
        #[arg(value_name = "TOKEN", group = "which")]
        other: Option<String>,
        /// The accessor of the token, as records and the log name it
        #[arg(long, group = "which")]
        accessor: Option<String>,
    },
    /// List all tokens by their accessors, newest first
    #[command(after_help = "Example:\n  countersign token list --json")]
    List,
}

pub(crate) async fn run(command: Command, client: &Client) -> Result<Output> {
    match command {
        Command::Create {
            policies,
            root,
            ttl,
            display_name,
            orphan,
        } => {
            let policies = if root { vec!["root".to_owned()] } else { policies };
            if root {
                client.seed().await?;
            }
            create(client, &policies, ttl, display_name, orphan).await
        }
        Command::Lookup { other, accessor } => lookup(client, other, accessor).await,
        Command::Revoke { other, accessor } => revoke(client, other, accessor).await,
        Command::List => list(client).await,
    }
}

async fn create(
    client: &Client,
    policies: &[String],
    ttl: Option<String>,
    display_name: Option<String>,
    orphan: bool,
) -> Result<Output> {
    let mut request = json!({"policies": policies});
    if let Some(ttl) = ttl {
        request["ttl"] = ttl.into();
    }
    if let Some(display_name) = display_name {
        request["display_name"] = display_name.into();
    }
    if orphan {
        request["no_parent"] = true.into();
    }
    let answer = client.write("auth/token/create", &request).await?;
    let mut token = answer["auth"].clone();
    token["warnings"] = answer["warnings"].clone();
    let text = fields([
        ("token", shown(&token, "client_token")),
        ("accessor", shown(&token, "accessor")),
        ("policies", shown(&token, "policies")),
        ("duration", duration(&token["lease_duration"])),
        ("warning", shown(&token, "warnings")),
    ]);
    Ok(Output { text, json: token })
}

async fn lookup(client: &Client, other: Option<String>, accessor: Option<String>) -> Result<Output> {
    let answer = match (other, accessor) {
        (Some(token), _) => {
            client
                .write("auth/token/lookup", &json!({"token": token}))
                .await?
        }
        (None, Some(accessor)) => lookup_accessor(client, &accessor).await?,
        (None, None) if client.has_token() => client.read("auth/token/lookup-self").await?,
        (None, None) => bail!("say which token: give it, or its --accessor"),
    };
    let token = answer["data"].clone();
    let text = fields([
        ("accessor", shown(&token, "accessor")),
        ("display name", shown(&token, "display_name")),
        ("policies", shown(&token, "policies")),
        ("created", moment(&token["creation_time"])),
        ("expires", expiry(&token)),
        ("path", shown(&token, "path")),
    ]);
    Ok(Output { text, json: token })
}

async fn lookup_accessor(client: &Client, accessor: &str) -> Result<Value> {
    let answer = client
        .write("auth/token/lookup-accessor", &json!({"accessor": accessor}))
        .await;
    known(answer, accessor)
}

/// Vault answers 403 about an accessor that nobody has.
fn known<T>(result: Result<T>, accessor: &str) -> Result<T> {
    match result {
        Err(error) if is_unknown(&error) => bail!(no_accessor(accessor)),
        other => other,
    }
}

fn no_accessor(accessor: &str) -> String {
    format!("no token has the accessor {accessor}; `countersign token list` shows those that are there")
}

fn is_unknown(error: &anyhow::Error) -> bool {
    has_reason(error, "invalid accessor")
}

fn has_reason(error: &anyhow::Error, reason: &str) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|refused| refused.errors.iter().any(|text| text.contains(reason)))
}

async fn revoke(client: &Client, other: Option<String>, accessor: Option<String>) -> Result<Output> {
    match (other, accessor) {
        (Some(token), _) => {
            // The API takes the revocation of what is not there for a success. Whoever may revoke need not be allowed
            // to look up.
            let request = json!({"token": token});
            match client.write("auth/token/lookup", &request).await {
                Err(error) if has_reason(&error, "bad token") => {
                    bail!(
                        "there is no such token; `countersign token list` shows the accessors of those that are there"
                    )
                }
                _ => client.write("auth/token/revoke", &request).await?,
            };
        }
        (None, accessor) => {
            let accessor = accessor.unwrap_or_default();
            let answer = client
                .write("auth/token/revoke-accessor", &json!({"accessor": accessor}))
                .await;
            let warnings = texts(&known(answer, &accessor)?["warnings"]);
            if warnings.iter().any(|text| text.contains("No token found")) {
                bail!(no_accessor(&accessor));
            }
        }
    }
    Ok(Output::sentence(
        "The token is revoked.",
        json!({"revoked": true}),
    ))
}

async fn list(client: &Client) -> Result<Output> {
    let mut tokens = Vec::new();
    for accessor in client.list("auth/token/accessors").await? {
        match client
            .write("auth/token/lookup-accessor", &json!({"accessor": accessor}))
            .await
        {
            Ok(answer) => tokens.push(answer["data"].clone()),
            // It ended since it was listed.
            Err(error) if is_unknown(&error) => {}
            Err(error) => return Err(error),
        }
    }
    tokens.sort_by_key(|token| std::cmp::Reverse(token["creation_time"].as_u64()));
    let row = |token: &Value| {
        [
            shown(token, "accessor"),
            shown(token, "display_name"),
            shown(token, "policies"),
            moment(&token["creation_time"]),
            expiry(token),
        ]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    let text = table(
        ["ACCESSOR", "DISPLAY NAME", "POLICIES", "CREATED", "EXPIRES"],
        &rows,
        "There are no tokens.",
    );
    Ok(Output {
        text,
        json: json!({"tokens": tokens}),
    })
}

fn expiry(token: &Value) -> String {
    match token["expire_time"].as_str() {
        Some(text) => text.to_owned(),
        None => "never".into(),
    }
}

fn moment(unix_secs: &Value) -> String {
    unix_secs.as_u64().map(timestamp::render).unwrap_or_default()
}

fn duration(secs: &Value) -> String {
    match secs.as_u64() {
        None | Some(0) => "without end".into(),
        Some(secs) => format!("{secs} seconds"),
    }
}
