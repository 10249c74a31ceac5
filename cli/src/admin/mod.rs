//! The administration commands: one module for each noun.

pub(crate) mod admission;
pub(crate) mod authority;
pub(crate) mod certificate;
pub(crate) mod identity;
pub(crate) mod infisical;
pub(crate) mod policy;
pub(crate) mod token;
pub(crate) mod venafi;

use crate::client::{Client, is_absent, texts};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{fs, io::Read, path::Path};

/// Reads the text of a file, or of standard input for `-`.
fn read_text(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input cannot be read as text")?;
        return Ok(text);
    }
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Says instead of "not found" what was not found, and where to look.
fn found<T>(result: Result<T>, what: &str, list: &str) -> Result<T> {
    match result {
        Err(error) if is_absent(&error) => Err(anyhow::anyhow!(
            "there is no {what}; `countersign {list}` shows those that are there"
        )),
        other => other,
    }
}

/// Deletes what is at `path`. The API takes the deletion of what is not there for a success; whoever mistyped a name
/// would believe that it is gone.
async fn delete(client: &Client, path: &str, what: &str, list: &str) -> Result<()> {
    match client.read(path).await {
        Err(error) if is_absent(&error) => found(Err(error), what, list),
        // Whoever may delete need not be allowed to read.
        _ => client.delete(path).await.map(drop),
    }
}

/// What to warn of where `policies` names some that are not there, in the words of `token create`.
async fn missing_policies(client: &Client, policies: &[String]) -> Value {
    // Whoever may not list policies gets no warning.
    let Ok(answer) = client.read("sys/policies/acl?list=true").await else {
        return Value::Null;
    };
    let known = texts(&answer["data"]["keys"]);
    let warnings: Vec<Value> = policies
        .iter()
        .filter(|name| !known.contains(&name.to_lowercase()))
        .map(|name| format!("Policy {name:?} does not exist").into())
        .collect();
    if warnings.is_empty() {
        Value::Null
    } else {
        warnings.into()
    }
}
