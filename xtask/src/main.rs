//! Tasks: `cargo xtask openapi` writes the OpenAPI documents anew, `cargo xtask bench` measures.

#![allow(clippy::disallowed_methods, reason = "tasks read the environment")]

mod bench;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{env, fs, path::Path};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["openapi"] => openapi(),
        ["bench", options @ ..]
            if options
                .iter()
                .all(|option| ["--quick", "--json"].contains(option)) =>
        {
            bench::run(options, repository())
        }
        _ => bail!("usage: cargo xtask openapi | cargo xtask bench [--quick] [--json]"),
    }
}

fn openapi() -> Result<()> {
    write("infisical", &countersign_infisical::openapi::document())?;
    write("ngrok", &countersign_ngrok::openapi::document())?;
    write("venafi", &countersign_venafi::openapi::document())
}

/// Keeps the document of a family.
fn write(family: &str, document: &Value) -> Result<()> {
    let path = repository().join(format!("functions/{family}/openapi.json"));
    let text = serde_json::to_string_pretty(document)?;
    fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

fn repository() -> &'static Path {
    let task = Path::new(env!("CARGO_MANIFEST_DIR"));
    task.parent().unwrap_or(task)
}
