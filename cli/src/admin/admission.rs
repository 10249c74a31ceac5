//! `countersign admission`: callers whom API Gateway knows, and what they may do without a token.

use super::{delete, found, missing_policies};
use crate::{
    client::{Client, segment},
    output::{Output, fields, shown, table},
};
use anyhow::Result;
use clap::{ArgGroup, Subcommand};
use countersign::types::timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where the routes begin.
const PATH: &str = "sys/countersign/admissions";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Let an IAM role or user, or the holders of certain JSON web tokens, in with these policies
    #[command(
        group(ArgGroup::new("whom").required(true)),
        after_help = "Examples:\n  countersign admission create --iam arn:aws:iam::123456789012:role/deployer --policy signer\n  \
                      countersign admission create --jwt-issuer https://token.actions.githubusercontent.com \\\n      \
                      --claim repository=acme/deploy --require ref=refs/heads/main --policy signer"
    )]
    Create {
        /// The ARN of the role or the user
        #[arg(long, value_name = "ARN", group = "whom")]
        iam: Option<String>,
        /// Who issued the JSON web token
        #[arg(long, value_name = "URL", group = "whom", requires = "claim")]
        jwt_issuer: Option<String>,
        /// What the token says: sub, client_id, azp or repository, and the value
        #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, requires = "jwt_issuer")]
        claim: Option<(String, String)>,
        /// What it must say besides; may be repeated
        #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair, requires = "jwt_issuer")]
        require: Vec<(String, String)>,
        /// Give them this policy; may be repeated
        #[arg(long = "policy", value_name = "POLICY", required = true)]
        policies: Vec<String>,
    },
    /// List all admissions
    #[command(after_help = "Example:\n  countersign admission list")]
    List,
    /// Show an admission
    #[command(after_help = "Example:\n  countersign admission show 0123456789abcdef0123456789abcdef")]
    Show {
        /// Its id
        id: String,
    },
    /// Let them in no more, from the next request on
    #[command(after_help = "Example:\n  countersign admission delete 0123456789abcdef0123456789abcdef")]
    Delete {
        /// Its id
        id: String,
    },
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.into(), value.into())),
        _ => Err("NAME=VALUE".into()),
    }
}

pub(crate) async fn run(command: Command, client: &Client) -> Result<Output> {
    match command {
        Command::Create {
            iam,
            jwt_issuer,
            claim,
            require,
            policies,
        } => {
            let mut request = json!({"policies": policies});
            if let Some(arn) = iam {
                request["arn"] = arn.into();
            }
            if let (Some(issuer), Some((name, value))) = (jwt_issuer, claim) {
                request["issuer"] = issuer.into();
                request["claim"] = name.into();
                request["value"] = value.into();
                request["claims"] = json!(require.into_iter().collect::<BTreeMap<_, _>>());
            }
            let mut made = client.write(PATH, &request).await?["data"].clone();
            let warnings = missing_policies(client, &policies).await;
            if !warnings.is_null() {
                made["warnings"] = warnings;
            }
            Ok(one(&made))
        }
        Command::List => list(client).await,
        Command::Show { id } => {
            let answer = client.read(&format!("{PATH}/{}", segment(&id))).await;
            Ok(one(
                &found(answer, &format!("admission {id}"), "admission list")?["data"]
            ))
        }
        Command::Delete { id } => {
            delete(
                client,
                &format!("{PATH}/{}", segment(&id)),
                &format!("admission {id}"),
                "admission list",
            )
            .await?;
            Ok(Output::sentence(
                format!("Admission {id} is gone."),
                json!({"id": id}),
            ))
        }
    }
}

/// Whom it is for, in one text.
fn whom(admission: &Value) -> String {
    match admission["arn"].as_str() {
        Some(arn) => arn.to_owned(),
        None => format!(
            "{} {}={}",
            shown(admission, "issuer"),
            shown(admission, "claim"),
            shown(admission, "value")
        ),
    }
}

fn claims(admission: &Value) -> String {
    let claims = admission["claims"].as_object().into_iter().flatten();
    let claims: Vec<String> = claims
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    claims.join(", ")
}

fn one(admission: &Value) -> Output {
    let text = fields([
        ("id", shown(admission, "id")),
        ("whom", whom(admission)),
        ("required", claims(admission)),
        ("policies", shown(admission, "policies")),
        (
            "created",
            admission["created_at"]
                .as_u64()
                .map(timestamp::render)
                .unwrap_or_default(),
        ),
        ("warning", shown(admission, "warnings")),
    ]);
    Output {
        text,
        json: admission.clone(),
    }
}

async fn list(client: &Client) -> Result<Output> {
    let answer = client.read(PATH).await?;
    let admissions = answer["data"]["admissions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let row = |admission: &Value| {
        [
            shown(admission, "id"),
            whom(admission),
            claims(admission),
            shown(admission, "policies"),
        ]
    };
    let rows: Vec<_> = admissions.iter().map(row).collect();
    let text = table(
        ["ID", "WHOM", "REQUIRED", "POLICIES"],
        &rows,
        "Nobody is admitted without a token.",
    );
    Ok(Output {
        text,
        json: json!({"admissions": admissions}),
    })
}
