//! The administration commands: one module for each noun.

pub(crate) mod admission;
pub(crate) mod authority;
pub(crate) mod certificate;
pub(crate) mod identity;
pub(crate) mod infisical;
pub(crate) mod policy;
pub(crate) mod token;
pub(crate) mod venafi;

use crate::client::is_absent;
use anyhow::{Context, Result};
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
