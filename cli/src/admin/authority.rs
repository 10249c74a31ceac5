//! `countersign authority`: the CA keys of an account, which all families share.

use super::{found, read_text};
use crate::{
    client::{Client, segment},
    output::{Output, fields, shown, table},
};
use anyhow::{Result, anyhow};
use clap::Subcommand;
use countersign::{authority::KeySpec, types::timestamp};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Where the routes begin.
const PATH: &str = "sys/countersign/authorities";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an authority with a new key, which never leaves its keeper
    #[command(
        after_help = "Example:\n  countersign authority create --key-spec ED25519 --description 'for staging'"
    )]
    Create {
        /// ED25519, P256, P384, P521, RSA_2048, RSA_3072, RSA_4096, or KMS's own name of one of them
        #[arg(long, value_parser = parse_key_spec, default_value = "ED25519")]
        key_spec: KeySpec,
        /// Free text
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Make an authority with a private key from outside, which is kept encrypted
    #[command(after_help = "Example:\n  countersign authority import ./ca_key --description 'the old CA'")]
    Import {
        /// The private key, as ssh-keygen or openssl write it, without passphrase; or - for standard input
        file: PathBuf,
        /// Free text
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Make an authority of a KMS key that exists already
    #[command(after_help = "Example:\n  countersign authority bind alias/ssh-ca")]
    Bind {
        /// The key's id, ARN or alias
        kms_key: String,
        /// Free text
        #[arg(long, default_value = "")]
        description: String,
    },
    /// List all authorities, oldest first
    #[command(after_help = "Example:\n  countersign authority list")]
    List,
    /// Show an authority, with the public key that hosts must trust
    #[command(after_help = "Example:\n  countersign authority show sshca_2rwwl2T6kKDNklNsSXGf3D53Kpj")]
    Show {
        /// Its id
        id: String,
    },
    /// Let an authority sign no more: what it signed stays valid
    #[command(after_help = "Example:\n  countersign authority retire sshca_2rwwl2T6kKDNklNsSXGf3D53Kpj")]
    Retire {
        /// Its id
        id: String,
    },
}

/// Reads KMS's names, and those that people use.
fn parse_key_spec(text: &str) -> Result<KeySpec, String> {
    let name = text.to_ascii_uppercase().replace('-', "_");
    let short = match name.as_str() {
        "ED25519" => Some(KeySpec::Ed25519),
        "P256" => Some(KeySpec::P256),
        "P384" => Some(KeySpec::P384),
        "P521" => Some(KeySpec::P521),
        _ => None,
    };
    short
        .or_else(|| KeySpec::from_name(&name))
        .ok_or_else(|| "one of ED25519, P256, P384, P521, RSA_2048, RSA_3072, RSA_4096".to_owned())
}

pub(crate) async fn run(command: Command, client: &Client) -> Result<Output> {
    match command {
        Command::Create {
            key_spec,
            description,
        } => {
            create(
                client,
                &json!({"key_spec": key_spec.name(), "description": description}),
            )
            .await
        }
        Command::Import { file, description } => {
            client.check_sealing()?;
            create(
                client,
                &json!({"private_key": read_text(&file)?, "description": description}),
            )
            .await
        }
        Command::Bind { kms_key, description } => {
            create(client, &json!({"kms_key": kms_key, "description": description})).await
        }
        Command::List => list(client).await,
        Command::Show { id } => {
            let answer = client.read(&format!("{PATH}/{}", segment(&id))).await;
            Ok(one(
                &found(answer, &format!("authority {id}"), "authority list")?["data"]
            ))
        }
        Command::Retire { id } => {
            let answer = client
                .write(&format!("{PATH}/{}/retire", segment(&id)), &json!({}))
                .await;
            Ok(one(
                &found(answer, &format!("authority {id}"), "authority list")?["data"]
            ))
        }
    }
}

async fn create(client: &Client, request: &Value) -> Result<Output> {
    Ok(one(&client.write(PATH, request).await?["data"]))
}

fn one(authority: &Value) -> Output {
    let text = fields([
        ("id", shown(authority, "id")),
        ("state", shown(authority, "state")),
        ("custody", shown(authority, "custody")),
        ("KMS key", shown(authority, "kms_key")),
        ("created", created(authority)),
        ("description", shown(authority, "description")),
        ("fingerprint", shown(authority, "fingerprint")),
        ("public key", shown(authority, "public_key")),
    ]);
    Output {
        text,
        json: authority.clone(),
    }
}

async fn list(client: &Client) -> Result<Output> {
    let answer = client.read(PATH).await?;
    let authorities = answer["data"]["authorities"]
        .as_array()
        .cloned()
        .ok_or_else(|| anyhow!("the server's answer holds no authorities: is it a countersign server?"))?;
    let row = |authority: &Value| {
        [
            shown(authority, "id"),
            shown(authority, "state"),
            shown(authority, "custody"),
            created(authority),
            shown(authority, "public_key")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
            shown(authority, "description"),
        ]
    };
    let rows: Vec<_> = authorities.iter().map(row).collect();
    let headings = ["ID", "STATE", "CUSTODY", "CREATED", "KEY", "DESCRIPTION"];
    let text = table(
        headings,
        &rows,
        "There are no authorities: `countersign authority create` makes one.",
    );
    Ok(Output {
        text,
        json: json!({"authorities": authorities}),
    })
}

fn created(authority: &Value) -> String {
    authority["created_at"]
        .as_u64()
        .map(timestamp::render)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_specs_are_read_in_both_spellings() {
        for spec in KeySpec::ALL {
            assert_eq!(parse_key_spec(spec.name()), Ok(spec));
        }
        for (text, spec) in [
            ("ed25519", KeySpec::Ed25519),
            ("p384", KeySpec::P384),
            ("rsa-4096", KeySpec::Rsa4096),
            ("RSA_2048", KeySpec::Rsa2048),
        ] {
            assert_eq!(parse_key_spec(text), Ok(spec), "{text}");
        }
        assert!(parse_key_spec("RSA_1024").is_err());
    }
}
