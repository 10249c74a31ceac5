//! Tasks: `cargo xtask openapi` writes the OpenAPI documents anew, `cargo xtask coverage` says which tests show what the
//! founding documents name, `cargo xtask bench` measures, `cargo xtask instructions` counts, and `cargo xtask package` builds the Lambda functions as they
//! are released.

#![allow(clippy::disallowed_methods, reason = "tasks read the environment")]

mod bench;
mod coverage;
#[cfg(test)]
mod documents;
mod package;
mod test_functions;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{env, fs, path::Path};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["openapi"] => openapi(),
        ["coverage"] | ["coverage", "--check"] => coverage::run(&arguments[1..], repository()),
        ["bench", options @ ..]
            if options
                .iter()
                .all(|option| ["--quick", "--json"].contains(option)) =>
        {
            bench::run(options, repository())
        }
        ["instructions"] => bench::instructions(repository()),
        ["package"] => package::run("arm64", repository()),
        ["package", "--x86-64"] => package::run("x86-64", repository()),
        _ => bail!(
            "usage: cargo xtask openapi | coverage [--check] | bench [--quick] [--json] | instructions | package \
             [--x86-64]"
        ),
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
